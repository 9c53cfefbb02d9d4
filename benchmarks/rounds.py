"""Variants measured in turn, round by round, so that what else the machine does falls on all of them alike."""

from __future__ import annotations

import os
import resource
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pyspark.sql import SparkSession

WARM_UP_ROUNDS = 2
"""Rounds before those that count: until then Java still compiles much of what runs."""

Figures = dict[str, float]
"""What one run of a variant came to, by name; `total_s` is always among it."""


def interleaved(variants: Mapping[str, Callable[[], Figures]], rounds: int) -> dict[str, list[Figures]]:
    """Run each variant once a round. What has to be warm is run so before, in a round whose figures do not count."""
    taken: dict[str, list[Figures]] = {name: [] for name in variants}
    for number in range(1, rounds + 1):
        for name, run in variants.items():
            figures = run()
            taken[name].append(figures)
            print(f"round {number} of {rounds}: {name}: {figures['total_s']} s", flush=True)
    return taken


def medians(runs: Sequence[Figures]) -> Figures:
    """Return the median of each figure over the rounds."""
    return {name: round(statistics.median(run[name] for run in runs), 3) for name in runs[0]}


def ratio(ours: Sequence[Figures], theirs: Sequence[Figures], figure: str = "total_s") -> float:
    """Return the median over the rounds of our figure divided by theirs of the same round."""
    pairs = zip(ours, theirs, strict=True)
    return round(statistics.median(own[figure] / other[figure] for own, other in pairs), 3)


def measured(spark: SparkSession, work: Callable[[], object]) -> Figures:
    """Do the work; return its seconds, the CPU seconds of the driver (all, and its JVM's alone), and Spark's jobs."""
    jobs, jvm_cpu_s, python_cpu_s, begin = jobs_so_far(spark), _jvm_cpu_s(spark), _python_cpu_s(), time.monotonic()
    work()
    total_s, of_jvm, of_python = time.monotonic() - begin, _jvm_cpu_s(spark) - jvm_cpu_s, _python_cpu_s() - python_cpu_s
    return {
        "total_s": round(total_s, 3),
        "cpu_s": round(of_jvm + of_python, 2),
        "jvm_cpu_s": round(of_jvm, 2),
        "jobs": jobs_so_far(spark) - jobs,
    }


def jobs_so_far(spark: SparkSession) -> int:
    """Return how many jobs the session has begun."""
    return int(spark._jsc.sc().dagScheduler().numTotalJobs())


def jvm_process_id(spark: SparkSession) -> int:
    """Return the process id of the session's JVM."""
    jvm: Any = spark._jvm
    return int(jvm.java.lang.ProcessHandle.current().pid())


def _jvm_cpu_s(spark: SparkSession) -> float:
    """Return the CPU seconds of the JVM and of its children: Hadoop's local file system starts one for each file."""
    fields = Path(f"/proc/{jvm_process_id(spark)}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


def _python_cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime
