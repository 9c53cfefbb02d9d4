"""Names of learners lie where nobody else can read them: while a run works, after it was killed, and after the next."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from progress_exhaust.spark.janitor import PREFIX
from progress_exhaust.stack.postgres import PostgresServer
from tests.integration.test_request_kills import CHANNEL, Place, kill, python_of, wait_for
from tests.support.builders import batches_world
from tests.support.ddl import NEW
from tests.support.queue_database import QueueDatabase
from tests.support.spark_submit import REAL_JOB, submit, submit_variables
from tests.support.strangers import files_with, readable_by_group, readable_by_others
from tests.support.whole_runs import write_world
from tests.worlds import World

FAULTY_JOB = Path(__file__).parents[1] / "support" / "faulty_job.py"
BATCHES = ["b-000", "b-001"]
CANARY = "Canaryzebulon"
ENDS_S = 120.0
RUN_S = 300.0
USUAL_UMASK = 0o022
long = pytest.mark.long


@dataclass(frozen=True)
class Rig:
    """A world, and a folder for temporary files and one for reports that everybody may enter."""

    folder: Path
    is_submitted: bool

    @property
    def temporary(self) -> Path:
        return self.folder / "temporary"

    @property
    def output(self) -> Path:
        return self.folder / "out"

    @property
    def privates(self) -> list[Path]:
        return sorted(self.temporary.glob(f"{PREFIX}*"))

    def started(self, job: Path, *, group: bool = True, **variables: str) -> subprocess.Popen[str]:
        """Start an export, by itself or on spark-submit."""
        command = submit(job) if self.is_submitted else [sys.executable, str(job)]
        places = ["--snapshot", self.folder / "snapshot", "--catalogue", self.folder / "catalogue"]
        ours = {name: value for name, value in os.environ.items() if not name.upper().startswith("PROGRESS_EXHAUST")}
        settings = {"PROGRESS_EXHAUST__SPARK__MASTER": "local[2,4]", "PROGRESS_EXHAUST__SPARK__DRIVER_MEMORY": "1g"}
        return subprocess.Popen(
            [*command, "export", "--all", *map(str, places), "--output", str(self.output)],
            env={**ours, **submit_variables(), **settings, **temporary_places(self.temporary), **variables},
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            umask=USUAL_UMASK,
            process_group=0 if group else None,
        )

    @contextmanager
    def paused(self, **variables: Any) -> Iterator[tuple[subprocess.Popen[str], Path]]:
        """An export that has staged its reports, and waits before it publishes them, until the file is removed."""
        file = self.folder / "reached"
        with self.started(FAULTY_JOB, FAULT_POINT="after_stage", FAULT_FILE=str(file), **variables) as process:
            try:
                wait_for(file.exists, "the reports are staged", process)
                yield process, file
            finally:
                kill(process)

    def export(self) -> None:
        """Run the real export to its end."""
        with self.started(REAL_JOB) as process:
            told, _ = process.communicate(timeout=RUN_S)
        assert process.returncode == 0, told


def temporary_places(folder: Path) -> dict[str, str]:
    """Variables that send temporary files to a folder, also those of a JVM that is not ours."""
    return {"TMPDIR": str(folder), "SPARK_SUBMIT_OPTS": f"-Djava.io.tmpdir={folder}"}


def canary_world() -> World:
    world = batches_world(len(BATCHES), 1, learners=40)
    for tree in world.trees.values():
        tree["result"]["content"]["channel"] = CHANNEL
    learners = [{**row, "firstname": CANARY, "lastname": row["id"]} for row in world.tables["user"]]
    return replace(world, tables={**world.tables, "user": learners})


@pytest.fixture
def rig(tmp_path: Path, request: pytest.FixtureRequest) -> Rig:
    write_world(canary_world(), tmp_path)
    rig = Rig(tmp_path, is_submitted=request.param)
    rig.temporary.mkdir()
    rig.temporary.chmod(0o1777)
    rig.output.mkdir()
    rig.output.chmod(0o755)
    return rig


def children_of(process_id: int) -> list[int]:
    every = [task.read_text(encoding="ascii").split() for task in Path(f"/proc/{process_id}/task").glob("*/children")]
    return [int(child) for children in every for child in children]


def kill_one(process_id: int) -> None:
    """Kill a process and wait until it is gone."""
    with gone(process_id):
        os.kill(process_id, signal.SIGKILL)


@contextmanager
def gone(process_id: int) -> Iterator[None]:
    """Do something that ends a process, and wait until it has."""
    descriptor = os.pidfd_open(process_id)
    try:
        yield
        ready, _, _ = select.select([descriptor], [], [], ENDS_S)
        assert ready, f"process {process_id} lives on"
    finally:
        os.close(descriptor)


def kill_python(process: subprocess.Popen[str], rig: Rig) -> None:
    python = python_of(process) if rig.is_submitted else process.pid
    jvm = process.pid if rig.is_submitted else children_of(process.pid)[0]
    with gone(jvm):
        kill_one(python)


def kill_jvm(process: subprocess.Popen[str], rig: Rig) -> None:
    python = python_of(process) if rig.is_submitted else process.pid
    jvm = process.pid if rig.is_submitted else children_of(process.pid)[0]
    with gone(python):
        kill_one(jvm)
        (rig.folder / "reached").unlink()


def assert_nobody_else_sees(rig: Rig) -> None:
    """See that nobody but we can read a learner's name, but for our group, who reads what is published."""
    published = {path for path in files_with(rig.output, CANARY.encode()) if path.endswith(".csv")}
    assert not set(readable_by_others(rig.output)) & set(files_with(rig.output, CANARY.encode()))
    assert not set(readable_by_others(rig.temporary)) & set(files_with(rig.temporary, CANARY.encode()))
    for private in rig.privates:
        assert not [path for path in readable_by_others(rig.temporary) if path.startswith(private.name)]
        assert not [path for path in readable_by_group(rig.temporary) if path.startswith(private.name)]
    held = [path for path in readable_by_group(rig.output) if path in files_with(rig.output, CANARY.encode())]
    assert set(held) <= published


