"""Marks between the lines of staged parts: what is written is what is read back, and what is cut short is told."""

from __future__ import annotations

from collections.abc import Iterable
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from progress_exhaust.output.parts import (
    END,
    DamagedPartsError,
    End,
    Note,
    NoteKind,
    Notes,
    PartName,
    begin_text,
    note_text,
    staged_items,
)

TABLES = ("user_enrolments", "user", "user_activity_agg")

numbers = st.integers(0, 10**9)
part_names = st.builds(PartName, numbers, st.integers(0, 999_999))
lines = st.text(st.characters(exclude_characters="\x1e", exclude_categories=["Cs"]), max_size=20)
cells = st.tuples(st.sampled_from([NoteKind.ESCAPED, NoteKind.CONTROL]), st.integers(1, 10**6))
duplicate = st.lists(st.sampled_from(TABLES), min_size=1, unique=True)
staged_parts = st.tuples(part_names, st.lists(lines), st.lists(cells))


def read(content: bytes, piece_bytes: int = 1 << 20) -> list[tuple[PartName, bytes, list[str]]]:
    """Return the parts of a staged file: their names, their lines, their notes."""
    found: list[tuple[PartName, bytes, list[str]]] = []
    for item in staged_items(content[at : at + piece_bytes] for at in range(0, len(content), piece_bytes)):
        if isinstance(item, PartName):
            found.append((item, b"", []))
        elif isinstance(item, Note):
            found[-1][2].append(item.text)
        elif not isinstance(item, End):
            name, text, notes = found.pop()
            found.append((name, text + item, notes))
    return found


def written(name: PartName, text: Iterable[str], notes: Iterable[tuple[NoteKind, int]]) -> bytes:
    noted = [note_text(kind, str(count)) for kind, count in notes]
    return "".join(f"{line}\n" for line in (begin_text(name), *text, *noted, END)).encode()


@given(staged=st.lists(staged_parts), piece_bytes=st.integers(1, 40))
def test_parts_are_read_as_they_were_written_wherever_a_piece_ends(
    staged: list[tuple[PartName, list[str], list[tuple[NoteKind, int]]]], piece_bytes: int
) -> None:
    expected = [
        (name, "".join(f"{line}\n" for line in text).encode(), [f"{kind}={count}" for kind, count in notes])
        for name, text, notes in staged
    ]
    content = b"".join(written(*one) for one in staged)

    assert read(content, piece_bytes) == expected


@given(staged=st.lists(staged_parts, min_size=1, max_size=3), data=st.data())
def test_file_that_is_cut_short_is_never_taken_for_a_whole_one(
    staged: list[tuple[PartName, list[str], list[tuple[NoteKind, int]]]], data: st.DataObject
) -> None:
    *whole, last = [written(*one) for one in staged]
    cut = data.draw(st.integers(1, len(last) - 1))

    with pytest.raises(DamagedPartsError):
        read(b"".join(whole) + last[:cut])


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"row\n", id="lines outside of parts"),
        pytest.param(b"\x1e1.0\nrow\n\x1eend\nrow\n", id="lines behind the last part"),
        pytest.param(b"\x1e1.0\nrow\n\x1e2.0\n\x1eend\n", id="a part within a part"),
        pytest.param(b"\x1eend\n", id="an end without a begin"),
        pytest.param(b"\x1eescaped=1\n", id="a note outside of parts"),
        pytest.param(b"\x1e1.0\n\x1e" + b"x" * 3_000_000, id="a mark that does not end"),
    ],
)
def test_file_that_holds_something_else_is_damaged(content: bytes) -> None:
    with pytest.raises(DamagedPartsError):
        read(content)


@given(cells=st.lists(cells), duplicate=st.lists(duplicate), order=st.randoms(use_true_random=False))
def test_notes_say_when_read_what_was_written(
    cells: list[tuple[NoteKind, int]], duplicate: list[list[str]], order: Random
) -> None:
    texts = [note_text(kind, str(count)) for kind, count in cells]
    texts += [note_text(NoteKind.DUPLICATE, " ".join(tables)) for tables in duplicate]
    order.shuffle(texts)

    of_slices = [Notes(), Notes()]
    for number, text in enumerate(texts):
        of_slices[number % 2].add(text.removeprefix("\x1e"))
    notes = Notes()
    for of_slice in of_slices:
        notes.include(of_slice)

    assert notes.escaped == sum(count for kind, count in cells if kind is NoteKind.ESCAPED)
    assert notes.control == sum(count for kind, count in cells if kind is NoteKind.CONTROL)
    assert notes.duplicate_tables == {table for tables in duplicate for table in tables}
    assert notes.duplicate_rows == len(duplicate)


@pytest.mark.parametrize("line", ["", "escaped", "escaped=", "escaped=x", "other=1"])
def test_line_that_is_no_note_is_a_defect(line: str) -> None:
    with pytest.raises(ValueError, match=r"is not a valid NoteKind|invalid literal for int"):
        Notes().add(line)
