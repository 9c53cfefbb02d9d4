"""The request queue in memory: the rows of a table, and drivers that come and go. Simple, and of one process."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from progress_exhaust.errors import QueueError, RequestError
from progress_exhaust.job_requests.model import (
    CANCELLED,
    Claim,
    Closing,
    Delivered,
    DueRequest,
    ListedRequest,
    NewRequest,
    NotClaimed,
    RequestKey,
    Right,
    Status,
)

_LONG_AGO = datetime.min.replace(tzinfo=UTC)


@dataclass
class Row:
    """One row of job_request, of our job."""

    new: NewRequest
    status: str = Status.SUBMITTED
    iteration: int | None = None
    urls: tuple[str, ...] = ()
    processed: str | None = None
    err_message: str = ""
    file_created_at: datetime | None = None
    completed_at: datetime | None = None
    execution_ms: int | None = None


@dataclass
class MemoryTable:
    """The table, and who holds which lock."""

    rows: dict[RequestKey, Row] = field(default_factory=dict)
    owners: dict[RequestKey, object] = field(default_factory=dict)
    lock: threading.RLock = field(default_factory=threading.RLock)

    def resubmit(self, key: RequestKey, at: datetime) -> None:
        """Put a row in anew, as the portal's API does."""
        row = self.rows[key]
        new = row.new
        row.new = NewRequest(new.key, new.request_data, new.requested_by, new.channel, at)
        row.status = Status.SUBMITTED


