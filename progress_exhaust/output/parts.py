"""Staged parts of reports: what their folders are called and what their notes say, written and read back.

Spark writes a wave partitioned by the column `part`: a folder for each slice of a report, and one for the notes beside
it. A slice holds lines of the file. A note is a line for the driver: `escaped=<cells>`, `control=<cells>` (those in
which a control character is replaced) or `duplicate=<tables>`, one for each row that needs it.

Names and notes are written by executors, as columns, and read by the driver; both are written here once more in
Python, and tests hold the two ways of writing together.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Self

from pyspark.sql import Column
from pyspark.sql import functions as F

PART = "part"
"""The column that a wave is partitioned by."""
_NOTES = "notes"
_DIGITS = 6
_FOLDER = re.compile(rf"{PART}=(0|[1-9][0-9]*)\.([0-9]{{{_DIGITS}}}|{_NOTES})", re.ASCII)
_FILE = "part-"
_BETWEEN_TABLES = " "


class NoteKind(StrEnum):
    """What a note is about."""

    ESCAPED = "escaped"
    CONTROL = "control"
    DUPLICATE = "duplicate"


@dataclass(frozen=True, slots=True)
class PartName:
    """Which part of which report.

    Attributes:
        report_no: the report.
        slice_no: the slice, from 0, which is its place in the file; None for the notes.
    """

    report_no: int
    slice_no: int | None

    @property
    def value(self) -> str:
        """What the part is called in the column `part`.

        >>> PartName(7, 12).value, PartName(7, None).value
        ('7.000012', '7.notes')
        """
        return f"{self.report_no}.{_NOTES if self.slice_no is None else f'{self.slice_no:0{_DIGITS}d}'}"

    @property
    def folder(self) -> str:
        """What Spark calls its folder."""
        return f"{PART}={self.value}"

    @classmethod
    def of_folder(cls, name: str) -> Self | None:
        """Return the part that a folder holds; None where it is no part.

        >>> PartName.of_folder("part=7.000012")
        PartName(report_no=7, slice_no=12)
        >>> PartName.of_folder("_SUCCESS")
        """
        found = _FOLDER.fullmatch(name)
        return found and cls(int(found[1]), None if found[2] == _NOTES else int(found[2]))


def is_part_file(name: str) -> bool:
    """Whether a file in the folder of a part is what Spark has written there, and no marker beside it."""
    return name.startswith(_FILE)


def slice_part(report_no: Column, slice_no: Column) -> Column:
    """Return what a slice is called in the column `part`; in the order of their names the slices are the file.

    >>> numbers = spark.sql("VALUES (7, 0), (7, 12) AS numbers(report_no, slice_no)")
    >>> numbers.select(slice_part(F.col("report_no"), F.col("slice_no")).alias("part")).show()
    +--------+
    |    part|
    +--------+
    |7.000000|
    |7.000012|
    +--------+
    <BLANKLINE>
    """
    return F.concat_ws(".", report_no, F.lpad(slice_no.cast("string"), _DIGITS, "0"))


def notes_part(report_no: Column) -> Column:
    """Return what the notes of a report are called in the column `part`.

    >>> spark.sql("VALUES (7) AS reports(report_no)").select(notes_part(F.col("report_no")).alias("part")).show()
    +-------+
    |   part|
    +-------+
    |7.notes|
    +-------+
    <BLANKLINE>
    """
    return F.concat_ws(".", report_no, F.lit(_NOTES))


def note(kind: NoteKind, value: Column) -> Column:
    """Return a note: of a number of cells, or of tables with a blank between; null where the value is.

    >>> cells = spark.sql("VALUES (3), (null) AS rows(cells)")
    >>> cells.select(note(NoteKind.ESCAPED, F.col("cells")).alias("note")).show()
    +---------+
    |     note|
    +---------+
    |escaped=3|
    |     NULL|
    +---------+
    <BLANKLINE>
    """
    return F.concat(F.lit(note_text(kind, "")), value)


def note_text(kind: NoteKind, value: str) -> str:
    """Return a note; as `note`, for one text.

    >>> note_text(NoteKind.DUPLICATE, "user user_activity_agg")
    'duplicate=user user_activity_agg'
    """
    return f"{kind}={value}"


@dataclass(frozen=True, slots=True)
class Notes:
    """What the notes of a report say together.

    Attributes:
        escaped: cells of its rows made inert.
        control: cells of its rows in which a control character is replaced.
        duplicate_tables: tables that hold a key of its rows twice.
        duplicate_rows: rows that such a key touches.
    """

    escaped: int
    control: int
    duplicate_tables: frozenset[str]
    duplicate_rows: int


def read_notes(lines: Iterable[str]) -> Notes:
    """Read notes.

    Raises:
        ValueError: a line is none.

    >>> read_notes(["escaped=2", "escaped=1", "duplicate=user"])
    Notes(escaped=3, control=0, duplicate_tables=frozenset({'user'}), duplicate_rows=1)
    """
    cells: Counter[str] = Counter()
    duplicate: Counter[str] = Counter()
    for line in lines:
        kind, _, value = line.partition("=")
        if kind == NoteKind.DUPLICATE:
            duplicate[value] += 1
        else:
            cells[NoteKind(kind)] += int(value)
    tables = frozenset(table for names in duplicate for table in names.split(_BETWEEN_TABLES))
    return Notes(cells[NoteKind.ESCAPED], cells[NoteKind.CONTROL], tables, duplicate.total())
