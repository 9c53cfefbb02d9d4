"""One round: requests that were claimed together, from what they mean to their end."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import date

from progress_exhaust.export.engine import Engine
from progress_exhaust.export.run import Phase, Ports, Run
from progress_exhaust.export.selection import ReportQuery, Selection
from progress_exhaust.job_requests.messages import too_many_message
from progress_exhaust.job_requests.port import Queue
from progress_exhaust.job_requests.quotas import ChannelQuota
from progress_exhaust.jvm_end import JvmEnd
from progress_exhaust.log_actions import Action
from progress_exhaust.published_file import PublishedFile
from progress_exhaust.report.model import Batch
from progress_exhaust.settings.sections import Settings
from progress_exhaust.text import pluralize
from progress_exhaust.worker.artifacts import JobArtifacts, ManifestState
from progress_exhaust.worker.delivery import Delivery
from progress_exhaust.worker.finisher import Finisher
from progress_exhaust.worker.job import Job, JobState
from progress_exhaust.worker.moves import MOST_JVM_KILLS, Move, Step, caught_at, end_of_run, move_for, sentence_for
from progress_exhaust.worker.outcome import RequestsOutcome
from progress_exhaust.worker.previous_run import PreviousRun, previous_run_of, read_previous_run
from progress_exhaust.worker.request_log import log_request
from progress_exhaust.worker.selection import Reports, finished_before, permitted, query_of, whole_file

_LOG = logging.getLogger(__name__)
_STOPPING_SETTLE_S = 0.3
_FAILING_SETTLE_S = 2.0


class Round:
    """Makes the reports of requests that were claimed together: each report once, for all who want it.

    Args:
        ports: the catalogue and the store.
        engine: makes reports.
        delivery: publishes them.
        finisher: ends the requests.
        artifacts: progress files and manifests.
        queue: the rows.
        quota: what each channel may still have in this run.
        settings: all settings.
        run: identity, clock, listener.
        outcome: grows.
    """

    def __init__(
        self,
        *,
        ports: Ports,
        engine: Engine,
        delivery: Delivery,
        finisher: Finisher,
        artifacts: JobArtifacts,
        queue: Queue,
        quota: ChannelQuota,
        settings: Settings,
        run: Run,
        outcome: RequestsOutcome,
    ) -> None:
        self._ports = ports
        self._engine = engine
        self._delivery = delivery
        self._finisher = finisher
        self._artifacts = artifacts
        self._queue = queue
        self._quota = quota
        self._limits = settings.requests
        self._run = run
        self._outcome = outcome

    def make(self, jobs: Sequence[Job]) -> None:
        """Bring all of them to an end, or give them back; see `move_for` for what becomes of whom.

        Raises:
            OperatorError: a service failed, Spark's JVM among them.
            DataShapeError: an input does not have the agreed shape.
        """
        self._finisher.take_in(jobs)
        try:
            self._make(jobs)
        except BaseException as error:  # noqa: BLE001 - whatever it is, no request stays claimed
            failure = self._stop_instead(error)
            move = move_for(failure, Step.ROUND, requests=len(jobs), jvm=self._jvm_end(failure))
        else:
            return
        if move is Move.ISOLATE:
            self._make_alone([job for job in jobs if job.is_open])
            return
        self._carry_out(move, jobs, failure)
        end = end_of_run(failure, move)
        if end is None:
            self._outcome.unforeseen.append(failure)
        elif end is failure:
            raise failure
        else:
            raise end from failure

    def _carry_out(self, move: Move, jobs: Sequence[Job], failure: BaseException) -> None:
        """Charge or spare the requests; whoever is to go back as it was goes with all that is claimed."""
        if move is Move.GIVE_BACK:
            return
        spared = [job for job in jobs if move is Move.SPARE and job.record.jvm_kills < MOST_JVM_KILLS]
        self._finisher.give_back(spared, is_killed=True)
        charged = [job for job in jobs if job not in spared]
        self._finisher.give_back(charged, failed_try=sentence_for(failure, Step.ROUND, move))

    def _make_alone(self, jobs: Sequence[Job]) -> None:
        """Make each request that has not come to an end by itself: one of them may be at fault."""
        self._tell(Phase.COMPUTE, f"making {pluralize(len(jobs), 'request')} one by one, to find the one at fault")
        for job in jobs:
            self._quota.give_back(job.claim.channel, len(job.pending), is_search=job.record.is_search)
            job.start_over()
        for job in jobs:
            self.make([job])

    def _stop_instead(self, error: BaseException) -> BaseException:
        """Return the signal that came meanwhile, if one did: what fails then, fails of it.

        A signal often reaches the JVM too, whose end is no driver's death.
        """
        if not isinstance(error, Exception):
            return error
        try:
            self._tell(Phase.COMPUTE, "looking for what has failed")
        except BaseException as stop:  # noqa: BLE001 - whoever hears of events raises it
            return stop
        return error

    def _jvm_end(self, failure: BaseException) -> JvmEnd:
        is_stop = not isinstance(failure, Exception)
        is_alive = self._engine.is_alive()
        # Right after its end a JVM may not be seen as gone yet; one that works is not waited for.
        end = self._run.jvm_end(0.0 if is_alive else _STOPPING_SETTLE_S if is_stop else _FAILING_SETTLE_S)
        if end is JvmEnd.ALIVE and not is_alive:
            return JvmEnd.STOPPED if is_stop else JvmEnd.LOST
        return end

    def _make(self, jobs: Sequence[Job]) -> None:
        with self._outcome.phase(Phase.CATALOGUE):
            verb = "means" if len(jobs) == 1 else "mean"
            self._tell(Phase.CATALOGUE, f"finding what {pluralize(len(jobs), 'request')} {verb}")
            previous = [self._previous_run(job) for job in jobs]
            queries = [self._query(job) for job in jobs]
            self._artifacts.write_progress(jobs, Phase.CATALOGUE)
            selections = self._engine.select(queries)
        reports = Reports()
        for job, left, query, selection in zip(jobs, previous, queries, selections, strict=True):
            if job.state is JobState.CLAIMED:
                self._prepare(job, query, selection, left, reports)
        self._outcome.wanted += sum(len(job.pending) for job in jobs)
        for job in jobs:
            self._finisher.finish(job)
        numbers = {number for job in jobs for number in job.pending}
        if numbers:
            self._engine.make(reports.numbered(numbers), self._delivery)
        for job in jobs:
            self._finisher.finish(job)

    def _previous_run(self, job: Job) -> PreviousRun:
        """Return what earlier drivers have left of a request; a manifest that can not be read is its own fault."""
        keeps_processed = self._queue.keeps_processed
        try:
            previous = read_previous_run(job.claim, self._ports.store, keeps_processed=keeps_processed)
        except caught_at(Step.READ_MANIFEST) as error:
            self._finisher.own_fault(job, Step.READ_MANIFEST, error)
            previous = previous_run_of(job.claim, None, keeps_processed=keeps_processed)
        job.recall(previous.found, jvm_kills=previous.jvm_kills)
        return previous

    def _query(self, job: Job) -> ReportQuery:
        try:
            return query_of(job, self._ports.catalogue)
        except caught_at(Step.SEARCH) as error:
            if self._finisher.own_fault(job, Step.SEARCH, error) is Move.CHARGE:
                job.leave_lists()
        return ReportQuery()

    def _prepare(
        self, job: Job, query: ReportQuery, selection: Selection, previous: PreviousRun, reports: Reports
    ) -> None:
        """Find out which reports a request still needs."""
        self._note_not_made(job, selection)
        may_see = permitted(job, selection, query)
        job.want(query.batches or [batch.batch_id for batch, _ in may_see])
        is_search = job.record.is_search
        most = self._limits.reports_per_search if is_search else self._limits.reports_per_request
        if len(may_see) > most:
            self._finisher.fail(job, too_many_message(most))
            return
        used_again, day = self._used_again(job, previous, may_see)
        there = job.record.file_by_batch.keys() | {file.batch_id for file in used_again}
        wanted = [(batch, audience) for batch, audience in may_see if batch.batch_id not in there]
        granted = self._quota.reserve(job.claim.channel, len(wanted), is_search=is_search)
        job.prepare(
            {reports.number_of(batch, audience): batch.batch_id for batch, audience in wanted[:granted]},
            is_deferred=granted < len(wanted),
            used_again=used_again,
            day=day,
        )
        if granted < len(wanted):
            left = f"{len(wanted) - granted} reports are left to a later run: its channel has had its part of this one"
            log_request(_LOG, job.claim.key, Action.DEFERRED, left)
        if job.pending and self._queue.is_ours(job.claim):
            # Before any file is out, so that whoever takes this up on another day names its files alike.
            self._finisher.attempt(
                job, Step.WRITE_MANIFEST, lambda: self._artifacts.write_manifest(job, ManifestState.PROCESSING)
            )

    def _note_not_made(self, job: Job, selection: Selection) -> None:
        """Take note of what is not made: what may pass is told, and charged to the request."""
        for refusal in selection.not_made:
            if move_for(refusal, Step.FETCH_TREE) is Move.CHARGE:
                self._outcome.not_made.append(refusal)
                self._run.tell(self._outcome.event(Action.NOT_MADE, str(refusal), batch_id=refusal.subject))
                job.blame(refusal)
            else:
                job.refuse(refusal)

    def _used_again(
        self, job: Job, previous: PreviousRun, may_see: Sequence[tuple[Batch, str | None]]
    ) -> tuple[list[PublishedFile], date | None]:
        """Return the files that an earlier driver has finished, and the day in their names; None where it is open."""
        files, days = [], []
        for finished, batch in finished_before(job, previous, may_see):
            try:
                file = whole_file(finished.file, batch, self._ports.store)
            except caught_at(Step.USE_AGAIN) as error:
                self._finisher.own_fault(job, Step.USE_AGAIN, error)
                continue  # it is made anew; if nothing can take its place, that will tell
            if file is None:
                anew = f"{finished.file.path} is not as it was listed, and is made anew"
                log_request(_LOG, job.claim.key, Action.MADE_ANEW, anew)
            else:
                files.append(file)
                days.append(date.fromisoformat(finished.day))
        if files:
            again = f"{pluralize(len(files), 'file')} of earlier drivers are used again"
            log_request(_LOG, job.claim.key, Action.USED_AGAIN, again)
        return files, previous.day or (days[0] if days else None)

    def _tell(self, phase: Phase, sentence: str) -> None:
        self._run.tell(self._outcome.event(phase, sentence))
