"""Requests of a driver over a fake engine, for tests of what a sick one costs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from progress_exhaust.job_requests.memory import MemoryQueue
from tests.support.fake_engine import Rig
from tests.support.request_runs import PUT_IN_AT, request


def put_in(rig: Rig, request_id: str, *batch_ids: str, minutes: int = 0, **data: Any) -> None:
    asked = data or {"batchFilter": list(batch_ids)}
    queue = MemoryQueue(rig.table, rig.settings.requests, now=lambda: PUT_IN_AT)
    queue.submit(request(request_id, minutes=minutes, **asked))


def search(name: str) -> dict[str, object]:
    return {"request": {"filters": {"name": name}}}


def folder_of(rig: Rig, request_id: str) -> Path:
    return rig.folder / "progress-exhaust" / request_id
