"""Work that ends cleanly on SIGTERM and SIGINT.

The work runs in a thread of its own. The main thread only waits, so a signal reaches it at once, and it never stands in
the middle of a call to the JVM: a call that a signal breaks off leaves its answer in the pipe, and the next call would
take it for its own.
"""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType

from progress_exhaust.jvm_end import JvmWatch

STOP_S = 20.0
"""Seconds the work gets to clean up; schedulers kill after 30."""
ORPHANED_S = 8.0
"""The same, where the JVM that spark-submit runs in is gone: whoever ended it takes us for ended, too."""
_CANCEL_EVERY_S = 0.3
_LOOK_EVERY_S = 0.2


class Interrupted(BaseException):
    """A signal asked us to stop. Not an `Exception`, for no part of a run may take it for a fault of a service.

    Attributes:
        number: the signal.
        is_orphaned: whether it told us that the JVM that spark-submit runs in is gone.
        is_clean: whether the work has cleaned up behind itself.
    """

    def __init__(self, number: int, *, is_orphaned: bool = False) -> None:
        why = "the end of the JVM of spark-submit" if is_orphaned else signal.Signals(number).name
        super().__init__(f"stopped by {why}")
        self.number = number
        self.is_orphaned = is_orphaned
        self.is_clean = True

    @property
    def exit_code(self) -> int:
        """The code shells give to this signal."""
        return 128 + self.number


class StopToken:
    """Whether the work is to stop; shared by the main thread and the work."""

    def __init__(self) -> None:
        self._asked: Interrupted | None = None

    @property
    def is_asked(self) -> bool:
        """Whether it is."""
        return self._asked is not None

    def ask(self, stopped: Interrupted) -> None:
        """Ask the work to stop at its next check."""
        self._asked = stopped

    def check(self) -> None:
        """Go on, or stop.

        Raises:
            Interrupted: the work is to stop.
        """
        if self._asked is not None:
            raise Interrupted(self._asked.number, is_orphaned=self._asked.is_orphaned)


@contextlib.contextmanager
def signals_raise(jvm: JvmWatch | None = None) -> Iterator[None]:
    """Make SIGTERM and SIGINT raise `Interrupted` in the main thread, once.

    Args:
        jvm: the JVM whose end is told by such a signal; None where there is none.
    """

    def handle(number: int, _frame: FrameType | None) -> None:
        for same in (signal.SIGTERM, signal.SIGINT):
            signal.signal(same, signal.SIG_IGN)
        is_orphaned = jvm is not None and jvm.note_signal()
        raise Interrupted(number, is_orphaned=is_orphaned)

    before = {number: signal.signal(number, handle) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def run_stoppable(work: Callable[[], None], stop: StopToken, cancel: Callable[[], None]) -> None:
    """Run the work to its end; on a signal have it stop, and wait until it has cleaned up.

    Args:
        work: what to do; calls `stop.check` now and then.
        stop: asked when a signal comes.
        cancel: breaks off what the work waits for; called again and again, from another thread, until the work ends.

    Raises:
        Interrupted: a signal came. `is_clean` is false where the work did not end in time.
    """
    failures: list[BaseException] = []
    # Not `Thread.join`: when a signal breaks that off, Python 3.11 takes the thread for ended.
    has_ended = threading.Event()

    def in_thread() -> None:
        try:
            work()
        except BaseException as failure:  # noqa: BLE001 - handed to the main thread as it is
            failures.append(failure)
        finally:
            has_ended.set()

    def cancel_until_ended() -> None:
        while not has_ended.wait(_CANCEL_EVERY_S):
            with contextlib.suppress(Exception):  # whatever cancelling meets, the work's own end is what counts
                cancel()

    try:
        threading.Thread(target=in_thread, name="run", daemon=True).start()
        while not has_ended.wait(_LOOK_EVERY_S):
            pass  # a signal that another thread has caught reaches this one when it wakes
    except Interrupted as stopped:
        stop.ask(stopped)
        threading.Thread(target=cancel_until_ended, name="cancel", daemon=True).start()
        stopped.is_clean = has_ended.wait(ORPHANED_S if stopped.is_orphaned else STOP_S)
        raise
    if failures:
        raise failures[0]
