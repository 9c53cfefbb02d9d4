"""The command `submit`: puts a request into the queue."""

from __future__ import annotations

from progress_exhaust.commands.base import CommandContext
from progress_exhaust.commands.documents import ending
from progress_exhaust.commands.queue import OpenQueue, QueueCommand, instant, open_queue
from progress_exhaust.commands.submission import Submission, unsafe_ids
from progress_exhaust.console.screen import Summary
from progress_exhaust.errors import Reason
from progress_exhaust.text import pluralize


class Submit(QueueCommand):
    """Puts a request in.

    Args:
        context: settings and screen.
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

    def result(self, error: str) -> Summary:
        """Return the request's id, where it is in, and which of its batches will be refused."""
        duration_s, request = self.elapsed_s(), self._request
        key, unsafe = request.key, unsafe_ids(self._wanted)
        notes = [f"request id: {key.request_id}", f"to look at it: progress-exhaust status {key.request_id}"]
        return Summary(
            document={
                "request_id": key.request_id if self._is_in else None,
                "tag": key.tag,
                "channel": request.channel,
                "requested_by": request.requested_by,
                "submitted_at": instant(request.submitted_at),
                "bad_ids": unsafe,
                **ending(duration_s, error),
            },
            notes=notes if self._is_in else (),
            refusals=[
                (batch_id, Reason.BAD_ID.value, f'batch "{batch_id}" will not be made: no batch can have such an id')
                for batch_id in (unsafe if self._is_in else ())
            ],
            closing=f"{pluralize(int(self._is_in), 'request')} submitted, {duration_s:.1f} s",
        )
