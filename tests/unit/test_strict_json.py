"""One rule for JSON from outside, and the differences between those who read it."""

from __future__ import annotations

import math
from typing import Any

import pytest

from progress_exhaust.strict_json import JsonFault, StrictJsonError, is_deeper_than, parse_json

DIGITS = "9" * 5000


def fault_of(text: str, **rules: Any) -> StrictJsonError:
    with pytest.raises(StrictJsonError) as caught:
        parse_json(text, **rules)
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    return caught.value


@pytest.mark.parametrize(
    ("text", "fault", "position"),
    [
        ("", JsonFault.SYNTAX, 0),
        ('{"a": 1', JsonFault.SYNTAX, 7),
        ("[1] 2", JsonFault.SYNTAX, 4),
        ("\ufeff{}", JsonFault.SYNTAX, 0),
        ("[NaN]", JsonFault.NUMBER, None),
        ("[-Infinity]", JsonFault.NUMBER, None),
        (f"[{DIGITS}]", JsonFault.NUMBER, None),
        ("[" * 100_000, JsonFault.DEPTH, None),
    ],
    ids=["nothing", "cut", "two values", "byte order mark", "NaN", "infinity", "thousands of digits", "deep"],
)
def test_what_is_no_strict_json_is_refused_by_everyone(text: str, fault: JsonFault, position: int | None) -> None:
    error = fault_of(text)
    assert (error.fault, error.position) == (fault, position)
    assert text not in str(error) or not text


@pytest.mark.parametrize(
    ("text", "rules", "value"),
    [
        ('{"a": 1, "a": 2}', {}, {"a": 2}),
        ("[1e999]", {}, [math.inf]),
        ("[-Infinity]", {"constants": True}, [-math.inf]),
        (f"[{DIGITS}, 7]", {"huge_integers": True}, [math.inf, 7]),
        (f"[{2**63}]", {"huge_integers": True}, [2**63]),
        ('"é"', {"max_bytes": 4}, "é"),
        ('"\\ud800"', {}, "\ud800"),
    ],
)
def test_what_a_reader_takes(text: str, rules: dict[str, Any], value: object) -> None:
    assert parse_json(text, **rules) == value


@pytest.mark.parametrize(
    ("text", "rules", "fault"),
    [
        ('[{"a": 1, "a": 1}]', {"keys_once": True}, JsonFault.KEY_TWICE),
        ("[1e999]", {"finite": True}, JsonFault.NUMBER),
        ('"é"', {"max_bytes": 3}, JsonFault.SIZE),
        ('"abc"', {"max_bytes": 4}, JsonFault.SIZE),
        ('"\ud800"', {"max_bytes": 4}, JsonFault.SIZE),
    ],
)
def test_what_a_reader_refuses_beyond_that(text: str, rules: dict[str, Any], fault: JsonFault) -> None:
    assert fault_of(text, **rules).fault is fault


def test_size_is_looked_at_before_anything_is_parsed() -> None:
    assert fault_of("[" * 100_000, max_bytes=1000).fault is JsonFault.SIZE


@pytest.mark.parametrize(
    ("content", "levels", "is_deeper"),
    [(1, 1, False), ([], 0, True), ([], 1, False), ([{}], 1, True), ({"a": [], "b": 1}, 2, False)],
)
def test_levels_are_those_of_lists_and_objects(content: object, levels: int, is_deeper: bool) -> None:
    assert is_deeper_than(content, levels) is is_deeper
