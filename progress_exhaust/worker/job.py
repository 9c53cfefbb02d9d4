"""One claimed request at work: what it wants, what it has, what went wrong, and how it ends, once, whoever asks."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from functools import cached_property

from progress_exhaust.errors import SkippedReport
from progress_exhaust.job_requests.checkpoint import (
    Entry,
    JvmKills,
    entries_of,
    request_sha256,
    submission_of,
    to_text,
)
from progress_exhaust.job_requests.messages import failed_try_message, given_up_message, outcome_message
from progress_exhaust.job_requests.model import Claim, Closing, Delivered, Status
from progress_exhaust.output.manifest import MadeFile
from progress_exhaust.paths import ROOT

_NOT_IN_AN_ID = "~"
"""Joins a request id and a hash of its tag; an id that ends like a hash is another name then."""


class WorkState(StrEnum):
    """How far a claimed request is."""

    CLAIMED = "claimed"  # what it wants and has is not known yet
    PREPARED = "prepared"  # its reports are made and published
    ENDING = "ending"  # one thread is about to end it
    ENDED = "ended"  # its row is closed, given back, or somebody else's


_OPEN = (WorkState.CLAIMED, WorkState.PREPARED)


@dataclass(frozen=True, slots=True)
class Ending:
    """How a request is to end.

    Attributes:
        status: SUCCESS, FAILED, or SUBMITTED to give it back.
        message: for its row; empty for none.
        is_failed_try: whether its try has failed by a fault of its own, and counts.
    """

    status: Status
    message: str
    is_failed_try: bool


@dataclass(eq=False)
class RequestWork:
    """A request that is ours; shared by the threads that publish, who change it through its methods.

    Attributes:
        claim: the claim.
        claimed_at: when.
        day: the date in its files' names: that of the first claim of this submission.
        wanted: its batches in the order asked for, by id.
        found: the live and the retired collections that its search has found; None without a search.
        files: published files by batch id, those of earlier drivers among them.
        last_file_at: when the last of them was published; None where no driver of now has published one.
        refusals: what is not made and will not be, and why.
        faults: what is not made for a fault that may pass, and why.
        trouble: what has failed for the request as a whole and may pass, in a sentence; empty where nothing has.
        verdict: how it is to end whatever else; None where that follows from what came of it.
        pending: batch ids whose reports are still to come, by report_no.
        deferred: batch ids left to a later run, for a limit.
        jvm_kills: how often this submission was given back because the JVM of its driver had been killed.
        is_lost: whether it is not ours any more.
        state: how far it is.
    """

    claim: Claim
    claimed_at: datetime
    day: date
    wanted: list[str] = field(default_factory=list)
    found: tuple[Sequence[str], Sequence[str]] | None = None
    files: dict[str, MadeFile] = field(default_factory=dict)
    last_file_at: datetime | None = None
    refusals: list[SkippedReport] = field(default_factory=list)
    faults: list[SkippedReport] = field(default_factory=list)
    trouble: str = ""
    verdict: Ending | None = None
    pending: dict[int, str] = field(default_factory=dict)
    deferred: list[str] = field(default_factory=list)
    jvm_kills: int = 0
    is_lost: bool = False
    state: WorkState = WorkState.CLAIMED
    _is_prepared: bool = False
    _in_flight: int = 0
    _lock: threading.RLock = field(default_factory=threading.RLock, repr=False)

    @property
    def folder(self) -> str:
        """Its folder under the output root; told apart by the tag where another request has the same id."""
        return request_folder(self.claim)

    @property
    def submission(self) -> str:
        """When it was put in, as its entries keep it."""
        return submission_of(self.claim.submitted_at)

    @cached_property
    def data_sha256(self) -> str:
        """Of its request data, which may be long, and stands in each entry."""
        return request_sha256(self.claim.request_data)

    @property
    def rows(self) -> int:
        """Learners in its files."""
        with self._lock:
            return sum(file.rows for file in self.files.values())

    @property
    def has_files(self) -> bool:
        """Whether anything of it is out, as far as is known."""
        return bool(self.files or (not self._is_prepared and entries_of(self.claim.processed)))

    @property
    def is_open(self) -> bool:
        """Whether nobody has begun to end it."""
        return self.state in _OPEN

    def in_order(self) -> list[MadeFile]:
        """Return its files in the order asked for."""
        with self._lock:
            return [self.files[batch_id] for batch_id in self.wanted if batch_id in self.files]

    def delivered(self) -> Delivered:
        """Return what it has so far, as its row tells it; before that is known, the row's lists stay as they are."""
        if not self._is_prepared:
            return Delivered(None, to_text(entries_of(self.claim.processed), self._kills) if self.jvm_kills else None)
        files = self.in_order()
        return Delivered(tuple(file.path for file in files), self.entries_text())

    def entries_text(self) -> str:
        """Return its list of finished files, as rows and manifests keep it."""
        return to_text([self._entry(file) for file in self.in_order()], self._kills)

    # --- while it is at work -----------------------------------------------------------------------------------------

    def begin(self) -> None:
        """Take note that what it wants, and what of it is there, is known; from now on it may be ended."""
        with self._lock:
            self._is_prepared = True
            if self.state is WorkState.CLAIMED:
                self.state = WorkState.PREPARED

    def leave_as_it_is(self) -> None:
        """Take note that it can not be prepared now: its row keeps the lists it has."""
        with self._lock:
            if self.state is WorkState.CLAIMED:
                self.state = WorkState.PREPARED

    def decide(self, ending: Ending) -> None:
        """Take note of how it is to end, before anything is made for it."""
        with self._lock:
            self.verdict = ending
            self.pending.clear()
            self.leave_as_it_is()

    def waits_for(self, report_no: int) -> bool:
        """Whether a report is still to be published for it."""
        with self._lock:
            return self.state is WorkState.PREPARED and not self.is_lost and report_no in self.pending

    @contextmanager
    def publication(self, report_no: int) -> Iterator[bool]:
        """Give whether a report may be published for it; it is not ended while that is on its way.

        Else a file that is moved after the last look at the row would be out, and in no list.
        """
        with self._lock:
            is_wanted = self.waits_for(report_no)
            self._in_flight += is_wanted
        try:
            yield is_wanted
        finally:
            with self._lock:
                self._in_flight -= is_wanted

    def add_file(self, file: MadeFile, at: datetime) -> None:
        """Take note of a published file."""
        with self._lock:
            self.files[file.batch_id] = file
            self.last_file_at = at

    def end_report(self, report_no: int, *, deferred: bool = False) -> None:
        """Take note that a report is not to come any more, or not in this run."""
        with self._lock:
            batch_id = self.pending.pop(report_no, None)
            if deferred and batch_id is not None:
                self.deferred.append(batch_id)

    def refuse(self, refusal: SkippedReport) -> None:
        """Take note of a report that can not be made."""
        with self._lock:
            self.refusals.append(refusal)

    def blame(self, fault: SkippedReport | str) -> None:
        """Take note of a fault of its own that may pass: of one of its reports, or of the request as a whole."""
        with self._lock:
            if isinstance(fault, SkippedReport):
                self.faults.append(fault)
            else:
                self.trouble = self.trouble or fault

    def defer_all(self) -> None:
        """Leave all that is pending to a later run."""
        with self._lock:
            self.deferred += self.pending.values()
            self.pending.clear()

    def lose(self) -> None:
        """Take note that it is not ours any more."""
        with self._lock:
            self.is_lost = True
            self.pending.clear()

    # --- its end -----------------------------------------------------------------------------------------------------

    def begin_end(self) -> bool:
        """Whether the caller is to end it now: true for one caller, once nothing is pending or on its way."""
        with self._lock:
            if self.state is not WorkState.PREPARED or self.pending or self._in_flight:
                return False
            self.state = WorkState.ENDING
            return True

    def begin_to_give_back(self) -> bool:
        """Whether the caller is to give it back now, whatever is pending: true for one caller."""
        with self._lock:
            if not self.is_open:
                return False
            self.state = WorkState.ENDING
            return True

    def end(self, *, is_done: bool) -> None:
        """Take note that the caller has ended it; or could not, so that another may."""
        with self._lock:
            self.state = WorkState.ENDED if is_done else WorkState.PREPARED

    def ending(self, tries: int) -> Ending:
        """Return how it is to end.

        With a fault of its own it goes back with the try counted; after the last try it ends with what is out. While a
        limit keeps reports for a later run, it never ends.

        Args:
            tries: how many tries may fail.
        """
        with self._lock:
            if self.verdict:
                return self.verdict
            fault = self.trouble or (str(self.faults[0]) if self.faults else "")
            number = self.claim.iteration + 1
            if fault and number < tries:
                return Ending(Status.SUBMITTED, failed_try_message(number, tries, fault), is_failed_try=True)
            if self.deferred:
                return Ending(Status.SUBMITTED, "", is_failed_try=False)
            not_made = [*self.refusals, *self.faults]
            status = Status.SUCCESS if self.has_files else Status.FAILED
            if fault and not (self.files and not_made):
                return Ending(status, given_up_message(number, fault), is_failed_try=True)
            return Ending(status, outcome_message(not_made, len(self.files)), is_failed_try=bool(fault))

    def closing(self, ending: Ending, now: datetime) -> Closing:
        """Return its end as the queue takes it."""
        return Closing(
            status=ending.status,
            delivered=self.delivered(),
            file_created_at=(self.last_file_at or now) if self.has_files else None,
            completed_at=now,
            execution_ms=max(0, round((now - self.claimed_at).total_seconds() * 1000)),
            err_message=ending.message,
            is_failed_try=ending.is_failed_try,
        )

    def alone(self) -> RequestWork:
        """Return the same request, to be tried again by itself; what is out and what its search found are kept."""
        return RequestWork(
            self.claim,
            self.claimed_at,
            self.day,
            found=self.found,
            files=dict(self.files),
            last_file_at=self.last_file_at,
            jvm_kills=self.jvm_kills,
        )

    @property
    def _kills(self) -> JvmKills:
        return JvmKills(self.jvm_kills, self.submission, self.data_sha256)

    def _entry(self, file: MadeFile) -> Entry:
        return Entry(
            channel=self.claim.channel,
            batch_id=file.batch_id,
            file_path=file.path,
            file_size=file.size_bytes,
            sha256=file.sha256,
            rows=file.rows,
            submitted_at=self.submission,
            request_sha256=self.data_sha256,
            audience=file.audience,
            day=self.day.isoformat(),
            collection_id=file.collection_id,
        )


def request_folder(claim: Claim) -> str:
    """Return the folder of a request's files under the output root, which no other request has."""
    return _folder(claim, joined_by=_NOT_IN_AN_ID)


def earlier_folder(claim: Claim) -> str:
    """Return where earlier versions put a request's files: a folder that may also be that of another request."""
    return _folder(claim, joined_by=".")


def _folder(claim: Claim, *, joined_by: str) -> str:
    plain = f"{ROOT}/{claim.key.request_id}"
    if not claim.shares_request_id:
        return plain
    return f"{plain}{joined_by}{hashlib.sha256(claim.key.tag.encode('utf-8', 'surrogatepass')).hexdigest()[:8]}"
