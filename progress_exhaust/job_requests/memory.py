"""The request queue in memory: the same port, for tests of what stands above it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from progress_exhaust.errors import RequestError
from progress_exhaust.job_requests.memory_table import MemoryRow, MemoryTable, RequestContent
from progress_exhaust.job_requests.model import (
    CANCELLED,
    GIVEN_UP,
    MOST_TRIES,
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
from progress_exhaust.settings.sections import RequestSettings
from progress_exhaust.text import truncated


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
        self._asked: dict[RequestKey, RequestContent] = {}
        # Those that have been let go, and of which nobody has asked yet whether they were cancelled.
        self._lost: dict[int, tuple[Claim, RequestContent]] = {}

    @property
    def keeps_processed(self) -> bool:
        """Whether the table has the column processed_batches."""
        return True

    def check(self) -> None:
        """Find nothing wrong."""

    def rights(self) -> list[Right]:
        """Return that all is granted."""
        return [Right(command, "all", (), is_granted=True) for command in ("run", "submit", "status", "cancel")]

    def due(self, *, tag: str | None = None, request_id: str | None = None) -> list[DueRequest]:
        """Return the rows that may be claimed, oldest first; those that we have claimed are not among them."""
        with self._table.guard:
            return [
                DueRequest(key, row.channel, row.submitted_at, row.status == Status.PROCESSING, _failed_tries(row))
                for key, row in self._table.narrowed(tag, request_id)
                if row.is_due and key not in self._held
            ]

    def claim(self, key: RequestKey) -> Claim | NotClaimed:
        """Take a row: its lock, then status PROCESSING; see `port.Queue`."""
        with self._table.guard:
            if key in self._table.owners:
                return NotClaimed.OWNED
            row = self._table.rows.get(key)
            if row is None or not row.is_due:
                return NotClaimed.NOT_DUE
            if key in self._table.locked:
                return NotClaimed.LOCKED
            was_orphan = row.status == Status.PROCESSING
            failed_tries = min(row.tries_failed + was_orphan, MOST_TRIES)
            if was_orphan and failed_tries >= self._requests.tries:
                row.status = Status.SUCCESS if row.urls else Status.FAILED
                row.iteration, row.completed_at = failed_tries, self._now()
                row.err_message = GIVEN_UP.format(self._requests.tries)
                return NotClaimed.ABANDONED
            has_ended = not was_orphan and row.completed_at is not None
            is_new = has_ended or (not was_orphan and row.iteration is None and row.processed is None)
            row.iteration = 0 if has_ended else failed_tries
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
                has_key=bool(row.encryption_key),
            )
            self._held[key] = claim
            self._asked[key] = row.asked
            self._table.owners[key] = self
            return claim

    def is_ours(self, claim: Claim) -> bool:
        """Return whether a claim still holds."""
        with self._table.guard:
            return self._row_of(claim) is not None

    def checkpoint(self, delivered: Mapping[RequestKey, Delivered]) -> None:
        """Note what the requests have so far; those that are not ours, or locked, are left out."""
        with self._table.guard:
            for key, files in delivered.items():
                if key not in self._table.locked and (claim := self._held.get(key)) and (row := self._row_of(claim)):
                    row.note(files)

    def complete(self, claim: Claim, closing: Closing) -> bool:
        """End a request, and free its lock; see `port.Queue`."""
        if closing.status not in (Status.SUCCESS, Status.FAILED):
            raise ValueError(f"a request ends SUCCESS or FAILED, not {closing.status}")
        with self._table.guard:
            if row := self._row_to_end(claim):
                row.status, row.err_message = closing.status, truncated(closing.err_message, None) or None
                row.note(closing.delivered)
                row.iteration = min(claim.iteration + closing.is_failed_try, MOST_TRIES)
                row.file_created_at, row.completed_at = closing.file_created_at, closing.completed_at
                row.execution_ms = max(closing.execution_ms, 0)
            self._let_go(claim, is_ended=row is not None)
            return row is not None

    def requeue(self, claim: Claim, delivered: Delivered, *, failed_try: str = "") -> bool:
        """Give a request back: SUBMITTED, its files kept; see `port.Queue`."""
        with self._table.guard:
            if row := self._row_to_end(claim):
                row.status = Status.SUBMITTED
                row.note(delivered)
                if failed_try:
                    row.iteration = min(claim.iteration + 1, MOST_TRIES)
                    row.err_message = truncated(failed_try, None) or None
            self._let_go(claim, is_ended=row is not None)
            return row is not None

    def record_cancelled(self, claim: Claim, delivered: Delivered) -> bool:
        """Let go of a claim that does not hold any more; if it was cancelled, list the files that were out already."""
        with self._table.guard:
            row = self._row_as_it_was(claim)
            if row and (row.status != Status.FAILED or row.err_message != CANCELLED):
                row = None
            if row:
                self._table.check_unlocked(claim.key, f"noting the files of request {claim.key.request_id}")
                row.note(delivered)
            self._let_go(claim, is_ended=True)
            return row is not None

    def submit(self, request: NewRequest) -> None:
        """Put a request in.

        Raises:
            RequestError: there is such a row already.
            RowLockedError: someone else is putting such a row in.
        """
        with self._table.guard:
            if request.key in self._table.rows:
                raise RequestError(
                    "putting in",
                    object=f"request {request.key.request_id}",
                    got=f"tag {request.key.tag} has one already",
                )
            self._table.check_unlocked(request.key, f"putting in request {request.key.request_id}")
            self._table.rows[request.key] = MemoryRow(
                Status.SUBMITTED, request.request_data, request.requested_by, request.channel, request.submitted_at
            )

    def cancel(self, *, request_id: str, tag: str | None, now: datetime) -> Sequence[RequestKey]:
        """End, as FAILED with `Cancelled`, the rows with this id that have not ended; return which.

        Raises:
            RowLockedError: someone else has one of them locked; none is cancelled.
        """
        with self._table.guard:
            open_rows = {key: row for key, row in self._table.narrowed(tag, request_id) if row.is_due}
            for key in open_rows:
                self._table.check_unlocked(key, f"cancelling request {request_id}")
            for row in open_rows.values():
                row.status, row.err_message, row.completed_at = Status.FAILED, CANCELLED, now
            return sorted(open_rows)

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
                    iteration=row.tries_failed,
                    urls=row.urls or (),
                    err_message=row.err_message or "",
                    is_alive=key in self._table.owners,
                )
                for key, row in self._table.narrowed(tag, request_id)
            ]

    def close_connections(self) -> None:
        """Free all locks; claims that were not ended are orphans."""
        with self._table.guard:
            for claim in list(self._held.values()):
                self._let_go(claim, is_ended=True)
            self._lost.clear()

    def _row_of(self, claim: Claim) -> MemoryRow | None:
        """Return the row of a claim that holds."""
        row = self._row_as_it_was(claim) if self._held.get(claim.key) is claim else None
        return row if row and row.status == Status.PROCESSING else None

    def _row_to_end(self, claim: Claim) -> MemoryRow | None:
        """Return the row of a claim that holds, to be changed.

        Raises:
            RowLockedError: someone else has it locked.
        """
        row = self._row_of(claim)
        if row:
            self._table.check_unlocked(claim.key, f"ending request {claim.key.request_id}")
        return row

    def _row_as_it_was(self, claim: Claim) -> MemoryRow | None:
        """Return the row of a claim that nobody has ended, in whatever status, where it is still the one claimed."""
        is_held = self._held.get(claim.key) is claim
        asked = self._asked[claim.key] if is_held else self._lost.get(id(claim), (claim, None))[1]
        row = self._table.rows.get(claim.key)
        if row is None or (row.iteration, row.submitted_at) != (claim.iteration, claim.submitted_at):
            return None
        return row if row.asked == asked else None

    def _let_go(self, claim: Claim, *, is_ended: bool) -> None:
        if self._held.get(claim.key) is claim:
            del self._held[claim.key]
            if self._table.owners.get(claim.key) is self:
                del self._table.owners[claim.key]
            self._lost[id(claim)] = claim, self._asked.pop(claim.key)
        if is_ended:
            self._lost.pop(id(claim), None)


def _failed_tries(row: MemoryRow) -> int:
    """Return the failed tries of this submission; one that has ended is a new one as soon as it is due again."""
    return 0 if row.status == Status.SUBMITTED and row.completed_at is not None else row.tries_failed
