"""What working the request queue off comes to."""

from __future__ import annotations

from dataclasses import dataclass, field

from progress_exhaust.export.run import Outcome
from progress_exhaust.job_requests.model import RequestKey, Status

CANCELLED = "CANCELLED"
"""The state of a request that was cancelled while it was ours."""
LOST = "LOST"
"""The state of a request that was put in anew or taken over while it was ours."""
GAVE_UP = "GAVE_UP"
"""The state of a request that is FAILED now, because too many drivers have died on it."""


@dataclass(frozen=True, slots=True)
class Settled:
    """What became of one request.

    Attributes:
        key: which row.
        state: a status word, `CANCELLED`, `LOST` or `GAVE_UP`; SUBMITTED says that it was given back.
        files: files it has.
        wanted: batches it asks for.
        rows: learners in its files.
        err_message: as written to its row.
    """

    key: RequestKey
    state: str
    files: int
    wanted: int
    rows: int
    err_message: str


@dataclass
class RequestsOutcome(Outcome):
    """What working the queue off has come to; a report delivered to two requests counts as two made.

    Attributes:
        settled: what became of each request, in the order they came to an end.
        due: requests that were due when the run looked.
        left: due requests that were not claimed: for a limit, or because somebody else has their rows locked.
        unforeseen: what failed for one request alone, and did not end the run.
    """

    settled: list[Settled] = field(default_factory=list)
    due: int = 0
    left: int = 0
    unforeseen: list[BaseException] = field(default_factory=list)

    @property
    def unfinished(self) -> int:
        """Requests left to a later run."""
        return self.left + sum(one.state in (Status.SUBMITTED, LOST) for one in self.settled)
