"""The command `plan`: shows what an export would do."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import date

from progress_exhaust.commands.base import CommandContext, new_run_id, now
from progress_exhaust.commands.documents import not_made_content, refusals_of
from progress_exhaust.commands.with_spark import SparkCommand
from progress_exhaust.console.result import Result, Summary, Table
from progress_exhaust.export.plan import PlanOutcome, plan, private_stage
from progress_exhaust.export.selection import ReportQuery
from progress_exhaust.text import pluralize

_HEADERS = ("collection", "name", "columns", "nested", "assessments", "batches", "learners", "dropped")


@dataclass(frozen=True, kw_only=True)
class PlanResult(Result):
    """What an export would do.

    Attributes:
        outcome: the collections, batches and tables looked at, and what would not be made.
    """

    outcome: PlanOutcome

    def summary(self) -> Summary:
        """Return the collections, how each table would be read, and what would not be made."""
        outcome = self.outcome
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
            for collection in outcome.collections
        ]
        reads = [(read.table, read.strategy, read.reason) for read in outcome.reads]
        return Summary(
            tables=[
                Table(_HEADERS, collections, frozenset(range(2, len(_HEADERS)))),
                Table(("table", "read by", "because"), reads),
            ],
            refusals=refusals_of(outcome.not_made),
            closing=(
                f"{pluralize(len(outcome.batches), 'report')} of {pluralize(self._learners(), 'learner')} to make in "
                f"{pluralize(outcome.waves, 'wave')}, {len(outcome.not_made):,} not made, "
                f"{pluralize(outcome.rows_dropped, 'row')} dropped, {self.duration_s:.1f} s"
            ),
        )

    def content(self) -> dict[str, object]:
        """Return the same, batch by batch, too."""
        outcome = self.outcome
        return {
            "collections": [asdict(collection) for collection in outcome.collections],
            "batches": [asdict(batch) for batch in outcome.batches],
            "not_made": not_made_content(outcome.not_made),
            "reads": [asdict(read) for read in outcome.reads],
            "waves": outcome.waves,
            "rows": self._learners(),
            "rows_dropped": outcome.rows_dropped,
        }

    def _learners(self) -> int:
        return sum(batch.rows for batch in self.outcome.batches)


class Plan(SparkCommand):
    """Finds out what an export would do; see `export.Export` for the arguments."""

    def __init__(self, context: CommandContext, query: ReportQuery, day: date | None = None) -> None:
        super().__init__(context)
        self._query = query
        self._day = day or now().astimezone(self.settings.zone()).date()
        self._outcome = PlanOutcome()

    def work_with_resources(self) -> None:
        """Open everything, and look."""
        self.report_start()
        ports = self.resources.ports()
        with private_stage(ports.spark, ports.store, new_run_id()) as stage:
            plan(self._query, ports, self.settings, self._day, stage, self.report, self._outcome)

    def exit_code(self) -> int:
        """Whether all that was named would be made."""
        return 1 if self._outcome.not_made and not self._query.everything else 0

    def result(self, error: str) -> Result:
        """Return what is known so far."""
        return PlanResult(duration_s=self.elapsed_s(), error=error, outcome=self._outcome)
