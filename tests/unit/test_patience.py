"""A store that does not answer is waited for, told of, and given up in time; nothing of it stays in the way."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from progress_exhaust.errors import OutputError
from progress_exhaust.output.stores.local import LocalStore
from progress_exhaust.output.stores.patience import Patience
from progress_exhaust.output.stores.patient import PatientStore

GIVE_UP_S = 120.0
PLACE = "s3a://bucket/reports"


class Clock:
    """A clock that goes on by itself, by a step at each look."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.step_s = 0.5

    def __call__(self) -> float:
        self.now += self.step_s
        return self.now


class Away:
    """Work that does not come back before the test ends."""

    def __init__(self) -> None:
        self.end = threading.Event()

    def __call__(self) -> str:
        self.end.wait(60)
        return "late"


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def away() -> Iterator[Away]:
    work = Away()
    yield work
    work.end.set()


def patience_of(clock: Clock, is_stopping: Callable[[], bool] = lambda: False) -> Patience:
    return Patience(PLACE, GIVE_UP_S, is_stopping, clock, look_every_s=0.0005)


def seconds_until_given_up(patience: Patience, clock: Clock, away: Away, size_bytes: int = 0) -> float:
    begun_at = clock.now
    with pytest.raises(OutputError, match=r"^writing s3a://bucket/reports/x: no answer within \d+ s; check output"):
        patience.call("writing", f"{PLACE}/x", away, size_bytes=size_bytes)
    return clock.now - begun_at


def test_answer_is_handed_on_and_so_is_what_the_work_raises(clock: Clock) -> None:
    patience = patience_of(clock)

    assert patience.call("reading", PLACE, lambda: "text") == "text"
    with pytest.raises(OutputError, match="a directory stands in its place"):
        patience.call("reading", PLACE, lambda: raise_("a directory stands in its place"))
    with pytest.raises(ZeroDivisionError):
        patience.call("reading", PLACE, lambda: 1 / 0)


def raise_(sentence: str) -> None:
    raise OutputError(sentence)


@pytest.mark.rule("S6")
def test_first_call_has_more_than_half_of_the_time_and_later_ones_leave_the_rest_to_the_end(
    clock: Clock, away: Away
) -> None:
    patience, begun_at = patience_of(clock), clock.now

    assert seconds_until_given_up(patience, clock, away) == pytest.approx(0.6 * GIVE_UP_S, abs=2)
    ends = [seconds_until_given_up(patience, clock, away) for _ in range(9)]

    assert ends[:5] == [pytest.approx(GIVE_UP_S / 20, abs=1)] * 5
    assert ends[7:] == [pytest.approx(1, abs=1)] * 2
    assert clock.now - begun_at < GIVE_UP_S


def test_time_of_an_outage_begins_with_its_first_late_call_and_ends_with_an_answer(clock: Clock, away: Away) -> None:
    patience = patience_of(clock)
    seconds_until_given_up(patience, clock, away)

    patience.call("reading", PLACE, lambda: "text")

    assert seconds_until_given_up(patience, clock, away) == pytest.approx(0.6 * GIVE_UP_S, abs=2)


def test_outage_that_nothing_was_asked_in_for_long_is_over(clock: Clock, away: Away) -> None:
    patience = patience_of(clock)
    seconds_until_given_up(patience, clock, away)
    clock.now += 600

    assert seconds_until_given_up(patience, clock, away) == pytest.approx(0.6 * GIVE_UP_S, abs=2)


def test_failure_that_comes_at_once_begins_no_outage(clock: Clock, away: Away) -> None:
    patience = patience_of(clock)
    clock.step_s = 0.0
    with pytest.raises(OutputError):
        patience.call("writing", PLACE, lambda: raise_("a directory stands in its place"))
    clock.step_s = 0.5
    clock.now += 20

    assert seconds_until_given_up(patience, clock, away) == pytest.approx(0.6 * GIVE_UP_S, abs=2)


def test_big_file_has_the_time_that_a_slow_line_takes(clock: Clock, away: Away) -> None:
    patience = patience_of(clock)

    assert seconds_until_given_up(patience, clock, away, size_bytes=200_000_000) == pytest.approx(
        0.6 * GIVE_UP_S + 200, abs=3
    )


@pytest.mark.rule("S6")
def test_wait_is_told_every_ten_seconds_by_one_of_all_who_wait(
    clock: Clock, away: Away, caplog: pytest.LogCaptureFixture
) -> None:
    patience = patience_of(clock)
    clock.step_s = 0.05

    def wait_in_vain() -> None:
        with pytest.raises(OutputError):
            patience.call("writing", PLACE, away)

    waiting = [threading.Thread(target=wait_in_vain) for _ in range(3)]
    for thread in waiting:
        thread.start()
    for thread in waiting:
        thread.join()

    told = [record.getMessage() for record in caplog.records]
    assert told[0] == f"waiting for the output place {PLACE}: no answer since 10 s"
    assert 5 <= len(told) <= 8
    assert {getattr(record, "action", "") for record in caplog.records} == {"waiting"}


def test_nothing_is_told_of_calls_that_take_a_few_seconds(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    patience, looks = patience_of(clock), threading.Event()
    clock.step_s = 0.1

    def work() -> str:
        while clock.now < 1009:
            looks.wait(0.0005)
        return "text"

    assert patience.call("reading", PLACE, work) == "text"
    assert caplog.records == []


def test_stop_leaves_seconds_to_all_calls_together(clock: Clock, away: Away) -> None:
    patience = patience_of(clock, lambda: clock.now > 1020)

    assert seconds_until_given_up(patience, clock, away) == pytest.approx(26, abs=2)
    assert seconds_until_given_up(patience, clock, away) == pytest.approx(0.5, abs=1)
    assert seconds_until_given_up(patience, clock, away) == pytest.approx(0.5, abs=1)
    assert patience.call("writing", PLACE, lambda: "done") == "done"


def test_thread_is_used_again_but_not_one_that_is_stuck(clock: Clock, away: Away) -> None:
    patience = patience_of(clock)
    clock.step_s = 0.0
    names = [patience.call("reading", PLACE, threading.get_ident) for _ in range(5)]
    clock.step_s = 5.0
    seconds_until_given_up(patience, clock, away)
    clock.step_s = 0.0

    assert len(set(names)) == 1
    assert patience.call("reading", PLACE, threading.get_ident) != names[0]


def test_patient_store_does_what_its_store_does(clock: Clock, tmp_path: Path) -> None:
    inner = LocalStore(tmp_path)
    store = PatientStore(inner, patience_of(clock))

    store.make_private_directory("progress-exhaust/.staging")
    assert store.write_text("progress-exhaust/manifest.json", ["{", "}"]) == 2
    store.drafts.write_text("a.draft", ["header\n"])
    store.publish("a.draft", "progress-exhaust/b.csv")
    store.check()

    assert store.read_text("progress-exhaust/manifest.json") == "{}"
    assert store.read_text("nowhere") is None
    assert store.size_bytes("progress-exhaust/b.csv") == 7
    assert b"".join(store.pieces("progress-exhaust/b.csv")) == b"header\n"
    assert store.list_names("progress-exhaust") == [".staging", "b.csv", "manifest.json"]
    assert (store.age_s("progress-exhaust/b.csv", 0.0) or 0) < 0
    assert (store.url("x"), store.is_here, store.drafts) == (inner.url("x"), True, inner)
    assert store.staging is store
    store.remove("progress-exhaust/b.csv")
    assert inner.size_bytes("progress-exhaust/b.csv") is None
