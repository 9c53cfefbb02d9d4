"""The command `sample-data`: makes a synthetic world."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from progress_exhaust.commands.base import CommandContext
from progress_exhaust.commands.with_spark import SparkCommand
from progress_exhaust.console.result import Result, Summary, Table
from progress_exhaust.export.run import Event
from progress_exhaust.log_actions import Action
from progress_exhaust.sample.world import FileFormat, WorldSize
from progress_exhaust.sample.write import write_cassandra, write_snapshot
from progress_exhaust.tables.schemas import table_names
from progress_exhaust.text import pluralize


@dataclass(frozen=True, kw_only=True)
class SampleDataResult(Result):
    """What `sample-data` has written.

    Attributes:
        rows: rows by table.
        snapshot: the folder of the tables; empty where they are in Cassandra.
        catalogue: the folder of the trees.
    """

    rows: Mapping[str, int]
    snapshot: str
    catalogue: str

    def summary(self) -> Summary:
        """Return the rows written, by table."""
        rows = [(table, f"{number:,}") for table, number in self.rows.items()]
        return Summary(
            tables=[Table(("table", "rows"), rows, frozenset({1}))],
            notes=[f"tables: {self.snapshot or 'in Cassandra'}", f"trees: {self.catalogue}"],
            closing=(
                f"{pluralize(len(self.rows), 'table')}, {pluralize(sum(self.rows.values()), 'row')}, "
                f"{self.duration_s:.1f} s"
            ),
        )

    def content(self) -> dict[str, object]:
        """Return the same."""
        return {"tables": dict(self.rows), "snapshot": self.snapshot or None, "catalogue": self.catalogue}


class SampleData(SparkCommand):
    """Makes a synthetic world as a snapshot, or in Cassandra where no snapshot is named.

    Args:
        context: settings and console.
        size: of the world.
        catalogue: the folder of its trees.
        snapshot: the folder of its tables; None for Cassandra.
        file_format: of the tables' files.
    """

    def __init__(
        self, context: CommandContext, size: WorldSize, catalogue: Path, snapshot: str | None, file_format: FileFormat
    ) -> None:
        super().__init__(context)
        self._size = size
        self._catalogue = catalogue
        self._snapshot = snapshot or ""
        self._file_format = file_format
        self._rows: dict[str, int] = {}

    def work_with_resources(self) -> None:
        """Write trees and tables."""
        self.report_start()
        spark = self.resources.session()
        place = f"the snapshot {self._snapshot}" if self._snapshot else "Cassandra"
        self.report(Event(Action.WRITE, f"writing {self._size.enrolments} enrolments to {place}"))
        if self._snapshot:
            written = write_snapshot(spark, self._size, self._snapshot, self._catalogue, self._file_format)
        else:
            written = write_cassandra(spark, self._size, self._catalogue, table_names(self.settings))
        self._rows.update(written)

    def result(self, error: str) -> Result:
        """Return what is written so far."""
        return SampleDataResult(
            duration_s=self.elapsed_s(),
            error=error,
            rows=dict(self._rows),
            snapshot=self._snapshot,
            catalogue=str(self._catalogue),
        )
