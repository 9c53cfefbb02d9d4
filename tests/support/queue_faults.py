"""Faults of the connection to the queue, and what there is to see of them."""

from __future__ import annotations

import time
from collections.abc import Callable

from tests.support.queue_database import QueueDatabase


def sessions(database: QueueDatabase) -> int:
    [row] = database.execute(
        "SELECT count(*) AS n FROM pg_stat_activity "
        "WHERE datname = current_database() AND application_name = 'progress-exhaust'"
    )
    return int(row["n"])


def wait_until(is_so: Callable[[], bool], seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.02)
