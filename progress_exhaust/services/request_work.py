"""One claimed request at work: what it wants, what it has, and what it may see."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import date, datetime

from progress_exhaust.errors import NotMade
from progress_exhaust.job_requests.entries import Entry, request_sha256, submission_of, to_text
from progress_exhaust.job_requests.model import Claim, Delivered
from progress_exhaust.output.manifest import MadeFile
from progress_exhaust.output.staging import ROOT
from progress_exhaust.report.wanted import Batch

EVERYONE = None
"""The audience of who may see all learners."""


@dataclass
class RequestWork:
    """A request that is ours, while it is worked on; its delivery guards it against the threads that publish.

    Attributes:
        claim: the claim.
        claimed_at: when.
        day: the date in its files' names: that of the first claim of this submission.
        wanted: its batches in the order asked for, by id.
        files: published files by batch id, those of earlier drivers among them.
        last_file_at: when the last of them was published; None where no driver of now has published one.
        refusals: what is not made, and why.
        pending: batch ids whose reports are still to come, by report_no.
        deferred: batch ids left to a later run, for a limit.
        is_lost: whether it is not ours any more.
        is_settled: whether it has been closed or given back.
    """

    claim: Claim
    claimed_at: datetime
    day: date
    wanted: list[str] = field(default_factory=list)
    files: dict[str, MadeFile] = field(default_factory=dict)
    last_file_at: datetime | None = None
    refusals: list[NotMade] = field(default_factory=list)
    pending: dict[int, str] = field(default_factory=dict)
    deferred: list[str] = field(default_factory=list)
    is_lost: bool = False
    is_settled: bool = False

    @property
    def folder(self) -> str:
        """Its folder under the output root; told apart by the tag where another request has the same id."""
        return request_folder(self.claim)

    @property
    def submission(self) -> str:
        """When it was put in, as its entries keep it."""
        return submission_of(self.claim.submitted_at)

    def in_order(self) -> list[MadeFile]:
        """Return its files in the order asked for."""
        return [self.files[batch_id] for batch_id in self.wanted if batch_id in self.files]

    def delivered(self) -> Delivered:
        """Return what it has so far, as its row tells it."""
        files = self.in_order()
        return Delivered(tuple(file.path for file in files), to_text([self._entry(file) for file in files]))

    def entries(self) -> list[Entry]:
        """Return its finished reports, as its row or its manifest keeps them."""
        return [self._entry(file) for file in self.in_order()]

    def _entry(self, file: MadeFile) -> Entry:
        return Entry(
            channel=self.claim.channel,
            batch_id=file.batch_id,
            file_path=file.path,
            file_size=file.size_bytes,
            sha256=file.sha256,
            rows=file.rows,
            submitted_at=self.submission,
            request_sha256=request_sha256(self.claim.request_data),
            audience=file.audience,
            day=self.day.isoformat(),
            collection_id=file.collection_id,
        )


def request_folder(claim: Claim) -> str:
    """Return the folder of a request's files under the output root."""
    if not claim.shares_request_id:
        return f"{ROOT}/{claim.key.request_id}"
    return f"{ROOT}/{claim.key.request_id}.{hashlib.sha256(claim.key.tag.encode()).hexdigest()[:8]}"


@dataclass(frozen=True, slots=True)
class Permission:
    """What a requester may see of a batch.

    Attributes:
        audience: the root organisation whose learners may be seen; `EVERYONE` for all.
        is_granted: false where nobody may be seen.
    """

    audience: str | None
    is_granted: bool


def permission(batch: Batch, channel: str) -> Permission:
    """Return what a channel may see of a batch: all of it where the collection is the channel's own."""
    if not channel or not batch.layout.channel:
        return Permission(EVERYONE, is_granted=False)
    return Permission(EVERYONE if channel == batch.layout.channel else channel, is_granted=True)
