"""A signal stops the work at its next check, and the work cleans up before the command ends."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable

import pytest

from progress_exhaust.commands.base import user_message
from progress_exhaust.console import signals as stopping
from progress_exhaust.console.signals import Interrupted, StopToken, run_stoppable, signals_raise

pytestmark = pytest.mark.skipif(
    threading.current_thread() is not threading.main_thread(), reason="signals reach the main thread only"
)


def send(number: int, after: threading.Event) -> None:
    """Send ourselves a signal when the event has come."""

    def wait_and_send() -> None:
        after.wait(10)
        os.kill(os.getpid(), number)

    threading.Thread(target=wait_and_send, daemon=True).start()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_signal_stops_the_work_which_cleans_up(number: int, code: int) -> None:
    stop, has_begun, cancelled = StopToken(), threading.Event(), threading.Event()
    order: list[str] = []

    def work() -> None:
        try:
            has_begun.set()
            assert cancelled.wait(10)
            stop.check()
            order.append("went on")
        finally:
            order.append("cleaned up")

    before = signal.getsignal(number)
    with pytest.raises(Interrupted) as stopped, signals_raise():
        send(number, has_begun)
        run_stoppable(work, stop, cancelled.set)
    assert order == ["cleaned up"]
    assert (stopped.value.exit_code, stopped.value.is_clean) == (code, True)
    assert signal.getsignal(number) is before


def test_work_that_does_not_end_in_time_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stopping, "STOP_S", 0.2)
    has_begun, release = threading.Event(), threading.Event()

    def work() -> None:
        has_begun.set()
        release.wait(10)

    begin = time.monotonic()
    with pytest.raises(Interrupted) as stopped, signals_raise():
        send(signal.SIGTERM, has_begun)
        run_stoppable(work, StopToken(), lambda: None)
    release.set()
    assert time.monotonic() - begin < 5
    assert user_message(stopped.value).endswith("the next run removes what is unfinished")


def test_cancelling_that_fails_is_tried_again() -> None:
    stop, has_begun, tries = StopToken(), threading.Event(), [0]

    def work() -> None:
        has_begun.set()
        while tries[0] < 3:
            time.sleep(0.01)
        stop.check()

    def cancel() -> None:
        tries[0] += 1
        raise ConnectionError

    with pytest.raises(Interrupted), signals_raise():
        send(signal.SIGTERM, has_begun)
        run_stoppable(work, stop, cancel)
    assert tries[0] >= 3


def fail(error: BaseException) -> Callable[[], None]:
    def work() -> None:
        raise error

    return work


@pytest.mark.parametrize("error", [ValueError("x"), KeyboardInterrupt()])
def test_failure_of_the_work_is_its_own(error: BaseException) -> None:
    with pytest.raises(type(error)) as raised:
        run_stoppable(fail(error), StopToken(), lambda: None)
    assert raised.value is error


def test_stop_is_no_fault_of_a_service() -> None:
    assert not issubclass(Interrupted, Exception)
