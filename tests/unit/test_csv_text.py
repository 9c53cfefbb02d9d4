"""Cells of CSV: no line of a escaped cell starts a formula, and every cell comes back as it went in."""

from __future__ import annotations

import csv
import io
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from progress_exhaust.output.csv_text import cell_text, escaped_text, has_control_text, line_text, without_control_text

TRIGGERS = "=+-@|%\uff1d\uff0b\uff0d\uff20"
BLANK_OR_INVISIBLE = "".join(map(chr, range(0x21))) + "\u00a0\u200b\u200c\u200d\u200e\u200f\u2060\ufeff"
SPECIAL = TRIGGERS + BLANK_OR_INVISIBLE + "',\"\\;$1a"

texts = st.text(st.one_of(st.sampled_from(SPECIAL), st.characters(exclude_categories=["Cs"])))
harmless_texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters=TRIGGERS))


def first_character_that_counts(line: str) -> str:
    return line.lstrip(BLANK_OR_INVISIBLE)[:1]


@pytest.mark.rule("N3")
@given(texts)
def test_no_line_of_a_guarded_cell_starts_with_a_trigger(text: str) -> None:
    for line in re.split("[\r\n]", escaped_text(text)):
        assert first_character_that_counts(line) not in set(TRIGGERS)


@given(texts)
def test_guard_only_puts_apostrophes_in_front_of_lines(text: str) -> None:
    before, after = re.split("[\r\n]", text), re.split("[\r\n]", escaped_text(text))

    assert [line if line == old else line.removeprefix("'") for line, old in zip(after, before, strict=True)] == before


@given(texts)
def test_guarding_twice_is_guarding_once(text: str) -> None:
    assert escaped_text(escaped_text(text)) == escaped_text(text)


@pytest.mark.rule("N3")
@given(harmless_texts)
def test_text_without_a_trigger_is_not_changed(text: str) -> None:
    assert escaped_text(text) == text


@pytest.mark.rule("S1")
@given(st.lists(texts.filter(bool), min_size=1))
def test_cells_come_back_from_a_csv_reader_as_they_went_in(cells: list[str]) -> None:
    escaped = [escaped_text(cell) for cell in cells]

    assert list(csv.reader(io.StringIO(line_text(escaped) + "\n", newline=""), strict=True)) == [escaped]


@pytest.mark.rule("S1")
@given(texts)
def test_cell_is_quoted_if_and_only_if_it_must_be(text: str) -> None:
    assert cell_text(text).startswith('"') == any(character in text for character in ',"\r\n')


@pytest.mark.rule("N3")
@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("=1+1", "'=1+1"),
        ("a=1+1", "a=1+1"),
        ("'=1", "'=1"),
        (" \t=1", "' \t=1"),
        ("\x00=1", "'\x00=1"),
        ("\u00a0\ufeff-1", "'\u00a0\ufeff-1"),
        ("\u3000=1", "\u3000=1"),
        ("one\n=2\n+3", "one\n'=2\n'+3"),
        ("one\r=2\r\n-3", "one\r'=2\r\n'-3"),
        ("\n=1", "\n'=1"),
        ("=1\n", "'=1\n"),
        ("\uff1dSUM(A1)", "'\uff1dSUM(A1)"),
        ("one\u2028=2", "one\u2028=2"),
        ("", ""),
        ("-", "'-"),
    ],
)
def test_guard_goes_in_front_of_the_line_that_would_run(text: str, escaped: str) -> None:
    assert escaped_text(text) == escaped


@pytest.mark.rule("N2")
@pytest.mark.parametrize(
    ("text", "replaced", "counts"),
    [
        ("", "", False),
        ("tab\tline\nline\rend", "tab\tline\nline\rend", False),
        ("a\x00b", "a\ufffdb", True),
        ("\x01\x08\x0b\x0c\x0e\x1f\x7f", "\ufffd" * 7, True),
        ("\x80\u0085\u2028\u202e\ufeff", "\x80\u0085\u2028\u202e\ufeff", False),
        ("a\ud800b\udfff \U0001f600", "a\ufffdb\ufffd \U0001f600", False),
        ("\udfff\x00", "\ufffd\ufffd", True),
    ],
)
def test_control_characters_and_halves_of_pairs_are_replaced_and_the_first_counted(
    text: str, replaced: str, counts: bool
) -> None:
    assert without_control_text(text) == replaced
    assert has_control_text(text) is counts


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        ("", ""),
        ("plain", "plain"),
        (" kept ", " kept "),
        ("a,b", '"a,b"'),
        ('say "hi"', '"say ""hi"""'),
        ("a\nb", '"a\nb"'),
        ("a\rb", '"a\rb"'),
        ("a;b\tc\u2028d", "a;b\tc\u2028d"),
        ("back\\slash", "back\\slash"),
    ],
)
def test_cell_holds_its_text_in_the_least_csv_takes(text: str, cell: str) -> None:
    assert cell_text(text) == cell
