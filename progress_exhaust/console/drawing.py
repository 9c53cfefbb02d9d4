"""How tables and numbers look on a terminal, and in a file or pipe."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TextIO

from progress_exhaust.console.result import Table
from progress_exhaust.text import printable

MOST_ROWS = 20
"""Rows of a table that are shown; the JSON document and the manifest have them all."""


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


def draw_table(table: Table, out: TextIO) -> None:
    """Draw a table; beyond `MOST_ROWS` rows it says how many more there are."""
    rows = [[printable(cell) for cell in row] for row in table.rows[:MOST_ROWS]]
    if out.isatty():
        _draw_on_terminal(table, rows)
    else:
        widths = [max(map(len, cells)) for cells in zip(table.headers, *rows, strict=True)]
        for row in [table.headers, *rows]:
            cells = (
                cell.rjust(width) if position in table.right else cell.ljust(width)
                for position, (cell, width) in enumerate(zip(row, widths, strict=True))
            )
            write_line(out, "  ".join(cells).rstrip())
    if len(table.rows) > MOST_ROWS:
        write_line(out, f"… and {len(table.rows) - MOST_ROWS:,} more")


def write_line(out: TextIO, line: str) -> None:
    """Write a line; what the encoding has no sign for is escaped, and so is what would move the cursor."""
    encoding = out.encoding or "utf-8"
    out.write(printable(line).encode(encoding, "backslashreplace").decode(encoding) + "\n")


def shortened(sentence: str, most: int = 60) -> str:
    """Return a sentence on one line of at most so many characters."""
    text = printable(sentence)
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _draw_on_terminal(table: Table, rows: Sequence[Sequence[str]]) -> None:
    from rich import box  # noqa: PLC0415 - a terminal only
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table as RichTable  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    drawn = RichTable(box=box.SIMPLE_HEAD, pad_edge=False)
    for position, header in enumerate(table.headers):
        drawn.add_column(header, justify="right" if position in table.right else "left", overflow="fold")
    for row in rows:
        drawn.add_row(*(Text(cell) for cell in row))
    Console(file=sys.stdout).print(drawn)
