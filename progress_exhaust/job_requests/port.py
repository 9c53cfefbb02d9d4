"""What the rest of the job asks of the request queue."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

from progress_exhaust.job_requests.model import (
    Claim,
    Closing,
    Delivered,
    DueRequest,
    ListedRequest,
    NewRequest,
    NotClaimed,
    RequestKey,
    Right,
)


class Queue(Protocol):
    """The rows of our job, and nobody else's.

    A claim holds as long as the connection it was made on: when that is gone, so is the right to write. The queue then
    connects anew and takes up again each claim whose row is as it was; the others are fenced off for good.

    A row is as it was while nobody has changed its status, iteration, dt_job_submitted, or what it asks for:
    request_data, requested_channel, encryption_key.

    Each claim is ended by one of `complete`, `requeue` and `record_cancelled`, also where `is_ours` has said no:
    until then nobody else begins. Whoever ends it first, of any number of threads, is told True, all others False.
    Where `complete` or `requeue` says False because the row is not as it was, `record_cancelled` still tells, once,
    whether it was cancelled.

    All methods may be called from several threads. Each raises `QueueError` when the database does not do its part, and
    `RowLockedError` among them where someone else has the row locked; then the claim is held as before, and may be
    ended by asking again.
    """

    @property
    def keeps_processed(self) -> bool:
        """Whether the table has the column processed_batches; where not, the manifest is the list."""

    def check(self) -> None:
        """Look at the connection, the table and its columns, before anything is claimed.

        Raises:
            QueueError: no answer, a transaction pooler in between, a column missing.
        """

    def rights(self) -> list[Right]:
        """Return what each command must be allowed to do, and whether it is."""

    def due(self, *, tag: str | None = None, request_id: str | None = None) -> list[DueRequest]:
        """Return the rows that may be claimed, oldest first; those that we have claimed are not among them."""

    def claim(self, key: RequestKey) -> Claim | NotClaimed:
        """Take a row: its lock, then status PROCESSING; neither waits for anybody else.

        One whose last driver has died, with as many tries failed as may, ends: SUCCESS where files are listed, else
        FAILED.
        """

    def is_ours(self, claim: Claim) -> bool:
        """Return whether a claim still holds, by one look at the row; to be asked straight before each move."""

    def checkpoint(self, delivered: Mapping[RequestKey, Delivered]) -> None:
        """Note what the requests have so far, by one UPDATE for all of them.

        Those that are not ours are left out; so are those that someone else has locked, for a later checkpoint.
        """

    def complete(self, claim: Claim, closing: Closing) -> bool:
        """End a request, and free its lock; false where it was not ours any more, and nothing is written."""

    def requeue(self, claim: Claim, delivered: Delivered, *, failed_try: str = "") -> bool:
        """Give a request back: SUBMITTED, its files kept; false where it was not ours, or has been ended already.

        Args:
            claim: whose row.
            delivered: its files.
            failed_try: why this try failed by the request's own fault, which its iteration then counts and its
                err_message tells; empty where it is not at fault: both stay as they are.
        """

    def record_cancelled(self, claim: Claim, delivered: Delivered) -> bool:
        """Let go of a claim that does not hold any more; if it was cancelled, list the files that were out already.

        Returns:
            whether it was cancelled, and not put in anew or taken over; false where it has been told before.
        """

    def submit(self, request: NewRequest) -> None:
        """Put a request in.

        Raises:
            RequestError: there is such a row already.
            RowLockedError: someone else is putting such a row in.
        """

    def cancel(self, *, request_id: str, tag: str | None, now: datetime) -> Sequence[RequestKey]:
        """End, as FAILED with `Cancelled`, the rows with this id that have not ended; return which.

        Raises:
            RowLockedError: someone else has one of them locked; none is cancelled.
        """

    def listed(self, *, request_id: str | None = None, tag: str | None = None) -> list[ListedRequest]:
        """Return all rows, or those with this id or tag, oldest first."""

    def close_connections(self) -> None:
        """Free all locks and connections; claims that were not ended are orphans."""
