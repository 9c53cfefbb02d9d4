"""Requests for tests of whole drivers: how they are put in, and what became of them."""

from __future__ import annotations

from progress_exhaust.job_requests.memory_table import MemoryRow, MemoryTable
from progress_exhaust.job_requests.model import NewRequest, RequestKey
from tests.support.builders import batches_world
from tests.support.request_runs import TAG, TestedQueue, WorkedOff
from tests.worlds import World

ROOT, OTHER = "root", "other"


def two_organisations(batches: int = 4, learners: int = 6) -> World:
    """Learners by turns of two root organisations; the first collection belongs to one, the second to the other."""
    world = batches_world(batches, 2, learners)
    for number, row in enumerate(world.tables["user"]):
        row["rootorgid"] = (ROOT, OTHER)[number % 2]
    for number, tree in enumerate(world.trees.values()):
        tree["result"]["content"]["channel"] = (ROOT, OTHER)[number % 2]
    return world


def put_in(table: MemoryTable, *requests: NewRequest) -> None:
    for one in requests:
        TestedQueue(table).submit(one)


def row(table: MemoryTable, request_id: str, tag: str = TAG) -> MemoryRow:
    return table.rows[RequestKey(tag, request_id)]


def urls_in(table: MemoryTable, request_id: str, tag: str = TAG) -> tuple[str, ...]:
    told = row(table, request_id, tag).urls
    assert told is not None
    return told


def urls(worked: WorkedOff, request_id: str, *batch_ids: str) -> tuple[str, ...]:
    return tuple(str(worked.path(request_id, one).relative_to(worked.folder)) for one in batch_ids)
