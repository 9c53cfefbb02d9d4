"""Where a command shows what it does: a progress bar or log lines while it works, its result at the end.

stdout has the summary or the document, and nothing else; stderr has the rest.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from progress_exhaust.console import logs
from progress_exhaust.console.document import document_text
from progress_exhaust.console.drawing import draw_table, shortened, write_line
from progress_exhaust.console.logs import LogFormat
from progress_exhaust.console.result import Refusal, Result, Summary
from progress_exhaust.log_actions import Action

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from progress_exhaust.export.run import Event


class Console:
    """Where a command shows what it does and what came of it."""

    def __init__(self, *, as_json: bool, log_format: LogFormat, debug: bool) -> None:
        self._as_json = as_json
        self._progress: Progress | None = None
        self._task: TaskID | None = None
        if sys.stderr.isatty() and log_format is LogFormat.TEXT and not debug:
            self._start_progress()

    def render_event(self, event: Event, elapsed_s: float) -> None:
        """Show an event of the run; may be called from several threads."""
        if self._progress is not None and self._task is not None:
            total, sentence = event.wanted or None, shortened(event.sentence)
            self._progress.update(self._task, completed=event.finished, total=total, description=sentence)
            return
        if event.action == Action.NOT_MADE:
            return  # listed at the end, together with what was refused before anything was read
        fields: dict[str, object] = {"action": event.action, "duration_s": round(elapsed_s, 3)}
        if event.request_id:
            fields["request_id"] = event.request_id
        if event.batch_id:
            fields |= {"batch_id": event.batch_id, "rows": event.rows}
        if event.wanted:
            fields |= {"finished": event.finished, "wanted": event.wanted}
        logs.info(event.sentence, **fields)

    def render_refusals(self, refusals: Sequence[Refusal]) -> None:
        """Show what is not made, each on a line of its own."""
        for subject, reason, sentence in refusals:
            logs.warning(sentence, action=Action.NOT_MADE, id=subject, reason=reason)

    def render(self, result: Result) -> None:
        """Show a result; what is not made goes to stderr, each on a line of its own."""
        self.close()
        summary = result.summary()
        self.render_refusals(summary.refusals)
        if self._as_json:
            logs.info(summary.closing, action=Action.DONE)
            sys.stdout.write(document_text(result))
        else:
            _write_summary(summary)
        sys.stdout.flush()

    def close(self) -> None:
        """Take the progress bar away."""
        if self._progress is not None:
            self._progress.stop()
            self._progress = None

    def _start_progress(self) -> None:
        from rich import progress as bar  # noqa: PLC0415 - a terminal only
        from rich.console import Console  # noqa: PLC0415

        self._progress = bar.Progress(
            bar.SpinnerColumn(),
            bar.TextColumn("{task.description}", markup=False),
            bar.BarColumn(bar_width=30),
            bar.MofNCompleteColumn(),
            bar.TimeElapsedColumn(),
            console=Console(file=sys.stderr),
            transient=True,
        )
        self._task = self._progress.add_task("starting", total=None)
        self._progress.start()


def _write_summary(summary: Summary) -> None:
    for table in summary.tables:
        if table.rows:
            draw_table(table, sys.stdout)
    for line in (*summary.notes, summary.closing):
        write_line(sys.stdout, line)
