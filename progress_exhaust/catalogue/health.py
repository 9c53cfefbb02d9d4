"""Whether a service answers at all: asked before one of its failures is charged to what was asked."""

from __future__ import annotations

import threading
from collections.abc import Callable

from progress_exhaust.errors import CatalogueError

HOLDS_S = 5.0
"""Seconds for which a probe is believed; so many failures at once cost one probe."""


class Health:
    """Counts failures of all threads, and has the service probed when there is reason to.

    Args:
        probe: does a cheap call; raises a `CatalogueError` where the service does not answer.
        doubt_after: failures in a row after which the service is probed before it is asked anything else.
        monotonic: a clock in seconds.
    """

    def __init__(self, probe: Callable[[], None], doubt_after: int, monotonic: Callable[[], float]) -> None:
        self._probe = probe
        self._doubt_after = doubt_after
        self._monotonic = monotonic
        self._guard = threading.Lock()
        self._probing = threading.Lock()
        self._failures_in_a_row = 0
        self._probed_at: float | None = None
        self._fault: CatalogueError | None = None

    @property
    def is_in_doubt(self) -> bool:
        """Whether so many calls in a row have failed that the service itself may be down."""
        with self._guard:
            return self._failures_in_a_row >= self._doubt_after

    def note(self, *, failed: bool) -> None:
        """Take note of how a call has ended, tries and all."""
        with self._guard:
            self._failures_in_a_row = self._failures_in_a_row + 1 if failed else 0

    def require(self) -> None:
        """See that the service answers; threads that ask together share one probe.

        Raises:
            CatalogueError: it does not.
        """
        with self._probing:
            now = self._monotonic()
            if self._probed_at is None or now - self._probed_at >= HOLDS_S:
                self._fault = None
                try:
                    self._probe()
                except CatalogueError as fault:
                    self._fault = fault
                self._probed_at = self._monotonic()
            if self._fault is not None:
                raise _copy_of(self._fault)


def _copy_of(fault: CatalogueError) -> CatalogueError:
    """Return the same error for another thread, without the traceback of the first."""
    copy = CatalogueError(str(fault))
    copy.transient = fault.transient
    return copy
