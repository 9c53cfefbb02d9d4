"""The command `run`: works off the request queue once."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from progress_exhaust.errors import RequestError
from progress_exhaust.export.engine import Engine, SparkEngine
from progress_exhaust.export.run import Outcome, Ports, Run
from progress_exhaust.job_requests.fairness import in_turn
from progress_exhaust.job_requests.messages import too_many_message
from progress_exhaust.job_requests.model import Claim, DueRequest, NotClaimed
from progress_exhaust.job_requests.port import Queue
from progress_exhaust.job_requests.quotas import ChannelQuota, RetryPause
from progress_exhaust.job_requests.request_data import RequestedBatches, RequestedReports, TooManyBatches
from progress_exhaust.output.staging import Staging, remove_left_over
from progress_exhaust.settings.sections import Settings
from progress_exhaust.tables.schemas import INPUT_TABLES
from progress_exhaust.worker.delivery import RequestDelivery
from progress_exhaust.worker.job import RequestWork
from progress_exhaust.worker.outcome import GAVE_UP, RequestsOutcome, Settled
from progress_exhaust.worker.resume import RequestNotes
from progress_exhaust.worker.round import Claimed, RequestRound
from progress_exhaust.worker.selection import wanted_of

_GIVEN_UP = "its driver has died each time it was tried"
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
        self._tally = ChannelQuota(settings.requests.reports_per_channel, settings.requests.bytes_per_channel)
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
            due = in_turn(self._queue.due(tag=only.tag, request_id=only.request_id))
            self._outcome.due = len(due)
            due = [one for one in due if self._pause.is_over(one.key, one.submitted_at)]
            if due:
                self._work_off(due, only)
            elif only.request_id is not None and not self._outcome.due:
                self._tell("not_due", only.request_id, "is not due: it has ended, or there is none")
        finally:
            self._outcome.duration_s = time.monotonic() - self._begin

    def _work_off(self, due: Sequence[DueRequest], only: RequestFilter) -> None:
        ports = self._open_ports()
        self._check(ports)
        fresh = deque(one for one in due if not one.is_suspect)
        suspects = deque(one for one in due if one.is_suspect)
        with Staging(ports.store, self._run.run_id) as staging:
            notes = RequestNotes(ports.store, staging, self._settings, self._run)
            delivery = RequestDelivery(
                store=ports.store,
                staging=staging,
                queue=self._queue,
                tally=self._tally,
                pause=self._pause,
                notes=notes,
                settings=self._settings,
                run=self._run,
                outcome=self._outcome,
                is_over_time=self._is_over_time,
            )
            rounds = RequestRound(
                ports,
                self._make_engine(ports, self._settings, self._run, staging, self._outcome),
                delivery,
                notes,
                self._queue,
                self._tally,
                self._settings,
                self._run,
                self._outcome,
            )
            try:
                while fresh and self._may_go_on(only):
                    self._make_round(fresh, rounds, delivery, only)
                while suspects and self._may_go_on(only):
                    self._make_round(deque([suspects.popleft()]), rounds, delivery, only)
                if self._locked and self._may_go_on(only):
                    self._make_round(deque(), rounds, delivery, only)
                self._settle_late(delivery)
            finally:
                # Whatever has happened: what is claimed and has not ended is somebody else's to make.
                delivery.give_back(delivery.unfinished())
        self._outcome.left += len(self._locked)
        if self._is_over_time():
            self._outcome.left += len(fresh) + len(suspects)

    def _check(self, ports: Ports) -> None:
        """Find faults that are nobody's request's before anything is claimed, and remove what dead drivers left."""
        ports.store.check()
        remove_left_over(ports.store, self._settings.output.staging_keep_s, lambda: self._run.now().timestamp())
        for table in INPUT_TABLES:
            if not table.may_be_missing or ports.tables.exists(table):
                ports.tables.frame(table)
        ports.catalogue.check()

    def _make_round(
        self, candidates: deque[DueRequest], rounds: RequestRound, delivery: RequestDelivery, only: RequestFilter
    ) -> None:
        """Claim what fits one wave, and make it; rows that were locked are looked at again."""
        candidates.extend(self._locked)
        self._locked = []
        for together in self._claim_together(candidates, delivery, only):
            rounds.make(together)
        for work in delivery.unfinished():
            delivery.settle(work)

    def _claim_together(
        self, candidates: deque[DueRequest], delivery: RequestDelivery, only: RequestFilter
    ) -> list[list[Claimed]]:
        """Claim what fits one wave, and leave the rest to other drivers; suspects come apart, each by itself."""
        fresh: list[Claimed] = []
        alone: list[list[Claimed]] = []
        reports = 0
        while candidates and reports < self._settings.requests.reports_per_wave and self._may_go_on(only):
            candidate = candidates.popleft()
            if not self._tally.has_room(candidate.channel):
                self._outcome.left += 1
                continue
            claim = self._queue.claim(candidate.key)
            if isinstance(claim, NotClaimed):
                self._note_not_claimed(candidate, claim)
                continue
            self._claims += 1
            claimed = self._read(claim, delivery)
            if claimed is None:
                continue
            if claim.was_orphan or claim.iteration:
                alone.append([claimed])
            else:
                fresh.append(claimed)
            reports += self._most_reports(claimed.wanted)
        return [fresh, *alone] if fresh else alone

    def _read(self, claim: Claim, delivery: RequestDelivery) -> Claimed | None:
        """Read what a request wants; one that wants nothing we understand ends here, before any work is done."""
        work = RequestWork(claim, self._run.now(), self._run.day)
        delivery.take_in([work])
        try:
            return Claimed(work, wanted_of(claim, self._settings))
        except TooManyBatches:
            message = too_many_message(self._settings.requests.reports_per_request)
        except RequestError as error:
            message = str(error)
        delivery.fail(work, message)
        return None

    def _settle_late(self, delivery: RequestDelivery) -> None:
        """End what could not be ended before, because somebody else has locked its row, if they let go of it soon."""
        until = time.monotonic() + _LOCK_PATIENCE_S
        while (unfinished := delivery.unfinished()) and time.monotonic() < until:
            self._sleep(_LOCK_LOOK_S)
            for work in unfinished:
                delivery.settle(work)
            for work in delivery.unfinished():
                self._tell("waiting", work.claim.key.request_id, "has ended, but somebody else has locked its row")

    def _note_not_claimed(self, candidate: DueRequest, why: NotClaimed) -> None:
        if why is NotClaimed.GAVE_UP:
            self._outcome.settled.append(Settled(candidate.key, GAVE_UP, 0, 0, 0, _GIVEN_UP))
            self._tell("gave_up", candidate.key.request_id, f"is given up: {_GIVEN_UP}")
        elif why is NotClaimed.LOCKED:
            self._locked.append(candidate)
            self._tell("locked", candidate.key.request_id, "is passed over: somebody else has locked its row")

    def _most_reports(self, wanted: RequestedReports) -> int:
        limits = self._settings.requests
        if isinstance(wanted, RequestedBatches):
            return min(limits.reports_per_request, len(wanted.batch_ids))
        return limits.reports_per_search

    def _may_go_on(self, only: RequestFilter) -> bool:
        return not self._is_over_time() and (only.most is None or self._claims < only.most)

    def _is_over_time(self) -> bool:
        wall_time_s = self._settings.requests.wall_time_s
        return bool(wall_time_s) and time.monotonic() - self._begin > wall_time_s

    def _tell(self, action: str, request_id: str, sentence: str) -> None:
        self._run.tell(self._outcome.event(action, f"request {request_id} {sentence}", request_id=request_id))
