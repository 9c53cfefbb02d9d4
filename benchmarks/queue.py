"""Measures the queue on a real PostgreSQL of this machine, and writes `benchmarks/results/queue.json`.

The table holds 10,000 waiting rows of ours and as many of another job, without any index but the key's. Run it as
`python -m benchmarks.queue`.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from psycopg2.extras import execute_values

from progress_exhaust.job_requests.model import Claim, Closing, Delivered, RequestKey, Status
from progress_exhaust.job_requests.postgres.queue import PostgresQueue
from progress_exhaust.settings.sections import QueueSettings, RequestSettings
from progress_exhaust.stack.postgres import PostgresServer

WAITING = 10_000
BAR_MS = 10.0
RESULT = Path(__file__).parent / "results" / "queue.json"


def main() -> None:
    """Measure, write the result, and fail where a bar is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.queue", description=__doc__)
    parser.add_argument("--claims", type=int, default=500, help="requests claimed and closed")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        server = PostgresServer(Path(folder))
        try:
            server.start()
            server.create_queue()
            fill(server)
            result = measure(server, arguments.claims)
        finally:
            server.remove()
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=2))
    missed = [name for name in ("claim", "close") if result[name]["median_ms"] >= BAR_MS]
    if missed:
        sys.exit(f"median not under {BAR_MS} ms: {', '.join(missed)}")


def fill(server: PostgresServer) -> None:
    """Put the waiting rows in, those of both jobs in turn."""
    data = '{"batchId": "0130934495109529602"}'
    rows = [
        (f"tag-of-{job_id}", f"request-{number:05}", job_id, "SUBMITTED", data, "someone", "channel")
        for number in range(WAITING)
        for job_id in ("progress-exhaust", "response-exhaust")
    ]
    with server.connect() as session, session.cursor() as cursor:
        execute_values(
            cursor,
            "INSERT INTO job_request (tag, request_id, job_id, status, request_data, requested_by, requested_channel) "
            "VALUES %s",
            rows,
        )
        cursor.execute("UPDATE job_request SET dt_job_submitted = now(), iteration = 0")
        cursor.execute("VACUUM ANALYZE job_request")


def measure(server: PostgresServer, claims: int) -> dict[str, Any]:
    """Claim and close some of the waiting rows, one after another."""
    queue = PostgresQueue(
        QueueSettings.model_validate({"dsn": server.dsn(), "password": server.password}),
        RequestSettings(),
        now=lambda: datetime.now(UTC),
    )
    times: dict[str, list[float]] = {}

    def timed(name: str, call: Callable[[], Any]) -> Any:
        begin = time.perf_counter()
        result = call()
        times.setdefault(name, []).append((time.perf_counter() - begin) * 1000)
        return result

    try:
        timed("check", queue.check)
        keys = [due.key for due in timed("due", queue.due)]
        for key in keys[:claims]:
            one(queue, key, timed)
        timed("listed", queue.listed)
    finally:
        queue.close_connections()
    return {
        "cores": os.cpu_count(),
        "waiting_ours": len(keys),
        "waiting_of_another_job": WAITING,
        **{
            name: {
                "count": len(taken),
                "median_ms": round(statistics.median(taken), 2),
                "most_ms": round(max(taken), 2),
            }
            for name, taken in times.items()
        },
    }


def one(queue: PostgresQueue, key: RequestKey, timed: Callable[[str, Callable[[], Any]], Any]) -> None:
    """Take one request through its life."""
    claim = timed("claim", lambda: queue.claim(key))
    if not isinstance(claim, Claim):
        raise TypeError(f"claiming {key}: got {claim}")
    delivered = Delivered((f"progress-exhaust/{key.request_id}/b.csv",), '[{"batchId": "b"}]')
    timed("is_ours", lambda: queue.is_ours(claim))
    timed("checkpoint", lambda: queue.checkpoint({key: delivered}))
    now = datetime.now(UTC)
    if not timed("close", lambda: queue.complete(claim, Closing(Status.SUCCESS, delivered, now, now, 1000, ""))):
        raise RuntimeError(f"closing {key}: it was not ours")


if __name__ == "__main__":
    main()