class MemoryQueue:
    """One driver's queue on a table; `close_connections` is its death."""

    def __init__(self, table: MemoryTable, tries: int = 3, *, keeps_processed: bool = True) -> None:
        self._table = table
        self._tries = tries
        self._keeps_processed = keeps_processed
        self._is_away = False
        self.checkpoints = 0

    @property
    def keeps_processed(self) -> bool:
        """See the port."""
        return self._keeps_processed

    def go_away(self) -> None:
        """Let every call fail from now on, as if the database were gone."""
        self._is_away = True

    def check(self) -> None:
        """See the port."""
        self._ask()

    def rights(self) -> list[Right]:
        """See the port."""
        return []

    def due(self, *, tag: str | None = None, request_id: str | None = None) -> list[DueRequest]:
        """See the port."""
        with self._ask():
            found = [
                DueRequest(
                    key,
                    row.new.channel,
                    row.new.submitted_at,
                    row.status == Status.PROCESSING,
                    max(row.iteration or 0, 0),
                )
                for key, row in self._table.rows.items()
                if row.status in (Status.SUBMITTED, Status.PROCESSING)
                and self._table.owners.get(key) is not self
                and tag in (None, key.tag)
                and request_id in (None, key.request_id)
            ]
        return sorted(found, key=lambda one: (one.submitted_at or _LONG_AGO, one.key.request_id, one.key.tag))

    def claim(self, key: RequestKey) -> Claim | NotClaimed:
        """See the port."""
        with self._ask():
            row = self._table.rows.get(key)
            if key in self._table.owners:
                return NotClaimed.OWNED
            if row is None or row.status not in (Status.SUBMITTED, Status.PROCESSING):
                return NotClaimed.NOT_DUE
            was_orphan = row.status == Status.PROCESSING
            is_new = not was_orphan and (row.completed_at is not None or row.iteration is None)
            if is_new:
                row.iteration, row.completed_at, row.urls, row.processed, row.err_message = 0, None, (), None, ""
            row.iteration = max(row.iteration or 0, 0) + was_orphan
            if row.iteration >= self._tries and was_orphan:
                row.status, row.completed_at = Status.FAILED, row.new.submitted_at
                return NotClaimed.GAVE_UP
            row.status = Status.PROCESSING
            self._table.owners[key] = self
            return Claim(
                key=key,
                request_data=row.new.request_data,
                channel=row.new.channel,
                submitted_at=row.new.submitted_at,
                iteration=row.iteration,
                was_orphan=was_orphan,
                is_new=is_new,
                processed=row.processed if self._keeps_processed else None,
                shares_request_id=any(
                    other.request_id == key.request_id and other != key for other in self._table.rows
                ),
            )

    def is_ours(self, claim: Claim) -> bool:
        """See the port."""
        with self._ask():
            row = self._table.rows.get(claim.key)
            return (
                row is not None
                and self._table.owners.get(claim.key) is self
                and (row.status, row.iteration, row.new.submitted_at)
                == (Status.PROCESSING, claim.iteration, claim.submitted_at)
            )

    def checkpoint(self, claims: Mapping[RequestKey, Delivered]) -> None:
        """See the port."""
        with self._ask():
            self.checkpoints += 1
            for key, delivered in claims.items():
                row = self._table.rows[key]
                if self._table.owners.get(key) is self and row.status == Status.PROCESSING:
                    self._keep(row, delivered)

    def close(self, claim: Claim, closing: Closing) -> bool:
        """See the port."""
        with self._ask():
            if not self.is_ours(claim):
                return False
            row = self._table.rows[claim.key]
            self._keep(row, closing.delivered)
            row.status, row.err_message = closing.status, closing.err_message
            row.file_created_at, row.completed_at = closing.file_created_at, closing.completed_at
            row.execution_ms = closing.execution_ms
            del self._table.owners[claim.key]
            return True

    def release(self, claim: Claim, delivered: Delivered) -> bool:
        """See the port."""
        with self._ask():
            if not self.is_ours(claim):
                return False
            row = self._table.rows[claim.key]
            self._keep(row, delivered)
            row.status = Status.SUBMITTED
            del self._table.owners[claim.key]
            return True

    def note_files_of_cancelled(self, claim: Claim, delivered: Delivered) -> bool:
        """See the port."""
        with self._ask():
            if self._table.owners.get(claim.key) is self:
                del self._table.owners[claim.key]
            row = self._table.rows.get(claim.key)
            if row is None or (row.status, row.err_message) != (Status.FAILED, CANCELLED):
                return False
            self._keep(row, delivered)
            return True

    def submit(self, request: NewRequest) -> None:
        """See the port."""
        with self._ask():
            if request.key in self._table.rows:
                raise RequestError(f"request {request.key.request_id} is in the queue already")
            self._table.rows[request.key] = Row(request)

    def cancel(self, *, request_id: str, tag: str | None, now: datetime) -> Sequence[RequestKey]:
        """See the port."""
        with self._ask():
            cancelled = []
            for key, row in self._table.rows.items():
                is_meant = key.request_id == request_id and tag in (None, key.tag)
                if is_meant and row.status in (Status.SUBMITTED, Status.PROCESSING):
                    row.status, row.err_message, row.completed_at = Status.FAILED, CANCELLED, now
                    cancelled.append(key)
            return cancelled

    def listed(self, *, request_id: str | None = None, tag: str | None = None) -> list[ListedRequest]:
        """See the port."""
        with self._ask():
            return [
                ListedRequest(
                    key,
                    row.status,
                    row.new.channel,
                    row.new.submitted_at,
                    row.completed_at,
                    row.iteration or 0,
                    row.urls,
                    row.err_message,
                    key in self._table.owners,
                )
                for key, row in self._table.rows.items()
                if request_id in (None, key.request_id) and tag in (None, key.tag)
            ]

    def close_connections(self) -> None:
        """See the port."""
        with self._table.lock:
            for key in [key for key, owner in self._table.owners.items() if owner is self]:
                del self._table.owners[key]

    def _keep(self, row: Row, delivered: Delivered) -> None:
        row.urls = delivered.urls
        if self._keeps_processed:
            row.processed = delivered.processed

    def _ask(self) -> threading.RLock:
        if self._is_away:
            raise QueueError("asking the request queue: it does not answer")
        return self._table.lock
