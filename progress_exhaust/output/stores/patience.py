"""How long a store is waited for: calls that can not be broken off are made by threads that are given up."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from typing import TypeVar

from progress_exhaust.errors import OutputError
from progress_exhaust.log_actions import Action
from progress_exhaust.output.stores.failures import NEXT_STEP

_LOG = logging.getLogger(__name__)
_T = TypeVar("_T")

_TELL_EVERY_S = 10.0
_LOOK_EVERY_S = 0.2
_LATE_S = 1.0
"""A call that takes longer may be the first of an outage."""
_OUTAGE_ENDS_S = 30.0
"""After so long without a late call, the next one is of another outage."""
_IDLE_S = 20.0
_BYTES_A_S = 1_000_000
"""What the slowest line moves that is worth waiting for."""

_FIRST_CALLS = 0.6
_LATER_CALLS = 0.9
_LATER_CALL = 1 / 20
"""Shares of the time to give up in: of the first calls, of all which clean up behind them, and of each of those."""
_LAST_CALL_S = 1.0
_STOPPING_S = 6.0
_STOPPING_CALL_S = 0.5
"""How long all calls after a stop may take together, and each of them where that is over."""


class Patience:
    """Waits for a store that may be away, says so, and gives up in time.

    A store is away from the first call that is late, whether it fails then or is still waited for, until one succeeds.

    Args:
        place: the URL of the store.
        give_up_s: seconds from then on within which a run that can do nothing without the store comes to its end.
        is_stopping: whether the run is to stop, so that nothing is worth waiting for any more.
        monotonic: a clock that only goes forward.
        look_every_s: seconds between two looks at it.
    """

    def __init__(
        self,
        place: str,
        give_up_s: float,
        is_stopping: Callable[[], bool],
        monotonic: Callable[[], float] = time.monotonic,
        look_every_s: float = _LOOK_EVERY_S,
    ) -> None:
        self._place = place
        self._give_up_s = give_up_s
        self._is_stopping = is_stopping
        self._now = monotonic
        self._look_every_s = look_every_s
        self._hands = _Hands()
        self._lock = threading.Lock()
        self._away_since: float | None = None
        self._last_late_at = 0.0
        self._told_at = 0.0
        self._stopping_since: float | None = None

    def call(self, doing: str, path: str, work: Callable[[], _T], *, size_bytes: int = 0) -> _T:
        """Do a piece of work, in another thread, and wait for it.

        Args:
            doing: what is done, as in "writing".
            path: the URL of what it is done to.
            work: calls the store.
            size_bytes: what it moves; the time for that comes on top.

        Raises:
            OutputError: the store did not answer in time, or the work has said so.
        """
        begun_at = self._now()
        self._begin(begun_at)
        allowed_s = size_bytes / _BYTES_A_S
        result = self._hands.start(work)
        while not wait([result], self._look_every_s).done:
            now = self._now()
            if now - begun_at > _LATE_S + allowed_s:
                self._note_late(begun_at + allowed_s, now)
            if now > self._deadline(begun_at, now, allowed_s):
                raise OutputError(doing, object=path, got=f"no answer within {now - begun_at:.0f} s", remedy=NEXT_STEP)
        value = result.result()
        self._note_answer()
        return value

    def _begin(self, now: float) -> None:
        with self._lock:
            if self._away_since is not None and now - self._last_late_at > _OUTAGE_ENDS_S:
                self._away_since = None

    def _note_late(self, since: float, now: float) -> None:
        with self._lock:
            self._away_since = since if self._away_since is None else min(self._away_since, since)
            self._last_late_at = now
            waited_s = now - self._away_since
            is_to_tell = waited_s >= _TELL_EVERY_S and now - self._told_at >= _TELL_EVERY_S
            if is_to_tell:
                self._told_at = now
        if is_to_tell:
            sentence = "waiting for the output place %s: no answer since %.0f s"
            _LOG.warning(sentence, self._place, waited_s, extra={"action": Action.WAITING})

    def _note_answer(self) -> None:
        with self._lock:
            self._away_since = None

    def _deadline(self, begun_at: float, now: float, allowed_s: float) -> float:
        """Return when a call that is not answered yet is given up."""
        with self._lock:
            if self._stopping_since is None and self._is_stopping():
                self._stopping_since = now
            if self._stopping_since is not None:
                return max(begun_at + _STOPPING_CALL_S, self._stopping_since + _STOPPING_S)
            since = begun_at + allowed_s if self._away_since is None else self._away_since
            is_for_later_calls = begun_at < since + _LATER_CALLS * self._give_up_s
            least_s = self._give_up_s * _LATER_CALL if is_for_later_calls else _LAST_CALL_S
            return max(since + _FIRST_CALLS * self._give_up_s, begun_at + allowed_s + least_s)


class _Hands:
    """Threads that do one piece of work after the other; each ends when it has had nothing to do for a while.

    They hold no process: a thread in a call that does not come back is left behind at its end.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._idle: list[queue.SimpleQueue[Callable[[], None]]] = []

    def start(self, work: Callable[[], _T]) -> Future[_T]:
        """Have a thread do a piece of work."""
        result: Future[_T] = Future()

        def do() -> None:
            try:
                result.set_result(work())
            except BaseException as error:  # noqa: BLE001 - handed to who waits, as it is
                result.set_exception(error)

        with self._lock:
            if self._idle:
                self._idle.pop().put(do)
                return result
        threading.Thread(target=self._work, args=(do,), name="output place", daemon=True).start()
        return result

    def _work(self, do: Callable[[], None]) -> None:
        inbox: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        while True:
            do()
            with self._lock:
                self._idle.append(inbox)
            try:
                do = inbox.get(timeout=_IDLE_S)
            except queue.Empty:
                with self._lock:
                    if inbox in self._idle:
                        self._idle.remove(inbox)
                        return
                do = inbox.get()  # it was given work at this very moment
