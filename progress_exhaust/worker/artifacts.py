"""What a driver writes of a request beside its row: how far it is, and the manifest in its folder."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Sequence
from enum import StrEnum

import progress_exhaust
from progress_exhaust.export.fingerprint import content_fingerprint
from progress_exhaust.export.run import Phase, Run
from progress_exhaust.job_requests.model import RequestKey, Status
from progress_exhaust.job_requests.progress import PROGRESS_FOLDER, Progress, progress_name, progress_text
from progress_exhaust.log_actions import Action
from progress_exhaust.output.manifest import Manifest
from progress_exhaust.output.staging import Staging
from progress_exhaust.settings.sections import Settings
from progress_exhaust.worker.ending import Ending
from progress_exhaust.worker.folders import MANIFEST
from progress_exhaust.worker.job import Job
from progress_exhaust.worker.moves import Step, caught_at

_LOG = logging.getLogger(__name__)


class ManifestState(StrEnum):
    """What a manifest says of its request."""

    PROCESSING = "processing"
    GIVEN_BACK = "given back"
    SUCCESS = Status.SUCCESS.value
    FAILED = Status.FAILED.value

    @classmethod
    def after(cls, ending: Ending) -> ManifestState:
        """Return what it says of one that ends so."""
        return cls.GIVEN_BACK if ending.gives_back else cls(ending.status.value)


class JobArtifacts:
    """Writes progress files and manifests.

    Args:
        staging: where the progress files go, which vanish with it, and the manifests are made.
        settings: all settings.
        run: identity and clock.
    """

    def __init__(self, staging: Staging, settings: Settings, run: Run) -> None:
        self._staging = staging
        self._settings = settings
        self._run = run
        self._lock = threading.Lock()
        self._noted_at: dict[RequestKey, float] = {}
        self._begin = time.monotonic()

    def write_progress(self, jobs: Sequence[Job], phase: Phase) -> None:
        """Note how far requests are, each at most every `requests.progress_every_s`."""
        now_s = time.monotonic()
        with self._lock:
            late = [
                job
                for job in jobs
                if job.is_open
                and now_s - self._noted_at.get(job.claim.key, -1e9) >= self._settings.requests.progress_every_s
            ]
            self._noted_at |= {job.claim.key: now_s for job in late}
        for job in late:
            self._write_progress(job, phase)

    def write_manifest(self, job: Job, state: ManifestState) -> None:
        """Write the manifest of a request's folder anew.

        Raises:
            OutputError: it can not be written.
        """
        record, claim = job.record, job.claim
        manifest = Manifest(
            run_id=self._run.run_id,
            version=progress_exhaust.__version__,
            started_at=record.claimed_at.isoformat(timespec="seconds"),
            finished_at=self._run.now().isoformat(timespec="seconds"),
            settings=content_fingerprint(self._settings, record.day),
            files=record.files,
            not_made=record.refusals,
            request={
                "tag": claim.key.tag,
                "request_id": claim.key.request_id,
                "channel": claim.channel,
                "submitted_at": record.submission.submitted_at,
                "request_sha256": record.submission.request_sha256,
                "day": record.day.isoformat(),
                "state": state.value,
                "iteration": claim.iteration,
                "finished": json.loads(record.list_text()),
                **({"found": record.found._asdict()} if record.found else {}),
                **({"jvm_kills": record.jvm_kills} if record.jvm_kills else {}),
            },
        )
        self._staging.publish_text(f"{record.folder}/{MANIFEST}", manifest.texts())

    def _write_progress(self, job: Job, phase: Phase) -> None:
        record = job.record
        files, total = len(record.file_by_batch), len(record.wanted)
        elapsed_s = time.monotonic() - self._begin
        key = job.claim.key
        progress = Progress(
            key=key,
            phase=phase.value,
            files=files,
            files_total=total,
            rows=record.rows,
            started_at=record.claimed_at,
            updated_at=self._run.now(),
            seconds_left=elapsed_s / files * (total - files) if files else None,
        )
        try:
            self._staging.write_note(f"{PROGRESS_FOLDER}/{progress_name(key)}", progress_text(progress))
        except caught_at(Step.NOTE_PROGRESS) as error:
            # A full disk or a lost store shows in the run's own work, which tells it.
            _LOG.debug(
                "how far request %s is can not be noted: %s",
                key.request_id,
                error,
                extra={"action": Action.RETRY, "request_id": key.request_id},
            )
