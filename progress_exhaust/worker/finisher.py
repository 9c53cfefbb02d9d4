"""Ends each claimed request once, in its row and in its folder, or gives it back."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Sequence

from progress_exhaust.errors import SkippedReport
from progress_exhaust.export.run import Event, Run
from progress_exhaust.job_requests.messages import given_up_message
from progress_exhaust.job_requests.model import Status
from progress_exhaust.job_requests.port import Queue
from progress_exhaust.job_requests.quotas import RetryPause
from progress_exhaust.log_actions import Action
from progress_exhaust.output.stores.port import Store
from progress_exhaust.settings.sections import Settings
from progress_exhaust.worker.artifacts import JobArtifacts, ManifestState
from progress_exhaust.worker.ending import GIVE_BACK_AS_IT_WAS, Ending
from progress_exhaust.worker.job import Job, JobState
from progress_exhaust.worker.moves import ASKS_THE_PLACE, Move, Step, caught_at, move_for, sentence_for
from progress_exhaust.worker.outcome import JobEnd, JobResult, RequestsOutcome
from progress_exhaust.worker.request_log import log_request

_LOG = logging.getLogger(__name__)


class Finisher:
    """Looks after claimed requests until they have ended; may be called from several threads.

    What fails for one request while the place and the queue answer is that request's own: it is noted, the others go
    on, and the request goes back with its try counted.

    Args:
        store: where the files go.
        queue: the rows.
        pause: hears whose try has failed by a fault of its own.
        artifacts: progress files and manifests.
        settings: all settings.
        run: clock and listener.
        outcome: grows.
    """

    def __init__(
        self,
        *,
        store: Store,
        queue: Queue,
        pause: RetryPause,
        artifacts: JobArtifacts,
        settings: Settings,
        run: Run,
        outcome: RequestsOutcome,
    ) -> None:
        self._jobs: list[Job] = []
        self._store = store
        self._queue = queue
        self._pause = pause
        self._artifacts = artifacts
        self._tries = settings.requests.tries
        self._run = run
        self._outcome = outcome
        self._lock = threading.Lock()

    @property
    def jobs(self) -> Sequence[Job]:
        """The requests looked after."""
        return self._jobs

    def take_in(self, jobs: Sequence[Job]) -> None:
        """Look after these requests from now on; those that have ended are forgotten."""
        self._jobs = [job for job in self._jobs if job.is_open and job not in jobs] + list(jobs)

    def unfinished(self) -> list[Job]:
        """Return the requests that have not come to an end."""
        return [job for job in self._jobs if job.is_open]

    def is_ours(self, job: Job) -> bool:
        """Ask the queue whether a request is ours yet; one that is lost stays so."""
        if not job.is_lost and not self._queue.is_ours(job.claim):
            job.lose()
        return not job.is_lost

    def attempt(self, job: Job, step: Step, do: Callable[[], object]) -> bool:
        """Do a step for one request alone; see `own_fault` for what becomes of it where that fails.

        Returns:
            whether the step is done.
        """
        try:
            do()
        except caught_at(step) as error:
            self.own_fault(job, step, error)
            return False
        return True

    def own_fault(self, job: Job, step: Step, error: Exception) -> Move:
        """Do what is to be done with one request after an error in a step for it alone, and return what that is.

        Raises:
            OutputError: the place itself has failed.
        """
        if step in ASKS_THE_PLACE:
            self._store.check()
        move = move_for(error, step)
        sentence = sentence_for(error, step, move)
        if move is Move.CHARGE:
            job.blame(error if isinstance(error, SkippedReport) else sentence)
        elif move is Move.FAIL:
            self.fail(job, sentence)
        action = Action.CHARGED if move is Move.CHARGE else Action.RETRY
        log_request(_LOG, job.claim.key, action, f"{step}: failed, so {move}: {sentence}")
        return move

    def fail(self, job: Job, message: str) -> None:
        """End a request that can not be made at all, through a fault that will not pass."""
        job.decide(Ending(Status.FAILED, message, is_failed_try=False))
        self.finish(job)

    def finish(self, job: Job) -> None:
        """End a request of which nothing is pending or on its way any more, unless that is done already.

        A row that somebody else has locked is ended later.
        """
        with job.finishing() as is_mine:
            if not is_mine:
                return
            try:
                # Asked before the manifest is written anew, which may be another driver's by now.
                event = self._end(job) if self.is_ours(job) else self._end_lost(job)
            except caught_at(Step.END) as error:
                log_request(_LOG, job.claim.key, Action.WAITING, f"can not be ended yet: {error}")
                return
        self._run.tell(event)

    def give_back(self, jobs: Iterable[Job], *, failed_try: str = "", is_killed: bool = False) -> None:
        """Give back, as far as the queue lets us, those of these requests that have not come to an end.

        Args:
            jobs: they.
            failed_try: why their try has failed by a fault of their own; empty where they are not at fault.
            is_killed: whether the JVM was killed under them.
        """
        # Told when all is done: whoever listens may break off the work where it is told something.
        events = []
        for job in jobs:
            with job.giving_back() as is_mine:
                if not is_mine:
                    continue
                try:
                    events.append(self._give_back(job, failed_try, is_killed=is_killed))
                except caught_at(Step.GIVE_BACK) as error:
                    left = f"is left as it is, for the next run to take up: {error}"
                    events.append(self._event(Action.LEFT, job, left))
        for event in events:
            self._run.tell(event)

    # --- by the one thread that may end it ----------------------------------------------------------------------------

    def _end(self, job: Job) -> Event:
        """End a request as it has come to be; where that very step fails, give it back."""
        ending = job.record.ending(self._tries)
        # What is refused for what it asks has no folder.
        if job.record.verdict is None and not self.attempt(
            job,
            Step.WRITE_MANIFEST,
            lambda: self._artifacts.write_manifest(job, ManifestState.after(ending)),
        ):
            ending = job.record.ending(self._tries)
        try:
            return self._write_end(job, ending)
        except caught_at(Step.CLOSE) as error:
            is_refused = move_for(error, Step.CLOSE) is Move.CHARGE
            if not is_refused or ending.gives_back or not self._queue.is_ours(job.claim):
                raise
            # The queue answers, but does not take this end of this row.
            self.own_fault(job, Step.CLOSE, error)
            ending = job.record.ending(self._tries)
            if not ending.gives_back:
                sentence = given_up_message(job.claim.iteration + 1, str(error))
                ending = Ending(Status.FAILED, sentence, is_failed_try=True)
            return self._write_end(job, ending)

    def _give_back(self, job: Job, failed_try: str, *, is_killed: bool) -> Event:
        if is_killed:
            job.note_jvm_kill()
        ending = GIVE_BACK_AS_IT_WAS
        if failed_try:
            job.blame(failed_try)
            ending = job.record.ending(self._tries)
        if job.record.file_by_batch or job.record.jvm_kills:
            # It must not keep a row from being given back.
            self.attempt(job, Step.LAST_MANIFEST, lambda: self._write_last_manifest(job, ending))
        return self._write_end(job, ending)

    def _write_last_manifest(self, job: Job, ending: Ending) -> None:
        if self._queue.is_ours(job.claim):
            self._artifacts.write_manifest(job, ManifestState.after(ending))

    def _write_end(self, job: Job, ending: Ending) -> Event:
        """Write the end into the row."""
        if ending.gives_back:
            failed_try = ending.message if ending.is_failed_try else ""
            is_ours = self._queue.requeue(job.claim, job.record.delivered(), failed_try=failed_try)
        else:
            is_ours = self._queue.complete(job.claim, job.record.closing(ending, self._run.now()))
        if not is_ours:
            job.lose()
            return self._end_lost(job)
        job.end(JobState.GIVEN_BACK if ending.gives_back else JobState.DONE)
        self._add_result(job, JobEnd(ending.status.value), ending.message)
        if ending.is_failed_try:
            self._pause.note_failed(job.claim.key, job.claim.submitted_at)
        files = f"{len(job.record.file_by_batch)} of {len(job.record.wanted)} files"
        why = f": {ending.message}" if ending.message else ""
        if ending.gives_back:
            return self._event(Action.GIVEN_BACK, job, f"goes back to the queue with {files}{why}")
        told = why if job.record.verdict else f": {files}"
        return self._event(Action(ending.status.value), job, f"is {ending.status.value}{told}")

    def _end_lost(self, job: Job) -> Event:
        is_cancelled = self._queue.record_cancelled(job.claim, job.record.delivered())
        job.end(JobState.CANCELLED if is_cancelled else JobState.LOST)
        self._add_result(job, JobEnd.CANCELLED if is_cancelled else JobEnd.LOST, "")
        if is_cancelled:
            return self._event(Action.CANCELLED, job, "was cancelled")
        return self._event(Action.LOST, job, "is not ours any more: it was put in anew or taken over")

    def _add_result(self, job: Job, end: JobEnd, message: str) -> None:
        record = job.record
        files, wanted = len(record.file_by_batch), len(record.wanted)
        with self._lock:
            self._outcome.results.append(JobResult(job.claim.key, end, files, wanted, record.rows, message))

    def _event(self, action: Action, job: Job, sentence: str) -> Event:
        request_id = job.claim.key.request_id
        rows = job.record.rows
        return self._outcome.event(action, f"request {request_id} {sentence}", rows=rows, request_id=request_id)
