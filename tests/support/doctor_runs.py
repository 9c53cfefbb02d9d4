"""Runs the doctor over tables that a test has opened."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from pyspark.sql import SparkSession

from progress_exhaust.catalogue.files import FilesCatalogue
from progress_exhaust.commands.checks import Check, Openers, State, check_everything
from progress_exhaust.job_requests.memory import MemoryQueue, MemoryTable
from progress_exhaust.output.stores.local import LocalStore
from progress_exhaust.settings.sections import Settings
from progress_exhaust.tables.port import Tables


def tables_told(spark: SparkSession, settings: Settings, tables: Tables) -> dict[str, tuple[State, str]]:
    """What the doctor tells of each table, by `<keyspace>.<table>`."""
    openers = Openers(
        java=lambda: None,
        session=lambda: spark,
        tables=lambda: tables,
        catalogue=lambda: FilesCatalogue(settings.catalogue.directory, settings.catalogue.max_tree_bytes),
        store=lambda: LocalStore(Path(settings.output.url)),
        queue=lambda: MemoryQueue(MemoryTable(), settings.requests, now=lambda: datetime.now(UTC)),
    )
    checks: list[Check] = []
    check_everything(settings, openers, checks.append)
    told = [check for check in checks if check.what.startswith("table ")]
    return {check.what.removeprefix("table "): (check.state, check.found) for check in told}
