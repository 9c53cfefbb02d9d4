"""In which order due requests are taken."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from progress_exhaust.job_requests.fairness import round_robin
from progress_exhaust.job_requests.model import DueRequest, RequestKey

START = datetime(2026, 11, 23, tzinfo=UTC)


def due(
    request_id: str, minute: int | None, channel: str = "a", *, died: int | None = None, tag: str = "t"
) -> DueRequest:
    submitted_at = None if minute is None else START + timedelta(minutes=minute)
    return DueRequest(RequestKey(tag, request_id), channel, submitted_at, died is not None, died or 0)


def ids(requests: list[DueRequest]) -> list[str]:
    return [request.key.request_id for request in round_robin(requests)]


def test_nothing_due() -> None:
    assert round_robin([]) == []


@pytest.mark.rule("Q14")
def test_channels_take_turns_in_the_order_of_their_oldest_request() -> None:
    requests = [
        due("a4", 9, "a"), due("a1", 2, "a"), due("a2", 3, "a"), due("a3", 4, "a"),
        due("b2", 8, "b"), due("b1", 1, "b"),
        due("c1", 5, "c"),
    ]  # fmt: skip
    assert ids(requests) == ["b1", "a1", "c1", "b2", "a2", "a3", "a4"]


def test_one_channel_with_many_requests_does_not_keep_another_waiting() -> None:
    many = [due(f"a{number:03}", number, "a") for number in range(500)]
    assert ids([*many, due("b1", 1000, "b")])[:3] == ["a000", "b1", "a001"]


@pytest.mark.rule("Q14")
def test_requests_that_say_processing_come_last_and_those_with_fewer_deaths_first() -> None:
    requests = [
        due("twice", 1, "a", died=2),
        due("once-late", 3, "b", died=1),
        due("once-early", 2, "a", died=1),
        due("never", 9, "c", died=0),
        due("fresh", 10, "a"),
    ]
    assert ids(requests) == ["fresh", "never", "once-early", "once-late", "twice"]


@pytest.mark.rule("Q14")
def test_request_whose_try_has_failed_comes_after_the_fresh_ones() -> None:
    tried = DueRequest(RequestKey("t", "tried"), "a", START, False, 1)
    assert ids([tried, due("orphan", 1, died=0), due("new", 5)]) == ["new", "orphan", "tried"]


@pytest.mark.rule("Q14")
def test_request_without_a_date_counts_as_the_oldest() -> None:
    assert ids([due("a1", 1, "a"), due("b1", None, "b"), due("a0", None, "a")]) == ["a0", "b1", "a1"]
    assert ids([due("x", 1, died=1), due("y", None, died=1)]) == ["y", "x"]


def test_requests_of_one_instant_go_by_id_then_tag() -> None:
    requests = [due("r2", 1), due("r1", 1, tag="u"), due("r1", 1, tag="t")]
    assert [(one.key.request_id, one.key.tag) for one in round_robin(requests)] == [
        ("r1", "t"),
        ("r1", "u"),
        ("r2", "t"),
    ]


REQUESTS = st.lists(
    st.builds(
        due,
        st.text("rs", max_size=3),
        st.none() | st.integers(0, 5),
        st.sampled_from("abc"),
        died=st.none() | st.integers(0, 3),
    ),
    unique_by=lambda request: request.key,
)


@given(REQUESTS, st.randoms())
def test_every_request_has_one_turn_whatever_the_order_they_come_in(requests: list[DueRequest], chance: object) -> None:
    taken = round_robin(requests)
    assert sorted(taken, key=lambda one: one.key) == sorted(requests, key=lambda one: one.key)
    chance.shuffle(requests)  # type: ignore[attr-defined]  # hypothesis names no type for it
    assert round_robin(requests) == taken
