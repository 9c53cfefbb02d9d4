"""What Spark, Parquet and the disk say in a failed job is read as whose fault it is; no JVM is asked."""

from __future__ import annotations

import pytest
from pyspark.errors import PySparkException

from progress_exhaust.errors import ComputeError, DataShapeError, OutputError, ProgressExhaustError, SourceError
from progress_exhaust.export.spark_errors import classify
from progress_exhaust.settings.sections import OutputSettings, Settings
from progress_exhaust.tables.blame import Blame, blame_text

SETTINGS = Settings(output=OutputSettings(url="/reports"))
BEGINNING = "org.apache.spark.SparkException: Job aborted due to stage failure: Task 3 in stage 7.0 failed 4 times\n"

FAILURES: dict[str, tuple[str, type[ProgressExhaustError], str]] = {
    "line": (
        blame_text(Blame("sunbird.user", "file:///s/sunbird.user/a%20b.jsonl")),
        DataShapeError,
        "reading file file:///s/sunbird.user/a b.jsonl: a line is not a JSON object, or has a value that does not fit "
        "its column; mend the file",
    ),
    "Parquet": (
        "Parquet column cannot be converted in file file:///s/a.parquet. Column: [progress], Expected: int, Found: "
        "BINARY.",
        DataShapeError,
        "reading file file:///s/a.parquet: column progress is BINARY, expected int; mend the file",
    ),
    "disk": (
        "java.io.IOException: No space left on device",
        OutputError,
        "writing to /reports or Spark's local folders: no space left; free some and run again",
    ),
    "quota": (
        "java.io.IOException: Disk quota exceeded",
        OutputError,
        "writing to /reports or Spark's local folders: no space left; free some and run again",
    ),
    "file": (
        "Encountered error while reading file file:///s/a.parquet. Details:",
        SourceError,
        "reading file file:///s/a.parquet: it is damaged, gone, or not for us to read; mend the file",
    ),
    "gone": (
        "java.io.FileNotFoundException: File file:/s/a.parquet does not exist",
        SourceError,
        "reading file file:/s/a.parquet: it is damaged, gone, or not for us to read; mend the file",
    ),
    "staged": (
        "java.io.FileNotFoundException: File file:/reports/progress-exhaust/.staging/r/a.parquet does not exist",
        OutputError,
        "reading file:/reports/progress-exhaust/.staging/r/a.parquet: what the run has staged is gone; find out what "
        "else removes files at output.url, and run again",
    ),
    "memory": (
        "java.lang.OutOfMemoryError: Java heap space",
        ComputeError,
        "running the plan: Spark ran out of memory or was stopped; raise spark.driver_memory",
    ),
    "stopped": (
        "java.lang.IllegalStateException: SparkContext was shut down",
        ComputeError,
        "running the plan: Spark ran out of memory or was stopped; raise spark.driver_memory",
    ),
}


@pytest.mark.parametrize(("text", "kind", "sentence"), FAILURES.values(), ids=FAILURES)
def test_failure_is_told_by_whose_fault_it_is(text: str, kind: type[ProgressExhaustError], sentence: str) -> None:
    fault = classify(PySparkException(BEGINNING + text), SETTINGS)
    assert type(fault) is kind
    assert str(fault) == sentence
    assert fault.fault.remedy


def test_failure_that_says_nothing_of_a_service_may_be_that_of_a_batch() -> None:
    assert classify(PySparkException(f"{BEGINNING}java.lang.ArithmeticException: overflow"), SETTINGS) is None


def test_gateway_that_is_gone_is_told_as_the_end_of_the_jvm() -> None:
    assert str(classify(ConnectionResetError(), SETTINGS)) == (
        "running the plan: the JVM of the Spark driver is gone; see its own log, and run again"
    )
