"""How far a driver is with a request, as a small file in its staging that `status` reads."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated

from pydantic import Field, PlainValidator, ValidationError

from progress_exhaust.job_requests.model import RequestKey
from progress_exhaust.job_requests.stored_json import MOST, Count, Stored, json_of

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
    try:
        stored = _StoredProgress.model_validate(json_of(text))
    except ValidationError:
        return None
    return Progress(
        key=RequestKey(stored.tag, stored.request_id),
        phase=stored.phase,
        files=stored.files,
        files_total=stored.files_total,
        rows=stored.rows,
        started_at=stored.started_at,
        updated_at=stored.updated_at,
        seconds_left=None if stored.seconds_left is None else float(stored.seconds_left),
    )


def _instant(value: object) -> datetime:
    if not isinstance(value, str):
        raise ValueError("no text")
    moment = datetime.fromisoformat(value)
    if moment.tzinfo is None:
        raise ValueError("no zone")
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("before the first year, or after the last") from None


_Instant = Annotated[datetime, PlainValidator(_instant)]
_Seconds = Annotated[float, Field(ge=0, lt=float(MOST), allow_inf_nan=False)]


class _StoredProgress(Stored):
    tag: str
    request_id: str
    phase: str
    files: Count
    files_total: Count
    rows: Count
    started_at: _Instant
    updated_at: _Instant
    seconds_left: Count | _Seconds | None
