"""Delivers each report to the requests that wait for it, each under its own folder."""

from __future__ import annotations

import itertools
import logging
import threading
from collections.abc import Callable, Collection, Sequence

from progress_exhaust.errors import SkippedReport
from progress_exhaust.export.delivery import emit_published, emit_skipped
from progress_exhaust.export.publishing import CheckedReport, file_name
from progress_exhaust.export.run import Phase, Run
from progress_exhaust.job_requests.port import Queue
from progress_exhaust.job_requests.quotas import ChannelQuota
from progress_exhaust.log_actions import Action
from progress_exhaust.output.drafts import Draft, joined_draft
from progress_exhaust.output.staging import Staging
from progress_exhaust.output.stores.port import Store
from progress_exhaust.report.model import Report
from progress_exhaust.settings.sections import OutputSettings
from progress_exhaust.worker.artifacts import JobArtifacts, ManifestState
from progress_exhaust.worker.finisher import Finisher
from progress_exhaust.worker.job import Job
from progress_exhaust.worker.moves import Step
from progress_exhaust.worker.outcome import RequestsOutcome
from progress_exhaust.worker.request_log import log_request

_LOG = logging.getLogger(__name__)


class Delivery:
    """Publishes each report once for each request that waits for it, and has each ended as soon as its files are out.

    Args:
        store: where the files go.
        staging: where copies are made for the second and later ones who wait for the same report.
        queue: the rows.
        quota: what each channel may still have in this run.
        finisher: looks after the requests.
        artifacts: progress files and manifests.
        settings: how files look.
        run: clock and listener.
        outcome: grows.
        is_over_time: whether no new wave may begin.
    """

    def __init__(
        self,
        *,
        store: Store,
        staging: Staging,
        queue: Queue,
        quota: ChannelQuota,
        finisher: Finisher,
        artifacts: JobArtifacts,
        settings: OutputSettings,
        run: Run,
        outcome: RequestsOutcome,
        is_over_time: Callable[[], bool],
    ) -> None:
        self._store = store
        self._staging = staging
        self._queue = queue
        self._quota = quota
        self._finisher = finisher
        self._artifacts = artifacts
        self._settings = settings
        self._run = run
        self._outcome = outcome
        self._is_over_time = is_over_time
        self._lock = threading.Lock()
        self._copies = itertools.count()

    def still_wanted(self, reports: Sequence[Report]) -> list[Report]:
        """Leave out what only requests wait for that were taken back, and everything where the time is over."""
        waiting = [job for job in self._finisher.unfinished() if job.pending]
        if self._is_over_time():
            for job in waiting:
                self._defer(job, job.pending, "the time of this run is over")
            return []
        for job in waiting:
            self._finisher.is_ours(job)
        self._artifacts.write_progress(self._finisher.jobs, Phase.COMPUTE)
        return [report for report in reports if self._waiting_for(report)]

    def deliver(self, checked: CheckedReport) -> None:
        """Publish the report for everyone who waits for it.

        Raises:
            QueueError: the queue does not answer.
            OutputError: nothing can be published.
        """
        waiting = self._waiting_for(checked.report)
        # Copies first: the draft itself is used up last.
        for number, job in enumerate(reversed(waiting)):
            with job.publication(checked.report.report_no) as is_wanted:
                if is_wanted and self._finisher.is_ours(job):
                    self._publish(job, checked, is_last=number == len(waiting) - 1)
            self._finisher.finish(job)

    def refuse(self, report: Report, refusal: SkippedReport) -> None:
        """Take note for everyone who waits for it."""
        self._emit_skipped(report, refusal)
        for job in self._waiting_for(report):
            job.refuse(refusal)
            job.drop(report.report_no)
            self._artifacts.write_progress([job], Phase.PUBLISH)
            self._finisher.finish(job)

    def end_wave(self) -> None:
        """Note what all unfinished requests have so far, by one UPDATE."""
        unfinished = [job for job in self._finisher.unfinished() if job.pending and job.record.file_by_batch]
        unfinished = [job for job in unfinished if self._finisher.is_ours(job)]
        for job in unfinished:
            self._finisher.attempt(
                job,
                Step.WRITE_MANIFEST,
                lambda job=job: self._artifacts.write_manifest(job, ManifestState.PROCESSING),  # type: ignore[misc]
            )
        if unfinished:
            self._queue.checkpoint({job.claim.key: job.record.delivered() for job in unfinished})
        for job in self._finisher.jobs:
            self._finisher.finish(job)

    def _publish(self, job: Job, checked: CheckedReport, *, is_last: bool) -> None:
        """Publish a report for one request, which is ours and is not finished meanwhile."""
        report, record = checked.report, job.record
        if not self._quota.consume(job.claim.channel, checked.draft.digest.size_bytes):
            self._defer(job, [report.report_no], "its channel has had its bytes of this run")
        else:
            path = f"{record.folder}/{file_name(self._settings, report.batch.batch_id, record.day)}"
            copy = "" if is_last else self._copy(checked.draft)
            try:
                made = checked.publish(self._store, path, copy=copy)
            except SkippedReport as refusal:
                # Of the place as a whole, or of this request's folder alone?
                self._finisher.own_fault(job, Step.PUBLISH, refusal)
                job.drop(report.report_no)
                self._emit_skipped(report, refusal)
            else:
                job.add_file(report.report_no, made, self._run.now())
                with self._lock:
                    self._outcome.made.append(made)
                request_id = job.claim.key.request_id
                emit_published(self._run, self._outcome, made.path, made.batch_id, made.rows, request_id)
        self._artifacts.write_progress([job], Phase.PUBLISH)

    def _emit_skipped(self, report: Report, refusal: SkippedReport) -> None:
        with self._lock:
            self._outcome.not_made.append(refusal)
        emit_skipped(self._run, self._outcome, report, refusal)

    def _copy(self, draft: Draft) -> str:
        path = self._staging.path(f"copy-{next(self._copies)}.draft")
        return joined_draft(self._staging.drafts, [draft], path).path

    def _waiting_for(self, report: Report) -> list[Job]:
        return [job for job in self._finisher.jobs if job.waits_for(report.report_no)]

    def _defer(self, job: Job, report_nos: Collection[int], why: str) -> None:
        job.defer(report_nos)
        sentence = f"{len(report_nos)} reports are left to a later run: {why}"
        log_request(_LOG, job.claim.key, Action.DEFERRED, sentence)
