"""The bench that each test of the contract runs on: in memory, and in PostgreSQL with each shape of the table."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from progress_exhaust.stack.postgres import PostgresServer
from tests.support.ddl import SHAPES
from tests.support.queue_bench import Bench, MemoryBench, PostgresBench
from tests.support.queue_database import QueueDatabase


@pytest.fixture(scope="module")
def databases(postgres: PostgresServer) -> Iterator[dict[str, QueueDatabase]]:
    """One for each shape; each test empties its table."""
    with ExitStack() as stack:
        yield {name: stack.enter_context(QueueDatabase.make(postgres, shape)) for name, shape in SHAPES.items()}


@pytest.fixture(params=["memory", *SHAPES])
def bench(request: pytest.FixtureRequest) -> Iterator[Bench]:
    if request.param == "memory":
        yield MemoryBench()
        return
    database: QueueDatabase = request.getfixturevalue("databases")[request.param]
    database.cut_sessions()  # of the test before, whose locks would be somebody else's
    database.execute("TRUNCATE job_request")
    with ExitStack() as stack:
        yield PostgresBench(database, SHAPES[request.param], stack)
