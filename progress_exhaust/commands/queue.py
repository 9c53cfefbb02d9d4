"""The work of `submit`, `status` and `cancel`: small commands beside the queue, which start neither Spark nor a JVM."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from progress_exhaust.commands import queue_summaries
from progress_exhaust.commands.base import Command
from progress_exhaust.commands.submission import unsafe_ids
from progress_exhaust.console.screen import Summary
from progress_exhaust.errors import RequestError
from progress_exhaust.identifiers import is_run_id
from progress_exhaust.job_requests.model import ListedRequest, NewRequest, RequestKey
from progress_exhaust.job_requests.port import Queue
from progress_exhaust.job_requests.progress import PROGRESS_FOLDER, Progress, progress_name, progress_of
from progress_exhaust.job_requests.request_data import Wanted
from progress_exhaust.job_requests.status import RequestState, state_of
from progress_exhaust.local_files import names_in, read_bytes
from progress_exhaust.paths import STAGING, local_folder
from progress_exhaust.settings.sections import Settings

_MOST_PROGRESS_BYTES = 64 * 1024

OpenQueue = Callable[[Settings], Queue]


def open_queue(settings: Settings) -> Queue:
    """Return the queue of the settings; its driver is loaded only where there is work for it."""
    from progress_exhaust.job_requests.postgres.queue import PostgresQueue  # noqa: PLC0415 - imports psycopg2

    return PostgresQueue(settings.queue, settings.requests, now=lambda: datetime.now(UTC))


def submit_request(command: Command, request: NewRequest, wanted: Wanted, open_queue: OpenQueue = open_queue) -> None:
    """Put a request in.

    Raises:
        RequestError: there is such a request already.
        QueueError: the queue does not answer.
    """
    is_in = False

    def work() -> None:
        nonlocal is_in
        with _closed_after(open_queue(command.settings)) as queue:
            queue.submit(request)
        is_in = True

    _carry_out(
        command,
        work,
        lambda error: queue_summaries.submit_summary(
            request, unsafe_ids(wanted), is_in=is_in, duration_s=command.elapsed_s(), error=error
        ),
    )


def show_requests(
    command: Command, request_id: str | None, tag: str | None, open_queue: OpenQueue = open_queue
) -> None:
    """Show one request, or all.

    Raises:
        RequestError: there is no such request.
        QueueError: the queue does not answer.
    """
    states: list[RequestState] = []

    def work() -> None:
        with _closed_after(open_queue(command.settings)) as queue:
            listed = queue.listed(request_id=request_id, tag=tag)
        if request_id is not None and not listed:
            raise unknown_request("looking at", request_id, tag)
        noted = progress_in(local_folder(command.settings.output.url), listed)
        states.extend(state_of(one, noted.get(one.key)) for one in listed)

    _carry_out(
        command,
        work,
        lambda error: queue_summaries.status_summary(
            states, is_one=request_id is not None, duration_s=command.elapsed_s(), error=error
        ),
    )


def cancel_request(command: Command, request_id: str, tag: str | None, open_queue: OpenQueue = open_queue) -> None:
    """Take a request back.

    Raises:
        RequestError: there is no such request, or it has ended.
        QueueError: the queue does not answer.
    """
    cancelled: list[RequestKey] = []

    def work() -> None:
        with _closed_after(open_queue(command.settings)) as queue:
            cancelled.extend(cancel_in(queue, request_id, tag, datetime.now(UTC)))

    _carry_out(
        command,
        work,
        lambda error: queue_summaries.cancel_summary(cancelled, duration_s=command.elapsed_s(), error=error),
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
        f"cancelling request {json.dumps(request_id)}: it has ended already ({words}), expected one that has not; "
        "its files stay"
    )


def unknown_request(doing: str, request_id: str, tag: str | None) -> RequestError:
    """Return the error for a request that is not in the queue."""
    under = f" under tag {json.dumps(tag)}" if tag is not None else ""
    return RequestError(
        f"{doing} request {json.dumps(request_id)}{under}: the queue has no such request of ours; "
        "progress-exhaust status lists them"
    )


def progress_in(root: Path | None, requests: Iterable[ListedRequest]) -> dict[RequestKey, Progress]:
    """Return the latest notes of requests that are at work, from the staging places of their drivers.

    Args:
        root: the output root. Where only Hadoop knows it, which is None, or we may not look, nothing is known.
        requests: rows of the queue.
    """
    alive = [request.key for request in requests if request.is_alive]
    if not alive or root is None:
        return {}
    try:
        places = [f"{STAGING}/{name}/{PROGRESS_FOLDER}" for name in names_in(root, STAGING) if is_run_id(name)]
    except OSError:
        return {}
    found: dict[RequestKey, Progress] = {}
    for key in alive:
        notes = (progress_of(_text_of(root, f"{place}/{progress_name(key)}")) for place in places)
        latest = max(
            (note for note in notes if note and note.key == key), key=lambda note: note.updated_at, default=None
        )
        if latest:
            found[key] = latest
    return found


@contextmanager
def _closed_after(queue: Queue) -> Iterator[Queue]:
    try:
        yield queue
    finally:
        queue.close_connections()


def _carry_out(command: Command, work: Callable[[], None], summary: Callable[[str], Summary]) -> None:
    # A statement and a connection have bounds of their own, so there is nothing to break off.
    command.carry_out(work, summary, cancel=lambda: None)


def _text_of(root: Path, path: str) -> str | None:
    try:
        return read_bytes(root, path, _MOST_PROGRESS_BYTES).decode("utf-8")
    except (OSError, UnicodeDecodeError):
        return None
