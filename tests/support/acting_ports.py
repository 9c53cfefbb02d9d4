"""Ports of a run that do something of their own: tables that are altered on their way out, a store that tells."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from progress_exhaust.output.stores.local import LocalStore
from progress_exhaust.settings.sections import Settings
from progress_exhaust.tables.schemas import USER_ENROLMENTS, Table
from progress_exhaust.tables.snapshot import SnapshotTables


class AlteredTables(SnapshotTables):
    """Snapshot tables, one of them altered on its way out."""

    def __init__(
        self, spark: SparkSession, settings: Settings, altered: Table, alter: Callable[[DataFrame], DataFrame]
    ) -> None:
        super().__init__(spark, settings)
        self._altered = altered
        self._alter = alter
        self.attempts = 0

    def frame(self, table: Table) -> DataFrame:
        self.attempts += table is USER_ENROLMENTS
        frame = super().frame(table)
        return self._alter(frame) if table is self._altered else frame


def failing(batch_column: str, batch_id: str, column: str) -> Callable[[DataFrame], DataFrame]:
    """Return what makes a column of a batch's rows fail the task that needs it."""

    def alter(frame: DataFrame) -> DataFrame:
        failure = F.raise_error(F.lit("broken row\nException of Asha: secret of a learner")).cast(
            frame.schema[column].dataType
        )
        is_of_batch = F.col(batch_column).isin(batch_id, f"cb:{batch_id}")
        return frame.withColumn(column, F.when(is_of_batch, failure).otherwise(F.col(column)))

    return alter


class StoreThatTells(LocalStore):
    """A local store that notes the waves written to it, and does something before each."""

    def __init__(self, settings: Settings, before_wave: Callable[[], None] = lambda: None) -> None:
        super().__init__(Path(settings.output.url))
        self._before_wave = before_wave
        self.waves: list[str] = []

    def url(self, path: str) -> str:
        if (name := path.rpartition("/")[2]).startswith("wave-"):
            self.waves.append(name)
            self._before_wave()
        return super().url(path)
