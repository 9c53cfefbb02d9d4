"""Whether a service answers at all: asked before one of its failures is charged to what was asked."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from progress_exhaust.deadlines import Deadline
from progress_exhaust.errors import CatalogueError
from progress_exhaust.log_actions import Action

_LOG = logging.getLogger(__name__)

HOLDS_S = 5.0
"""Seconds for which what a probe has found is believed; so many failures at once cost one probe."""


class Health:
    """Remembers how the calls of all threads end, and has the service probed before a failure is charged to one.

    What a probe has found is believed for a short time, and for a few failures only: those of an outage that began just
    after it must not all be charged to what was asked. While a probe has found the service down, nothing is asked of
    it; the first call after that time shows how it is.

    Args:
        down_after: failures in a row after which the service is probed anew, however short ago it was.
        monotonic: a clock in seconds.
    """

    def __init__(self, down_after: int, monotonic: Callable[[], float]) -> None:
        self._down_after = down_after
        self._monotonic = monotonic
        self._guard = threading.Lock()
        self._probing = threading.Lock()
        self._failures_in_a_row = 0
        self._believed_until: Deadline | None = None
        self._fault: CatalogueError | None = None

    def note(self, *, failed: bool) -> None:
        """Take note of how a call has ended, tries and all."""
        with self._guard:
            self._failures_in_a_row = self._failures_in_a_row + 1 if failed else 0
            if not failed:
                self._close_circuit()

    def spare(self) -> None:
        """See that the service was not found down a moment ago.

        Raises:
            CatalogueError: it was.
        """
        with self._guard:
            if self._fault is not None and self._is_fresh():
                raise _copy_of(self._fault)

    def require(self, probe: Callable[[], None]) -> None:
        """See that the service answers; threads that ask together share one probe.

        Args:
            probe: does a cheap call.

        Raises:
            CatalogueError: it does not.
        """
        with self._probing:
            if not self._is_believed():
                _LOG.debug("a request has failed: the content service is probed", extra={"action": Action.PROBE})
                found = _fault_of(probe)
                with self._guard:
                    if found is None:
                        self._close_circuit()
                    else:
                        self._open_circuit(found)
                    self._failures_in_a_row = 0
                    self._believed_until = Deadline.after(HOLDS_S, self._monotonic)
            self.spare()

    def _open_circuit(self, fault: CatalogueError) -> None:
        self._fault = fault
        _LOG.debug(
            "the content service is taken for down, and asked nothing for %g s: %s",
            HOLDS_S,
            fault,
            extra={"action": Action.CIRCUIT_OPEN},
        )

    def _close_circuit(self) -> None:
        if self._fault is not None:
            self._fault = None
            _LOG.debug("the content service answers again", extra={"action": Action.CIRCUIT_CLOSED})

    def _is_believed(self) -> bool:
        with self._guard:
            return self._is_fresh() and (self._fault is not None or self._failures_in_a_row < self._down_after)

    def _is_fresh(self) -> bool:
        return self._believed_until is not None and not self._believed_until.is_over


class Retries:
    """Second and further tries that may still come to nothing; what is answered gives one back.

    Tries are for a service that needs a moment. Where call after call fails while it answers all others, it is not the
    service that needs time, and a thousand sick collections must not cost a thousand times all tries and pauses.

    Args:
        most: how many there are to begin with, and at most.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._left = most
        self._guard = threading.Lock()

    @property
    def are_left(self) -> bool:
        """Whether any is left."""
        with self._guard:
            return self._left > 0

    def spend(self, number: int) -> None:
        """Take note of further tries that came to nothing."""
        with self._guard:
            self._left = max(0, self._left - number)

    def give_one_back(self) -> None:
        """Take note of an answer."""
        with self._guard:
            self._left = min(self._most, self._left + 1)


def _fault_of(probe: Callable[[], None]) -> CatalogueError | None:
    try:
        probe()
    except CatalogueError as fault:
        return fault
    return None


def _copy_of(fault: CatalogueError) -> CatalogueError:
    """Return the same error for another thread, without the traceback of the first."""
    return CatalogueError(got=fault.fault.finding, remedy=fault.fault.remedy, transient=fault.transient)
