"""A world on files, a process that runs commands, and a queue of the test's own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from progress_exhaust.stack.postgres import PostgresServer
from tests.support.builders import batches_world
from tests.support.command_line import CommandLine
from tests.support.ddl import NEW
from tests.support.queue_database import QueueDatabase
from tests.support.run_rig import FIRST_NAME, NORTH, SOUTH, Rig
from tests.support.whole_runs import write_world
from tests.worlds import World


@pytest.fixture(scope="module")
def world() -> World:
    """Two courses of two channels, with two batches each, and learners who are easily found."""
    world = batches_world(4, 2, learners=5)
    for collection_id, channel in (("do_0", NORTH), ("do_1", SOUTH)):
        world.trees[collection_id]["result"]["content"]["channel"] = channel
    users = [{**row, "firstname": FIRST_NAME} for row in world.tables["user"]]
    return replace(world, tables={**world.tables, "user": users})


@pytest.fixture(scope="module")
def folder(world: World, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run-command")
    write_world(world, folder)
    (folder / "events").mkdir()
    (folder / "spark-conf").mkdir()
    (folder / "spark-conf" / "spark-defaults.conf").write_text(
        f"spark.eventLog.enabled true\nspark.eventLog.dir {(folder / 'events').as_uri()}\n", encoding="utf-8"
    )
    return folder


@pytest.fixture(scope="module")
def line(folder: Path) -> Iterator[CommandLine]:
    with CommandLine(SPARK_CONF_DIR=str(folder / "spark-conf")) as line:
        yield line


@pytest.fixture
def rig(line: CommandLine, folder: Path, postgres: PostgresServer, tmp_path: Path) -> Iterator[Rig]:
    with QueueDatabase.make(postgres, NEW) as database:
        yield Rig(line, folder, folder / "events", database, tmp_path / "out")