@pytest.mark.rule("P1", "P3")
@pytest.mark.parametrize(
    ("rig", "kills"),
    [
        pytest.param(False, kill_python, id="python of an export by itself", marks=long),
        pytest.param(False, kill_jvm, id="JVM of an export by itself", marks=long),
        pytest.param(True, kill_python, id="python on spark-submit", marks=long),
        pytest.param(True, kill_jvm, id="JVM of spark-submit"),
    ],
    indirect=["rig"],
)
def test_names_of_learners_are_for_nobody_else_and_gone_after_the_next_run(
    rig: Rig, kills: Callable[[subprocess.Popen[str], Rig], None]
) -> None:
    with rig.paused() as (process, _):
        # There is something to see: staged reports in plain, and what Spark has exchanged, which even we can not read.
        assert any(".staging/" in path for path in files_with(rig.output, CANARY.encode()))
        [private] = rig.privates
        assert list(private.glob("spark/blockmgr-*/*/shuffle_*.data"))
        assert not list(rig.temporary.glob("blockmgr-*"))
        assert files_with(rig.temporary, CANARY.encode()) == []
        assert_nobody_else_sees(rig)
        kills(process, rig)

    assert_nobody_else_sees(rig)
    rig.export()

    assert_nobody_else_sees(rig)
    reports = files_with(rig.output, CANARY.encode())
    assert sorted(Path(path).name[:5] for path in reports) == BATCHES
    assert {(rig.output / path).stat().st_mode & 0o777 for path in reports} == {0o640}
    assert rig.privates == []
    assert files_with(rig.temporary, CANARY.encode()) == []
    if not rig.is_submitted:
        assert list(rig.temporary.iterdir()) == []


@long
@pytest.mark.parametrize("rig", [False], ids=["by itself"], indirect=True)
def test_what_spark_exchanges_can_be_read_by_us_where_encryption_is_off(rig: Rig) -> None:
    with rig.paused(PROGRESS_EXHAUST__SPARK__ENCRYPTION="off"):
        assert [path for path in files_with(rig.temporary, CANARY.encode()) if "/shuffle_" in path]
        assert_nobody_else_sees(rig)


@pytest.mark.rule("P2")
@long
@pytest.mark.parametrize("rig", [True], ids=["on spark-submit"], indirect=True)
def test_spark_that_must_write_elsewhere_is_closed_there_and_leaves_nothing(rig: Rig) -> None:
    disk = rig.folder / "disk"
    disk.mkdir(mode=0o777)
    variables = {"SPARK_LOCAL_DIRS": str(disk), "PROGRESS_EXHAUST__SPARK__ENCRYPTION": "off"}
    with rig.paused(**variables) as (process, _):
        assert files_with(disk, CANARY.encode()) != []
        assert not set(readable_by_others(disk)) & set(files_with(disk, CANARY.encode()))
        kill_jvm(process, rig)
    assert list(disk.iterdir()) == [], "the driver removes what its JVM can not any more"

    (rig.folder / "reached.passed").unlink()  # so that the point is met once more
    with rig.paused(**variables) as (process, _), gone(python_of(process)):
        kill(process)
    assert files_with(disk, CANARY.encode()) != []
    rig.export()
    assert list(disk.iterdir()) == [], "the next run removes what both of them can not"


@long
def test_run_on_spark_submit_that_is_killed_leaves_no_name_of_a_learner_behind(
    postgres: PostgresServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_world(canary_world(), tmp_path)
    rig = Rig(tmp_path, is_submitted=True)
    rig.temporary.mkdir()
    for name, value in temporary_places(rig.temporary).items():
        monkeypatch.setenv(name, value)
    with QueueDatabase.make(postgres, NEW) as database:
        place = Place(tmp_path, database)
        place.put_in("r-1", *BATCHES)
        with place.waiting_driver("after_stage", "r-1") as (process, _):
            [private] = rig.privates
            assert list(private.glob("spark/blockmgr-*/*/shuffle_*.data"))
            assert_nobody_else_sees(rig)
            kill(process)
            process.wait()
        assert_nobody_else_sees(rig)
        code, told = place.work_off()
        assert (code, place.row("r-1")["status"]) == (0, "SUCCESS"), told
    assert_nobody_else_sees(rig)
    assert all(path.endswith(".csv") for path in files_with(rig.output, CANARY.encode()))
    assert rig.privates == []
