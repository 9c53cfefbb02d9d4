"""What a driver writes of a request beside its row: how far it is, and the manifest in its folder."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict
from datetime import date

import progress_exhaust
from progress_exhaust.errors import OutputError
from progress_exhaust.job_requests.entries import Entry, entries_of, request_sha256
from progress_exhaust.job_requests.model import Claim, RequestKey
from progress_exhaust.job_requests.progress import FOLDER, Progress, progress_name
from progress_exhaust.output.manifest import Manifest
from progress_exhaust.output.staging import Staging
from progress_exhaust.output.store import Store
from progress_exhaust.services.request_work import RequestWork, request_folder
from progress_exhaust.services.run import Run
from progress_exhaust.services.shaping import settings_that_shape_content
from progress_exhaust.settings import Settings

MANIFEST = "manifest.json"


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
        staging.make_directory(FOLDER)

    def progress(self, works: Sequence[RequestWork], phase: str) -> None:
        """Note how far requests are, each at most every `requests.progress_every_s`."""
        now_s = time.monotonic()
        with self._lock:
            late = [
                work
                for work in works
                if not work.is_settled
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
            settings=settings_that_shape_content(self._settings, work.day),
            files=work.in_order(),
            not_made=work.refusals,
            request={
                "tag": claim.key.tag,
                "request_id": claim.key.request_id,
                "channel": claim.channel,
                "submitted_at": work.submission,
                "request_sha256": request_sha256(claim.request_data),
                "day": work.day.isoformat(),
                "state": state,
                "iteration": claim.iteration,
                "finished": [asdict(entry) for entry in work.entries()],
            },
        )
        self._store.write_text(f"{work.folder}/{MANIFEST}", [manifest.to_json()])

    def earlier(self, claim: Claim, *, keeps_processed: bool) -> tuple[date | None, list[Entry]]:
        """Return what earlier drivers have left of this submission: the day in its files' names, and what they finished.

        Raises:
            OutputError: the manifest can not be read.
        """
        entries = entries_of(claim.processed) if keeps_processed else []
        text = None if claim.is_new else self._store.read_text(f"{request_folder(claim)}/{MANIFEST}")
        request = _request_of(text)
        is_same = (
            request.get("tag") == claim.key.tag
            and request.get("submitted_at") == (claim.submitted_at.isoformat() if claim.submitted_at else "")
            and request.get("request_sha256") == request_sha256(claim.request_data)
        )
        if not is_same:
            return None, entries
        if not keeps_processed:
            entries = entries_of(json.dumps(request.get("finished")))
        return _day_of(request.get("day")), entries

    def _write_progress(self, work: RequestWork, phase: str) -> None:
        files, total = len(work.files), len(work.wanted)
        elapsed_s = time.monotonic() - self._begin
        now = self._run.now()
        progress = Progress(
            key=work.claim.key,
            phase=phase,
            files=files,
            files_total=total,
            rows=sum(file.rows for file in work.files.values()),
            started_at=work.claimed_at,
            updated_at=now,
            seconds_left=elapsed_s / files * (total - files) if files else None,
        )
        try:
            self._store.write_text(
                self._staging.path(f"{FOLDER}/{progress_name(work.claim.key)}"), [progress.to_json()]
            )
        except OutputError:
            return  # a full disk or a lost store shows in the run's own work, which tells it


def _request_of(manifest: str | None) -> dict[str, object]:
    try:
        content = json.loads(manifest or "")
    except (ValueError, RecursionError):
        return {}
    request = content.get("request") if isinstance(content, dict) else None
    return request if isinstance(request, dict) else {}


def _day_of(text: object) -> date | None:
    try:
        return date.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None
