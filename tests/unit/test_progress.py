"""The small file that tells how far a request is."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from progress_exhaust.identifiers import is_safe_id
from progress_exhaust.job_requests.model import RequestKey
from progress_exhaust.job_requests.progress import Progress, progress_name, progress_of, progress_text

PROGRESS = Progress(
    RequestKey("t", "R1"),
    "publishing",
    3,
    7,
    1200,
    datetime(2026, 11, 23, 8, 30, tzinfo=UTC),
    datetime(2026, 11, 23, 8, 31, 0, 500_000, tzinfo=UTC),
    12.5,
)
CONTENT: dict[str, Any] = {
    "tag": "t",
    "request_id": "R1",
    "phase": "publishing",
    "files": 3,
    "files_total": 7,
    "rows": 1200,
    "started_at": "2026-11-23T08:30:00+00:00",
    "updated_at": "2026-11-23T08:31:00.500000+00:00",
    "seconds_left": 12.5,
}


def test_text_is_json_and_comes_back() -> None:
    assert json.loads(progress_text(PROGRESS)) == CONTENT
    assert progress_of(progress_text(PROGRESS)) == PROGRESS


def test_time_left_may_be_unknown() -> None:
    assert progress_of(progress_text(replace(PROGRESS, seconds_left=None))) == replace(PROGRESS, seconds_left=None)


def test_instants_are_in_utc() -> None:
    india = timezone(timedelta(hours=5, minutes=30))
    there = replace(PROGRESS, started_at=datetime(2026, 11, 23, 14, 0, tzinfo=india))
    assert json.loads(progress_text(there)) == CONTENT


@pytest.mark.parametrize("text", [None, "", "{", "null", "[]", "7", "{}", "[" * 100_000, "7" * 5000], ids=repr)
def test_text_that_is_none_is_no_progress(text: str | None) -> None:
    assert progress_of(text) is None


@pytest.mark.parametrize(
    "change",
    [
        {"tag": None},
        {"request_id": 7},
        {"phase": ["x"]},
        {"files": -1},
        {"files": True},
        {"files": 2**63},
        {"files_total": 7.0},
        {"files_total": 10**4000},
        {"rows": float("inf")},
        {"rows": "1"},
        {"started_at": "yesterday"},
        {"started_at": "2026-11-23T08:30:00"},
        {"started_at": 7},
        {"updated_at": "0001-01-01T00:00:00+14:00"},
        {"seconds_left": -1},
        {"seconds_left": "12"},
        {"seconds_left": float("nan")},
        {"seconds_left": float("inf")},
        {"seconds_left": 10**4000},
        {"seconds_left": 1e300},
    ],
    ids=lambda change: repr(change)[:50],
)
def test_field_that_is_not_as_it_should_be_is_no_progress(change: dict[str, Any]) -> None:
    assert progress_of(json.dumps(CONTENT | change)) is None


@pytest.mark.parametrize("key", CONTENT)
def test_field_that_is_missing_is_no_progress(key: str) -> None:
    assert progress_of(json.dumps({name: value for name, value in CONTENT.items() if name != key})) is None


@given(
    st.sampled_from(["files", "files_total", "rows", "seconds_left"]),
    st.integers(2**63, 10**40).map(str)
    | st.integers(19, 8000).map(lambda zeros: "1" + "0" * zeros)
    | st.sampled_from(["1e400", "-1e400", "NaN", "Infinity"]),
)
def test_number_that_no_column_can_hold_is_no_progress(key: str, number: str) -> None:
    assert progress_of(json.dumps({**CONTENT, key: "NUMBER"}).replace('"NUMBER"', number)) is None


@given(st.text(), st.text())
def test_name_is_safe_whatever_the_request_is_called(tag: str, request_id: str) -> None:
    name = progress_name(RequestKey(tag, request_id))
    assert is_safe_id(name)
    assert name.endswith(".json")


def test_name_tells_requests_apart() -> None:
    keys = [
        RequestKey("a", "b"),
        RequestKey("b", "a"),
        RequestKey("", "ab"),
        RequestKey("ab", ""),
        RequestKey("a", "B"),
    ]
    assert len({progress_name(key) for key in keys}) == 5
    assert progress_name(keys[0]) == progress_name(RequestKey("a", "b"))


@given(
    st.text() | st.dictionaries(st.sampled_from(list(CONTENT)), st.integers() | st.text() | st.none()).map(json.dumps)
)
def test_any_text_is_progress_or_none(text: str) -> None:
    progress = progress_of(text)
    assert progress is None or progress_of(progress_text(progress)) == progress
