"""Delivers reports to the requests that wait for them, and ends each request once, as soon as its own files are out."""

from __future__ import annotations

import contextlib
import itertools
import threading
from collections.abc import Callable, Sequence

from progress_exhaust.errors import OutputError, QueueError, Reason, RowLockedError, SkippedReport
from progress_exhaust.export.delivery import emit_published, emit_skipped
from progress_exhaust.export.publishing import CheckedReport, file_name
from progress_exhaust.export.run import Event, Run
from progress_exhaust.export.spark_errors import SPARK_FAILURES
from progress_exhaust.job_requests.messages import given_up_message
from progress_exhaust.job_requests.model import Status
from progress_exhaust.job_requests.port import Queue
from progress_exhaust.job_requests.quotas import ChannelQuota, RetryPause
from progress_exhaust.output.staging import Staging
from progress_exhaust.output.stores.port import Store
from progress_exhaust.report.model import Report
from progress_exhaust.settings.sections import Settings
from progress_exhaust.worker.job import Ending, RequestWork
from progress_exhaust.worker.outcome import CANCELLED, LOST, RequestsOutcome, Settled
from progress_exhaust.worker.resume import RequestNotes


class RequestDelivery:
    """Publishes each report once for each request that waits for it, under that request's own folder.

    What fails for one request while the place and the queue answer is that request's own: it is noted, the others go
    on, and the request goes back with its try counted.

    Args:
        store: where the files go.
        staging: where copies are made for the second and later ones who wait for the same report.
        queue: the rows.
        tally: what each channel may still have in this run.
        pause: hears whose try has failed by a fault of its own.
        notes: progress files and manifests.
        settings: all settings.
        run: identity, clock, listener.
        outcome: grows.
        is_over_time: whether no new wave may begin.
    """

    def __init__(
        self,
        *,
        store: Store,
        staging: Staging,
        queue: Queue,
        tally: ChannelQuota,
        pause: RetryPause,
        notes: RequestNotes,
        settings: Settings,
        run: Run,
        outcome: RequestsOutcome,
        is_over_time: Callable[[], bool],
    ) -> None:
        self._works: list[RequestWork] = []
        self._store = store
        self._staging = staging
        self._queue = queue
        self._tally = tally
        self._pause = pause
        self._notes = notes
        self._settings = settings
        self._run = run
        self._outcome = outcome
        self._is_over_time = is_over_time
        self._lock = threading.Lock()
        self._copies = itertools.count()

    def take_in(self, works: Sequence[RequestWork]) -> None:
        """Look after these requests from now on; those that have ended are forgotten."""
        self._works = [work for work in self._works if work.is_open and work not in works] + list(works)

    def still_wanted(self, reports: Sequence[Report]) -> list[Report]:
        """Leave out what only requests wait for that were taken back, and everything where the time is over."""
        if self._is_over_time():
            for work in self._works:
                work.defer_all()
            return []
        for work in self._works:
            if work.pending:
                self._is_ours(work)
        self._notes.progress(self._works, "compute")
        return [report for report in reports if self._waiting(report)]

    def deliver(self, checked: CheckedReport) -> None:
        """Publish the report for everyone who waits for it.

        Raises:
            QueueError: the queue does not answer.
            OutputError: nothing can be published.
        """
        waiting = self._waiting(checked.report)
        # Copies first: the move of the staged file itself is the last.
        for number, work in enumerate(reversed(waiting)):
            with work.publication(checked.report.report_no) as is_wanted:
                if is_wanted and self._is_ours(work):
                    self._deliver_to(work, checked, is_last=number == len(waiting) - 1)
            self.settle(work)

    def refuse(self, report: Report, refusal: SkippedReport) -> None:
        """Take note for everyone who waits for it."""
        self.emit_skipped(report, refusal)
        for work in self._waiting(report):
            work.refuse(refusal)
            self._end_report(work, report)
            self.settle(work)

    def tell_fault(self, work: RequestWork, fault: SkippedReport) -> None:
        """Tell of a batch that is not made by a fault of its own, and charge it to the request."""
        with self._lock:
            self._outcome.not_made.append(fault)
        self._run.tell(self._outcome.event("not_made", str(fault), batch_id=fault.subject))
        work.blame(fault)

    def emit_skipped(self, report: Report, refusal: SkippedReport) -> None:
        """Tell of a report that is not made."""
        with self._lock:
            self._outcome.not_made.append(refusal)
        emit_skipped(self._run, self._outcome, report, refusal)

    def end_wave(self) -> None:
        """Note what all unfinished requests have so far, by one UPDATE."""
        unfinished = [work for work in self._works if work.is_open and work.pending and work.files]
        unfinished = [work for work in unfinished if self._is_ours(work)]
        for work in unfinished:
            self.own_step(work, lambda work=work: self._notes.manifest(work, "processing"))  # type: ignore[misc]
        if unfinished:
            self._queue.checkpoint({work.claim.key: work.delivered() for work in unfinished})
        for work in self._works:
            self.settle(work)

    def settle(self, work: RequestWork) -> None:
        """End a request of which nothing is pending or on its way any more, unless that is done already.

        A row that somebody else has locked is ended later.
        """
        if not work.begin_end():
            return
        is_done = False
        try:
            # Asked before the manifest is written anew, which may be another driver's by now.
            event = self._end(work) if self._is_ours(work) else self._lost(work)
            is_done = True
        except RowLockedError:
            return
        finally:
            work.end(is_done=is_done)
        self._run.tell(event)

    def own_step(self, work: RequestWork, step: Callable[[], object]) -> bool:
        """Do a step for one request alone; where it fails and the place itself answers, the fault is the request's.

        Returns:
            whether the step is done.

        Raises:
            OutputError: the place itself has failed.
        """
        try:
            step()
        except (OutputError, OSError) as error:
            self._store.check()
            work.blame(_sentence_of(error))
            return False
        return True

    def fail(self, work: RequestWork, message: str) -> None:
        """End a request that can not be made at all, through a fault that will not pass."""
        work.decide(Ending(Status.FAILED, message, is_failed_try=False))
        self.settle(work)

    def give_back(self, works: Sequence[RequestWork], *, failed_try: str = "", is_killed: bool = False) -> None:
        """Give back, as far as the queue lets us, those of these requests that have not come to an end.

        Args:
            works: they.
            failed_try: why their try has failed by a fault of their own; empty where they are not at fault.
            is_killed: whether the JVM was killed under them.
        """
        # Told when all is done: whoever listens may break off the work where it is told something.
        events = []
        for work in works:
            if not work.begin_to_give_back():
                continue
            is_done = False
            try:
                events.append(self._give_back(work, failed_try, is_killed=is_killed))
                is_done = True
            except QueueError as error:
                events.append(self._event("left", work, f"is left as it is, for the next run to take up: {error}"))
            finally:
                work.end(is_done=is_done)
        for event in events:
            self._run.tell(event)

    def unfinished(self) -> list[RequestWork]:
        """Return the requests that have not come to an end."""
        return [work for work in self._works if work.is_open]

    def _deliver_to(self, work: RequestWork, checked: CheckedReport, *, is_last: bool) -> None:
        """Publish a report for one request, which is ours and is not ended meanwhile."""
        report = checked.report
        if not self._tally.take(work.claim.channel, checked.digest.size_bytes):
            self._end_report(work, report, deferred=True)
            return
        batch_id = report.batch.batch_id
        path = f"{work.folder}/{file_name(self._settings.output, batch_id, work.day)}"
        copy = "" if is_last else self._copy(checked.staged)
        try:
            made = checked.publish(self._store, path, staged=copy)
        except SkippedReport as refusal:
            # Of the place as a whole, or of this request's folder alone?
            self._store.check()
            self.emit_skipped(report, refusal)
            work.blame(refusal)
        else:
            work.add_file(made, self._run.now())
            with self._lock:
                self._outcome.made.append(made)
            emit_published(self._run, self._outcome, made.path, batch_id, made.rows, work.claim.key.request_id)
        self._end_report(work, report)

    def _end_report(self, work: RequestWork, report: Report, *, deferred: bool = False) -> None:
        work.end_report(report.report_no, deferred=deferred)
        self._notes.progress([work], "publish")

    def _copy(self, staged: str) -> str:
        copy = self._staging.path(f"copy-{next(self._copies)}.csv")
        self._store.join([staged], copy)
        return copy

    def _waiting(self, report: Report) -> list[RequestWork]:
        return [work for work in self._works if work.waits_for(report.report_no)]

    def _is_ours(self, work: RequestWork) -> bool:
        if not work.is_lost and not self._queue.is_ours(work.claim):
            work.lose()
        return not work.is_lost

    # --- the end of one request, by the one who may end it ------------------------------------------------------------

    def _end(self, work: RequestWork) -> Event:
        """End a request as it has come to be; where that very step fails, give it back."""
        tries = self._settings.requests.tries
        ending = work.ending(tries)
        # What is refused for what it asks has no folder.
        if work.verdict is None and not self.own_step(work, lambda: self._notes.manifest(work, _state_of(ending))):
            ending = work.ending(tries)
        try:
            return self._write_end(work, ending)
        except RowLockedError:
            raise
        except QueueError as error:
            if ending.status is Status.SUBMITTED or not self._queue.is_ours(work.claim):
                raise
            # The queue answers, but does not take this end of this row.
            work.blame(str(error))
            ending = work.ending(tries)
            if ending.status is not Status.SUBMITTED:
                sentence = given_up_message(work.claim.iteration + 1, str(error))
                ending = Ending(Status.FAILED, sentence, is_failed_try=True)
            return self._write_end(work, ending)

    def _give_back(self, work: RequestWork, failed_try: str, *, is_killed: bool) -> Event:
        work.jvm_kills += is_killed
        ending = Ending(Status.SUBMITTED, "", is_failed_try=False)
        if failed_try:
            work.blame(failed_try)
            ending = work.ending(self._settings.requests.tries)
        if work.files or work.jvm_kills:
            # The manifest must not keep a row from being given back.
            with contextlib.suppress(OutputError, OSError, *SPARK_FAILURES):
                if self._queue.is_ours(work.claim):
                    self._notes.manifest(work, _state_of(ending))
        return self._write_end(work, ending)

    def _write_end(self, work: RequestWork, ending: Ending) -> Event:
        """Write the end into the row."""
        if ending.status is Status.SUBMITTED:
            failed_try = ending.message if ending.is_failed_try else ""
            is_ours = self._queue.release(work.claim, work.delivered(), failed_try=failed_try)
        else:
            is_ours = self._queue.close(work.claim, work.closing(ending, self._run.now()))
        if not is_ours:
            work.lose()
            return self._lost(work)
        self._add_settled(work, ending.status.value, ending.message)
        if ending.is_failed_try:
            self._pause.note_failed(work.claim.key, work.claim.submitted_at)
        files = f"{len(work.files)} of {len(work.wanted)} files"
        why = f": {ending.message}" if ending.message else ""
        if ending.status is Status.SUBMITTED:
            return self._event("given_back", work, f"goes back to the queue with {files}{why}")
        told = why if work.verdict else f": {files}"
        return self._event(ending.status.value, work, f"is {ending.status.value}{told}")

    def _lost(self, work: RequestWork) -> Event:
        is_cancelled = self._queue.note_files_of_cancelled(work.claim, work.delivered())
        self._add_settled(work, CANCELLED if is_cancelled else LOST, "")
        why = "was cancelled" if is_cancelled else "is not ours any more: it was put in anew or taken over"
        return self._event("cancelled" if is_cancelled else "lost", work, why)

    def _add_settled(self, work: RequestWork, state: str, message: str) -> None:
        settled = Settled(
            key=work.claim.key,
            state=state,
            files=len(work.files),
            wanted=len(work.wanted),
            rows=work.rows,
            err_message=message,
        )
        with self._lock:
            self._outcome.settled.append(settled)

    def _event(self, action: str, work: RequestWork, sentence: str) -> Event:
        request_id = work.claim.key.request_id
        return self._outcome.event(action, f"request {request_id} {sentence}", rows=work.rows, request_id=request_id)


def is_own_fault(refusal: SkippedReport) -> bool:
    """Whether a refusal may pass, and is the fault of the one request that asks for it."""
    return refusal.reason is Reason.TREE_UNAVAILABLE


def _state_of(ending: Ending) -> str:
    return "given back" if ending.status is Status.SUBMITTED else ending.status.value


def _sentence_of(error: Exception) -> str:
    if isinstance(error, OSError):
        return f"reading what is out already: {error.strerror or type(error).__name__}; check output.url and its rights"
    return str(error)
