"""What a command shows: a progress bar or log lines while it works, a summary or a JSON document at its end.

stdout has the summary or the document, and nothing else; stderr has the rest.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TextIO

from progress_exhaust.console import logs
from progress_exhaust.console.logs import LogFormat
from progress_exhaust.text import printable

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from progress_exhaust.export.run import Event

MOST_ROWS = 20
"""Rows of a table that are shown; the JSON document and the manifest have them all."""

Refusal = tuple[str, str, str]
"""What is not made: its id, the reason's word, and the sentence."""


@dataclass(frozen=True)
class Table:
    """A table of a summary.

    Attributes:
        headers: of its columns.
        rows: its cells.
        right: positions of the columns that hold numbers.
    """

    headers: Sequence[str]
    rows: Sequence[Sequence[str]]
    right: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Summary:
    """What came of a command.

    Attributes:
        document: all of it, for `--json`.
        tables: the main things of it.
        notes: sentences below the tables.
        refusals: what was asked for and is not made.
        closing: the last line.
    """

    document: Mapping[str, object]
    closing: str
    tables: Sequence[Table] = ()
    notes: Sequence[str] = ()
    refusals: Sequence[Refusal] = ()


class Console:
    """Where a command shows what it does and what came of it."""

    def __init__(self, *, as_json: bool, log_format: LogFormat, debug: bool) -> None:
        self._as_json = as_json
        self._progress: Progress | None = None
        self._task: TaskID | None = None
        if sys.stderr.isatty() and log_format is LogFormat.TEXT and not debug:
            self._start_progress()

    def tell(self, event: Event, elapsed_s: float) -> None:
        """Show an event of the run; may be called from several threads."""
        if self._progress is not None and self._task is not None:
            total = event.wanted or None
            self._progress.update(self._task, completed=event.finished, total=total, description=_short(event.sentence))
            return
        if event.action == "not_made":
            return  # listed at the end, together with what was refused before anything was read
        fields: dict[str, object] = {"action": event.action, "duration_s": round(elapsed_s, 3)}
        if event.request_id:
            fields["request_id"] = event.request_id
        if event.batch_id:
            fields |= {"batch_id": event.batch_id, "rows": event.rows}
        if event.wanted:
            fields |= {"finished": event.finished, "wanted": event.wanted}
        logs.info(event.sentence, **fields)

    def close(self) -> None:
        """Take the progress bar away."""
        if self._progress is not None:
            self._progress.stop()
            self._progress = None

    def tell_refusals(self, refusals: Sequence[Refusal]) -> None:
        """Show what is not made, each on a line of its own."""
        for subject, reason, sentence in refusals:
            logs.warning(sentence, action="not_made", id=subject, reason=reason)

    def show(self, summary: Summary) -> None:
        """Show the summary; what is not made goes to stderr, each on a line of its own."""
        self.close()
        self.tell_refusals(summary.refusals)
        out = sys.stdout
        if self._as_json:
            logs.info(summary.closing, action="done")
            # In ASCII: names may hold what the terminal's encoding has no sign for.
            out.write(json.dumps(summary.document, indent=2) + "\n")
        else:
            for table in summary.tables:
                if table.rows:
                    _show_table(table, out)
            for note in summary.notes:
                _write(out, note)
            _write(out, summary.closing)
        out.flush()

    def _start_progress(self) -> None:
        from rich import progress as bar  # noqa: PLC0415 - the screen of a terminal only
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


def size(size_bytes: int) -> str:
    """Return a size as people read it.

    >>> size(999), size(12_345), size(3_200_000)
    ('999 B', '12.3 kB', '3.2 MB')
    """
    value, unit = float(size_bytes), "B"
    for bigger in ("kB", "MB", "GB", "TB"):
        if value < 999.95:
            break
        value, unit = value / 1000, bigger
    return f"{size_bytes} B" if unit == "B" else f"{value:.1f} {unit}"


def _short(sentence: str, most: int = 60) -> str:
    text = printable(sentence)
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _show_table(table: Table, out: TextIO) -> None:
    rows = [[printable(cell) for cell in row] for row in table.rows[:MOST_ROWS]]
    if out.isatty():
        _show_on_terminal(table, rows)
    else:
        widths = [max(map(len, cells)) for cells in zip(table.headers, *rows, strict=True)]
        for row in [table.headers, *rows]:
            cells = (
                cell.rjust(width) if position in table.right else cell.ljust(width)
                for position, (cell, width) in enumerate(zip(row, widths, strict=True))
            )
            _write(out, "  ".join(cells).rstrip())
    if len(table.rows) > MOST_ROWS:
        _write(out, f"… and {len(table.rows) - MOST_ROWS:,} more")


def _show_on_terminal(table: Table, rows: Sequence[Sequence[str]]) -> None:
    from rich import box  # noqa: PLC0415 - the screen of a terminal only
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table as RichTable  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    drawn = RichTable(box=box.SIMPLE_HEAD, pad_edge=False)
    for position, header in enumerate(table.headers):
        drawn.add_column(header, justify="right" if position in table.right else "left", overflow="fold")
    for row in rows:
        drawn.add_row(*(Text(cell) for cell in row))
    Console(file=sys.stdout).print(drawn)


def _write(out: TextIO, line: str) -> None:
    encoding = out.encoding or "utf-8"
    out.write(printable(line).encode(encoding, "backslashreplace").decode(encoding) + "\n")
