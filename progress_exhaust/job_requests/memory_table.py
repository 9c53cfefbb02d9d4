"""The table of requests in memory, and a row of it, which `memory.MemoryQueue` works on."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from datetime import datetime

from progress_exhaust.errors import RowLockedError
from progress_exhaust.job_requests.model import Delivered, RequestKey, Status

RequestContent = tuple[str, str, str | None]
"""What a row asks for: its request data, channel and encryption key."""


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
    encryption_key: str | None = None

    @property
    def is_due(self) -> bool:
        """Whether it may be claimed, or cancelled: it has not ended."""
        return self.status in (Status.SUBMITTED, Status.PROCESSING)

    @property
    def tries_failed(self) -> int:
        """Tries that are counted, of this submission or of an earlier one that has ended."""
        return max(self.iteration or 0, 0)

    @property
    def asked(self) -> RequestContent:
        """What it asks for."""
        return self.request_data, self.channel, self.encryption_key

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
        owners: the queue that holds the lock of a claim.
        locked: rows that somebody else is about to change; set and cleared by tests.
        guard: held for each look and each change.
    """

    rows: dict[RequestKey, MemoryRow] = field(default_factory=dict)
    owners: dict[RequestKey, object] = field(default_factory=dict)
    locked: set[RequestKey] = field(default_factory=set)
    guard: threading.RLock = field(default_factory=threading.RLock)

    def narrowed(self, tag: str | None, request_id: str | None) -> list[tuple[RequestKey, MemoryRow]]:
        """Return all rows, or those with this id or tag, oldest first."""

        def age(item: tuple[RequestKey, MemoryRow]) -> tuple[bool, float, str, str]:
            key, row = item
            submitted_s = row.submitted_at.timestamp() if row.submitted_at else 0.0
            return row.submitted_at is None, submitted_s, key.request_id, key.tag

        return sorted(
            (
                (key, row)
                for key, row in self.rows.items()
                if tag in (None, key.tag) and request_id in (None, key.request_id)
            ),
            key=age,
        )

    def check_unlocked(self, key: RequestKey, subject: str) -> None:
        """See that a row may be changed.

        Args:
            key: which row.
            subject: what is about to be done, as the start of a message.

        Raises:
            RowLockedError: someone else has it locked.
        """
        if key in self.locked:
            raise RowLockedError(subject, got="someone else has its row locked", remedy="try again")
