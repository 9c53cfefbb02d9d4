"""The command `export`: makes the reports of the batches asked for."""

from __future__ import annotations

from datetime import date

from progress_exhaust.commands.base import CommandContext, new_run_id, now
from progress_exhaust.commands.documents import ending, file_in, not_made_in, output_root, refusals_of
from progress_exhaust.commands.with_spark import SparkCommand, remove_staging
from progress_exhaust.console.screen import Summary, Table, size
from progress_exhaust.errors import UNFINISHED
from progress_exhaust.export.export import export
from progress_exhaust.export.run import Event, Outcome, Run
from progress_exhaust.export.selection import ReportQuery
from progress_exhaust.text import pluralize


class Export(SparkCommand):
    """Makes the reports asked for.

    Args:
        context: settings and screen.
        asked: which batches.
        day: in the files' names; None for today in the report's time zone.
    """

    def __init__(self, context: CommandContext, asked: ReportQuery, day: date | None = None) -> None:
        super().__init__(context)
        self._asked = asked
        self._run = Run(new_run_id(), day or now().astimezone(self.settings.zone()).date(), now, self._tell)
        self.outcome = Outcome()
        self._made_after_s: dict[str, float] = {}
        self._start_s = 0.0

    def work_with_resources(self) -> None:
        """Open everything, and export."""
        self.report_start()
        ports = self.resources.ports()
        self._start_s = self.elapsed_s()
        export(self._asked, ports, self.settings, self._run, self.outcome)

    def interrupted(self) -> None:
        """Remove what the run has staged, too."""
        super().interrupted()
        remove_staging(self.settings, self._run.run_id)

    def exit_code(self) -> int:
        """Tell the scheduler the truth: whatever was named must be made, and whatever can be made is."""
        not_made = self.outcome.not_made
        if self._asked.everything:
            return 1 if any(refusal.reason in UNFINISHED for refusal in not_made) else 0
        return 1 if not_made else 0

    def result(self, error: str) -> Summary:
        """Return the files with their sizes, what is not made, and where the time went."""
        duration_s, output = self.elapsed_s(), output_root(self.settings.output.url)
        phase_s = {"start": self._start_s} | {phase.value: seconds for phase, seconds in self.outcome.phase_s.items()}
        rows = [
            (
                file.path,
                f"{file.rows:,}",
                str(len(file.columns)),
                size(file.size_bytes),
                f"{self._made_after_s.get(file.batch_id, duration_s):.1f}",
            )
            for file in self.outcome.made
        ]
        notes = [f"time: {', '.join(f'{name} {seconds:.1f} s' for name, seconds in phase_s.items())}"]
        if self.outcome.manifest_path:
            notes += [f"manifest: {self.outcome.manifest_path}", f"all below: {output}"]
        return Summary(
            document={
                "output": output,
                "manifest": self.outcome.manifest_path or None,
                "files": [file_in(file) for file in self.outcome.made],
                "not_made": not_made_in(self.outcome.not_made),
                "rows_dropped": self.outcome.rows_dropped,
                "phase_s": {name: round(seconds, 3) for name, seconds in phase_s.items()},
                **ending(duration_s, error),
            },
            tables=[Table(("file", "learners", "columns", "size", "ready after s"), rows, frozenset({1, 2, 3, 4}))],
            notes=notes,
            refusals=refusals_of(self.outcome.not_made),
            closing=(
                f"{len(self.outcome.made):,} made, {len(self.outcome.not_made):,} not made, "
                f"{pluralize(self.outcome.rows_dropped, 'row')} dropped, {duration_s:.1f} s"
            ),
        )

    def _tell(self, event: Event) -> None:
        if event.action == "made":
            self._made_after_s[event.batch_id] = self.elapsed_s()
        self.report(event)
