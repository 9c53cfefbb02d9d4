"""The command `export`: makes the reports of the batches asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from progress_exhaust.commands.base import CommandContext, new_run_id, now
from progress_exhaust.commands.documents import (
    file_content,
    not_made_content,
    output_root,
    phases_content,
    refusals_of,
    time_note,
)
from progress_exhaust.commands.with_spark import SparkCommand, remove_staging
from progress_exhaust.console.drawing import size
from progress_exhaust.console.result import Result, Summary, Table
from progress_exhaust.errors import UNFINISHED, SkippedReport
from progress_exhaust.export.export import export
from progress_exhaust.export.run import Event, Outcome, Run
from progress_exhaust.export.selection import ReportQuery
from progress_exhaust.log_actions import Action
from progress_exhaust.published_file import PublishedFile
from progress_exhaust.text import pluralize


@dataclass(frozen=True, kw_only=True)
class ExportResult(Result):
    """What `export` has made.

    Attributes:
        output: the output root, in full.
        manifest: the manifest's path below it; empty where none is written.
        made: the files.
        made_after_s: seconds from the command's begin to a batch's file, by batch.
        not_made: what was asked for and is not made.
        rows_dropped: enrolments that did not become a row.
        phase_s: seconds by phase.
    """

    output: str
    manifest: str
    made: Sequence[PublishedFile]
    made_after_s: Mapping[str, float]
    not_made: Sequence[SkippedReport]
    rows_dropped: int
    phase_s: Mapping[str, float]

    def summary(self) -> Summary:
        """Return the files with their sizes, what is not made, and where the time went."""
        rows = [
            (
                file.path,
                f"{file.rows:,}",
                str(len(file.columns)),
                size(file.size_bytes),
                f"{self.made_after_s.get(file.batch_id, self.duration_s):.1f}",
            )
            for file in self.made
        ]
        places = [f"manifest: {self.manifest}", f"all below: {self.output}"] if self.manifest else []
        return Summary(
            tables=[Table(("file", "learners", "columns", "size", "ready after s"), rows, frozenset({1, 2, 3, 4}))],
            notes=[time_note(self.phase_s), *places],
            refusals=refusals_of(self.not_made),
            closing=(
                f"{len(self.made):,} made, {len(self.not_made):,} not made, "
                f"{pluralize(self.rows_dropped, 'row')} dropped, {self.duration_s:.1f} s"
            ),
        )

    def content(self) -> dict[str, object]:
        """Return the files, what is not made, and where the time went."""
        return {
            "output": self.output,
            "manifest": self.manifest or None,
            "files": [file_content(file) for file in self.made],
            "not_made": not_made_content(self.not_made),
            "rows_dropped": self.rows_dropped,
            "phase_s": phases_content(self.phase_s),
        }


class Export(SparkCommand):
    """Makes the reports asked for.

    Args:
        context: settings and console.
        query: which batches.
        day: in the files' names; None for today in the report's time zone.
    """

    def __init__(self, context: CommandContext, query: ReportQuery, day: date | None = None) -> None:
        super().__init__(context)
        self._query = query
        self._run = Run(new_run_id(), day or now().astimezone(self.settings.zone()).date(), now, self._report)
        self.outcome = Outcome()
        self._made_after_s: dict[str, float] = {}
        self._start_s = 0.0

    def work_with_resources(self) -> None:
        """Open everything, and export."""
        self.report_start()
        ports = self.resources.ports()
        self._start_s = self.elapsed_s()
        export(self._query, ports, self.settings, self._run, self.outcome)

    def outcome_so_far(self) -> Outcome:
        """Return that of the export."""
        return self.outcome

    def interrupted(self) -> None:
        """Remove what the run has staged, too."""
        super().interrupted()
        remove_staging(self.settings, self._run.run_id)

    def exit_code(self) -> int:
        """Tell the scheduler the truth: whatever was named must be made, and whatever can be made is."""
        not_made = self.outcome.not_made
        if self._query.everything:
            return 1 if any(refusal.reason in UNFINISHED for refusal in not_made) else 0
        return 1 if not_made else 0

    def result(self, error: str) -> Result:
        """Return what is made so far, what is not, and where the time went."""
        outcome = self.outcome
        return ExportResult(
            duration_s=self.elapsed_s(),
            error=error,
            output=output_root(self.settings.output.url),
            manifest=outcome.manifest_path,
            made=tuple(outcome.made),
            made_after_s=dict(self._made_after_s),
            not_made=tuple(outcome.not_made),
            rows_dropped=outcome.rows_dropped,
            phase_s={"start": self._start_s} | {phase.value: seconds for phase, seconds in outcome.phase_s.items()},
        )

    def _report(self, event: Event) -> None:
        if event.action is Action.MADE:
            self._made_after_s[event.batch_id] = self.elapsed_s()
        self.report(event)
