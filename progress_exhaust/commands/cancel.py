"""The command `cancel`: takes a request back."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from progress_exhaust.commands.base import CommandContext, now
from progress_exhaust.commands.queue import OpenQueue, QueueCommand, open_queue, unknown_request
from progress_exhaust.console.result import Result, Summary, Table
from progress_exhaust.errors import RequestError
from progress_exhaust.job_requests.model import RequestKey
from progress_exhaust.job_requests.port import Queue
from progress_exhaust.text import pluralize


@dataclass(frozen=True, kw_only=True)
class CancelResult(Result):
    """What `cancel` has done.

    Attributes:
        cancelled: the requests taken back.
    """

    cancelled: Sequence[RequestKey]

    def summary(self) -> Summary:
        """Return the requests in a table, and what becomes of their files."""
        is_some = bool(self.cancelled)
        return Summary(
            tables=[Table(("request", "tag"), [(key.request_id, key.tag) for key in self.cancelled])],
            notes=["a driver at work on it stops before its next file; files already out stay"] if is_some else (),
            closing=f"{pluralize(len(self.cancelled), 'request')} cancelled, {self.duration_s:.1f} s",
        )

    def content(self) -> dict[str, object]:
        """Return the requests' keys."""
        return {"cancelled": [{"request_id": key.request_id, "tag": key.tag} for key in self.cancelled]}


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

    def result(self, error: str) -> Result:
        """Return which rows are cancelled."""
        return CancelResult(duration_s=self.elapsed_s(), error=error, cancelled=self._cancelled)


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
    statuses = ", ".join(sorted({one.status for one in listed}))
    raise RequestError(
        "cancelling",
        object=f"request {json.dumps(request_id)}",
        got=f"it has ended already ({statuses})",
        expected="one that has not",
        remedy="its files stay",
    )
