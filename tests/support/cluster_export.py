"""Exports with executors in processes of their own; started as a process by `test_executors`.

Arguments: files of settings, one a run. Says on a line of its own when each run is over.
"""

from __future__ import annotations

import sys
from pathlib import Path

from py4j.protocol import Py4JJavaError
from pyspark.sql import SparkSession

from progress_exhaust.settings.sections import Settings
from progress_exhaust.spark.private import of_this_process
from progress_exhaust.spark.session import start_session
from tests.support.whole_runs import run_export


def main(files: list[str]) -> None:
    every = [Settings.model_validate_json(Path(file).read_text(encoding="utf-8")) for file in files]
    spark = start_session(every[0], of_this_process())
    print("python" if executors_have_python(spark) else "no python", flush=True)
    for settings in every:
        exported = run_export(spark, settings)
        print(f"made {len(exported.outcome.made)}", flush=True)
    spark.stop()


def executors_have_python(spark: SparkSession) -> bool:
    try:
        return spark.sparkContext.parallelize([1]).map(lambda number: number + 1).sum() == 2
    except Py4JJavaError:
        return False


if __name__ == "__main__":
    main(sys.argv[1:])
