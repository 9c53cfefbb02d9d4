"""The scan floor: Spark reads the columns that the job needs of every table, and does nothing with them."""

from __future__ import annotations

from progress_exhaust.tables.port import Tables
from progress_exhaust.tables.schemas import INPUT_TABLES


def scan_tables(tables: Tables) -> None:
    """Read each table that is there, whole, to nowhere; the settings are those of the tables' session."""
    for table in INPUT_TABLES:
        if tables.exists(table):
            tables.frame(table).write.format("noop").mode("overwrite").save()
