"""Staged parts of reports: what stands between their lines in the files of a wave, written and read back.

Each task of a wave writes one text file of many parts. A part is a slice of a report, mostly all of it:

    <RS>7.0             begin: report 7, slice 0
    Collection Id,…     lines of the file; the header where the slice is the first
    do_1,…
    <RS>escaped=3       notes for the driver, one for each row that needs it: `escaped=<cells>`,
    <RS>duplicate=user  `control=<cells>` (those with a control character replaced), `duplicate=<tables>`
    <RS>end             nothing of the part is missing

RS is a control character, U+001E, of which no cell has any; so wherever it stands, a mark begins, which ends with its
line. Marks are written by executors, as columns, and read by the driver; both are written here once more in Python,
and tests hold the two ways of writing together.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from pyspark.sql import Column
from pyspark.sql import functions as F

MARK = "\x1e"
"""What each mark begins with; it is replaced in all cells, see `csv_text.without_control`."""
END = f"{MARK}end"
"""The mark after the last line of a part."""
_MARK = MARK.encode()
_BEGIN = re.compile(r"(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)", re.ASCII)
_MOST_MARK_BYTES = 4096
_BETWEEN_TABLES = " "


class NoteKind(StrEnum):
    """What a note is about."""

    ESCAPED = "escaped"
    CONTROL = "control"
    DUPLICATE = "duplicate"


class PartName(NamedTuple):
    """Which slice of which report; slices are counted from 0, in the order of the file."""

    report_no: int
    slice_no: int


@dataclass(slots=True)
class Notes:
    """What the notes of a report say together; grows while they are read.

    Attributes:
        escaped: cells of its rows made inert.
        control: cells of its rows in which a control character is replaced.
        duplicate_tables: tables that hold a key of its rows twice.
        duplicate_rows: rows that such a key touches.
    """

    escaped: int = 0
    control: int = 0
    duplicate_tables: set[str] = field(default_factory=set)
    duplicate_rows: int = 0

    def add(self, note: str) -> None:
        """Add what a note says, which is given without its mark.

        >>> notes = Notes()
        >>> for note in ("escaped=2", "escaped=1", "duplicate=user"):
        ...     notes.add(note)
        >>> notes
        Notes(escaped=3, control=0, duplicate_tables={'user'}, duplicate_rows=1)

        Raises:
            ValueError: it is none.
        """
        kind, _, value = note.partition("=")
        match NoteKind(kind):
            case NoteKind.ESCAPED:
                self.escaped += int(value)
            case NoteKind.CONTROL:
                self.control += int(value)
            case NoteKind.DUPLICATE:
                self.duplicate_rows += 1
                self.duplicate_tables.update(value.split(_BETWEEN_TABLES))

    def include(self, other: Notes) -> None:
        """Add what the notes of another slice of the report say."""
        self.escaped += other.escaped
        self.control += other.control
        self.duplicate_rows += other.duplicate_rows
        self.duplicate_tables |= other.duplicate_tables


class Note(NamedTuple):
    """A note between the lines of a part, without its mark."""

    text: str


class End(NamedTuple):
    """The end of a part."""


StagedItem = PartName | bytes | Note | End
"""What is read of a staged file: the begin of a part, a piece of its lines, a note, its end."""


class DamagedPartsError(Exception):
    """A staged file does not hold whole parts one behind the other: it was cut short, or written into."""


def staged_items(pieces: Iterable[bytes]) -> Iterator[StagedItem]:
    r"""Read a staged file, given in pieces from its begin to its end, wherever they end.

    >>> list(staged_items([b"\x1e7.0\nheader\nrow\n\x1eesca", b"ped=1\n\x1eend\n"]))
    [PartName(report_no=7, slice_no=0), b'header\nrow\n', Note(text='escaped=1'), End()]

    Raises:
        DamagedPartsError: it does not hold whole parts.
    """
    is_open = False
    for item in _items(pieces):
        if isinstance(item, PartName) is is_open:
            raise DamagedPartsError("a part begins within another" if is_open else "lines stand outside of parts")
        is_open = not isinstance(item, End)
        yield item
    if is_open:
        raise DamagedPartsError("a part has no end")


def _items(pieces: Iterable[bytes]) -> Iterator[StagedItem]:
    rest = b""
    for piece in pieces:
        lines, *marked = (rest + piece).split(_MARK)
        if lines:
            yield lines
        rest = b""
        for number, text in enumerate(marked, start=1):
            mark, line_end, lines = text.partition(b"\n")
            if not line_end and number == len(marked) and len(mark) < _MOST_MARK_BYTES:
                rest = _MARK + text  # the piece ends within the mark
                break
            yield _item_of(mark)
            if lines:
                yield lines
    if rest:
        raise DamagedPartsError("it ends within a mark")


def _item_of(mark: bytes) -> StagedItem:
    text = mark.decode(errors="replace")
    if f"{MARK}{text}" == END:
        return End()
    if begin := _BEGIN.fullmatch(text):
        return PartName(int(begin[1]), int(begin[2]))
    return Note(text)


def begin_mark(report_no: Column, slice_no: Column) -> Column:
    r"""Return the mark before the first line of a part.

    >>> numbers = spark.sql("VALUES (7, 12) AS numbers(report_no, slice_no)")
    >>> numbers.select(begin_mark(F.col("report_no"), F.col("slice_no"))).first()[0]
    '\x1e7.12'
    """
    return F.concat(F.lit(MARK), report_no.cast("string"), F.lit("."), slice_no.cast("string"))


def begin_text(part: PartName) -> str:
    r"""Return the mark before the first line of a part; as `begin_mark`, for one part.

    >>> begin_text(PartName(7, 12))
    '\x1e7.12'
    """
    return f"{MARK}{part.report_no}.{part.slice_no}"


def note(kind: NoteKind, value: Column) -> Column:
    r"""Return a note: of a number of cells, or of tables with a blank between; null where the value is.

    >>> cells = spark.sql("VALUES (3), (null) AS rows(cells)")
    >>> [row[0] for row in cells.select(note(NoteKind.ESCAPED, F.col("cells"))).collect()]
    ['\x1eescaped=3', None]
    """
    return F.concat(F.lit(note_text(kind, "")), value.cast("string"))


def note_text(kind: NoteKind, value: str) -> str:
    r"""Return a note; as `note`, for one text.

    >>> note_text(NoteKind.DUPLICATE, "user user_activity_agg")
    '\x1eduplicate=user user_activity_agg'
    """
    return f"{MARK}{kind}={value}"
