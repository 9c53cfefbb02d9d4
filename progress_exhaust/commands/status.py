"""The command `status`: shows requests, and how far they are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from progress_exhaust.commands.base import CommandContext
from progress_exhaust.commands.queue import OpenQueue, QueueCommand, instant, open_queue, unknown_request
from progress_exhaust.console.result import Result, Summary, Table
from progress_exhaust.identifiers import is_run_id
from progress_exhaust.job_requests.model import ListedRequest, RequestKey, Status
from progress_exhaust.job_requests.progress import PROGRESS_FOLDER, Progress, progress_name, progress_of
from progress_exhaust.job_requests.status import RequestState, state_of
from progress_exhaust.local_files import names_in, read_bytes
from progress_exhaust.paths import STAGING, local_folder
from progress_exhaust.text import pluralize

_ORDER = (Status.PROCESSING, Status.SUBMITTED, Status.SUCCESS, Status.FAILED)
_HEADERS = ("request", "tag", "status", "alive", "phase", "files", "rows", "time left", "message")
_UNKNOWN = "unknown"
_MOST_PROGRESS_BYTES = 64 * 1024


@dataclass(frozen=True, kw_only=True)
class StatusResult(Result):
    """What `status` has found.

    Attributes:
        states: of the requests, in the queue's order.
        is_one: whether one was asked for by its id.
    """

    states: Sequence[RequestState]
    is_one: bool

    def summary(self) -> Summary:
        """Return a line for each request; of a single one, there is more to tell."""
        at_work = [state for state in self.states if state.row.status == Status.PROCESSING and not state.is_final]
        waiting = [state for state in self.states if state.row.status != Status.PROCESSING and not state.is_final]
        ended = [state for state in self.states if state.is_final]
        rows = [_row(state) for state in [*at_work, *waiting, *reversed(ended)]]
        return Summary(
            tables=[Table(_HEADERS, rows, frozenset({5, 6, 7}))],
            notes=[note for state in self.states for note in _notes(state)] if self.is_one else (),
            closing=", ".join([pluralize(len(self.states), "request"), *self._counted(), f"{self.duration_s:.1f} s"]),
        )

    def content(self) -> dict[str, object]:
        """Return all that is known of each request."""
        return {"requests": [_content(state) for state in self.states]}

    def _counted(self) -> list[str]:
        """Return how many requests there are of each status; one that we do not know comes last."""
        numbers = Counter(state.row.status for state in self.states)
        known = {status.value: place for place, status in enumerate(_ORDER)}
        statuses = sorted(numbers, key=lambda status: (known.get(status, len(known)), status))
        alive = sum(state.row.is_alive for state in self.states)
        return [
            f"{numbers[status]:,} {status}{f' ({alive:,} alive)' if status == Status.PROCESSING else ''}"
            for status in statuses
        ]


class ShowStatus(QueueCommand):
    """Shows one request, or all: those at work, then those that wait, then those that have ended, latest first."""

    def __init__(
        self, context: CommandContext, request_id: str | None, tag: str | None, open_queue: OpenQueue = open_queue
    ) -> None:
        super().__init__(context, open_queue)
        self._request_id = request_id
        self._tag = tag
        self._states: list[RequestState] = []

    def work(self) -> None:
        """Look.

        Raises:
            RequestError: there is no such request.
            QueueError: the queue does not answer.
        """
        with self.queue() as queue:
            listed = queue.listed(request_id=self._request_id, tag=self._tag)
        if self._request_id is not None and not listed:
            raise unknown_request("looking at", self._request_id, self._tag)
        noted = progress_in(local_folder(self.settings.output.url), listed)
        self._states = [state_of(one, noted.get(one.key)) for one in listed]

    def result(self, error: str) -> Result:
        """Return the requests looked at."""
        is_one = self._request_id is not None
        return StatusResult(duration_s=self.elapsed_s(), error=error, states=tuple(self._states), is_one=is_one)


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


def time_left(seconds: float | None) -> str:
    """Return a duration as people read it.

    >>> time_left(None), time_left(0.2), time_left(89), time_left(150), time_left(9000)
    ('unknown', '1 s', '89 s', '3 min', '2.5 h')
    """
    if seconds is None:
        return _UNKNOWN
    if seconds < 90:
        return f"{max(round(seconds), 1)} s"
    return f"{int(seconds / 60 + 0.5)} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _row(state: RequestState) -> tuple[str, ...]:
    files = f"{state.files:,}" if state.files_total is None else f"{state.files:,} of {state.files_total:,}"
    rows = _UNKNOWN if state.rows is None else f"{state.rows:,}"
    return (
        state.row.key.request_id,
        state.row.key.tag,
        state.row.status,
        "yes" if state.row.is_alive else "no",
        state.phase,
        files,
        "" if state.is_final else rows,
        "" if state.is_final else time_left(state.seconds_left),
        state.row.err_message,
    )


def _notes(state: RequestState) -> list[str]:
    notes = [
        f"channel {state.row.channel or '(none)'}, submitted {instant(state.row.submitted_at) or _UNKNOWN}, "
        f"completed {instant(state.row.completed_at) or 'not yet'}, "
        f"{pluralize(state.row.iteration, 'driver')} died on it"
    ]
    return notes + [f"file: {url}" for url in state.row.urls]


def _content(state: RequestState) -> dict[str, object]:
    return {
        "request_id": state.row.key.request_id,
        "tag": state.row.key.tag,
        "status": state.row.status,
        "alive": state.row.is_alive,
        "phase": state.phase,
        "files": state.files,
        "files_total": state.files_total,
        "rows": state.rows,
        "seconds_left": state.seconds_left,
        "channel": state.row.channel,
        "submitted_at": instant(state.row.submitted_at),
        "completed_at": instant(state.row.completed_at),
        "iteration": state.row.iteration,
        "urls": list(state.row.urls),
        "message": state.row.err_message,
    }


def _text_of(root: Path, path: str) -> str | None:
    try:
        return read_bytes(root, path, _MOST_PROGRESS_BYTES).decode("utf-8")
    except (OSError, UnicodeDecodeError):
        return None
