"""How long something may take: a point in time, and a watchdog that acts when it has passed.

A time-out of a socket is none of the two: it starts anew with every byte, and an answer that drips, or a server that is
stuck behind a proxy which is alive, keeps a thread for as long as it likes. So a second thread looks at the clock.

A JVM that ends (`jvm_end`) and work that a signal stops (`console.signals`) have no watchdog: there the thread that
waits is free to look at the clock itself. Nor has a call into Cassandra's driver (`tables.cassandra`), which nothing
ends from outside: it is made in a thread that is given up.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True, slots=True)
class Deadline:
    """A point in time.

    Attributes:
        at_s: when it is, in seconds of a clock that only goes forward.
        monotonic: that clock.
    """

    at_s: float
    monotonic: Callable[[], float] = time.monotonic

    @classmethod
    def after(cls, seconds: float, monotonic: Callable[[], float] = time.monotonic) -> Self:
        """Return the deadline that is so many seconds from now.

        >>> Deadline.after(5, lambda: 100.0).at_s
        105.0
        """
        return cls(monotonic() + seconds, monotonic)

    @property
    def remaining_s(self) -> float:
        """Seconds until it has passed; 0 where it has."""
        return max(0.0, self.at_s - self.monotonic())

    @property
    def is_over(self) -> bool:
        """Whether it has passed."""
        return self.monotonic() >= self.at_s


class Watchdog:
    """Calls something when a piece of work takes too long; for one piece at a time.

    One thread serves all pieces, since a thread a piece costs more than many of them take; it begins with the first
    one. Once a piece has ended, nothing is called on its account, however close it came.

    Args:
        on_late: ends what the work waits for; called in the watchdog's thread, at most once a piece.
        name: of the thread.
    """

    def __init__(self, on_late: Callable[[], None], name: str) -> None:
        self._on_late = on_late
        self._name = name
        self._guard = threading.Lock()
        self._wake = threading.Event()
        self._deadline: Deadline | None = None
        self._is_stopped = False
        self._thread: threading.Thread | None = None

    @contextmanager
    def watching(self, seconds: float) -> Iterator[None]:
        """Give the block so many seconds."""
        self._set(Deadline.after(seconds))
        try:
            yield
        finally:
            self._clear()

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Let no time of the piece at work go by in a block that waits for something else."""
        deadline = self._clear()
        remaining_s = deadline.remaining_s if deadline else 0.0
        try:
            yield
        finally:
            if deadline:
                self._set(Deadline.after(remaining_s))

    def stop(self) -> None:
        """End the thread; nothing is watched any more."""
        with self._guard:
            self._is_stopped = True
        self._wake.set()
        if self._thread and self._thread is not threading.current_thread():
            self._thread.join()

    def _set(self, deadline: Deadline) -> None:
        with self._guard:
            self._deadline = deadline
            if self._thread is None and not self._is_stopped:
                self._thread = threading.Thread(target=self._watch, name=self._name, daemon=True)
                self._thread.start()
        self._wake.set()

    def _clear(self) -> Deadline | None:
        with self._guard:
            deadline, self._deadline = self._deadline, None
            return deadline

    def _watch(self) -> None:
        while True:
            with self._guard:
                if self._is_stopped:
                    return
                if self._deadline and self._deadline.is_over:
                    self._deadline = None
                    # Under the guard: whoever ends the piece just now waits, and is not taken for late afterwards.
                    self._on_late()
                remaining_s = self._deadline.remaining_s if self._deadline else None
                self._wake.clear()
            # A piece that ends early leaves its deadline to be looked at in vain, once.
            self._wake.wait(remaining_s)
