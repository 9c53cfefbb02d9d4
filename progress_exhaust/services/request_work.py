"""One claimed request at work: what it wants, and what it has."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import cached_property

from progress_exhaust.errors import NotMade
from progress_exhaust.job_requests.entries import Entry, request_sha256, submission_of, to_text
from progress_exhaust.job_requests.model import Claim, Closing, Delivered, Status
from progress_exhaust.output.manifest import MadeFile
from progress_exhaust.places import ROOT

_NOT_IN_AN_ID = "~"
"""Joins a request id and a hash of its tag; an id that ends like a hash is another name then."""


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

    @cached_property
    def data_sha256(self) -> str:
        """Of its request data, which may be long, and stands in each entry."""
        return request_sha256(self.claim.request_data)

    @property
    def rows(self) -> int:
        """Learners in its files."""
        return sum(file.rows for file in self.files.values())

    def in_order(self) -> list[MadeFile]:
        """Return its files in the order asked for."""
        return [self.files[batch_id] for batch_id in self.wanted if batch_id in self.files]

    def delivered(self) -> Delivered:
        """Return what it has so far, as its row tells it."""
        files = self.in_order()
        return Delivered(tuple(file.path for file in files), to_text([self._entry(file) for file in files]))

    def closing(self, status: Status, message: str, now: datetime) -> Closing:
        """Return its end."""
        return Closing(
            status=status,
            delivered=self.delivered(),
            file_created_at=(self.last_file_at or now) if self.files else None,
            completed_at=now,
            execution_ms=max(0, round((now - self.claimed_at).total_seconds() * 1000)),
            err_message=message,
        )

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
