"""The request queue in memory: the same port, for tests of what stands above it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from progress_exhaust.errors import RequestError
from progress_exhaust.job_requests.fitting import fitted
from progress_exhaust.job_requests.model import (
    CANCELLED,
    GIVEN_UP,
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
from progress_exhaust.settings import RequestSettings

_INTEGER_MAX = 2**31 - 1


@dataclass
class MemoryRow:
    """A row of the table; absent is None."""

    status: str
    request_data: str = ""
    requested_by: str = ""
    channel: str = ""
    submitted_at: datetime | None = None
    iteration: int | None = None
    urls: tuple[str, ...] | None = None
    file_created_at: datetime | None = None
    completed_at: datetime | None = None
    execution_ms: int | None = None
    err_message: str | None = None
    processed: str | None = None

    def note(self, delivered: Delivered) -> None:
        """Take over the lists that are told."""
        if delivered.urls is not None:
            self.urls = delivered.urls
        if delivered.processed is not None:
            self.processed = delivered.processed


@dataclass
class MemoryTable:
    """The table that several queues share, with the locks on its rows.

    Attributes:
        rows: by key.
        owners: the queue that holds a row's lock.
        guard: held for each look and each change.
    """

    rows: dict[RequestKey, MemoryRow] = field(default_factory=dict)
    owners: dict[RequestKey, MemoryQueue] = field(default_factory=dict)
    guard: threading.RLock = field(default_factory=threading.RLock)


class MemoryQueue:
    """The queue port on a table in memory."""

    def __init__(self, table: MemoryTable, requests: RequestSettings, *, now: Callable[[], datetime]) -> None:
        """Describe the queue.

        Args:
            table: shared with other drivers.
            requests: how many drivers may die on a request, and how long its data may be.
            now: the time, aware.
        """
        self._table = table
        self._requests = requests
        self._now = now
        self._held: dict[RequestKey, Claim] = {}

    @property
    def keeps_processed(self) -> bool:
        """Whether the table has the column processed_batches."""
        return True

    def check(self) -> None:
        """Find nothing wrong."""

    def rights(self) -> list[Right]:
        """Return that all is granted."""
        return [Right(command, "all", is_granted=True) for command in ("run", "submit", "status", "cancel")]

    def due(self, *, tag: str | None = None, request_id: str | None = None) -> list[DueRequest]:
        """Return the rows that may be claimed, oldest first; those that we have claimed are not among them."""
        with self._table.guard:
            return [
                DueRequest(key, row.channel, row.submitted_at, row.status == Status.PROCESSING, _deaths(row))
                for key, row in self._narrowed(tag, request_id)
                if row.status in (Status.SUBMITTED, Status.PROCESSING) and key not in self._held
            ]

    def claim(self, key: RequestKey) -> Claim | NotClaimed:
        """Take a row: its lock, then status PROCESSING. One on which too many drivers have died ends FAILED."""
        with self._table.guard:
            if key in self._table.owners:
                return NotClaimed.OWNED
            row = self._table.rows.get(key)
            if row is None or row.status not in (Status.SUBMITTED, Status.PROCESSING):
                return NotClaimed.NOT_DUE
            was_orphan = row.status == Status.PROCESSING
            deaths = min(_deaths(row) + was_orphan, _INTEGER_MAX)
            if was_orphan and deaths >= self._requests.tries:
                row.status, row.iteration, row.completed_at = Status.FAILED, deaths, self._now()
                row.err_message = GIVEN_UP.format(self._requests.tries)
                return NotClaimed.GAVE_UP
            has_ended = not was_orphan and row.completed_at is not None
            is_new = has_ended or (not was_orphan and row.iteration is None and row.processed is None)
            row.iteration = 0 if has_ended else deaths
            if has_ended:
                row.urls = row.file_created_at = row.execution_ms = row.err_message = row.processed = None
            row.status, row.completed_at = Status.PROCESSING, None
            claim = Claim(
                key=key,
                request_data=row.request_data[: self._requests.max_data_bytes + 1],
                channel=row.channel,
                submitted_at=row.submitted_at,
                iteration=row.iteration,
                was_orphan=was_orphan,
                is_new=is_new,
                processed=row.processed,
                shares_request_id=any(
                    other.request_id == key.request_id and other.tag != key.tag for other in self._table.rows
                ),
            )
            self._held[key] = claim
            self._table.owners[key] = self
            return claim

    def is_ours(self, claim: Claim) -> bool:
        """Return whether a claim still holds."""
        with self._table.guard:
            return self._row_of(claim) is not None

    def checkpoint(self, delivered: Mapping[RequestKey, Delivered]) -> None:
        """Note what the requests have so far; those that are not ours are left out."""
        with self._table.guard:
            for key, files in delivered.items():
                if (claim := self._held.get(key)) and (row := self._row_of(claim)):
                    row.note(files)

    def close(self, claim: Claim, closing: Closing) -> bool:
        """End a request, and free its lock; false where it was not ours any more, and nothing is written."""
        if closing.status not in (Status.SUCCESS, Status.FAILED):
            raise ValueError(f"a request ends SUCCESS or FAILED, not {closing.status}")
        with self._table.guard:
            if row := self._row_of(claim):
                row.status, row.err_message = closing.status, fitted(closing.err_message, None) or None
                row.note(closing.delivered)
                row.iteration = claim.iteration + closing.is_failed_try
                row.file_created_at, row.completed_at = closing.file_created_at, closing.completed_at
                row.execution_ms = max(closing.execution_ms, 0)
                self._let_go(claim)
            return row is not None

    def release(self, claim: Claim, delivered: Delivered, *, failed_try: str = "") -> bool:
        """Give a request back: SUBMITTED, its files kept; see `port.Queue`."""
        with self._table.guard:
            if row := self._row_of(claim):
                row.status = Status.SUBMITTED
                row.note(delivered)
                if failed_try:
                    row.iteration, row.err_message = claim.iteration + 1, fitted(failed_try, None)
                self._let_go(claim)
            return row is not None

    def note_files_of_cancelled(self, claim: Claim, delivered: Delivered) -> bool:
        """Let go of a claim that does not hold any more; if it was cancelled, list the files that were out already."""
        with self._table.guard:
            if self._held.get(claim.key) is not claim:
                return False
            row = self._table.rows.get(claim.key)
            is_it = row and row.iteration == claim.iteration and row.submitted_at == claim.submitted_at
            is_cancelled = bool(row and is_it and row.status == Status.FAILED and row.err_message == CANCELLED)
            if row and is_cancelled:
                row.note(delivered)
            self._let_go(claim)
            return is_cancelled

    def submit(self, request: NewRequest) -> None:
        """Put a request in.

        Raises:
            RequestError: there is such a row already.
        """
        with self._table.guard:
            if request.key in self._table.rows:
                raise RequestError(
                    f"putting in request {request.key.request_id}: tag {request.key.tag} has one already"
                )
            self._table.rows[request.key] = MemoryRow(
                Status.SUBMITTED, request.request_data, request.requested_by, request.channel, request.submitted_at
            )

    def cancel(self, *, request_id: str, tag: str | None, now: datetime) -> Sequence[RequestKey]:
        """End, as FAILED with `Cancelled`, the rows with this id that have not ended; return which."""
        with self._table.guard:
            ended = []
            for key, row in self._narrowed(tag, request_id):
                if row.status in (Status.SUBMITTED, Status.PROCESSING):
                    row.status, row.err_message, row.completed_at = Status.FAILED, CANCELLED, now
                    ended.append(key)
            return sorted(ended)

    def listed(self, *, request_id: str | None = None, tag: str | None = None) -> list[ListedRequest]:
        """Return all rows, or those with this id or tag, oldest first."""
        with self._table.guard:
            return [
                ListedRequest(
                    key=key,
                    status=str(row.status),
                    channel=row.channel,
                    submitted_at=row.submitted_at,
                    completed_at=row.completed_at,
                    iteration=_deaths(row),
                    urls=row.urls or (),
                    err_message=row.err_message or "",
                    is_alive=key in self._table.owners,
                )
                for key, row in self._narrowed(tag, request_id)
            ]

    def close_connections(self) -> None:
        """Free all locks; claims that were not closed or released are orphans."""
        with self._table.guard:
            for claim in list(self._held.values()):
                self._let_go(claim)

    def _narrowed(self, tag: str | None, request_id: str | None) -> list[tuple[RequestKey, MemoryRow]]:
        def age(item: tuple[RequestKey, MemoryRow]) -> tuple[bool, float, str, str]:
            key, row = item
            submitted_s = row.submitted_at.timestamp() if row.submitted_at else 0.0
            return row.submitted_at is None, submitted_s, key.request_id, key.tag

        return sorted(
            (
                (key, row)
                for key, row in self._table.rows.items()
                if tag in (None, key.tag) and request_id in (None, key.request_id)
            ),
            key=age,
        )

    def _row_of(self, claim: Claim) -> MemoryRow | None:
        """Return the row of a claim that holds."""
        row = self._table.rows.get(claim.key)
        if self._held.get(claim.key) is not claim or row is None or row.status != Status.PROCESSING:
            return None
        return row if (row.iteration, row.submitted_at) == (claim.iteration, claim.submitted_at) else None

    def _let_go(self, claim: Claim) -> None:
        if self._held.get(claim.key) is claim:
            del self._held[claim.key], self._table.owners[claim.key]


def _deaths(row: MemoryRow) -> int:
    return max(row.iteration or 0, 0)
