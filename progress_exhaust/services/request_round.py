"""One round: requests that were claimed together, from what they mean to their end."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from progress_exhaust.errors import ComputeError, ProgressExhaustError, RequestError
from progress_exhaust.job_requests.limits import ChannelTally
from progress_exhaust.job_requests.port import Queue
from progress_exhaust.job_requests.request_data import Wanted
from progress_exhaust.job_requests.words import too_many_message
from progress_exhaust.output.staging import Staging
from progress_exhaust.services.faults import SPARK_FAILURES, fault_of
from progress_exhaust.services.report_plan import Places, read_places
from progress_exhaust.services.request_delivery import RequestDelivery, fail
from progress_exhaust.services.request_notes import RequestNotes
from progress_exhaust.services.request_selection import (
    Reports,
    asked_by,
    finished_files,
    permitted,
)
from progress_exhaust.services.request_work import RequestWork
from progress_exhaust.services.run import Phase, Ports, RequestsOutcome, Run, counted
from progress_exhaust.services.selection import Asked, Selection, select_for_all
from progress_exhaust.services.waves import WaveRunner
from progress_exhaust.settings import Settings


@dataclass(frozen=True)
class Claimed:
    """A request that is ours, and what it wants."""

    work: RequestWork
    wanted: Wanted


class RequestRound:
    """Makes the reports of requests that were claimed together: each report once, for all who want it."""

    def __init__(
        self,
        ports: Ports,
        staging: Staging,
        queue: Queue,
        tally: ChannelTally,
        settings: Settings,
        run: Run,
        outcome: RequestsOutcome,
        is_over_time: Callable[[], bool],
    ) -> None:
        self._ports = ports
        self._staging = staging
        self._queue = queue
        self._tally = tally
        self._settings = settings
        self._run = run
        self._outcome = outcome
        self._is_over_time = is_over_time
        self._notes = RequestNotes(ports.store, staging, settings, run)
        self._places: Places | None = None

    def make(self, claimed: Sequence[Claimed]) -> None:
        """Bring all of them to an end, or give them back.

        A failure of Spark itself counts as this driver's death: its requests stay PROCESSING, so that the next run
        tries each by itself, and one that breaks every driver comes to an end. So does a defect of ours.

        Raises:
            OperatorError: a service failed.
            DataShapeError: an input does not have the agreed shape.
        """
        works = [one.work for one in claimed]
        delivery = RequestDelivery(
            works,
            store=self._ports.store,
            staging=self._staging,
            queue=self._queue,
            tally=self._tally,
            notes=self._notes,
            settings=self._settings.output,
            run=self._run,
            outcome=self._outcome,
            is_over_time=self._is_over_time,
        )
        try:
            self._make(works, [one.wanted for one in claimed], delivery)
        except SPARK_FAILURES as error:
            self._stop_if_asked(delivery)
            fault = fault_of(error, self._settings)
            if fault is None or isinstance(fault, ComputeError):
                raise (fault or error) from error
            delivery.give_back_unsettled()
            raise fault from error
        except ComputeError:
            self._stop_if_asked(delivery)
            raise
        except ProgressExhaustError:
            delivery.give_back_unsettled()
            raise
        except Exception:
            self._stop_if_asked(delivery)
            raise
        except BaseException:
            delivery.give_back_unsettled()
            raise
        finally:
            with suppress(*SPARK_FAILURES, OSError):  # of a JVM that is gone nothing need be freed
                self._ports.spark.catalog.clearCache()

    def _stop_if_asked(self, delivery: RequestDelivery) -> None:
        """Give everything back where a signal came, which the JVM may have got too: its end is no driver's death.

        Raises:
            Stopped: a signal came; whoever hears of events raises it.
        """
        try:
            self._tell(Phase.COMPUTE.value, "looking for what has failed")
        except BaseException:
            delivery.give_back_unsettled()
            raise

    def _make(self, works: list[RequestWork], wanted: Sequence[Wanted], delivery: RequestDelivery) -> None:
        with self._outcome.phase(Phase.CATALOGUE):
            self._tell(Phase.CATALOGUE, f"finding what {counted(len(works), 'request')} mean")
            asked = [self._asked(work, one) for work, one in zip(works, wanted, strict=True)]
            self._notes.progress(works, Phase.CATALOGUE.value)
            selections = select_for_all(
                asked,
                self._ports.spark,
                self._ports.tables,
                self._ports.catalogue,
                self._settings,
                self._staging.stage_lines,
            )
        reports = Reports()
        for work, one, selection in zip(works, asked, selections, strict=True):
            if not work.is_settled:
                self._prepare(work, one, selection, reports)
        self._outcome.wanted += sum(len(work.pending) for work in works)
        for work in works:
            delivery.settle(work)
        numbers = {number for work in works for number in work.pending}
        if not numbers:
            return
        if self._places is None:
            with self._outcome.phase(Phase.READ):
                self._places = read_places(self._ports.tables)
        WaveRunner(self._ports, self._settings, self._run, self._staging, self._places, self._outcome, delivery).make(
            reports.numbered(numbers)
        )
        for work in works:
            delivery.settle(work)

    def _asked(self, work: RequestWork, wanted: Wanted) -> Asked:
        try:
            asked, retired = asked_by(wanted, self._ports.catalogue)
        except RequestError as error:
            self._fail(work, str(error))
            return Asked()
        work.refusals += retired
        return asked

    def _prepare(self, work: RequestWork, asked: Asked, selection: Selection, reports: Reports) -> None:
        """Find out which reports a request still needs."""
        work.refusals += selection.not_made
        may_see = permitted(work, selection, asked)
        work.wanted = list(asked.batches) or [batch.batch_id for batch, _ in may_see]
        most = self._settings.requests.reports_per_request
        if len(may_see) > most:
            self._fail(work, too_many_message(most))
            return
        earlier = self._notes.earlier(work.claim, keeps_processed=self._queue.keeps_processed)
        work.day = earlier.day or work.day
        with tempfile.TemporaryDirectory(prefix="progress-exhaust-") as scratch:
            work.files |= finished_files(work.claim, earlier, may_see, self._ports.store, Path(scratch))
        wanted = [(batch, audience) for batch, audience in may_see if batch.batch_id not in work.files]
        granted = self._tally.reserve(work.claim.channel, len(wanted))
        work.pending = {reports.number_of(batch, audience): batch.batch_id for batch, audience in wanted[:granted]}
        work.deferred = [batch.batch_id for batch, _ in wanted[granted:]]
        if work.pending and self._queue.is_ours(work.claim):
            # Before any file is out, so that whoever takes this up on another day names its files alike.
            self._notes.manifest(work, "processing")

    def _fail(self, work: RequestWork, message: str) -> None:
        fail(work, message, self._queue, self._run, self._outcome)

    def _tell(self, action: str, sentence: str) -> None:
        self._run.tell(self._outcome.event(action, sentence))
