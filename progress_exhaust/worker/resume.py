"""What a driver writes of a request beside its row: how far it is, and the manifest in its folder."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

import progress_exhaust
from progress_exhaust.errors import OutputError
from progress_exhaust.export.fingerprint import content_fingerprint
from progress_exhaust.export.run import Run
from progress_exhaust.identifiers import is_safe_id
from progress_exhaust.job_requests.checkpoint import (
    MOST_KILLS_NOTED,
    Entry,
    entries_of,
    jvm_kills_in,
    request_sha256,
    submission_of,
)
from progress_exhaust.job_requests.model import Claim, RequestKey
from progress_exhaust.job_requests.progress import PROGRESS_FOLDER, Progress, progress_name, progress_text
from progress_exhaust.job_requests.stored_json import is_count, json_of
from progress_exhaust.output.manifest import Manifest
from progress_exhaust.output.staging import Staging
from progress_exhaust.output.stores.port import Store
from progress_exhaust.settings.sections import Settings
from progress_exhaust.worker.job import RequestWork, earlier_folder, request_folder

MANIFEST = "manifest.json"


@dataclass(frozen=True)
class FileCounts:
    """What a manifest tells of a file beside its entry.

    Attributes:
        rows_dropped: enrolments that did not become a row, by reason.
        warnings: what was left out or blanked, by reason.
        guarded_cells: cells made inert.
    """

    rows_dropped: Mapping[str, int] = field(default_factory=dict)
    warnings: Mapping[str, int] = field(default_factory=dict)
    guarded_cells: int = 0


@dataclass(frozen=True)
class Earlier:
    """What earlier drivers have left of a submission.

    Attributes:
        day: the date in its files' names, as its manifest tells it; None where there is none.
        entries: finished reports, perhaps of other submissions too.
        counts: of its files, by path.
        found: the live and the retired collections that its search has found; None where it has not been done.
        jvm_kills: how often it was given back because the JVM of its driver had been killed.
    """

    day: date | None = None
    entries: Sequence[Entry] = ()
    counts: Mapping[str, FileCounts] = field(default_factory=dict)
    found: tuple[Sequence[str], Sequence[str]] | None = None
    jvm_kills: int = 0


class RequestNotes:
    """Writes progress files and manifests.

    Args:
        store: where the manifests go.
        staging: where the progress files go, which vanish with it.
        settings: all settings.
        run: identity and clock.
    """

    def __init__(self, store: Store, staging: Staging, settings: Settings, run: Run) -> None:
        self._store = store
        self._staging = staging
        self._settings = settings
        self._run = run
        self._lock = threading.Lock()
        self._noted_at: dict[RequestKey, float] = {}
        self._begin = time.monotonic()
        staging.make_directory(PROGRESS_FOLDER)

    def progress(self, works: Sequence[RequestWork], phase: str) -> None:
        """Note how far requests are, each at most every `requests.progress_every_s`."""
        now_s = time.monotonic()
        with self._lock:
            late = [
                work
                for work in works
                if work.is_open
                and now_s - self._noted_at.get(work.claim.key, -1e9) >= self._settings.requests.progress_every_s
            ]
            self._noted_at |= {work.claim.key: now_s for work in late}
        for work in late:
            self._write_progress(work, phase)

    def manifest(self, work: RequestWork, state: str) -> None:
        """Write the manifest of a request's folder anew.

        Raises:
            OutputError: it can not be written.
        """
        claim = work.claim
        manifest = Manifest(
            run_id=self._run.run_id,
            version=progress_exhaust.__version__,
            started_at=work.claimed_at.isoformat(timespec="seconds"),
            finished_at=self._run.now().isoformat(timespec="seconds"),
            settings=content_fingerprint(self._settings, work.day),
            files=work.in_order(),
            not_made=work.refusals,
            request={
                "tag": claim.key.tag,
                "request_id": claim.key.request_id,
                "channel": claim.channel,
                "submitted_at": work.submission,
                "request_sha256": work.data_sha256,
                "day": work.day.isoformat(),
                "state": state,
                "iteration": claim.iteration,
                "finished": json.loads(work.entries_text()),
                **({"found": {"live": work.found[0], "retired": work.found[1]}} if work.found else {}),
                **({"jvm_kills": work.jvm_kills} if work.jvm_kills else {}),
            },
        )
        self._staging.publish_text(f"{work.folder}/{MANIFEST}", [manifest.to_json()])

    def earlier(self, claim: Claim, *, keeps_processed: bool) -> Earlier:
        """Return what earlier drivers have left of this submission.

        Raises:
            OutputError: the manifest can not be read.
        """
        if claim.is_new:
            return Earlier()
        folders = dict.fromkeys((request_folder(claim), earlier_folder(claim)))
        texts = (self._store.read_text(f"{folder}/{MANIFEST}") for folder in folders)
        return earlier_of(
            claim, next((text for text in texts if text is not None), None), keeps_processed=keeps_processed
        )

    def _write_progress(self, work: RequestWork, phase: str) -> None:
        files, total = len(work.files), len(work.wanted)
        elapsed_s = time.monotonic() - self._begin
        now = self._run.now()
        progress = Progress(
            key=work.claim.key,
            phase=phase,
            files=files,
            files_total=total,
            rows=work.rows,
            started_at=work.claimed_at,
            updated_at=now,
            seconds_left=elapsed_s / files * (total - files) if files else None,
        )
        try:
            self._store.write_text(
                self._staging.path(f"{PROGRESS_FOLDER}/{progress_name(work.claim.key)}"), [progress_text(progress)]
            )
        except OutputError:
            return  # a full disk or a lost store shows in the run's own work, which tells it


def earlier_of(claim: Claim, manifest_text: str | None, *, keeps_processed: bool) -> Earlier:
    """Return what earlier drivers have left of a submission.

    Args:
        claim: with the row's own list.
        manifest_text: of the request's folder; None where there is none, or none that can be read.
        keeps_processed: whether the table has such a list; else the manifest's is taken.
    """
    manifest = _content_of(manifest_text)
    request = _object(manifest.get("request"))
    submission, data_sha256 = submission_of(claim.submitted_at), request_sha256(claim.request_data)
    is_same = (
        request.get("tag") == claim.key.tag
        and request.get("submitted_at") == submission
        and request.get("request_sha256") == data_sha256
    )
    finished = json.dumps(request.get("finished")) if is_same else None
    listed = claim.processed if keeps_processed else finished
    noted = request.get("jvm_kills") if is_same else None
    return Earlier(
        _day_of(request.get("day")) if is_same else None,
        entries_of(listed),
        _counts_of(manifest.get("files")),
        _found_in(request.get("found")) if is_same else None,
        max(
            jvm_kills_in(listed, submitted_at=submission, request_sha256=data_sha256),
            noted if is_count(noted) and noted < MOST_KILLS_NOTED else 0,
        ),
    )


def _found_in(value: object) -> tuple[Sequence[str], Sequence[str]] | None:
    """Return the collections that a manifest has of a search; None where it has none, or anything else."""
    lists = [_object(value).get(state) for state in ("live", "retired")]
    found = [one for one in lists if isinstance(one, list)]
    if len(found) < len(lists) or not all(isinstance(one, str) and is_safe_id(one) for ids in found for one in ids):
        return None
    live, retired = found
    return tuple(live), tuple(retired)


def _content_of(text: str | None) -> dict[str, object]:
    return _object(json_of(text))


def _object(value: object) -> dict[str, object]:
    return value if isinstance(value, dict) else {}


def _day_of(text: object) -> date | None:
    try:
        return date.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None


def _counts_of(files: object) -> dict[str, FileCounts]:
    counts = {}
    for file in map(_object, files if isinstance(files, list) else ()):
        path, guarded = file.get("path"), file.get("guarded_cells")
        if isinstance(path, str):
            counts[path] = FileCounts(
                _numbers(file.get("rows_dropped")),
                _numbers(file.get("warnings")),
                guarded if is_count(guarded) else 0,
            )
    return counts


def _numbers(value: object) -> dict[str, int]:
    return {name: number for name, number in _object(value).items() if is_count(number)}
