"""The list in processed_batches: which files of a request are finished, so that a later driver need not make them anew.

A JSON list of objects. The keys `channel, batchId, filePath, fileSize` are those other parts of Sunbird read; the rest
is ours, and tells whether a file may be used again.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Annotated, Self, TypeVar

from pydantic import AfterValidator, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from progress_exhaust.identifiers import is_safe_id
from progress_exhaust.job_requests.model import Claim
from progress_exhaust.job_requests.stored_json import Count, SafeId, Stored, json_of
from progress_exhaust.paths import ROOT
from progress_exhaust.published_file import PublishedFile

_FILE_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,254}")
_TAG_HASH = re.compile(r"[0-9a-f]{8}")
_SHA256 = re.compile(r"[0-9a-f]{64}")

Kills = Annotated[int, Field(ge=0, lt=1000)]
"""How often a submission was given back for a killed JVM, in a `Stored` model; more than that nobody has noted."""


@dataclass(frozen=True, slots=True)
class Submission:
    """Which submission of a request it is: one that is put in anew, or asks for something else, is another.

    Attributes:
        submitted_at: when it was put in, as `submission_of` writes it.
        request_sha256: of its request_data.
    """

    submitted_at: str
    request_sha256: str

    @classmethod
    def of(cls, claim: Claim) -> Self:
        """Return the submission that a claim is of."""
        return cls(submission_of(claim.submitted_at), request_sha256(claim.request_data))


@dataclass(frozen=True, slots=True)
class FinishedFile:
    """A file that a request has, and what it was made for.

    Attributes:
        file: the file; read from a text, it has what `PublishedFile` says.
        submission: it was made for.
        channel: of the requester.
        day: the date in its name, as YYYY-MM-DD.
    """

    file: PublishedFile
    submission: Submission
    channel: str
    day: str


def checkpoint_text(files: Iterable[FinishedFile], submission: Submission | None = None, jvm_kills: int = 0) -> str:
    """Return the text for processed_batches: one line, in ASCII.

    Args:
        files: the request's.
        submission: the one at work; needed where kills are to be noted.
        jvm_kills: how often it was given back because the JVM of its driver had been killed.
    """
    objects = [_stored(one).model_dump(by_alias=True) for one in files]
    if submission and jvm_kills:
        noted = _StoredKills.model_construct(
            jvm_kills=jvm_kills, submitted_at=submission.submitted_at, request_sha256=submission.request_sha256
        )
        objects.append(noted.model_dump(by_alias=True))
    return json.dumps(objects, separators=(",", ":"))


def read_checkpoint(text: str | None) -> list[FinishedFile]:
    """Return the files of ours in a text, whatever it is; anything else in it is left out."""
    return finished_files_in(json_of(text))


def finished_files_in(content: object) -> list[FinishedFile]:
    """Return the files of ours in JSON content, whatever it is; anything else in it is left out.

    Where two are about the same batch and audience, the later one counts, at the place of the first.
    """
    found = [_finished(one) for one in _objects_in(content, _StoredFile)]
    return list({(one.file.batch_id, one.file.audience): one for one in found}.values())


def jvm_kills_in(content: object, submission: Submission) -> int:
    """Return how often JSON content says that this submission was given back for a killed JVM; 0 for nothing said."""
    noted = (one for one in _objects_in(content, _StoredKills) if one.is_of(submission))
    return max((one.jvm_kills for one in noted), default=0)


def reusable(files: Iterable[FinishedFile], submission: Submission, folders: Collection[str]) -> list[FinishedFile]:
    """Return the files made for this very submission, with this request data, in this request's own folder.

    Whether a file is still whole, and its audience still the right one, is for the caller to see.

    Args:
        files: as the row has them.
        submission: the one at work.
        folders: the request's under the output root, of now and of earlier versions; a file elsewhere is somebody
            else's.
    """
    return [one for one in files if one.submission == submission and one.file.path.rpartition("/")[0] in folders]


def request_sha256(text: str) -> str:
    """Return the SHA-256 of request data, in hex."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def submission_of(submitted_at: datetime | None) -> str:
    """Return how a list of files writes the instant of a submission; empty where the row does not tell it.

    >>> submission_of(datetime(2026, 11, 23, 8, 30, tzinfo=UTC))
    '2026-11-23T08:30:00.000000+00:00'
    """
    return submitted_at.astimezone(UTC).isoformat(timespec="microseconds") if submitted_at else ""


# --- how it is stored -------------------------------------------------------------------------------------------------


def _path_of_ours(text: str) -> str:
    parts = text.split("/")
    if len(parts) != 3 or parts[0] != ROOT or ".." in text:
        raise ValueError("no path of a file in a request's folder")
    request_id, mark, tag_hash = parts[1].partition("~")
    is_folder = is_safe_id(request_id) and (not mark or _TAG_HASH.fullmatch(tag_hash))
    if not is_folder or not _FILE_NAME.fullmatch(parts[2]):
        raise ValueError("no path of a file in a request's folder")
    return text


def _sha256(text: str) -> str:
    if not _SHA256.fullmatch(text):
        raise ValueError("no SHA-256 in hex")
    return text


def _day(text: str) -> str:
    if date.fromisoformat(text).isoformat() != text:
        raise ValueError("no date as YYYY-MM-DD")
    return text


_Sha256 = Annotated[str, AfterValidator(_sha256)]


class _InTheList(Stored):
    """An object of the list; its keys are those of Sunbird, in the order written."""

    model_config = ConfigDict(alias_generator=to_camel)


class _StoredFile(_InTheList):
    channel: str
    batch_id: SafeId
    file_path: Annotated[str, AfterValidator(_path_of_ours)]
    file_size: Count
    sha256: _Sha256
    rows: Count
    submitted_at: str
    request_sha256: _Sha256
    audience: str | None = None
    day: Annotated[str, AfterValidator(_day)]
    collection_id: str = ""


class _StoredKills(_InTheList):
    jvm_kills: Kills
    submitted_at: str
    request_sha256: str

    def is_of(self, submission: Submission) -> bool:
        """Whether this submission was given back."""
        return Submission(self.submitted_at, self.request_sha256) == submission


_Object = TypeVar("_Object", bound=_InTheList)


def _objects_in(content: object, model: type[_Object]) -> Iterator[_Object]:
    """Give the objects of a list that are such ones; nothing where the content is no list."""
    for one in content if isinstance(content, list) else ():
        if isinstance(one, dict):
            try:
                yield model.model_validate(one)
            except ValidationError:
                continue


def _stored(one: FinishedFile) -> _StoredFile:
    # As it is: what is listed was published, whatever a reader makes of it.
    return _StoredFile.model_construct(
        channel=one.channel,
        batch_id=one.file.batch_id,
        file_path=one.file.path,
        file_size=one.file.size_bytes,
        sha256=one.file.sha256,
        rows=one.file.rows,
        submitted_at=one.submission.submitted_at,
        request_sha256=one.submission.request_sha256,
        audience=one.file.audience,
        day=one.day,
        collection_id=one.file.collection_id,
    )


def _finished(stored: _StoredFile) -> FinishedFile:
    file = PublishedFile(
        path=stored.file_path,
        batch_id=stored.batch_id,
        collection_id=stored.collection_id,
        collection_name="",
        audience=stored.audience,
        rows=stored.rows,
        size_bytes=stored.file_size,
        sha256=stored.sha256,
    )
    return FinishedFile(file, Submission(stored.submitted_at, stored.request_sha256), stored.channel, stored.day)
