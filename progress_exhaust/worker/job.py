"""One claimed request at work: its states, and its only legal moves.

                     prepare, leave_lists              a file is on its way
          CLAIMED ─────────────────────────▶ PREPARED ◀────────────────────▶ PUBLISHING
           ▲   │                              │    │     none is any more        │
           └───│──────── start_over ──────────┘    │                             │
               │                                   │ finishing, giving_back      │
               │ giving_back                       ▼                             │ giving_back
               └─────────────────────▶ DONE · GIVEN_BACK · CANCELLED · LOST ◀────┘

`finishing` is for a request of which nothing is pending any more, `giving_back` for any. One of which `lose` has told
that it is not ours any more ends CANCELLED or LOST, every other one DONE or GIVEN_BACK.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from datetime import date, datetime
from enum import StrEnum
from typing import Any

from progress_exhaust.errors import SkippedReport
from progress_exhaust.job_requests.model import Claim
from progress_exhaust.job_requests.request_data import RequestedReports
from progress_exhaust.published_file import PublishedFile
from progress_exhaust.worker.ending import Ending
from progress_exhaust.worker.record import FoundCollections, JobRecord


class JobState(StrEnum):
    """How far a job is."""

    CLAIMED = "claimed"  # what it wants and has is not known yet
    PREPARED = "prepared"  # that is known, or can not be; nothing is on its way
    PUBLISHING = "publishing"  # files of it are on their way to their places
    DONE = "done"  # its row is closed
    GIVEN_BACK = "given back"  # its row is due again
    CANCELLED = "cancelled"  # the requester has taken it back
    LOST = "lost"  # it was put in anew, or taken over


_AT_WORK = (JobState.CLAIMED, JobState.PREPARED, JobState.PUBLISHING)
_ENDS_OF_OURS = (JobState.DONE, JobState.GIVEN_BACK)
_ENDS_OF_LOST = (JobState.CANCELLED, JobState.LOST)


class IllegalMove(AssertionError):
    """A move that a job's state does not allow: a defect of whoever makes it."""


