"""Names of staged parts and their notes: what is written is what is read back."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from progress_exhaust.output.parts import NoteKind, PartName, is_part_file, note_text, read_notes

TABLES = ("user_enrolments", "user", "user_activity_agg")

numbers = st.integers(0, 10**9)
part_names = st.builds(PartName, numbers, st.none() | st.integers(0, 999_999))
cells = st.tuples(st.sampled_from([NoteKind.ESCAPED, NoteKind.CONTROL]), st.integers(1, 10**6))
duplicate = st.lists(st.sampled_from(TABLES), min_size=1, unique=True)


@given(name=part_names)
def test_part_is_found_again_by_the_name_of_its_folder(name: PartName) -> None:
    assert PartName.of_folder(name.folder) == name


@given(text=st.text() | st.from_regex(r"part=[0-9]{1,3}\.([0-9]{4,8}|notes)\n?", fullmatch=True))
def test_folder_that_is_read_as_a_part_is_called_as_that_part_is(text: str) -> None:
    name = PartName.of_folder(text)

    assert name is None or name.folder == text


@pytest.mark.parametrize(
    "strange",
    [
        *("part=7", "part=7.x", "part=x.000000", "part=7.000000.old", "part=7.0", "part=07.000000", "part=7.0000000"),
        *("part=7.notes ", "Part=7.notes", "part=-7.notes", "part=٧.notes", "part=7.notes\n", "_SUCCESS", ""),
    ],
)
def test_strange_folder_is_no_part(strange: str) -> None:
    assert PartName.of_folder(strange) is None


@given(st.lists(st.integers(0, 999_999), min_size=2, max_size=5))
def test_slices_in_the_order_of_their_names_are_in_the_order_of_the_file(slice_nos: list[int]) -> None:
    names = sorted(PartName(3, number).folder for number in slice_nos)

    assert [name and name.slice_no for name in map(PartName.of_folder, names)] == sorted(slice_nos)


@given(cells=st.lists(cells), duplicate=st.lists(duplicate), order=st.randoms(use_true_random=False))
def test_notes_say_when_read_what_was_written(
    cells: list[tuple[NoteKind, int]], duplicate: list[list[str]], order: Random
) -> None:
    lines = [note_text(kind, str(count)) for kind, count in cells]
    lines += [note_text(NoteKind.DUPLICATE, " ".join(tables)) for tables in duplicate]
    order.shuffle(lines)

    notes = read_notes(lines)

    assert notes.escaped == sum(count for kind, count in cells if kind is NoteKind.ESCAPED)
    assert notes.control == sum(count for kind, count in cells if kind is NoteKind.CONTROL)
    assert notes.duplicate_tables == {table for tables in duplicate for table in tables}
    assert notes.duplicate_rows == len(duplicate)


@pytest.mark.parametrize("line", ["", "escaped", "escaped=", "escaped=x", "other=1"])
def test_line_that_is_no_note_is_a_defect(line: str) -> None:
    with pytest.raises(ValueError, match=r"is not a valid NoteKind|invalid literal for int"):
        read_notes([line])


def test_markers_beside_what_spark_has_written_are_no_part() -> None:
    names = ["part-00000-x.txt", ".part-00000-x.txt.crc", "_SUCCESS"]

    assert list(filter(is_part_file, names)) == ["part-00000-x.txt"]
