"""The command `submit`: puts a request into the queue."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from progress_exhaust.commands.base import CommandContext
from progress_exhaust.commands.queue import OpenQueue, QueueCommand, instant, open_queue
from progress_exhaust.commands.submission import Submission, unsafe_ids
from progress_exhaust.console.result import Result, Summary
from progress_exhaust.errors import Reason
from progress_exhaust.job_requests.model import NewRequest
from progress_exhaust.text import pluralize


@dataclass(frozen=True, kw_only=True)
class SubmitResult(Result):
    """What `submit` has put in.

    Attributes:
        request: the request.
        is_in: whether the queue has taken it.
        unsafe_ids: batches asked for that will be refused.
    """

    request: NewRequest
    is_in: bool
    unsafe_ids: Sequence[str]

    def summary(self) -> Summary:
        """Return the request's id, where it is in, and which of its batches will be refused."""
        request_id = self.request.key.request_id
        notes = [f"request id: {request_id}", f"to look at it: progress-exhaust status {request_id}"]
        return Summary(
            notes=notes if self.is_in else (),
            refusals=[
                (batch_id, Reason.BAD_ID.value, f'batch "{batch_id}" will not be made: no batch can have such an id')
                for batch_id in (self.unsafe_ids if self.is_in else ())
            ],
            closing=f"{pluralize(int(self.is_in), 'request')} submitted, {self.duration_s:.1f} s",
        )

    def content(self) -> dict[str, object]:
        """Return the request; its id is null where it is not in."""
        request = self.request
        return {
            "request_id": request.key.request_id if self.is_in else None,
            "tag": request.key.tag,
            "channel": request.channel,
            "requested_by": request.requested_by,
            "submitted_at": instant(request.submitted_at),
            "bad_ids": list(self.unsafe_ids),
        }


class Submit(QueueCommand):
    """Puts a request in.

    Args:
        context: settings and console.
        submission: what the command line says of the request.
        open_queue: opens the queue of the settings.
    """

    def __init__(self, context: CommandContext, submission: Submission, open_queue: OpenQueue = open_queue) -> None:
        super().__init__(context, open_queue)
        self._wanted, self._request = submission.of(self.settings.requests)
        self._is_in = False

    def work(self) -> None:
        """Put it in.

        Raises:
            RequestError: there is such a request already.
            QueueError: the queue does not answer.
        """
        with self.queue() as queue:
            queue.submit(self._request)
        self._is_in = True

    def result(self, error: str) -> Result:
        """Return the request, and whether it is in."""
        unsafe = unsafe_ids(self._wanted)
        return SubmitResult(
            duration_s=self.elapsed_s(), error=error, request=self._request, is_in=self._is_in, unsafe_ids=unsafe
        )
