"""What working the request queue off comes to."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from progress_exhaust.export.run import Outcome
from progress_exhaust.job_requests.model import RequestKey, Status


class JobEnd(StrEnum):
    """What became of a request; the words stand in results and metrics, and most of them are those of its row."""

    SUCCESS = Status.SUCCESS.value
    FAILED = Status.FAILED.value
    SUBMITTED = Status.SUBMITTED.value  # given back
    CANCELLED = "CANCELLED"  # taken back by the requester while it was ours
    LOST = "LOST"  # put in anew or taken over while it was ours
    ABANDONED = "GAVE_UP"  # FAILED now, because too many drivers have died on it


@dataclass(frozen=True, slots=True)
class JobResult:
    """What became of one request.

    Attributes:
        key: which row.
        state: what.
        files: files it has.
        wanted: batches it asks for.
        rows: learners in its files.
        err_message: as written to its row.
    """

    key: RequestKey
    state: JobEnd
    files: int
    wanted: int
    rows: int
    err_message: str


@dataclass
class RequestsOutcome(Outcome):
    """What working the queue off has come to; a report delivered to two requests counts as two made.

    Attributes:
        results: what became of each request, in the order they came to an end.
        due: requests that were due when the run looked.
        left: due requests that were not claimed: for a limit, or because somebody else has their rows locked.
        unforeseen: what failed for one request alone, and did not end the run.
    """

    results: list[JobResult] = field(default_factory=list)
    due: int = 0
    left: int = 0
    unforeseen: list[BaseException] = field(default_factory=list)

    @property
    def unfinished(self) -> int:
        """Requests left to a later run."""
        return self.left + sum(one.state in (JobEnd.SUBMITTED, JobEnd.LOST) for one in self.results)
