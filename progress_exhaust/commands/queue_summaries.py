"""From what came of a command beside the queue to what it shows of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime

from progress_exhaust.commands.summaries import ending
from progress_exhaust.console.screen import Summary, Table, count
from progress_exhaust.errors import Reason
from progress_exhaust.job_requests.model import NewRequest, RequestKey, Status
from progress_exhaust.job_requests.status import RequestState

_ORDER = (Status.PROCESSING, Status.SUBMITTED, Status.SUCCESS, Status.FAILED)
_UNKNOWN = "unknown"


def submit_summary(
    request: NewRequest, unsafe_ids: Sequence[str], *, is_in: bool, duration_s: float, error: str
) -> Summary:
    """Summarise a request put in.

    Args:
        request: it.
        unsafe_ids: batches of it that will be refused.
        is_in: whether it is in the queue now.
        duration_s: seconds of the whole command.
        error: the sentence of what stopped it; empty where nothing did.
    """
    key = request.key
    notes = [f"request id: {key.request_id}", f"to look at it: progress-exhaust status {key.request_id}"]
    return Summary(
        document={
            "request_id": key.request_id if is_in else None,
            "tag": key.tag,
            "channel": request.channel,
            "requested_by": request.requested_by,
            "submitted_at": _instant(request.submitted_at),
            "bad_ids": list(unsafe_ids),
            **ending(duration_s, error),
        },
        notes=notes if is_in else (),
        refusals=[
            (batch_id, Reason.BAD_ID.value, f'batch "{batch_id}" will not be made: no batch can have such an id')
            for batch_id in (unsafe_ids if is_in else ())
        ],
        closing=f"{count(int(is_in), 'request')} submitted, {duration_s:.1f} s",
    )


def status_summary(states: Sequence[RequestState], *, is_one: bool, duration_s: float, error: str) -> Summary:
    """Summarise requests; those at work first, then those that wait, then those that have ended, latest first.

    Args:
        states: of the requests, oldest first.
        is_one: whether one request was asked for, of which there is more to tell.
        duration_s: seconds of the whole command.
        error: the sentence of what stopped it; empty where nothing did.
    """
    ended = [state for state in states if state.has_ended]
    others = sorted(
        (state for state in states if not state.has_ended), key=lambda state: state.row.status != Status.PROCESSING
    )
    headers = ("request", "tag", "status", "alive", "phase", "files", "rows", "time left", "message")
    numbers = Counter(state.row.status for state in states)
    words = sorted(
        numbers, key=lambda word: (_ORDER.index(Status(word)) if word in list(Status) else len(_ORDER), word)
    )
    alive = sum(state.row.is_alive for state in states)
    parts = [f"{numbers[word]:,} {word}{f' ({alive:,} alive)' if word == Status.PROCESSING else ''}" for word in words]
    return Summary(
        document={"requests": [_document(state) for state in states], **ending(duration_s, error)},
        tables=[Table(headers, [_row(state) for state in [*others, *reversed(ended)]], frozenset({5, 6, 7}))],
        notes=[note for state in states for note in _notes(state)] if is_one else (),
        closing=", ".join([count(len(states), "request"), *parts, f"{duration_s:.1f} s"]),
    )


def cancel_summary(cancelled: Sequence[RequestKey], *, duration_s: float, error: str) -> Summary:
    """Summarise requests taken back; see `status_summary` for the other arguments."""
    return Summary(
        document={
            "cancelled": [{"request_id": key.request_id, "tag": key.tag} for key in cancelled],
            **ending(duration_s, error),
        },
        tables=[Table(("request", "tag"), [(key.request_id, key.tag) for key in cancelled])],
        notes=["a driver at work on it stops before its next file; files already out stay"] if cancelled else (),
        closing=f"{count(len(cancelled), 'request')} cancelled, {duration_s:.1f} s",
    )


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
        "" if state.has_ended else rows,
        "" if state.has_ended else time_left(state.seconds_left),
        state.row.err_message,
    )


def _notes(state: RequestState) -> list[str]:
    notes = [
        f"channel {state.row.channel or '(none)'}, submitted {_instant(state.row.submitted_at) or _UNKNOWN}, "
        f"completed {_instant(state.row.completed_at) or 'not yet'}, {count(state.row.iteration, 'driver')} died on it"
    ]
    return notes + [f"file: {url}" for url in state.row.urls]


def _document(state: RequestState) -> dict[str, object]:
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
        "submitted_at": _instant(state.row.submitted_at),
        "completed_at": _instant(state.row.completed_at),
        "iteration": state.row.iteration,
        "urls": list(state.row.urls),
        "message": state.row.err_message,
    }


def _instant(moment: datetime | None) -> str | None:
    return moment.isoformat(timespec="seconds") if moment else None
