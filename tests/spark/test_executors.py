"""Executors that run no Python, and one that dies while it writes: the files are whole and exact."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from progress_exhaust.settings.sections import Settings
from tests.reference.report import expected_reports
from tests.support.builders import batches_world
from tests.support.whole_runs import DAY_IN_NAME, settings_for, write_world
from tests.worlds import World

ROOT = Path(__file__).parents[2]
MASTER = "local-cluster[2,1,1024]"
BATCHES, LEARNERS = 8, 300
LONG_NAME = "A long name makes many bytes, so that writing them takes a while. " * 200
PATIENCE_S = 240
ENVIRONMENT = {
    "PYSPARK_PYTHON": "/no/such/python",
    "SPARK_LOCAL_IP": "127.0.0.1",
    "TZ": "Asia/Kolkata",
}


@dataclass(frozen=True)
class OnCluster:
    """Two runs over one world, and what was seen of them.

    Attributes:
        world: the world.
        folder: what it was written to; the files of the runs are in `calm` and `killed` below it.
        said: the lines of the process.
        half_written: files that the executor was writing when it was killed.
        executor_command: what that executor was started with.
    """

    world: World
    folder: Path
    said: list[str]
    half_written: list[Path]
    executor_command: list[str]


@pytest.fixture(scope="module")
def on_cluster(tmp_path_factory: pytest.TempPathFactory) -> OnCluster:
    folder = tmp_path_factory.mktemp("cluster")
    world = batches_world(BATCHES, 2, LEARNERS)
    world.tables["course_batch"] = [{**row, "name": LONG_NAME} for row in world.tables["course_batch"]]
    write_world(world, folder)
    files = []
    for name in ("calm", "killed"):
        settings = settings_for(world, folder, output={"url": str(folder / name)}, spark={"master": MASTER})
        files.append(written(settings, folder / f"{name}.json"))
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.support.cluster_export", *files],
        cwd=ROOT,
        env={**os.environ, **ENVIRONMENT},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert process.stdout is not None
        said = [process.stdout.readline().strip() for _ in range(2)]
        half_written = wait_for_a_write(folder / "killed", process)
        executor = next(executors_of(process.pid))
        executor_command = Path(f"/proc/{executor}/cmdline").read_text(encoding="utf-8").split("\0")
        os.kill(executor, signal.SIGKILL)
        rest, _ = process.communicate(timeout=PATIENCE_S)
    finally:
        process.kill()
        process.wait()
    return OnCluster(world, folder, said + rest.splitlines(), half_written, executor_command)


def test_export_needs_no_python_on_executors(on_cluster: OnCluster) -> None:
    assert on_cluster.said[:2] == ["no python", f"made {BATCHES}"]
    assert differing(on_cluster, "calm") == []


def test_executors_work_in_utc_whatever_the_zone_of_their_machine(on_cluster: OnCluster) -> None:
    zones = [option for option in on_cluster.executor_command if option.startswith("-Duser.timezone=")]
    assert zones == ["-Duser.timezone=UTC"]


def test_executor_killed_while_it_writes_leaves_exact_and_whole_files(on_cluster: OnCluster) -> None:
    assert on_cluster.half_written != []
    assert on_cluster.said[2] == f"made {BATCHES}"
    assert differing(on_cluster, "killed") == []


def differing(runs: OnCluster, name: str) -> list[str]:
    """Every path below the output place that is not a file expected, with exactly the bytes expected."""
    place = runs.folder / name / "progress-exhaust"
    expected = {
        f"{batch_id}_progress_{DAY_IN_NAME}.csv": report.content
        for batch_id, report in expected_reports(runs.world).items()
    }
    found = {path.name: path.read_bytes() for path in place.rglob("*") if path.is_file()}
    del found["manifest_test.json"]
    return sorted(name for name in expected.keys() | found.keys() if expected.get(name) != found.get(name))


def written(settings: Settings, file: Path) -> str:
    file.write_text(settings.model_dump_json(), encoding="utf-8")
    return str(file)


def wait_for_a_write(place: Path, process: subprocess.Popen[str]) -> list[Path]:
    """Wait until an executor has begun to write lines of a report, and return the files it has begun."""
    for _ in range(PATIENCE_S * 100):
        begun = list(place.glob("progress-exhaust/.staging/test/wave-*/_temporary/*/_temporary/*/part-*"))
        if begun or process.poll() is not None:
            return begun
        time.sleep(0.01)
    return []


def executors_of(driver: int) -> Iterator[int]:
    """Give the processes below a driver that are executors."""
    for child in children_of(driver):
        if b"CoarseGrainedExecutorBackend" in Path(f"/proc/{child}/cmdline").read_bytes():
            yield child
        yield from executors_of(child)


def children_of(parent: int) -> list[int]:
    every = [task.read_text(encoding="ascii").split() for task in Path(f"/proc/{parent}/task").glob("*/children")]
    return [int(child) for children in every for child in children]
