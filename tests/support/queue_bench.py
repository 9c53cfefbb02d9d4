"""A table of requests, in memory or in PostgreSQL with each shape of the table, for tests of what any queue does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from progress_exhaust.job_requests.memory import MemoryQueue
from progress_exhaust.job_requests.memory_table import MemoryRow, MemoryTable
from progress_exhaust.job_requests.model import Claim, Closing, Delivered, RequestKey, Status
from progress_exhaust.job_requests.port import Queue
from progress_exhaust.job_requests.postgres.queue import PostgresQueue
from progress_exhaust.settings.sections import RequestSettings
from tests.support.ddl import Shape
from tests.support.queue_database import QueueDatabase

TEN = datetime(2024, 1, 1, 10, tzinfo=UTC)
NOON = datetime(2024, 1, 1, 12, 0, 0, 123456, tzinfo=UTC)
KEY = RequestKey("t", "r-1")
FILES = Delivered(("progress-exhaust/r-1/b-1.csv", "progress-exhaust/r-1/b-2.csv"), '[{"batchId": "b-1"}]')
NOTHING = Delivered((), "")
REQUESTS = RequestSettings(tries=3, max_data_bytes=40)


class Bench(Protocol):
    """A table, and queues on it; rows are told and asked in the words of MemoryRow."""

    keeps_processed: bool
    has_one_row_an_id: bool
    has_key: bool

    def queue(self, requests: RequestSettings = REQUESTS) -> Queue: ...

    def put(self, key: RequestKey = KEY, **row: Any) -> None: ...

    def change(self, key: RequestKey = KEY, **row: Any) -> None: ...

    def row(self, key: RequestKey = KEY) -> MemoryRow: ...

    def locked(self, key: RequestKey = KEY) -> AbstractContextManager[object]:
        """Somebody else's lock on a row."""


class MemoryBench:
    keeps_processed = True
    has_one_row_an_id = False
    has_key = True

    def __init__(self) -> None:
        self.table = MemoryTable()

    def queue(self, requests: RequestSettings = REQUESTS) -> Queue:
        return MemoryQueue(self.table, requests, now=lambda: NOON)

    def put(self, key: RequestKey = KEY, **row: Any) -> None:
        usual = {"status": "SUBMITTED", "channel": "c", "request_data": "{}", "submitted_at": TEN, "iteration": 0}
        self.table.rows[key] = MemoryRow(**{**usual, **row})

    def change(self, key: RequestKey = KEY, **row: Any) -> None:
        for name, value in row.items():
            setattr(self.table.rows[key], name, value)

    def row(self, key: RequestKey = KEY) -> MemoryRow:
        return self.table.rows[key]

    @contextmanager
    def locked(self, key: RequestKey = KEY) -> Iterator[None]:
        self.table.locked.add(key)
        yield
        self.table.locked.discard(key)


COLUMNS = {
    "status": "status",
    "request_data": "request_data",
    "requested_by": "requested_by",
    "channel": "requested_channel",
    "submitted_at": "dt_job_submitted",
    "iteration": "iteration",
    "urls": "download_urls",
    "file_created_at": "dt_file_created",
    "completed_at": "dt_job_completed",
    "execution_ms": "execution_time",
    "err_message": "err_message",
    "processed": "processed_batches",
    "encryption_key": "encryption_key",
}


class PostgresBench:
    def __init__(self, database: QueueDatabase, shape: Shape, stack: ExitStack) -> None:
        self.database = database
        self.keeps_processed = shape.keeps_processed
        self.has_one_row_an_id = shape.key == ("request_id",)
        self.has_key = "encryption_key" in shape.ddl
        self._stack = stack

    def queue(self, requests: RequestSettings = REQUESTS) -> Queue:
        queue = PostgresQueue(self.database.settings(), requests, now=lambda: NOON)
        self._stack.callback(queue.close_connections)
        return queue

    def put(self, key: RequestKey = KEY, **row: Any) -> None:
        usual = {"channel": "c", "request_data": "{}", "submitted_at": TEN}
        columns = self._columns({**usual, **row})
        self.database.insert(key.request_id, **{"tag": key.tag, **columns})

    def change(self, key: RequestKey = KEY, **row: Any) -> None:
        columns = self._columns(row)
        changes = ", ".join(f"{name} = %({name})s" for name in columns)
        self.database.execute(
            f"UPDATE job_request SET {changes} WHERE tag = %(key_tag)s AND request_id = %(key_id)s",
            {**columns, "key_tag": key.tag, "key_id": key.request_id},
        )

    def row(self, key: RequestKey = KEY) -> MemoryRow:
        [found] = self.database.execute(
            "SELECT *, request_data::text AS data FROM job_request WHERE tag = %s AND request_id = %s",
            [key.tag, key.request_id],
        )
        row = {name: found.get(column) for name, column in COLUMNS.items()} | {"request_data": found["data"]}
        for name in ("submitted_at", "file_created_at", "completed_at"):
            row[name] = row[name] and row[name].replace(tzinfo=UTC)
        row["urls"] = tuple(row["urls"]) if row["urls"] else None
        return MemoryRow(**row)

    @contextmanager
    def locked(self, key: RequestKey = KEY) -> Iterator[None]:
        with self.database.server.connect(self.database.name) as session, session.cursor() as cursor:
            cursor.execute("BEGIN")
            cursor.execute(
                "SELECT FROM job_request WHERE tag = %s AND request_id = %s FOR UPDATE", [key.tag, key.request_id]
            )
            yield
            cursor.execute("ROLLBACK")

    def _columns(self, row: dict[str, Any]) -> dict[str, Any]:
        columns = {COLUMNS[name]: _as_column(value) for name, value in row.items()}
        if not self.keeps_processed:
            columns.pop("processed_batches", None)
        if not self.has_key:
            columns.pop("encryption_key", None)
        return columns


def _as_column(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).replace(tzinfo=None)
    return list(value) if isinstance(value, tuple) else value


def claimed(queue: Queue, key: RequestKey = KEY) -> Claim:
    claim = queue.claim(key)
    assert isinstance(claim, Claim), claim
    return claim


def ending(status: Status = Status.SUCCESS, delivered: Delivered = FILES, **words: Any) -> Closing:
    usual: dict[str, Any] = {
        "file_created_at": TEN + timedelta(minutes=5),
        "completed_at": NOON,
        "execution_ms": 1500,
        "err_message": "",
    }
    return Closing(status, delivered, **{**usual, **words})


Ask = Callable[[Queue, Claim], bool]

ENDS: dict[str, Ask] = {
    "complete": lambda queue, claim: queue.complete(claim, ending()),
    "requeue": lambda queue, claim: queue.requeue(claim, FILES),
    "failed try": lambda queue, claim: queue.requeue(claim, FILES, failed_try="it failed"),
    "note": lambda queue, claim: queue.record_cancelled(claim, FILES),
}
