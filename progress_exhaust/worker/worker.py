"""The command `run`: works off the request queue once."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from progress_exhaust.deadlines import Deadline
from progress_exhaust.export.engine import Engine, SparkEngine
from progress_exhaust.export.run import Outcome, Ports, Run
from progress_exhaust.job_requests.fairness import round_robin
from progress_exhaust.job_requests.model import Claim, DueRequest, NotClaimed, RequestKey
from progress_exhaust.job_requests.port import Queue
from progress_exhaust.job_requests.quotas import ChannelQuota, RetryPause
from progress_exhaust.log_actions import Action
from progress_exhaust.output.staging import Staging, remove_stale
from progress_exhaust.settings.sections import Settings
from progress_exhaust.tables.schemas import INPUT_TABLES
from progress_exhaust.worker.artifacts import JobArtifacts
from progress_exhaust.worker.delivery import Delivery
from progress_exhaust.worker.finisher import Finisher
from progress_exhaust.worker.job import Job
from progress_exhaust.worker.membership import Room, room_for, rounds_of
from progress_exhaust.worker.moves import Step, caught_at
from progress_exhaust.worker.outcome import JobEnd, JobResult, RequestsOutcome
from progress_exhaust.worker.round import Round
from progress_exhaust.worker.selection import wanted_of

_LOG = logging.getLogger(__name__)
_ABANDONED = "its driver has died each time it was tried"
_LOCK_PATIENCE_S = 10.0
"""For how long rows that somebody else has locked are tried again at the end of a run."""
_LOCK_LOOK_S = 0.5

MakeEngine = Callable[[Ports, Settings, Run, Staging, Outcome], Engine]


@dataclass(frozen=True)
class RequestFilter:
    """Which due requests a run takes.

    Attributes:
        most: at most so many; None for all.
        request_id: only with this id.
        tag: only with this tag.
    """

    most: int | None = None
    request_id: str | None = None
    tag: str | None = None


class Worker:
    """One driver at one run over the queue.

    Args:
        queue: the rows.
        open_ports: opens Spark and the rest; not called where nothing is due.
        settings: all settings.
        run: identity, day, clock, listener.
        outcome: grows while the run works.
        pause: whose try has failed lately, as far as this process knows; None where nobody's has.
        make_engine: makes what makes reports.
        sleep: waits so many seconds.
    """

    def __init__(
        self,
        queue: Queue,
        open_ports: Callable[[], Ports],
        settings: Settings,
        run: Run,
        outcome: RequestsOutcome,
        pause: RetryPause | None = None,
        make_engine: MakeEngine = SparkEngine,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._queue = queue
        self._open_ports = open_ports
        self._settings = settings
        self._run = run
        self._outcome = outcome
        self._pause = pause or RetryPause(0.0, time.monotonic)
        self._make_engine = make_engine
        self._sleep = sleep
        self._quota = ChannelQuota(settings.requests.reports_per_channel, settings.requests.bytes_per_channel)
        self._locked: list[DueRequest] = []
        self._begin = time.monotonic()
        self._claims = 0

    def work_off(self, only: RequestFilter) -> None:
        """Make the reports of all that is due: fresh requests together, then one by one those whose try has failed.

        Raises:
            OperatorError: a service failed; what was claimed and is not finished is in the queue again.
            DataShapeError: an input does not have the agreed shape; likewise.
        """
        try:
            due = round_robin(self._queue.due(tag=only.tag, request_id=only.request_id))
            self._outcome.due = len(due)
            paused = [one for one in due if not self._pause.is_over(one.key, one.submitted_at)]
            for one in paused:
                self._log(one.key, Action.DEFERRED, "is left alone for a while: its try has failed just now")
            if len(paused) < len(due):
                self._work_off([one for one in due if one not in paused], only)
            elif only.request_id is not None and not self._outcome.due:
                self._tell(Action.NOT_DUE, only.request_id, "is not due: it has ended, or there is none")
        finally:
            self._outcome.duration_s = time.monotonic() - self._begin

    def _work_off(self, due: Sequence[DueRequest], only: RequestFilter) -> None:
        ports = self._open_ports()
        self._check(ports)
        waiting = [deque(together) for together in rounds_of(due)]
        with Staging(ports.store, self._run.run_id) as staging:
            finisher, rounds = self._parts(ports, staging)
            try:
                for candidates in waiting:
                    while candidates and self._may_go_on(only):
                        self._make_round(candidates, rounds, finisher, only)
                if self._locked and self._may_go_on(only):
                    self._make_round(deque(), rounds, finisher, only)
                self._finish_late(finisher)
            finally:
                # Whatever has happened: what is claimed and has not ended is somebody else's to make.
                finisher.give_back(finisher.unfinished())
        self._outcome.left += len(self._locked)
        if self._is_over_time():
            self._outcome.left += sum(map(len, waiting))

    def _parts(self, ports: Ports, staging: Staging) -> tuple[Finisher, Round]:
        """Wire what makes rounds, and what ends their requests."""
        artifacts = JobArtifacts(staging, self._settings, self._run)
        finisher = Finisher(
            store=ports.store,
            queue=self._queue,
            pause=self._pause,
            artifacts=artifacts,
            settings=self._settings,
            run=self._run,
            outcome=self._outcome,
        )
        delivery = Delivery(
            store=ports.store,
            staging=staging,
            queue=self._queue,
            quota=self._quota,
            finisher=finisher,
            artifacts=artifacts,
            settings=self._settings.output,
            run=self._run,
            outcome=self._outcome,
            is_over_time=self._is_over_time,
        )
        return finisher, Round(
            ports=ports,
            engine=self._make_engine(ports, self._settings, self._run, staging, self._outcome),
            delivery=delivery,
            finisher=finisher,
            artifacts=artifacts,
            queue=self._queue,
            quota=self._quota,
            settings=self._settings,
            run=self._run,
            outcome=self._outcome,
        )

    def _check(self, ports: Ports) -> None:
        """Find faults that are nobody's request's before anything is claimed, and remove what dead drivers left."""
        ports.store.check()
        remove_stale(ports.store, self._settings.output.staging_keep_s, lambda: self._run.now().timestamp())
        for table in INPUT_TABLES:
            if not table.may_be_missing or ports.tables.exists(table):
                ports.tables.frame(table)
        ports.catalogue.check()

    def _make_round(
        self, candidates: deque[DueRequest], rounds: Round, finisher: Finisher, only: RequestFilter
    ) -> None:
        """Claim what fits one wave, and make it; rows that were locked are looked at again."""
        candidates.extend(self._locked)
        self._locked = []
        for together in rounds_of(self._claim_together(candidates, finisher, only)):
            rounds.make(together)
        for job in finisher.unfinished():
            finisher.finish(job)

    def _claim_together(self, candidates: deque[DueRequest], finisher: Finisher, only: RequestFilter) -> list[Job]:
        """Claim what fits one wave, and leave the rest to other drivers."""
        jobs: list[Job] = []
        while candidates and self._may_go_on(only):
            candidate = candidates[0]
            room = room_for(candidate, [job.record for job in jobs], self._quota, self._settings.requests)
            if room is Room.FOR_NOBODY:
                break
            candidates.popleft()
            if room is Room.NOT_FOR_ITS_CHANNEL:
                self._outcome.left += 1
                self._log(candidate.key, Action.DEFERRED, "is left to a later run: its channel has had its part")
                continue
            claim = self._queue.claim(candidate.key)
            if isinstance(claim, NotClaimed):
                self._note_not_claimed(candidate, claim)
                continue
            self._claims += 1
            job = self._read(claim, finisher)
            if job is not None:
                jobs.append(job)
        return jobs

    def _read(self, claim: Claim, finisher: Finisher) -> Job | None:
        """Read what a request wants; one that wants nothing we understand ends here, before any work is done."""
        if claim.was_orphan:
            self._log(claim.key, Action.RECLAIMED, f"is taken up again, with {claim.iteration} tries: its driver died")
        job = Job(claim, self._run.now(), self._run.day, self._settings.requests.url_prefix)
        finisher.take_in([job])
        try:
            job.ask(wanted_of(claim, self._settings))
        except caught_at(Step.READ_REQUEST) as error:
            finisher.own_fault(job, Step.READ_REQUEST, error)
            return None
        return job

    def _finish_late(self, finisher: Finisher) -> None:
        """End what could not be ended before, because somebody else has locked its row, if they let go of it soon."""
        deadline = Deadline.after(_LOCK_PATIENCE_S)
        while (unfinished := finisher.unfinished()) and not deadline.is_over:
            self._sleep(_LOCK_LOOK_S)
            for job in unfinished:
                finisher.finish(job)
            for job in finisher.unfinished():
                self._tell(Action.WAITING, job.claim.key.request_id, "has ended, but somebody else has locked its row")

    def _note_not_claimed(self, candidate: DueRequest, why: NotClaimed) -> None:
        if why is NotClaimed.ABANDONED:
            self._outcome.results.append(JobResult(candidate.key, JobEnd.ABANDONED, 0, 0, 0, _ABANDONED))
            self._tell(Action.ABANDONED, candidate.key.request_id, f"is given up: {_ABANDONED}")
        elif why is NotClaimed.LOCKED:
            self._locked.append(candidate)
            self._tell(Action.LOCKED, candidate.key.request_id, "is passed over: somebody else has locked its row")

    def _may_go_on(self, only: RequestFilter) -> bool:
        return not self._is_over_time() and (only.most is None or self._claims < only.most)

    def _is_over_time(self) -> bool:
        wall_time_s = self._settings.requests.wall_time_s
        return bool(wall_time_s) and time.monotonic() - self._begin > wall_time_s

    def _log(self, key: RequestKey, action: Action, sentence: str) -> None:
        _LOG.debug("request %s %s", key.request_id, sentence, extra={"action": action, "request_id": key.request_id})

    def _tell(self, action: Action, request_id: str, sentence: str) -> None:
        self._run.tell(self._outcome.event(action, f"request {request_id} {sentence}", request_id=request_id))
