"""The scan floor: Spark reads the columns that the job needs of every table, and does nothing with them."""

from __future__ import annotations

from pyspark.sql import DataFrame

from progress_exhaust.tables.port import Tables
from progress_exhaust.tables.schemas import INPUT_TABLES


def scan_tables(tables: Tables) -> None:
    """Read each table that is there, whole, to nowhere; the settings are those of the tables' session."""
    for table in INPUT_TABLES:
        if tables.exists(table):
            read_to_nowhere(tables.frame(table))


def read_to_nowhere(frame: DataFrame) -> None:
    """Let Spark make all rows of a frame, and do nothing with them."""
    frame.write.format("noop").mode("overwrite").save()
