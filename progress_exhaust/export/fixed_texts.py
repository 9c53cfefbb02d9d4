"""The texts that stand on every line of a report, or at its head: made once, in Python."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from progress_exhaust.output.csv_text import escaped_text, has_control_text, line_text, without_control_text
from progress_exhaust.report.model import Report
from progress_exhaust.report.profiles import FIXED_COLUMNS, columns_of


@dataclass(frozen=True, slots=True)
class FixedTexts:
    """What is the same on every line of a report.

    Attributes:
        first_cells: the first cells, those of the fixed columns, as they stand in the file.
        header: the header line.
        escaped_in_row: how many of the first cells were made inert.
        escaped_in_header: how many cells of the header were.
        control_in_row: how many of the first cells had a control character.
        control_in_header: how many cells of the header had one.
    """

    first_cells: str
    header: str
    escaped_in_row: int
    escaped_in_header: int
    control_in_row: int
    control_in_header: int


def fixed_texts(report: Report, *, formula_guard: bool) -> FixedTexts:
    """Make the texts that a report's own data fix."""
    first = [column.text(report) for column in FIXED_COLUMNS]
    headers = [column.header for column in columns_of(report.batch.layout)]
    row, header = (_fixed_line(texts, formula_guard=formula_guard) for texts in (first, headers))
    return FixedTexts(row.text, header.text, row.escaped, header.escaped, row.control, header.control)


@dataclass(frozen=True, slots=True)
class _FixedLine:
    text: str
    escaped: int
    control: int


def _fixed_line(texts: Sequence[str], *, formula_guard: bool) -> _FixedLine:
    readable = [without_control_text(text) for text in texts]
    shown = [escaped_text(text) for text in readable] if formula_guard else readable
    return _FixedLine(
        text=line_text(shown),
        escaped=sum(before != after for before, after in zip(readable, shown, strict=True)),
        control=sum(has_control_text(text) for text in texts),
    )
