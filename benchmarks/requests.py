"""`python -m benchmarks.requests`: what many small requests cost, against one request for the same batches.

Both go through a real queue, in turn, in one session; the figure that counts is their ratio. Writes
`benchmarks/results/requests.json`.
"""

from __future__ import annotations

import json
import shutil
import statistics
import tempfile
import time
from datetime import UTC, date, datetime
from pathlib import Path

from pydantic import SecretStr
from pyspark.sql import SparkSession

from benchmarks.worlds import REQUESTED, ROOT, batch_id, make_world, settings_for
from progress_exhaust.catalogue.files import FilesCatalogue
from progress_exhaust.export.run import Ports, Run
from progress_exhaust.job_requests.model import NewRequest, RequestKey
from progress_exhaust.job_requests.postgres.queue import PostgresQueue
from progress_exhaust.output.stores.open import open_store
from progress_exhaust.settings.sections import QueueSettings, RequestSettings, Settings
from progress_exhaust.spark.private import of_this_process
from progress_exhaust.spark.session import start_session
from progress_exhaust.stack.postgres import PostgresServer
from progress_exhaust.tables.snapshot import SnapshotTables
from progress_exhaust.worker.outcome import RequestsOutcome
from progress_exhaust.worker.worker import RequestFilter, Worker

WORLD = "requested"
MASTER = "local[2,4]"
RUNS = 5
RESULT = Path(__file__).parent / "results" / "requests.json"
CHANNEL = "0140000000000000001"
"""Of the world's only course."""


def main() -> None:
    """Measure both ways in turn, after one round that is not counted."""
    folder = Path(tempfile.mkdtemp(prefix="progress-exhaust-bench-"))
    server = PostgresServer(folder)
    settings = settings_for(WORLD, MASTER)
    spark = start_session(settings, of_this_process())
    try:
        make_world(spark, WORLD)
        server.start()
        server.create_queue()
        batch_ids = [batch_id(number) for number in range(REQUESTED.batches)]
        ways = {"one request of 50": [batch_ids], "50 requests of one": [[one] for one in batch_ids]}
        seconds: dict[str, list[float]] = {way: [] for way in ways}
        for number in range(RUNS + 1):
            for way, asked in ways.items():
                took_s = work_off(spark, settings, server, asked, f"{way[:2].strip()}-{number}")
                if number:
                    seconds[way].append(took_s)
    finally:
        spark.stop()
        server.remove()
        shutil.rmtree(folder)
    medians = {way: round(statistics.median(taken), 3) for way, taken in seconds.items()}
    ratio = round(medians["50 requests of one"] / medians["one request of 50"], 3)
    result = {"learners_per_batch": REQUESTED.learners, "runs": RUNS, "median_s": medians, "ratio": ratio}
    RESULT.write_text(json.dumps(result | {"seconds": seconds}, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=2))


def work_off(
    spark: SparkSession, settings: Settings, server: PostgresServer, asked: list[list[str]], name: str
) -> float:
    """Put requests in, and return the seconds that one driver takes for all of them."""
    limits = RequestSettings(reports_per_request=1000, reports_per_channel=1000)
    settings = settings.model_copy(update={"requests": limits})
    queue = PostgresQueue(
        QueueSettings(dsn=server.dsn(), password=SecretStr(server.password)), limits, now=lambda: datetime.now(UTC)
    )
    outcome = RequestsOutcome()
    ports = Ports(
        spark,
        SnapshotTables(spark, settings),
        FilesCatalogue(settings.catalogue.directory, settings.catalogue.max_tree_bytes),
        open_store(settings.output.url, spark),
    )
    shutil.rmtree(ROOT / WORLD / "reports", ignore_errors=True)
    try:
        for number, batch_ids in enumerate(asked):
            key = RequestKey("bench", f"{name}-{number:02d}")
            data = json.dumps({"batchFilter": batch_ids})
            queue.submit(NewRequest(key, data, "bench", CHANNEL, datetime.now(UTC)))
        begin = time.monotonic()
        run = Run(name, date(2026, 1, 1), lambda: datetime.now(UTC), lambda event: None)
        Worker(queue, lambda: ports, settings, run, outcome).work_off(RequestFilter())
        took_s = time.monotonic() - begin
    finally:
        queue.close_connections()
    made = sum(one.files for one in outcome.settled if one.state == "SUCCESS")
    if made != REQUESTED.batches:
        raise SystemExit(f"{name}: {made} files, expected {REQUESTED.batches}")
    return round(took_s, 3)


if __name__ == "__main__":
    main()
