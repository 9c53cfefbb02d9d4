"""The command `plan`: shows what an export would do."""

from __future__ import annotations

from dataclasses import asdict
from datetime import date

from progress_exhaust.commands.base import CommandContext, new_run_id, now
from progress_exhaust.commands.documents import ending, not_made_in, refusals_of
from progress_exhaust.commands.with_spark import SparkCommand
from progress_exhaust.console.screen import Summary, Table
from progress_exhaust.export.plan import PlanOutcome, plan, private_stage
from progress_exhaust.export.selection import ReportQuery
from progress_exhaust.text import pluralize


class Plan(SparkCommand):
    """Finds out what an export would do; see `export.Export` for the arguments."""

    def __init__(self, context: CommandContext, asked: ReportQuery, day: date | None = None) -> None:
        super().__init__(context)
        self._asked = asked
        self._day = day or now().astimezone(self.settings.zone()).date()
        self._outcome = PlanOutcome()

    def work_with_resources(self) -> None:
        """Open everything, and look."""
        self.report_start()
        ports = self.resources.ports()
        with private_stage(ports.spark, ports.store, new_run_id()) as stage:
            plan(self._asked, ports, self.settings, self._day, stage, self.report, self._outcome)

    def exit_code(self) -> int:
        """Whether all that was named would be made."""
        return 1 if self._outcome.not_made and not self._asked.everything else 0

    def result(self, error: str) -> Summary:
        """Return the collections, how each table would be read, and what would not be made."""
        duration_s = self.elapsed_s()
        collections = [
            (
                collection.collection_id,
                collection.name,
                str(collection.columns),
                str(collection.nested),
                str(collection.assessments),
                f"{collection.batches:,}",
                f"{collection.rows:,}",
                f"{collection.rows_dropped:,}",
            )
            for collection in self._outcome.collections
        ]
        headers = ("collection", "name", "columns", "nested", "assessments", "batches", "learners", "dropped")
        reads = [(read.table, read.strategy, read.reason) for read in self._outcome.reads]
        learners = sum(batch.rows for batch in self._outcome.batches)
        return Summary(
            document={
                "collections": [asdict(collection) for collection in self._outcome.collections],
                "batches": [asdict(batch) for batch in self._outcome.batches],
                "not_made": not_made_in(self._outcome.not_made),
                "reads": [asdict(read) for read in self._outcome.reads],
                "waves": self._outcome.waves,
                "rows": learners,
                "rows_dropped": self._outcome.rows_dropped,
                **ending(duration_s, error),
            },
            tables=[
                Table(headers, collections, frozenset(range(2, 8))),
                Table(("table", "read by", "because"), reads),
            ],
            refusals=refusals_of(self._outcome.not_made),
            closing=(
                f"{pluralize(len(self._outcome.batches), 'report')} of {pluralize(learners, 'learner')} to make in "
                f"{pluralize(self._outcome.waves, 'wave')}, {len(self._outcome.not_made):,} not made, "
                f"{pluralize(self._outcome.rows_dropped, 'row')} dropped, {duration_s:.1f} s"
            ),
        )
