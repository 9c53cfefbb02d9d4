"""What tests of the real queue share: a driver's queue, its claims, and how a request ends."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from progress_exhaust.job_requests.model import Claim, Closing, Delivered, RequestKey, Status
from progress_exhaust.job_requests.postgres.queue import PostgresQueue
from progress_exhaust.settings.sections import RequestSettings
from tests.support.queue_database import QueueDatabase

KEY = RequestKey("t", "r-1")
TEN = datetime(2024, 1, 1, 10, tzinfo=UTC)
NOON = datetime(2024, 1, 1, 12, 0, 0, 123456, tzinfo=UTC)
URLS = ("b-1.csv", "b-2.csv")
FILES = Delivered(URLS, '[{"batchId": "b-1"}]')
NOTHING = Delivered((), "")
UNHEARD_S = 1000.0
"""A heartbeat that does not come, for tests that count what goes over the connection."""


@contextmanager
def driver(database: QueueDatabase, *, tries: int = 3, **settings: Any) -> Iterator[PostgresQueue]:
    """A driver's queue; `settings` are those of QueueSettings, with `port` for a proxy's."""
    queue = PostgresQueue(
        database.settings(**{"heartbeat_s": UNHEARD_S, **settings}), RequestSettings(tries=tries), now=lambda: NOON
    )
    try:
        yield queue
    finally:
        queue.close_connections()


def claimed(queue: PostgresQueue, key: RequestKey = KEY) -> Claim:
    """Claim a row that is due."""
    claim = queue.claim(key)
    assert isinstance(claim, Claim), claim
    return claim


def success(delivered: Delivered = FILES, **words: Any) -> Closing:
    """A request that ends well."""
    usual: dict[str, Any] = {
        "status": Status.SUCCESS,
        "delivered": delivered,
        "file_created_at": TEN,
        "completed_at": NOON,
        "execution_ms": 1500,
        "err_message": "",
    }
    return Closing(**{**usual, **words})


def failure(err_message: str) -> Closing:
    """A request that ends in a fault of its own."""
    return success(NOTHING, status=Status.FAILED, file_created_at=None, err_message=err_message)
