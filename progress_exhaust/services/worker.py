"""The command `run`: works off the request queue once."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from progress_exhaust.errors import RequestError
from progress_exhaust.job_requests.limits import ChannelTally
from progress_exhaust.job_requests.model import Claim, DueRequest, NotClaimed
from progress_exhaust.job_requests.order import in_turn
from progress_exhaust.job_requests.port import Queue
from progress_exhaust.job_requests.request_data import TooManyBatches, Wanted, WantedBatches
from progress_exhaust.job_requests.words import too_many_message
from progress_exhaust.output.staging import Staging, remove_left_over
from progress_exhaust.services.request_delivery import fail
from progress_exhaust.services.request_round import Claimed, RequestRound
from progress_exhaust.services.request_selection import wanted_of
from progress_exhaust.services.request_work import RequestWork
from progress_exhaust.services.run import GAVE_UP, Ports, RequestsOutcome, Run, Settled
from progress_exhaust.settings import Settings
from progress_exhaust.tables.schemas import INPUT_TABLES

_GIVEN_UP = "too many drivers have died on it"


@dataclass(frozen=True)
class Only:
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
    """

    def __init__(
        self,
        queue: Queue,
        open_ports: Callable[[], Ports],
        settings: Settings,
        run: Run,
        outcome: RequestsOutcome,
    ) -> None:
        self._queue = queue
        self._open_ports = open_ports
        self._settings = settings
        self._run = run
        self._outcome = outcome
        self._tally = ChannelTally(settings.requests.reports_per_channel, settings.requests.bytes_per_channel)
        self._begin = time.monotonic()
        self._claims = 0

    def work_off(self, only: Only) -> None:
        """Make the reports of all that is due: fresh requests together, then one by one those that a driver died on.

        Raises:
            OperatorError: a service failed; what was claimed and is not finished is in the queue again.
            DataShapeError: an input does not have the agreed shape; likewise.
        """
        try:
            due = in_turn(self._queue.due(tag=only.tag, request_id=only.request_id))
            self._outcome.due = len(due)
            if due:
                self._work_off(due, only)
            elif only.request_id is not None:
                self._tell("not_due", only.request_id, "is not due: it has ended, or there is none")
        finally:
            self._outcome.duration_s = time.monotonic() - self._begin

    def _work_off(self, due: Sequence[DueRequest], only: Only) -> None:
        ports = self._open_ports()
        self._check(ports)
        fresh = deque(one for one in due if not one.is_processing)
        orphans = deque(one for one in due if one.is_processing)
        with Staging(ports.store, self._run.run_id) as staging:
            makes = RequestRound(
                ports, staging, self._queue, self._tally, self._settings, self._run, self._outcome, self._is_over_time
            )
            while fresh and self._may_go_on(only):
                for together in self._claim_together(fresh, only):
                    makes.make(together)
            while orphans and self._may_go_on(only):
                for alone in self._claim_together(deque([orphans.popleft()]), only):
                    makes.make(alone)
        if self._is_over_time():
            self._outcome.left += len(fresh) + len(orphans)

    def _check(self, ports: Ports) -> None:
        """Find faults that are nobody's request's before anything is claimed, and remove what dead drivers left."""
        ports.store.check()
        remove_left_over(ports.store, self._settings.output.staging_keep_s, lambda: self._run.now().timestamp())
        for table in INPUT_TABLES:
            if not table.may_be_missing or ports.tables.exists(table):
                ports.tables.frame(table)
        ports.catalogue.check()

    def _claim_together(self, candidates: deque[DueRequest], only: Only) -> list[list[Claimed]]:
        """Claim what fits one wave, and leave the rest to other drivers; orphans come apart, each by itself."""
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
            claimed = self._read(claim)
            if claimed is None:
                continue
            if claim.was_orphan:
                alone.append([claimed])
            else:
                fresh.append(claimed)
            reports += self._most_reports(claimed.wanted)
        return [fresh, *alone] if fresh else alone

    def _read(self, claim: Claim) -> Claimed | None:
        """Read what a request wants; one that wants nothing we understand ends here, before any work is done."""
        work = RequestWork(claim, self._run.now(), self._run.day)
        try:
            return Claimed(work, wanted_of(claim, self._settings))
        except TooManyBatches:
            message = too_many_message(self._settings.requests.reports_per_request)
        except RequestError as error:
            message = str(error)
        fail(work, message, self._queue, self._run, self._outcome)
        return None

    def _note_not_claimed(self, candidate: DueRequest, why: NotClaimed) -> None:
        if why is NotClaimed.GAVE_UP:
            self._outcome.settled.append(Settled(candidate.key, GAVE_UP, 0, 0, 0, _GIVEN_UP))
            self._tell("gave_up", candidate.key.request_id, f"is FAILED: {_GIVEN_UP}")

    def _most_reports(self, wanted: Wanted) -> int:
        most = self._settings.requests.reports_per_request
        return min(most, len(wanted.batch_ids)) if isinstance(wanted, WantedBatches) else most

    def _may_go_on(self, only: Only) -> bool:
        return not self._is_over_time() and (only.most is None or self._claims < only.most)

    def _is_over_time(self) -> bool:
        wall_time_s = self._settings.requests.wall_time_s
        return bool(wall_time_s) and time.monotonic() - self._begin > wall_time_s

    def _tell(self, action: str, request_id: str, sentence: str) -> None:
        self._run.tell(self._outcome.event(action, f"request {request_id} {sentence}", request_id=request_id))
