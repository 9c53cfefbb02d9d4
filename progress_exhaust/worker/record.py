"""What is known of a claimed request at a time: a value, from which its row, its manifest and its end are told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import NamedTuple

from progress_exhaust.errors import SkippedReport
from progress_exhaust.job_requests.checkpoint import (
    FinishedFile,
    Submission,
    checkpoint_text,
    read_checkpoint,
)
from progress_exhaust.job_requests.model import Claim, Closing, Delivered
from progress_exhaust.job_requests.request_data import RequestedReports, RequestedSearch
from progress_exhaust.published_file import PublishedFile
from progress_exhaust.worker.ending import Ending, ending_of
from progress_exhaust.worker.folders import request_folder


class FoundCollections(NamedTuple):
    """The collections that a search has found, by their ids."""

    live: tuple[str, ...]
    retired: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRecord:
    """What a request wants, what it has, and what went wrong.

    Attributes:
        claim: the claim.
        claimed_at: when.
        submission: which one.
        day: the date in its files' names: that of the first claim of this submission.
        asked: what it asks for; None before that is read, or where it can not be.
        found: what its search has found; None without a search, or before it.
        wanted: its batches, in the order asked for.
        file_by_batch: published files, those of earlier drivers among them.
        knows_files: whether these are all; else the row's own list is all there is.
        last_file_at: when the last of them was published; None where no driver of now has published one.
        refusals: what is not made and will not be, and why.
        faults: what is not made for a fault that may pass, and why.
        trouble: what has failed for the request as a whole and may pass, in a sentence; empty where nothing has.
        is_deferred: whether reports are left to a later run, for a limit.
        verdict: how it is to end whatever else; None where that follows from what came of it.
        jvm_kills: how often this submission was given back because the JVM of its driver had been killed.
        url_prefix: what its row has before each path.
    """

    claim: Claim
    claimed_at: datetime
    submission: Submission
    day: date
    asked: RequestedReports | None = None
    found: FoundCollections | None = None
    wanted: tuple[str, ...] = ()
    file_by_batch: Mapping[str, PublishedFile] = field(default_factory=dict)
    knows_files: bool = False
    last_file_at: datetime | None = None
    refusals: tuple[SkippedReport, ...] = ()
    faults: tuple[SkippedReport, ...] = ()
    trouble: str = ""
    is_deferred: bool = False
    verdict: Ending | None = None
    jvm_kills: int = 0
    url_prefix: str = ""

    @classmethod
    def of(cls, claim: Claim, claimed_at: datetime, day: date, url_prefix: str = "") -> JobRecord:
        """Return what is known of a request that has just been claimed."""
        submission = Submission.of(claim)
        return cls(claim=claim, claimed_at=claimed_at, submission=submission, day=day, url_prefix=url_prefix)

    @property
    def folder(self) -> str:
        """Its folder under the output root; told apart by the tag where another request has the same id."""
        return request_folder(self.claim)

    @property
    def is_search(self) -> bool:
        """Whether it asks for what a search finds."""
        return isinstance(self.asked, RequestedSearch)

    @property
    def files(self) -> list[PublishedFile]:
        """Its files, in the order asked for."""
        order = dict.fromkeys((*self.wanted, *self.file_by_batch))
        return [self.file_by_batch[batch_id] for batch_id in order if batch_id in self.file_by_batch]

    @property
    def rows(self) -> int:
        """Learners in its files."""
        return sum(file.rows for file in self.file_by_batch.values())

    @property
    def has_files(self) -> bool:
        """Whether anything of it is out, as far as is known."""
        return bool(self.file_by_batch or (not self.knows_files and read_checkpoint(self.claim.processed)))

    def list_text(self) -> str:
        """Return the list of its files, as rows and manifests keep it."""
        day = self.day.isoformat()
        files = [FinishedFile(file, self.submission, self.claim.channel, day) for file in self.files]
        return checkpoint_text(files, self.submission, self.jvm_kills)

    def delivered(self) -> Delivered:
        """Return what it has so far, as its row tells it; before that is known, the row's lists stay as they are."""
        if self.knows_files:
            return Delivered(tuple(_joined(self.url_prefix, file.path) for file in self.files), self.list_text())
        if not self.jvm_kills:
            return Delivered(None, None)
        listed = read_checkpoint(self.claim.processed)
        return Delivered(None, checkpoint_text(listed, self.submission, self.jvm_kills))

    def ending(self, tries: int) -> Ending:
        """Return how it is to end, as things are; see `ending_of`.

        Args:
            tries: how many may fail.
        """
        return self.verdict or ending_of(
            fault=self.trouble or (str(self.faults[0]) if self.faults else ""),
            number=self.claim.iteration + 1,
            tries=tries,
            is_deferred=self.is_deferred,
            not_made=[*self.refusals, *self.faults],
            files=len(self.file_by_batch),
            has_files=self.has_files,
        )

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


def _joined(prefix: str, path: str) -> str:
    """Put a prefix before a path.

    >>> _joined("https://account.example/reports/", "progress-exhaust/r-1/b-1.csv")
    'https://account.example/reports/progress-exhaust/r-1/b-1.csv'
    >>> _joined("", "progress-exhaust/r-1/b-1.csv")
    'progress-exhaust/r-1/b-1.csv'
    """
    return f"{prefix.rstrip('/')}/{path}" if prefix else path
