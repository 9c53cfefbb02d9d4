"""The command `cancel`: takes a request back."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime

from progress_exhaust.commands.base import CommandContext, now
from progress_exhaust.commands.documents import ending
from progress_exhaust.commands.queue import OpenQueue, QueueCommand, open_queue, unknown_request
from progress_exhaust.console.screen import Summary, Table
from progress_exhaust.errors import RequestError
from progress_exhaust.job_requests.model import RequestKey
from progress_exhaust.job_requests.port import Queue
from progress_exhaust.text import pluralize


class Cancel(QueueCommand):
    """Takes a request back; of several tags all, where none is named."""

    def __init__(
        self, context: CommandContext, request_id: str, tag: str | None, open_queue: OpenQueue = open_queue
    ) -> None:
        super().__init__(context, open_queue)
        self._request_id = request_id
        self._tag = tag
        self._cancelled: Sequence[RequestKey] = ()

    def work(self) -> None:
        """Take it back.

        Raises:
            RequestError: there is no such request, or it has ended.
            QueueError: the queue does not answer.
        """
        with self.queue() as queue:
            self._cancelled = cancel_in(queue, self._request_id, self._tag, now())

    def result(self, error: str) -> Summary:
        """Return which rows are cancelled."""
        duration_s, cancelled = self.elapsed_s(), self._cancelled
        return Summary(
            document={
                "cancelled": [{"request_id": key.request_id, "tag": key.tag} for key in cancelled],
                **ending(duration_s, error),
            },
            tables=[Table(("request", "tag"), [(key.request_id, key.tag) for key in cancelled])],
            notes=["a driver at work on it stops before its next file; files already out stay"] if cancelled else (),
            closing=f"{pluralize(len(cancelled), 'request')} cancelled, {duration_s:.1f} s",
        )


def cancel_in(queue: Queue, request_id: str, tag: str | None, now: datetime) -> Sequence[RequestKey]:
    """Cancel in a queue the requests with this id, and return which these are.

    Raises:
        RequestError: there is none, or all have ended.
        QueueError: the queue does not answer.
    """
    cancelled = queue.cancel(request_id=request_id, tag=tag, now=now)
    if cancelled:
        return cancelled
    listed = queue.listed(request_id=request_id, tag=tag)
    if not listed:
        raise unknown_request("cancelling", request_id, tag)
    words = ", ".join(sorted({one.status for one in listed}))
    raise RequestError(
        "cancelling",
        object=f"request {json.dumps(request_id)}",
        got=f"it has ended already ({words})",
        expected="one that has not",
        remedy="its files stay",
    )
