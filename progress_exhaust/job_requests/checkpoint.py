"""The list in processed_batches: which files of a request are finished, so that a later driver need not make them anew.

A JSON list of objects. The keys `channel, batchId, filePath, fileSize` are those other parts of Sunbird read; the rest
is ours, and tells whether a file may be used again.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime

from progress_exhaust.identifiers import is_safe_id
from progress_exhaust.job_requests.stored_json import is_count, json_of
from progress_exhaust.paths import ROOT

_FILE_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,254}")
_TAG_HASH = re.compile(r"[0-9a-f]{8}")
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Entry:
    """One finished file.

    Attributes:
        channel: of the requester.
        batch_id: its batch.
        file_path: its place under the output root, `progress-exhaust/<folder>/<name>`.
        file_size: its bytes.
        sha256: of the file, in hex.
        rows: learners; the header is not counted.
        submitted_at: of the submission it was made for, as `submission_of` writes it.
        request_sha256: of the request_data it was made for.
        audience: the root organisation whose learners are in it; None for everyone.
        day: the date in its name, as YYYY-MM-DD.
        collection_id: its collection; empty where it is not told.
    """

    channel: str
    batch_id: str
    file_path: str
    file_size: int
    sha256: str
    rows: int
    submitted_at: str
    request_sha256: str
    audience: str | None
    day: str
    collection_id: str = ""


MOST_KILLS_NOTED = 1000
"""More than that nobody has noted."""


@dataclass(frozen=True, slots=True)
class JvmKills:
    """How often a submission was given back because the JVM of its driver had been killed.

    Attributes:
        number: how often.
        submitted_at: which submission, as `submission_of` writes it.
        request_sha256: of its request data.
    """

    number: int
    submitted_at: str
    request_sha256: str


def to_text(entries: Iterable[Entry], kills: JvmKills | None = None) -> str:
    """Return the text for processed_batches: one line, in ASCII; kills are noted where there were any."""
    noted = (
        [{"jvmKills": kills.number, "submittedAt": kills.submitted_at, "requestSha256": kills.request_sha256}]
        if kills and kills.number
        else []
    )
    return json.dumps(
        [
            {
                "channel": entry.channel,
                "batchId": entry.batch_id,
                "filePath": entry.file_path,
                "fileSize": entry.file_size,
                "sha256": entry.sha256,
                "rows": entry.rows,
                "submittedAt": entry.submitted_at,
                "requestSha256": entry.request_sha256,
                "audience": entry.audience,
                "day": entry.day,
                "collectionId": entry.collection_id,
            }
            for entry in entries
        ]
        + noted,
        separators=(",", ":"),
    )


def jvm_kills_in(text: str | None, *, submitted_at: str, request_sha256: str) -> int:
    """Return how often a text says that this submission was given back for a killed JVM; 0 where it says nothing."""
    most = 0
    for one in _objects_in(text):
        is_same = one.get("submittedAt") == submitted_at and one.get("requestSha256") == request_sha256
        kills = one.get("jvmKills")
        if is_same and is_count(kills) and kills < MOST_KILLS_NOTED:
            most = max(most, kills)
    return most


def entries_of(text: str | None) -> list[Entry]:
    """Return the entries of ours in a text, whatever it is; anything else in it is left out.

    Where two are about the same batch and audience, the later one counts, at the place of the first.
    """
    entries: dict[tuple[str, str | None], Entry] = {}
    for one in _objects_in(text):
        entry = _entry_of(one)
        if entry is not None:
            entries[entry.batch_id, entry.audience] = entry
    return list(entries.values())


def reusable(
    entries: Iterable[Entry], *, submitted_at: str, request_sha256: str, folders: Collection[str]
) -> list[Entry]:
    """Return the entries made for this very submission, with this request data, in this request's own folder.

    Whether the file is still whole, and its audience still the right one, is for the caller to see.

    Args:
        entries: as the row has them.
        submitted_at: of the submission, as `submission_of` writes it.
        request_sha256: of the request data.
        folders: the request's under the output root, of now and of earlier versions; a file elsewhere is somebody
            else's.
    """
    return [
        entry
        for entry in entries
        if entry.submitted_at == submitted_at
        and entry.request_sha256 == request_sha256
        and entry.file_path.rpartition("/")[0] in folders
    ]


def request_sha256(text: str) -> str:
    """Return the SHA-256 of request data, in hex."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def submission_of(submitted_at: datetime | None) -> str:
    """Return how an entry writes the instant of a submission; empty where the row does not tell it.

    >>> submission_of(datetime(2026, 11, 23, 8, 30, tzinfo=UTC))
    '2026-11-23T08:30:00.000000+00:00'
    """
    return submitted_at.astimezone(UTC).isoformat(timespec="microseconds") if submitted_at else ""


def _objects_in(text: str | None) -> list[dict[str, object]]:
    """Return the objects of a list in JSON text; nothing where it is anything else."""
    content = json_of(text)
    return [one for one in content if isinstance(one, dict)] if isinstance(content, list) else []


def _entry_of(content: Mapping[str, object]) -> Entry | None:
    texts = _texts(
        content, ("channel", "batchId", "filePath", "sha256", "submittedAt", "requestSha256", "day"), absent=None
    )
    further = _texts(content, ("collectionId",), absent="")
    size, rows = content.get("fileSize"), content.get("rows")
    audience = content.get("audience")
    if texts is None or further is None or not is_count(size) or not is_count(rows):
        return None
    channel, batch_id, path, sha256, submitted_at, of_request, day = texts
    is_ours = is_safe_id(batch_id) and _is_inside(path) and _is_day(day)
    is_hashed = _SHA256.fullmatch(sha256) and _SHA256.fullmatch(of_request)
    if not is_ours or not is_hashed or not isinstance(audience, str | None):
        return None
    return Entry(channel, batch_id, path, size, sha256, rows, submitted_at, of_request, audience, day, *further)


def _texts(content: Mapping[str, object], keys: Sequence[str], *, absent: str | None) -> list[str] | None:
    """Return the texts under these keys; None where one of them is something else."""
    values = [content.get(key, absent) for key in keys]
    texts = [value for value in values if isinstance(value, str)]
    return texts if len(texts) == len(keys) else None


def _is_inside(path: str) -> bool:
    parts = path.split("/")
    if len(parts) != 3 or parts[0] != ROOT or ".." in path:
        return False
    request_id, mark, tag_hash = parts[1].partition("~")
    if mark and not _TAG_HASH.fullmatch(tag_hash):
        return False
    return is_safe_id(request_id) and _FILE_NAME.fullmatch(parts[2]) is not None


def _is_day(text: str) -> bool:
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False