class Job:
    """A request that is ours, shared by the threads that publish.

    What two threads may want at once is asked for and answered: `publication`, `finishing` and `giving_back` give
    whether the caller may. Every other move, made in a state that does not allow it, raises `IllegalMove`.

    Args:
        claim: the claim.
        claimed_at: when.
        day: the date in its files' names, unless an earlier driver has named some.
        url_prefix: what its row has before each path.
    """

    def __init__(self, claim: Claim, claimed_at: datetime, day: date, url_prefix: str = "") -> None:
        self._lock = threading.RLock()
        self._record = JobRecord.of(claim, claimed_at, day, url_prefix)
        self._state = JobState.CLAIMED
        self._pending: dict[int, str] = {}
        self._on_their_way: set[int] = set()
        self._is_lost = False
        self._ender: int | None = None

    @property
    def claim(self) -> Claim:
        """The claim."""
        return self._record.claim

    @property
    def record(self) -> JobRecord:
        """What is known of it now."""
        return self._record

    @property
    def state(self) -> JobState:
        """How far it is."""
        return self._state

    @property
    def is_open(self) -> bool:
        """Whether nobody has ended it, or is about to."""
        return self._state in _AT_WORK and self._ender is None

    @property
    def is_lost(self) -> bool:
        """Whether it is not ours any more, as far as is known."""
        return self._is_lost

    @property
    def is_suspect(self) -> bool:
        """Whether it is to be made by itself: a try of it has failed, or a driver has died at work on it."""
        return self.claim.was_orphan or self.claim.iteration > 0

    @property
    def pending(self) -> frozenset[int]:
        """The numbers of the reports that are still to come."""
        with self._lock:
            return frozenset(self._pending)

    def waits_for(self, report_no: int) -> bool:
        """Whether a report is still to be published for it."""
        with self._lock:
            is_ready = self.is_open and self._state is not JobState.CLAIMED
            return is_ready and not self._is_lost and report_no in self._pending

    # --- from claimed to prepared ------------------------------------------------------------------------------------

    def ask(self, asked: RequestedReports) -> None:
        """Take note of what it asks for."""
        self._note(JobState.CLAIMED, asked=asked)

    def recall(self, found: FoundCollections | None, *, jvm_kills: int = 0) -> None:
        """Take note of what its search has found, and of what earlier drivers left; what is known already stays."""
        with self._lock:
            most = max(self._record.jvm_kills, jvm_kills)
            self._note(JobState.CLAIMED, jvm_kills=most, found=self._record.found or found)

    def want(self, batch_ids: Iterable[str]) -> None:
        """Take note of its batches, in the order asked for."""
        self._note(JobState.CLAIMED, wanted=tuple(batch_ids))

    def prepare(
        self,
        pending: Mapping[int, str],
        *,
        is_deferred: bool = False,
        used_again: Iterable[PublishedFile] = (),
        day: date | None = None,
    ) -> None:
        """Take note that what it wants, and what of it is there, is known; from now on it may be finished.

        Args:
            pending: batch ids of the reports to come, by report_no.
            is_deferred: whether more are left for later.
            used_again: files of earlier drivers.
            day: in their names; None where nobody has named any.
        """
        with self._lock:
            files = {file.batch_id: file for file in used_again} | dict(self._record.file_by_batch)
            self._note(
                JobState.CLAIMED,
                file_by_batch=files,
                knows_files=True,
                is_deferred=is_deferred,
                day=day or self._record.day,
            )
            self._pending = dict(pending)
            self._state = JobState.PREPARED

    def leave_lists(self) -> None:
        """Take note that it can not be prepared now: its row keeps the lists it has."""
        with self._lock:
            self._require(JobState.CLAIMED)
            self._state = JobState.PREPARED

    def decide(self, verdict: Ending) -> None:
        """Take note of how it is to end whatever else, before anything is made for it."""
        with self._lock:
            self._require(JobState.CLAIMED, JobState.PREPARED, is_legal=self._record.verdict is None)
            self._note(self._state, verdict=verdict)
            self._pending.clear()
            self._state = JobState.PREPARED

    # --- while its reports are made ----------------------------------------------------------------------------------

    @contextmanager
    def publication(self, report_no: int) -> Iterator[bool]:
        """Give whether a report may be published for it; it is not finished while that is on its way.

        Else a file that is moved after the last look at the row would be out, and in no list.
        """
        with self._lock:
            is_wanted = self.waits_for(report_no) and report_no not in self._on_their_way
            if is_wanted:
                self._on_their_way.add(report_no)
                self._state = JobState.PUBLISHING
        try:
            yield is_wanted
        finally:
            if is_wanted:
                with self._lock:
                    self._on_their_way.remove(report_no)
                    if self._state is JobState.PUBLISHING and not self._on_their_way:
                        self._state = JobState.PREPARED

    def add_file(self, report_no: int, file: PublishedFile, at: datetime) -> None:
        """Take note that a report is out, whatever has become of the job; only while its `publication` lasts."""
        with self._lock:
            if report_no not in self._on_their_way:
                raise self._illegal()
            files = {**self._record.file_by_batch, file.batch_id: file}
            self._record = replace(self._record, file_by_batch=files, last_file_at=at)
            self._pending.pop(report_no, None)

    def drop(self, report_no: int) -> None:
        """Take note that a report is not to come any more."""
        with self._lock:
            self._require(*_AT_WORK)
            self._pending.pop(report_no, None)

    def defer(self, report_nos: Iterable[int]) -> None:
        """Leave reports to a later run; those that are not pending any more are none."""
        with self._lock:
            left = self._pending.keys() & set(report_nos)
            self._note(*_AT_WORK, is_deferred=self._record.is_deferred or bool(left))
            self._pending = {number: batch_id for number, batch_id in self._pending.items() if number not in left}

    def refuse(self, refusal: SkippedReport) -> None:
        """Take note of a report that can not be made."""
        with self._lock:
            self._note(*_AT_WORK, refusals=(*self._record.refusals, refusal))

    def blame(self, fault: SkippedReport | str) -> None:
        """Take note of a fault of its own that may pass: of one of its reports, or of the request as a whole."""
        with self._lock:
            if isinstance(fault, SkippedReport):
                self._note(*_AT_WORK, faults=(*self._record.faults, fault))
            else:
                self._note(*_AT_WORK, trouble=self._record.trouble or fault)

    def lose(self) -> None:
        """Take note that it is not ours any more; nothing is published for it from now on."""
        with self._lock:
            self._require(*_AT_WORK)
            self._is_lost = True
            self._pending.clear()

    def start_over(self) -> None:
        """Begin anew, to be tried by itself; what is out, and what its search has found, is kept."""
        with self._lock:
            self._require(JobState.CLAIMED, JobState.PREPARED, is_legal=self._ender is None)
            self._note(self._state, refusals=(), faults=(), trouble="", verdict=None, is_deferred=False)
            self._pending.clear()
            self._is_lost = False
            self._state = JobState.CLAIMED

    # --- its end -----------------------------------------------------------------------------------------------------

    def finishing(self) -> AbstractContextManager[bool]:
        """Give whether the caller is to end it now: true for one at a time, once nothing is pending or on its way."""
        return self._right_to_end(lambda: self._state is JobState.PREPARED and not self._pending)

    def giving_back(self) -> AbstractContextManager[bool]:
        """Give whether the caller is to give it back now, whatever is pending: true for one at a time."""
        return self._right_to_end(lambda: True)

    def note_jvm_kill(self) -> None:
        """Take note that the JVM was killed under it; for who gives it back."""
        with self._lock:
            self._require(*_AT_WORK, is_legal=self._ender == threading.get_ident())
            self._note(self._state, jvm_kills=self._record.jvm_kills + 1)

    def end(self, state: JobState) -> None:
        """Take note that it has ended so; for who finishes it or gives it back."""
        with self._lock:
            is_end = state in (_ENDS_OF_LOST if self._is_lost else _ENDS_OF_OURS)
            self._require(*_AT_WORK, is_legal=is_end and self._ender == threading.get_ident())
            self._state = state
            self._pending.clear()

    @contextmanager
    def _right_to_end(self, is_due: Callable[[], bool]) -> Iterator[bool]:
        with self._lock:
            is_mine = self.is_open and is_due()
            self._ender = threading.get_ident() if is_mine else self._ender
        try:
            yield is_mine
        finally:
            if is_mine:
                with self._lock:
                    self._ender = None
                    if self._state is JobState.CLAIMED:
                        # It is not made any more; whoever tries to end it next tells what it was charged with.
                        self._state = JobState.PREPARED

    # --- what is legal -----------------------------------------------------------------------------------------------

    def _note(self, *states: JobState, **changes: Any) -> None:
        with self._lock:
            self._require(*states)
            self._record = replace(self._record, **changes)

    def _require(self, *states: JobState, is_legal: bool = True) -> None:
        if self._state not in states or not is_legal:
            raise self._illegal()

    def _illegal(self) -> IllegalMove:
        lost = ", and not ours any more" if self._is_lost else ""
        return IllegalMove(f"request {self.claim.key.request_id} is {self._state}{lost}: that is no move of it now")
