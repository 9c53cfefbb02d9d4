"""What a request is at, from its row and from what its driver has noted of its progress."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from progress_exhaust.job_requests.model import ListedRequest, RequestKey, Status
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
        key: which request.
        status: the row's word, whatever it is.
        channel: of the requester.
        submitted_at: when it was put in.
        completed_at: when its last submission ended.
        iteration: drivers that have died on it.
        is_alive: whether a driver is at work on it.
        phase: what happens to it now.
        files: reports published.
        files_total: reports to publish; None where that is not known.
        rows: learners in the files published; None where that is not known.
        seconds_left: until it is done; None where that is not measured.
        urls: paths of its files.
        message: err_message as it stands.
    """

    key: RequestKey
    status: str
    channel: str
    submitted_at: datetime | None
    completed_at: datetime | None
    iteration: int
    is_alive: bool
    phase: str
    files: int
    files_total: int | None
    rows: int | None
    seconds_left: float | None
    urls: tuple[str, ...]
    message: str

    @property
    def has_ended(self) -> bool:
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
        request.key,
        request.status,
        request.channel,
        request.submitted_at,
        request.completed_at,
        request.iteration,
        request.is_alive,
        now.phase if now else _phase(request),
        now.files if now else len(request.urls),
        now.files_total if now else None,
        now.rows if now else None,
        now.seconds_left if now else None,
        request.urls,
        request.err_message,
    )


def _phase(request: ListedRequest) -> str:
    if request.status == Status.SUBMITTED:
        return WAITING
    if request.status == Status.PROCESSING:
        return UNKNOWN if request.is_alive else DRIVER_GONE
    return ENDED
