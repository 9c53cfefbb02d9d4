"""What earlier drivers have left of a submission: by the list in its row, and by the manifest in its folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Annotated

from pydantic import Field, PlainValidator, ValidationError

from progress_exhaust.job_requests.checkpoint import (
    FinishedFile,
    Kills,
    Submission,
    finished_files_in,
    jvm_kills_in,
)
from progress_exhaust.job_requests.model import Claim
from progress_exhaust.job_requests.stored_json import MOST, Count, SafeId, Stored, json_of, or_else
from progress_exhaust.output.stores.port import Store
from progress_exhaust.worker.folders import MANIFEST, folders_of_submission
from progress_exhaust.worker.record import FoundCollections


@dataclass(frozen=True)
class PreviousRun:
    """What earlier drivers have left of a submission.

    Attributes:
        day: the date in its files' names, as its manifest tells it; None where there is none.
        files: finished reports, perhaps of other submissions too; what the row does not keep of a file is the
            manifest's, as far as it has it.
        found: what its search has found; None where it has not been done.
        jvm_kills: how often it was given back because the JVM of its driver had been killed.
    """

    day: date | None = None
    files: Sequence[FinishedFile] = ()
    found: FoundCollections | None = None
    jvm_kills: int = 0


def read_previous_run(claim: Claim, store: Store, *, keeps_processed: bool) -> PreviousRun:
    """Return what earlier drivers have left of this submission.

    Raises:
        OutputError: the manifest can not be read.
    """
    if claim.is_new:
        return PreviousRun()
    texts = (store.read_text(f"{folder}/{MANIFEST}") for folder in folders_of_submission(claim))
    text = next((text for text in texts if text is not None), None)
    return previous_run_of(claim, text, keeps_processed=keeps_processed)


def previous_run_of(claim: Claim, manifest_text: str | None, *, keeps_processed: bool) -> PreviousRun:
    """Return what earlier drivers have left of a submission.

    Args:
        claim: with the row's own list.
        manifest_text: of the request's folder; None where there is none, or none that can be read.
        keeps_processed: whether the table has such a list; else the manifest's is taken.
    """
    manifest = _manifest_in(manifest_text)
    submission = Submission.of(claim)
    is_same = manifest.request.is_of(claim.key.tag, submission)
    request = manifest.request if is_same else _StoredRequest()
    listed = json_of(claim.processed) if keeps_processed else request.finished
    counted = {one.path: one for one in manifest.files if one is not None}
    return PreviousRun(
        day=request.day,
        files=[_with_counts(one, counted.get(one.file.path)) for one in finished_files_in(listed)],
        found=FoundCollections(tuple(request.found.live), tuple(request.found.retired)) if request.found else None,
        jvm_kills=max(jvm_kills_in(listed, submission), request.jvm_kills),
    )


# --- the manifest as it is stored: what is not as it should be costs no more than itself ------------------------------


def _none() -> None:
    return None


def _day(value: object) -> date:
    if not isinstance(value, str):
        raise ValueError("no text")
    return date.fromisoformat(value)


def _counts(value: object) -> dict[str, int]:
    """Return the counts of an object by their names; whatever else it holds is left out."""
    named = value.items() if isinstance(value, dict) else ()
    return {name: number for name, number in named if type(number) is int and 0 <= number <= MOST}


_Counts = Annotated[Mapping[str, int], PlainValidator(_counts)]


class _StoredFound(Stored):
    live: list[SafeId]
    retired: list[SafeId]


class _StoredRequest(Stored):
    tag: Annotated[str | None, or_else(_none)] = None
    submitted_at: Annotated[str | None, or_else(_none)] = None
    request_sha256: Annotated[str | None, or_else(_none)] = None
    day: Annotated[date | None, PlainValidator(_day), or_else(_none)] = None
    finished: object = None
    found: Annotated[_StoredFound | None, or_else(_none)] = None
    jvm_kills: Annotated[Kills, or_else(int)] = 0

    def is_of(self, tag: str, submission: Submission) -> bool:
        """Whether it tells of this submission."""
        told = (self.tag, self.submitted_at, self.request_sha256)
        return told == (tag, submission.submitted_at, submission.request_sha256)


class _StoredCounts(Stored):
    path: str
    rows_dropped: _Counts = Field(default_factory=dict)
    warnings: _Counts = Field(default_factory=dict)
    guarded_cells: Annotated[Count, or_else(int)] = 0


class _StoredManifest(Stored):
    request: Annotated[_StoredRequest, or_else(_StoredRequest)] = _StoredRequest()
    files: Annotated[list[Annotated[_StoredCounts | None, or_else(_none)]], or_else(list)] = Field(default_factory=list)


def _manifest_in(text: str | None) -> _StoredManifest:
    try:
        return _StoredManifest.model_validate(json_of(text))
    except ValidationError:
        return _StoredManifest()


def _with_counts(one: FinishedFile, counts: _StoredCounts | None) -> FinishedFile:
    if counts is None:
        return one
    file = replace(
        one.file,
        rows_dropped=counts.rows_dropped,
        warnings=counts.warnings,
        guarded_cells=counts.guarded_cells,
    )
    return replace(one, file=file)
