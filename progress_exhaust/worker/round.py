"""One round: requests that were claimed together, from what they mean to their end."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from progress_exhaust.errors import ComputeError, OutputError, ProgressExhaustError, RequestError, StepFailed
from progress_exhaust.export.engine import Engine
from progress_exhaust.export.run import Phase, Ports, Run
from progress_exhaust.export.selection import ReportQuery, Selection
from progress_exhaust.job_requests.messages import too_many_message
from progress_exhaust.job_requests.port import Queue
from progress_exhaust.job_requests.quotas import ChannelQuota
from progress_exhaust.job_requests.request_data import RequestedReports, RequestedSearch
from progress_exhaust.jvm_end import JvmEnd
from progress_exhaust.report.model import Batch
from progress_exhaust.settings.sections import Settings
from progress_exhaust.text import pluralize
from progress_exhaust.worker.delivery import RequestDelivery, is_own_fault
from progress_exhaust.worker.job import RequestWork, WorkState
from progress_exhaust.worker.moves import Move, move_for
from progress_exhaust.worker.outcome import RequestsOutcome
from progress_exhaust.worker.resume import Earlier, RequestNotes, earlier_of
from progress_exhaust.worker.selection import Reports, asked_by, finished_entries, permitted, used_again

MOST_JVM_KILLS = 2
"""How often a submission is given back uncounted because the JVM was killed under it."""
_STOPPING_SETTLE_S = 0.3
_FAILING_SETTLE_S = 2.0


@dataclass(frozen=True)
class Claimed:
    """A request that is ours, and what it wants."""

    work: RequestWork
    wanted: RequestedReports


class RequestRound:
    """Makes the reports of requests that were claimed together: each report once, for all who want it.

    Args:
        ports: the catalogue and the store.
        engine: makes reports.
        delivery: publishes them and ends the requests.
        notes: progress files and manifests.
        queue: the rows.
        tally: what each channel may still have in this run.
        settings: all settings.
        run: identity, clock, listener.
        outcome: grows.
    """

    def __init__(
        self,
        ports: Ports,
        engine: Engine,
        delivery: RequestDelivery,
        notes: RequestNotes,
        queue: Queue,
        tally: ChannelQuota,
        settings: Settings,
        run: Run,
        outcome: RequestsOutcome,
    ) -> None:
        self._ports = ports
        self._engine = engine
        self._delivery = delivery
        self._notes = notes
        self._queue = queue
        self._tally = tally
        self._settings = settings
        self._run = run
        self._outcome = outcome

    def make(self, claimed: Sequence[Claimed]) -> None:
        """Bring all of them to an end, or give them back; see `move_for` for what becomes of whom.

        Raises:
            OperatorError: a service failed, Spark's JVM among them.
            DataShapeError: an input does not have the agreed shape.
        """
        works = [one.work for one in claimed]
        self._delivery.take_in(works)
        try:
            self._make(claimed)
        except BaseException as error:  # noqa: BLE001 - whatever it is, no request stays claimed
            failure = self._stop_instead(error)
            move = move_for(failure, requests=len(claimed), jvm=self._jvm_end(failure))
        else:
            return
        finally:
            self._engine.release()
        if move is Move.ISOLATE:
            self._make_alone([one for one in claimed if one.work.is_open])
            return
        self._carry_out(move, works, failure)
        if move is Move.CHARGE:
            self._outcome.unforeseen.append(failure)
        elif move is Move.GIVE_BACK or isinstance(failure, ComputeError) or not isinstance(failure, Exception):
            raise failure
        else:
            raise ComputeError("making reports: the JVM of the Spark driver is gone; see its own log") from failure

    def _carry_out(self, move: Move, works: Sequence[RequestWork], failure: BaseException) -> None:
        """Charge or spare the requests; whoever is to go back as it was goes with all that is claimed."""
        if move is Move.GIVE_BACK:
            return
        spared = [work for work in works if move is Move.SPARE and work.jvm_kills < MOST_JVM_KILLS]
        self._delivery.give_back(spared, is_killed=True)
        charged = [work for work in works if work not in spared]
        self._delivery.give_back(charged, failed_try=_sentence_of(failure, move))

    def _make_alone(self, claimed: Sequence[Claimed]) -> None:
        """Make each request that has not come to an end by itself: one of them may be at fault."""
        self._tell(Phase.COMPUTE, f"making {pluralize(len(claimed), 'request')} one by one, to find the one at fault")
        alone = []
        for one in claimed:
            is_search = isinstance(one.wanted, RequestedSearch)
            self._tally.give_back(one.work.claim.channel, len(one.work.pending), is_search=is_search)
            alone.append(Claimed(one.work.alone(), one.wanted))
        self._delivery.take_in([one.work for one in alone])
        for one in claimed:
            one.work.end(is_done=True)
        for one in alone:
            self.make([one])

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

    def _make(self, claimed: Sequence[Claimed]) -> None:
        with self._outcome.phase(Phase.CATALOGUE):
            verb = "means" if len(claimed) == 1 else "mean"
            self._tell(Phase.CATALOGUE, f"finding what {pluralize(len(claimed), 'request')} {verb}")
            earlier = [self._earlier(one.work) for one in claimed]
            asked = [self._asked(one) for one in claimed]
            self._notes.progress([one.work for one in claimed], Phase.CATALOGUE.value)
            selections = self._engine.select(asked)
        reports = Reports()
        for one, left, ask, selection in zip(claimed, earlier, asked, selections, strict=True):
            if one.work.state is WorkState.CLAIMED:
                self._prepare(one, ask, selection, left, reports)
        works = [one.work for one in claimed]
        self._outcome.wanted += sum(len(work.pending) for work in works)
        for work in works:
            self._delivery.settle(work)
        numbers = {number for work in works for number in work.pending}
        if numbers:
            self._engine.make(reports.numbered(numbers), self._delivery)
        for work in works:
            self._delivery.settle(work)

    def _earlier(self, work: RequestWork) -> Earlier:
        """Return what earlier drivers have left of a request; a manifest that can not be read is its own fault."""
        keeps_processed = self._queue.keeps_processed
        try:
            earlier = self._notes.earlier(work.claim, keeps_processed=keeps_processed)
        except OutputError as error:
            self._ports.store.check()
            work.blame(str(error))
            earlier = earlier_of(work.claim, None, keeps_processed=keeps_processed)
        work.jvm_kills = max(work.jvm_kills, earlier.jvm_kills)
        work.found = work.found or earlier.found
        return earlier

    def _asked(self, one: Claimed) -> ReportQuery:
        try:
            return asked_by(one.work, one.wanted, self._ports.catalogue)
        except RequestError as error:
            self._delivery.fail(one.work, str(error))
        except StepFailed as error:
            one.work.blame(str(error))
            one.work.leave_as_it_is()
        return ReportQuery()

    def _prepare(
        self, one: Claimed, asked: ReportQuery, selection: Selection, earlier: Earlier, reports: Reports
    ) -> None:
        """Find out which reports a request still needs."""
        work, is_search = one.work, isinstance(one.wanted, RequestedSearch)
        for refusal in selection.not_made:
            if is_own_fault(refusal):
                self._delivery.tell_fault(work, refusal)
            else:
                work.refuse(refusal)
        may_see = permitted(work, selection, asked)
        work.wanted = list(asked.batches) or [batch.batch_id for batch, _ in may_see]
        limits = self._settings.requests
        most = limits.reports_per_search if is_search else limits.reports_per_request
        if len(may_see) > most:
            self._delivery.fail(work, too_many_message(most))
            return
        self._use_again(work, earlier, may_see)
        wanted = [(batch, audience) for batch, audience in may_see if batch.batch_id not in work.files]
        granted = self._tally.reserve(work.claim.channel, len(wanted), is_search=is_search)
        work.pending = {reports.number_of(batch, audience): batch.batch_id for batch, audience in wanted[:granted]}
        work.deferred = [batch.batch_id for batch, _ in wanted[granted:]]
        work.begin()
        if work.pending and self._queue.is_ours(work.claim):
            # Before any file is out, so that whoever takes this up on another day names its files alike.
            self._delivery.own_step(work, lambda: self._notes.manifest(work, "processing"))

    def _use_again(self, work: RequestWork, earlier: Earlier, may_see: Sequence[tuple[Batch, str | None]]) -> None:
        """Take over the files that an earlier driver has finished, and the day in their names."""
        days: list[str] = []
        with tempfile.TemporaryDirectory(prefix="progress-exhaust-") as scratch:
            for entry, batch in finished_entries(work.claim, earlier, may_see):
                try:
                    file = used_again(entry, batch, earlier, self._ports.store, Path(scratch))
                except (OutputError, OSError):
                    self._ports.store.check()
                    continue  # it is made anew; if nothing can take its place, that will tell
                if file is not None:
                    work.files.setdefault(batch.batch_id, file)
                    days.append(entry.day)
        if earlier.day or days:
            work.day = earlier.day or date.fromisoformat(days[0])

    def _tell(self, action: str, sentence: str) -> None:
        self._run.tell(self._outcome.event(action, sentence))


def _sentence_of(failure: BaseException, move: Move) -> str:
    """Return why a try has failed, in words fit for a row."""
    if move is not Move.CHARGE:
        return "the JVM of its driver came to an end"
    if isinstance(failure, ProgressExhaustError):
        return str(failure)
    return f"an unforeseen {type(failure).__name__}; see the log of the job"
