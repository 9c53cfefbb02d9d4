"""Delivers reports to the requests that wait for them, and ends each request as soon as its own files are out."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Sequence

from progress_exhaust.errors import NotMade, OutputError, QueueError
from progress_exhaust.job_requests.limits import ChannelTally
from progress_exhaust.job_requests.model import Status
from progress_exhaust.job_requests.port import Queue
from progress_exhaust.job_requests.words import outcome_message
from progress_exhaust.output.staging import Staging
from progress_exhaust.output.store import Store
from progress_exhaust.report.wanted import Report
from progress_exhaust.services.delivery import tell_made, tell_not_made
from progress_exhaust.services.publishing import CheckedReport, file_name
from progress_exhaust.services.request_notes import RequestNotes
from progress_exhaust.services.request_work import RequestWork
from progress_exhaust.services.run import CANCELLED, LOST, Event, RequestsOutcome, Run, Settled
from progress_exhaust.settings import OutputSettings


class RequestDelivery:
    """Publishes each report once for each request that waits for it, under that request's own folder.

    Args:
        works: the requests at work.
        store: where the files go.
        staging: where copies are made for the second and later ones who wait for the same report.
        queue: the rows.
        tally: what each channel may still have in this run.
        notes: progress files and manifests.
        settings: how files look.
        run: identity, clock, listener.
        outcome: grows.
        is_over_time: whether no new wave may begin.
    """

    def __init__(
        self,
        works: Sequence[RequestWork],
        *,
        store: Store,
        staging: Staging,
        queue: Queue,
        tally: ChannelTally,
        notes: RequestNotes,
        settings: OutputSettings,
        run: Run,
        outcome: RequestsOutcome,
        is_over_time: Callable[[], bool],
    ) -> None:
        self._works = works
        self._store = store
        self._staging = staging
        self._queue = queue
        self._tally = tally
        self._notes = notes
        self._settings = settings
        self._run = run
        self._outcome = outcome
        self._is_over_time = is_over_time
        self._lock = threading.RLock()
        self._copies = itertools.count()

    def still_wanted(self, reports: Sequence[Report]) -> list[Report]:
        """Leave out what only requests wait for that were taken back, and everything where the time is over."""
        if self._is_over_time():
            for work in self._works:
                with self._lock:
                    work.deferred += work.pending.values()
                    work.pending.clear()
            return []
        for work in self._works:
            if work.pending and not self._is_ours(work):
                work.pending.clear()
        self._notes.progress(self._works, "compute")
        return [report for report in reports if self._waiting(report)]

    def deliver(self, checked: CheckedReport) -> None:
        """Publish the report for everyone who waits for it.

        Raises:
            NotMade: it can not be published for any of them.
            QueueError: the queue does not answer.
        """
        waiting = self._waiting(checked.report)
        # Copies first: the move of the staged file itself is the last.
        for number, work in enumerate(reversed(waiting)):
            if not self._is_ours(work):
                continue
            if not self._tally.take(work.claim.channel, checked.digest.size_bytes):
                self._end_report(work, checked.report, deferred=True)
                continue
            is_last = number == len(waiting) - 1
            self._publish(work, checked, "" if is_last else self._copy(checked.staged))

    def refuse(self, report: Report, refusal: NotMade) -> None:
        """Take note for everyone who waits for it."""
        self._outcome.not_made.append(refusal)
        tell_not_made(self._run, self._outcome, report, refusal)
        for work in self._waiting(report):
            with self._lock:
                work.refusals.append(refusal)
            self._end_report(work, report)

    def end_wave(self) -> None:
        """Note what all unfinished requests have so far, by one UPDATE."""
        with self._lock:
            unfinished = [work for work in self._works if work.pending and work.files and not work.is_lost]
        unfinished = [work for work in unfinished if self._is_ours(work)]
        for work in unfinished:
            self._notes.manifest(work, "processing")
        if unfinished:
            self._queue.checkpoint({work.claim.key: work.delivered() for work in unfinished})

    def settle(self, work: RequestWork) -> None:
        """Close a request of which nothing is pending any more, or give it back where something is left."""
        with self._lock:
            if work.is_settled or work.is_lost or work.pending:
                return
            work.is_settled = True
        # Asked before the manifest is written anew, which may be another driver's by now.
        if self._is_ours(work):
            self._run.tell(self._give_back(work) if work.deferred else self._close(work))

    def give_back_unsettled(self) -> None:
        """Give back, as far as the queue lets us, all requests that have not come to an end."""
        # Told when all is done: whoever listens may break off the work where it is told something.
        events = []
        for work in self._works:
            with self._lock:
                if work.is_settled or work.is_lost:
                    continue
                work.is_settled = True
            try:
                events.append(self._give_back(work))
            except (QueueError, OutputError) as error:
                events.append(self._event("left", work, f"is left as it is, for the next run to take up: {error}"))
        for event in events:
            self._run.tell(event)

    def _publish(self, work: RequestWork, checked: CheckedReport, copy: str) -> None:
        batch_id = checked.report.batch.batch_id
        path = f"{work.folder}/{file_name(self._settings, batch_id, work.day)}"
        try:
            made = checked.publish(self._store, path, staged=copy)
        except NotMade as refusal:
            self._store.check()
            self._outcome.not_made.append(refusal)
            tell_not_made(self._run, self._outcome, checked.report, refusal)
            with self._lock:
                work.refusals.append(refusal)
            self._end_report(work, checked.report)
            return
        with self._lock:
            work.files[batch_id] = made
            work.last_file_at = self._run.now()
        self._outcome.made.append(made)
        tell_made(self._run, self._outcome, made.path, batch_id, made.rows, work.claim.key.request_id)
        self._end_report(work, checked.report)

    def _end_report(self, work: RequestWork, report: Report, *, deferred: bool = False) -> None:
        with self._lock:
            batch_id = work.pending.pop(report.report_no)
            if deferred:
                work.deferred.append(batch_id)
        self._notes.progress([work], "publish")
        self.settle(work)

    def _copy(self, staged: str) -> str:
        copy = self._staging.path(f"copy-{next(self._copies)}.csv")
        self._store.join([staged], copy)
        return copy

    def _waiting(self, report: Report) -> list[RequestWork]:
        with self._lock:
            return [work for work in self._works if report.report_no in work.pending and not work.is_lost]

    def _is_ours(self, work: RequestWork) -> bool:
        if not work.is_lost and not self._queue.is_ours(work.claim):
            self._run.tell(self._lost(work))
        return not work.is_lost

    def _close(self, work: RequestWork) -> Event:
        files = work.in_order()
        status = Status.SUCCESS if files else Status.FAILED
        message = outcome_message(work.refusals, len(files))
        self._notes.manifest(work, status.value)
        if not self._queue.close(work.claim, work.closing(status, message, self._run.now())):
            return self._lost(work)
        self._outcome.settled.append(_settled_as(work, status.value, message))
        return self._event(status.value, work, f"is {status.value}: {len(files)} of {len(work.wanted)} files")

    def _give_back(self, work: RequestWork) -> Event:
        if work.files and self._queue.is_ours(work.claim):
            self._notes.manifest(work, "given back")
        if not self._queue.release(work.claim, work.delivered()):
            return self._lost(work)
        self._outcome.settled.append(_settled_as(work, Status.SUBMITTED.value, ""))
        return self._event(
            "given_back", work, f"goes back to the queue with {len(work.files)} of {len(work.wanted)} files"
        )

    def _lost(self, work: RequestWork) -> Event:
        work.is_lost = True
        is_cancelled = self._queue.note_files_of_cancelled(work.claim, work.delivered())
        self._outcome.settled.append(_settled_as(work, CANCELLED if is_cancelled else LOST, ""))
        why = "was cancelled" if is_cancelled else "is not ours any more: it was put in anew or taken over"
        return self._event("cancelled" if is_cancelled else "lost", work, why)

    def _event(self, action: str, work: RequestWork, sentence: str) -> Event:
        return _event(work, self._outcome, action, sentence)


def fail(work: RequestWork, message: str, queue: Queue, run: Run, outcome: RequestsOutcome) -> None:
    """End a request for its own fault, before anything is made for it."""
    work.is_settled = True
    queue.close(work.claim, work.closing(Status.FAILED, message, run.now()))
    outcome.settled.append(_settled_as(work, Status.FAILED.value, message))
    run.tell(_event(work, outcome, Status.FAILED.value, f"is FAILED: {message}"))


def _event(work: RequestWork, outcome: RequestsOutcome, action: str, sentence: str) -> Event:
    request_id = work.claim.key.request_id
    return outcome.event(action, f"request {request_id} {sentence}", rows=work.rows, request_id=request_id)


def _settled_as(work: RequestWork, state: str, message: str) -> Settled:
    """Return what became of a request, for the summary."""
    return Settled(
        key=work.claim.key,
        state=state,
        files=len(work.files),
        wanted=len(work.wanted),
        rows=work.rows,
        err_message=message,
    )
