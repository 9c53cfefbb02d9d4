"""The job on spark-submit, from this checkout."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pyspark

from progress_exhaust.java import java_home

CHECKOUT = Path(__file__).parents[2]
REAL_JOB = CHECKOUT / "jobs" / "run_progress_exhaust.py"
SPARK_HOME = Path(pyspark.__file__).parent


def submit(job: Path = REAL_JOB) -> list[str]:
    """The command that starts a job; the job's arguments come after it."""
    return [str(SPARK_HOME / "bin" / "spark-submit"), "--master", "local[2,4]", "--driver-memory", "1g", str(job)]


def submit_variables() -> dict[str, str]:
    """The variables that spark-submit needs."""
    return {
        "JAVA_HOME": str(java_home(os.environ)),
        "SPARK_HOME": str(SPARK_HOME),
        "SPARK_LOCAL_IP": "127.0.0.1",
        "PYSPARK_PYTHON": sys.executable,
        "PYTHONPATH": str(CHECKOUT),
    }
