"""The command `sample-data`: makes a synthetic world."""

from __future__ import annotations

from pathlib import Path

from progress_exhaust.commands.base import CommandContext
from progress_exhaust.commands.documents import ending
from progress_exhaust.commands.with_spark import SparkCommand
from progress_exhaust.console.screen import Summary, Table
from progress_exhaust.export.run import Event
from progress_exhaust.log_actions import Action
from progress_exhaust.sample.write import FileFormat, WorldSize, write_cassandra, write_snapshot
from progress_exhaust.tables.schemas import table_names
from progress_exhaust.text import pluralize


class SampleData(SparkCommand):
    """Makes a synthetic world as a snapshot, or in Cassandra where no snapshot is named.

    Args:
        context: settings and screen.
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

    def result(self, error: str) -> Summary:
        """Return the rows written, by table."""
        duration_s = self.elapsed_s()
        rows = [(table, f"{number:,}") for table, number in self._rows.items()]
        return Summary(
            document={
                "tables": dict(self._rows),
                "snapshot": self._snapshot or None,
                "catalogue": str(self._catalogue),
                **ending(duration_s, error),
            },
            tables=[Table(("table", "rows"), rows, frozenset({1}))],
            notes=[f"tables: {self._snapshot or 'in Cassandra'}", f"trees: {self._catalogue}"],
            closing=(
                f"{pluralize(len(self._rows), 'table')}, {pluralize(sum(self._rows.values()), 'row')}, "
                f"{duration_s:.1f} s"
            ),
        )
