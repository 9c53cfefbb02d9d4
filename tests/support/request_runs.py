"""Works the queue off over a world on files, in the test's own session."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from pyspark.sql import SparkSession

from progress_exhaust.catalogue.files import FilesCatalogue
from progress_exhaust.export.run import Event, Ports, Run
from progress_exhaust.job_requests.memory import MemoryQueue
from progress_exhaust.job_requests.memory_table import MemoryTable
from progress_exhaust.job_requests.model import Claim, Delivered, NewRequest, NotClaimed, RequestKey, Status
from progress_exhaust.job_requests.port import Queue
from progress_exhaust.output.stores.open import open_store
from progress_exhaust.settings.sections import RequestSettings, Settings
from progress_exhaust.tables.snapshot import SnapshotTables
from progress_exhaust.worker.outcome import RequestsOutcome
from progress_exhaust.worker.worker import RequestFilter, Worker
from tests.support.whole_runs import DAY, DAY_IN_NAME

TAG = "tests"
PUT_IN_AT = datetime(2020, 8, 26, 6, 0, tzinfo=UTC)

_run_numbers = itertools.count()


class TestedQueue(MemoryQueue):
    """A driver's queue in memory, which counts its checkpoints, and may lack the column of finished reports."""

    __test__ = False

    def __init__(self, table: MemoryTable, *, keeps_processed: bool = True) -> None:
        super().__init__(table, RequestSettings(), now=lambda: PUT_IN_AT)
        self._keeps_processed = keeps_processed
        self.checkpoints = 0

    @property
    def keeps_processed(self) -> bool:
        return self._keeps_processed

    def claim(self, key: RequestKey) -> Claim | NotClaimed:
        claim = super().claim(key)
        if self._keeps_processed or isinstance(claim, NotClaimed):
            return claim
        self._held[key] = replace(claim, processed=None)
        return self._held[key]

    def checkpoint(self, delivered: Mapping[RequestKey, Delivered]) -> None:
        self.checkpoints += 1
        super().checkpoint(delivered)


def put_in_anew(table: MemoryTable, request_id: str, at: datetime) -> None:
    """Put a row in anew, as the portal's API does."""
    row = table.rows[RequestKey(TAG, request_id)]
    row.status, row.submitted_at = Status.SUBMITTED, at


@dataclass
class WorkedOff:
    """What one driver's run came to."""

    folder: Path
    outcome: RequestsOutcome
    events: list[Event] = field(default_factory=list)

    def states(self) -> dict[str, str]:
        """What became of each request, by request id."""
        return {one.key.request_id: one.state for one in self.outcome.results}

    def file(self, request_id: str, batch_id: str) -> bytes:
        return self.path(request_id, batch_id).read_bytes()

    def path(self, request_id: str, batch_id: str) -> Path:
        return self.folder / "progress-exhaust" / request_id / f"{batch_id}_progress_{DAY_IN_NAME}.csv"

    def csv_files(self) -> list[str]:
        """Every CSV file below the output folder, by its path there."""
        return sorted(str(path.relative_to(self.folder)) for path in self.folder.rglob("*.csv"))

    def manifest(self, request_id: str) -> dict[str, Any]:
        text = (self.folder / "progress-exhaust" / request_id / "manifest.json").read_text(encoding="utf-8")
        content: dict[str, Any] = json.loads(text)
        return content


def request(request_id: str, *, channel: str = "root", tag: str = TAG, minutes: int = 0, **data: object) -> NewRequest:
    """Make a request; `data` is its request_data, a single batch where nothing is said."""
    return NewRequest(
        RequestKey(tag, request_id),
        json.dumps(data or {"batchId": "b-000"}),
        "officer",
        channel,
        PUT_IN_AT + timedelta(minutes=minutes),
    )


def work_off(
    spark: SparkSession,
    queue: Queue,
    settings: Settings,
    only: RequestFilter | None = None,
    *,
    tell: Callable[[Event], None] = lambda event: None,
    outcome: RequestsOutcome | None = None,
    day: date = DAY,
    **ports: Any,
) -> WorkedOff:
    """Run one driver over the queue; `ports` replace those of the settings."""
    spark.conf.set("spark.sql.session.timeZone", settings.report.time_zone)
    worked = WorkedOff(Path(settings.output.url), outcome or RequestsOutcome())

    def listen(event: Event) -> None:
        worked.events.append(event)
        tell(event)

    def open_ports() -> Ports:
        made_ports: dict[str, Any] = {
            "spark": spark,
            "tables": SnapshotTables(spark, settings),
            "catalogue": FilesCatalogue(settings.catalogue.directory, settings.catalogue.max_tree_bytes),
            "store": open_store(settings.output.url, spark),
        }
        return Ports(**(made_ports | ports))

    run = Run(f"run-{next(_run_numbers)}", day, lambda: datetime.now(UTC), listen)
    Worker(queue, open_ports, settings, run, worked.outcome).work_off(only or RequestFilter())
    return worked
