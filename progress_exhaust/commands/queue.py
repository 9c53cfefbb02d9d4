"""What the commands beside the queue have in common: they start neither Spark nor a JVM."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime

from progress_exhaust.commands.base import Command, CommandContext, now
from progress_exhaust.errors import RequestError
from progress_exhaust.job_requests.port import Queue
from progress_exhaust.log_actions import Action
from progress_exhaust.settings.sections import Settings

_LOG = logging.getLogger(__name__)

OpenQueue = Callable[[Settings], Queue]


def open_queue(settings: Settings) -> Queue:
    """Return the queue of the settings; its driver is loaded only where there is work for it."""
    from progress_exhaust.job_requests.postgres.queue import PostgresQueue  # noqa: PLC0415 - imports psycopg2

    _LOG.debug("queue opened: table %s", settings.queue.table, extra={"action": Action.OPENED})
    return PostgresQueue(settings.queue, settings.requests, now=now)


class QueueCommand(Command):
    """A command beside the queue. A statement and a connection have bounds of their own, so nothing is broken off.

    Args:
        context: settings and console.
        open_queue: opens the queue of the settings.
    """

    def __init__(self, context: CommandContext, open_queue: OpenQueue = open_queue) -> None:
        super().__init__(context)
        self._open_queue = open_queue

    @contextmanager
    def queue(self) -> Iterator[Queue]:
        """Open the queue for a while."""
        queue = self._open_queue(self.settings)
        try:
            yield queue
        finally:
            queue.close_connections()


def unknown_request(doing: str, request_id: str, tag: str | None) -> RequestError:
    """Return the error for a request that is not in the queue."""
    under = f" under tag {json.dumps(tag)}" if tag is not None else ""
    return RequestError(
        doing,
        object=f"request {json.dumps(request_id)}{under}",
        got="the queue has no such request of ours",
        remedy="progress-exhaust status lists them",
    )


def instant(moment: datetime | None) -> str | None:
    """Return a moment as documents tell it."""
    return moment.isoformat(timespec="seconds") if moment else None
