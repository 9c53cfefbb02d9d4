"""How long something may take."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from progress_exhaust.deadlines import Deadline, Watchdog

SOON_S = 0.05
PATIENCE_S = 10.0


class Late:
    """Counts how often it is called, and lets a test wait for it."""

    def __init__(self) -> None:
        self.calls = 0
        self.came = threading.Event()

    def __call__(self) -> None:
        self.calls += 1
        self.came.set()


@pytest.fixture
def late() -> Late:
    return Late()


@pytest.fixture
def watchdog(late: Late) -> Iterator[Watchdog]:
    watchdog = Watchdog(late, "test-watchdog")
    yield watchdog
    watchdog.stop()
    assert "test-watchdog" not in [thread.name for thread in threading.enumerate()]


@pytest.mark.parametrize(
    ("now", "remaining_s", "is_over"), [(10.0, 5.0, False), (14.5, 0.5, False), (15.0, 0.0, True), (16.0, 0.0, True)]
)
def test_deadline_is_over_from_its_moment_on(now: float, remaining_s: float, is_over: bool) -> None:
    clock = [10.0]
    deadline = Deadline.after(5.0, lambda: clock[0])
    clock[0] = now
    assert (deadline.remaining_s, deadline.is_over) == (remaining_s, is_over)


def test_work_that_takes_too_long_is_told_once(watchdog: Watchdog, late: Late) -> None:
    with watchdog.watching(SOON_S):
        assert late.came.wait(PATIENCE_S)
        time.sleep(3 * SOON_S)
    assert late.calls == 1


def test_work_that_has_ended_is_never_late(watchdog: Watchdog, late: Late) -> None:
    for _ in range(200):
        with watchdog.watching(PATIENCE_S):
            pass
    with watchdog.watching(SOON_S):
        pass
    time.sleep(3 * SOON_S)
    assert late.calls == 0


def test_next_piece_of_work_has_a_time_of_its_own(watchdog: Watchdog, late: Late) -> None:
    with watchdog.watching(PATIENCE_S):
        pass
    with watchdog.watching(SOON_S):
        assert late.came.wait(PATIENCE_S)


def test_no_time_goes_by_in_a_pause(watchdog: Watchdog, late: Late) -> None:
    with watchdog.watching(4 * SOON_S):
        with watchdog.paused():
            time.sleep(6 * SOON_S)
            assert late.calls == 0
        assert late.came.wait(PATIENCE_S), "what was left goes on"


def test_work_that_fails_is_not_watched_any_more(watchdog: Watchdog, late: Late) -> None:
    with pytest.raises(RuntimeError), watchdog.watching(SOON_S):
        raise RuntimeError
    time.sleep(3 * SOON_S)
    assert late.calls == 0


def test_watchdog_that_was_never_needed_has_no_thread() -> None:
    before = threading.active_count()
    watchdog = Watchdog(Late(), "test-watchdog")
    assert threading.active_count() == before
    watchdog.stop()


def test_stopped_watchdog_watches_nothing(late: Late) -> None:
    watchdog = Watchdog(late, "test-watchdog")
    watchdog.stop()
    with watchdog.watching(SOON_S):
        time.sleep(3 * SOON_S)
    assert late.calls == 0


def test_watchdog_keeps_no_process_from_ending(watchdog: Watchdog) -> None:
    with watchdog.watching(PATIENCE_S):
        [thread] = [one for one in threading.enumerate() if one.name == "test-watchdog"]
        assert thread.daemon
