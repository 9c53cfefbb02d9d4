"""How far a driver is with a request, as a small file in its staging that `status` reads."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from progress_exhaust.job_requests.model import RequestKey
from progress_exhaust.job_requests.stored_json import MOST, is_count, json_of

PROGRESS_FOLDER = "progress"
"""Folder of these files in a driver's staging place."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a request is.

    Attributes:
        key: which request.
        phase: what its driver does now, in a word.
        files: reports published.
        files_total: reports to publish.
        rows: learners in the files published.
        started_at: when it was claimed.
        updated_at: when this was written.
        seconds_left: where it can be measured; None where not.
    """

    key: RequestKey
    phase: str
    files: int
    files_total: int
    rows: int
    started_at: datetime
    updated_at: datetime
    seconds_left: float | None


def progress_name(key: RequestKey) -> str:
    """Return the name of a request's progress file; tag and id may hold anything, so it is made of their hash."""
    return f"{hashlib.sha256(json.dumps([key.tag, key.request_id]).encode()).hexdigest()[:32]}.json"


def progress_text(progress: Progress) -> str:
    """Return the file's text."""
    return json.dumps(
        {
            "tag": progress.key.tag,
            "request_id": progress.key.request_id,
            "phase": progress.phase,
            "files": progress.files,
            "files_total": progress.files_total,
            "rows": progress.rows,
            "started_at": progress.started_at.astimezone(UTC).isoformat(),
            "updated_at": progress.updated_at.astimezone(UTC).isoformat(),
            "seconds_left": progress.seconds_left,
        }
    )


def progress_of(text: str | None) -> Progress | None:
    """Return the progress in a text; None where there is none that can be read."""
    content = json_of(text)
    try:
        return _progress_of(content) if isinstance(content, dict) else None
    except (ValueError, TypeError, LookupError, OverflowError):
        return None


def _progress_of(content: Mapping[str, object]) -> Progress:
    left = content["seconds_left"]
    return Progress(
        RequestKey(_text(content["tag"]), _text(content["request_id"])),
        _text(content["phase"]),
        _count(content["files"]),
        _count(content["files_total"]),
        _count(content["rows"]),
        _instant(content["started_at"]),
        _instant(content["updated_at"]),
        None if left is None else _seconds(left),
    )


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("no text")
    return value


def _count(value: object) -> int:
    if not is_count(value):
        raise ValueError("no count")
    return value


def _seconds(value: object) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise TypeError("no number")
    # What is not a number is neither above nor below.
    if not 0 <= value <= MOST:
        raise ValueError("no duration")
    return float(value)


def _instant(value: object) -> datetime:
    moment = datetime.fromisoformat(_text(value))
    if moment.tzinfo is None:
        raise ValueError("no zone")
    return moment.astimezone(UTC)
