"""What a failed Spark job means: whose fault it is, and whether another try with fewer batches makes sense."""

from __future__ import annotations

import re

from py4j.protocol import Py4JError, Py4JJavaError
from pyspark.errors import PySparkException

from progress_exhaust.errors import ComputeError, DataShapeError, OutputError, ProgressExhaustError, SourceError
from progress_exhaust.paths import STAGING
from progress_exhaust.settings.sections import Settings
from progress_exhaust.tables.cassandra.errors import causes, read_fault
from progress_exhaust.tables.json_lines import misfit_in
from progress_exhaust.tables.schemas import table_names
from progress_exhaust.tables.snapshot import misfit_line

SPARK_FAILURES = (Py4JError, PySparkException)
"""What PySpark raises when a job or the JVM fails."""

_PARQUET_MISFIT = re.compile(
    r"Parquet column cannot be converted in file (\S+?)\.? Column: \[([^\]]*)\], Expected: (\S+), Found: (\S+?)\.?$",
    re.MULTILINE,
)
_UNREADABLE = re.compile(r"Encountered error while reading file (\S+?)\.? |FileNotFoundException: (?:File )?(\S+)")
_NO_SPACE = ("No space left on device", "Disk quota exceeded", "File too large")
_ENDED = ("SparkContext was shut down", "Cannot call methods on a stopped SparkContext", "OutOfMemoryError")


def classify(error: BaseException, settings: Settings) -> ProgressExhaustError | None:
    """Return what a Spark failure means, or None where the batches themselves may be at fault."""
    text = full_text(error)
    if line := misfit_in(text):
        return misfit_line(*line, settings)
    if misfit := _PARQUET_MISFIT.search(text):
        file, column, expected, found = misfit.groups()
        return DataShapeError(f"reading file {file}: column {column} is {found}, expected {expected}; mend the file")
    if any(words in text for words in _NO_SPACE):
        return OutputError(
            f"writing to {settings.output.url} or Spark's local folders: no space left; free some and run again"
        )
    if fault := read_fault(error, text, settings.cassandra, list(table_names(settings).values())):
        return fault
    if unreadable := _UNREADABLE.search(text):
        if f"/{STAGING}/" in unreadable.group(0):
            return OutputError(
                f"reading {unreadable.group(1) or unreadable.group(2)}: what the run has staged is gone; find out what "
                "else removes files at output.url, and run again"
            )
        return SourceError(
            f"reading file {unreadable.group(1) or unreadable.group(2)}: it is damaged, gone, or not for us to read; "
            "mend the file"
        )
    if not isinstance(error, Py4JJavaError | PySparkException):
        return ComputeError("running the plan: the JVM of the Spark driver is gone; see its own log, and run again")
    if any(words in text for words in _ENDED):
        return ComputeError("running the plan: Spark ran out of memory or was stopped; raise spark.driver_memory")
    return None


def full_text(error: BaseException) -> str:
    """Return the failure's text with all of its causes."""
    return "\n".join([str(error), *causes(error)])
