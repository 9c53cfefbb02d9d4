"""What a request is at, from its row and from what its driver has noted of its progress."""

from __future__ import annotations

from dataclasses import dataclass

from progress_exhaust.job_requests.model import ListedRequest, Status
from progress_exhaust.job_requests.progress import Progress

WAITING = "waiting"
"""Nobody has taken it yet."""
DRIVER_GONE = "driver gone"
"""Its driver has died; the next run takes it up."""
ENDED = "ended"
UNKNOWN = "unknown"
"""Its driver has noted nothing that can be read from here."""


@dataclass(frozen=True, slots=True)
class RequestState:
    """What a request is at.

    Attributes:
        row: its row.
        phase: what happens to it now.
        files: reports published.
        files_total: reports to publish; None where that is not known.
        rows: learners in the files published; None where that is not known.
        seconds_left: until it is done; None where that is not measured.
    """

    row: ListedRequest
    phase: str
    files: int
    files_total: int | None
    rows: int | None
    seconds_left: float | None

    @property
    def is_final(self) -> bool:
        """Whether nothing happens to it until someone submits it anew."""
        return self.phase == ENDED


def state_of(request: ListedRequest, progress: Progress | None) -> RequestState:
    """Return what a request is at.

    Args:
        request: its row.
        progress: the latest note of it; of one that no driver is at work on it is left over, and not looked at.
    """
    is_at_work = request.is_alive and request.status == Status.PROCESSING
    now = progress if is_at_work else None
    return RequestState(
        request,
        now.phase if now else _phase(request),
        now.files if now else len(request.urls),
        now.files_total if now else None,
        now.rows if now else None,
        now.seconds_left if now else None,
    )


def _phase(request: ListedRequest) -> str:
    if request.status == Status.SUBMITTED:
        return WAITING
    if request.status == Status.PROCESSING:
        return UNKNOWN if request.is_alive else DRIVER_GONE
    return ENDED
