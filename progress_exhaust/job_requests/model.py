"""A request as the queue knows it. Pure values; instants are aware and in UTC."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Status(StrEnum):
    """The words of the column `status`, which other parts of Sunbird compare."""

    SUBMITTED = "SUBMITTED"
    PROCESSING = "PROCESSING"
    SUCCESS = "SUCCESS"
    FAILED = "FAILED"


CANCELLED = "Cancelled"
"""The err_message of a request that was taken back."""

GIVEN_UP = "Given up after {} tries: its driver died"
"""The err_message of a request that has failed as often as it may, the last time by the death of its driver."""

MOST_TRIES = 2**31 - 1
"""What the column `iteration` can count."""


@dataclass(frozen=True, slots=True, order=True)
class RequestKey:
    """Which row it is; a request id alone may stand under several tags."""

    tag: str
    request_id: str


@dataclass(frozen=True, slots=True)
class DueRequest:
    """A row that may be claimed: SUBMITTED, or PROCESSING, which only the lock can tell from one at work.

    Attributes:
        key: which row.
        channel: of the requester; empty where the row has none.
        submitted_at: when it was put in; None where the row does not say.
        is_processing: whether the row says PROCESSING.
        iteration: tries of this submission that have failed by its own fault, dead drivers among them.
    """

    key: RequestKey
    channel: str
    submitted_at: datetime | None
    is_processing: bool
    iteration: int

    @property
    def is_suspect(self) -> bool:
        """Whether it is to be tried by itself: a try of it has failed, or a driver may have died of it."""
        return self.is_processing or self.iteration > 0


class NotClaimed(StrEnum):
    """Why a row was not claimed."""

    OWNED = "owned"  # a driver that is alive has it
    LOCKED = "locked"  # it is due, but someone else is about to change it: look again later
    NOT_DUE = "not_due"  # it has ended, or is gone
    ABANDONED = "gave_up"  # too many tries have failed, the last by its driver's death: it has ended now


@dataclass(frozen=True, slots=True)
class Claim:
    """A request that is ours: we hold its lock, and its row says PROCESSING with our iteration.

    Attributes:
        key: which row.
        request_data: the column's text; empty where it is null.
        channel: of the requester; empty where the row has none.
        submitted_at: when it was put in; None where the row does not say.
        iteration: tries of this submission that have failed by its own fault, dead drivers among them; part of the
            fence.
        was_orphan: whether another driver has died on it.
        is_new: whether this submission has no earlier claim that counts: its earlier one has ended, so nothing that
            was finished then is used again.
        processed: the text of processed_batches; None where it is null, or the table has no such column.
        shares_request_id: whether another row has the same request id under another tag.
        has_key: whether encryption_key holds anything; the password itself is never read.
    """

    key: RequestKey
    request_data: str
    channel: str
    submitted_at: datetime | None
    iteration: int
    was_orphan: bool
    is_new: bool
    processed: str | None
    shares_request_id: bool
    has_key: bool


@dataclass(frozen=True, slots=True)
class Delivered:
    """What a request has so far, as its row tells it.

    Attributes:
        urls: where its files are, in the order asked for; None leaves them as the row has them.
        processed: the text for processed_batches; None leaves it as the row has it.
    """

    urls: tuple[str, ...] | None
    processed: str | None


@dataclass(frozen=True, slots=True)
class Closing:
    """The end of a request.

    Attributes:
        status: SUCCESS or FAILED.
        delivered: its files.
        file_created_at: when the last of its files was published; None where there is none.
        completed_at: now.
        execution_ms: from its claim to now; never negative.
        err_message: one line of plain words, empty for none; the queue fits it to the column.
        is_failed_try: whether the last try has failed by the request's own fault, which its iteration counts.
    """

    status: Status
    delivered: Delivered
    file_created_at: datetime | None
    completed_at: datetime
    execution_ms: int
    err_message: str
    is_failed_try: bool = False


@dataclass(frozen=True, slots=True)
class NewRequest:
    """A request to be put in.

    Attributes:
        key: which row.
        request_data: JSON text.
        requested_by: who asks.
        channel: for which root organisation.
        submitted_at: now.
    """

    key: RequestKey
    request_data: str
    requested_by: str
    channel: str
    submitted_at: datetime


@dataclass(frozen=True, slots=True)
class ListedRequest:
    """A row as `status` shows it.

    Attributes:
        key: which row.
        status: the column's word, whatever it is.
        channel: of the requester.
        submitted_at: when it was put in.
        completed_at: when its last submission ended.
        iteration: tries that have failed by its own fault, dead drivers among them.
        urls: paths of its files.
        err_message: as it stands.
        is_alive: whether a driver holds its lock now.
    """

    key: RequestKey
    status: str
    channel: str
    submitted_at: datetime | None
    completed_at: datetime | None
    iteration: int
    urls: tuple[str, ...]
    err_message: str
    is_alive: bool


@dataclass(frozen=True, slots=True)
class Right:
    """Something a command must be allowed to do.

    Attributes:
        command: its name.
        privilege: e.g. `UPDATE`.
        columns: of which columns; none where it is not a matter of columns.
        is_granted: whether our role may.
    """

    command: str
    privilege: str
    columns: tuple[str, ...]
    is_granted: bool

    @property
    def what(self) -> str:
        """The right as SQL names it, e.g. `UPDATE (status)`."""
        return f"{self.privilege} ({', '.join(self.columns)})" if self.columns else self.privilege
