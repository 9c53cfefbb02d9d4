"""Drivers on spark-submit that are killed, paused and doubled while they work the queue off."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from progress_exhaust.stack.postgres import PostgresServer
from tests.reference.report import expected_reports
from tests.support.builders import batches_world
from tests.support.ddl import NEW
from tests.support.queue_database import QueueDatabase
from tests.support.spark_submit import REAL_JOB, submit, submit_variables
from tests.support.whole_runs import write_world
from tests.worlds import World

FAULTY_JOB = Path(__file__).parents[1] / "support" / "faulty_job.py"
CHANNEL = "root"
BATCHES = ["b-000", "b-001", "b-002"]
RUN_S = 300.0
DIES_S = 20.0
"""A driver whose JVM is gone dies within milliseconds; on a busy machine it may be seconds until that is seen."""
PUT_IN_AT = datetime(2026, 1, 2, 3, 4, 5)
USUAL_POINTS = ("after_claim", "after_stage", "after_publish", "after_commit")
CLOSED_POINTS = ("after_commit", "before_cleanup")
BETWEEN_WAVES = ("after_search", "before_checkpoint", "after_checkpoint", "before_cleanup")
MORE_POINTS = (*BETWEEN_WAVES, "before_publish", "before_commit")


@dataclass(frozen=True)
class Place:
    """A world, a queue and an output folder."""

    folder: Path
    database: QueueDatabase

    @property
    def reports(self) -> Path:
        return self.folder / "out" / "progress-exhaust"

    def put_in(self, request_id: str, *batch_ids: str, minutes: int = 0) -> None:
        self.database.insert(
            request_id,
            request_data=json.dumps({"batchFilter": list(batch_ids)}),
            requested_channel=CHANNEL,
            dt_job_submitted=PUT_IN_AT + timedelta(minutes=minutes),
            iteration=None,
        )

    def row(self, request_id: str) -> dict[str, Any]:
        [row] = self.database.execute("SELECT * FROM job_request WHERE request_id = %s", [request_id])
        return dict(row)

    def files(self, request_id: str) -> dict[str, bytes]:
        """The CSV files of a request by batch id."""
        paths = (self.reports / request_id).glob("*.csv")
        return {path.name.partition("_")[0]: path.read_bytes() for path in paths}

    def environment(self, **variables: str) -> dict[str, str]:
        ours = {name: value for name, value in os.environ.items() if not name.upper().startswith("PROGRESS_EXHAUST")}
        settings = self.database.settings()
        assert settings.password
        return ours | {
            **submit_variables(),
            "PROGRESS_EXHAUST__SOURCE__KIND": "snapshot",
            "PROGRESS_EXHAUST__SOURCE__SNAPSHOT_DIR": str(self.folder / "snapshot"),
            "PROGRESS_EXHAUST__CATALOGUE__KIND": "files",
            "PROGRESS_EXHAUST__CATALOGUE__DIRECTORY": str(self.folder / "catalogue"),
            "PROGRESS_EXHAUST__OUTPUT__URL": str(self.folder / "out"),
            "PROGRESS_EXHAUST__QUEUE__DSN": settings.dsn,
            "PROGRESS_EXHAUST__QUEUE__PASSWORD": settings.password.get_secret_value(),
            **variables,
        }

    @contextmanager
    def driver(self, job: Path, *arguments: str, **variables: str) -> Iterator[subprocess.Popen[str]]:
        """A driver on spark-submit, in a process group of its own that is killed at the end."""
        with subprocess.Popen(
            [*submit(job), "run", "--log-format", "text", *arguments],
            env=self.environment(**variables),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            process_group=0,
        ) as process:
            try:
                yield process
            finally:
                kill(process)

    @contextmanager
    def waiting_driver(self, point: str, request_id: str) -> Iterator[tuple[subprocess.Popen[str], Path]]:
        """A driver that works on one request and has reached a point; it goes on when the file is removed."""
        file = self.folder / f"{point}-{request_id}.reached"
        arguments = ("--request", request_id)
        variables = {"FAULT_POINT": point, "FAULT_FILE": str(file)}
        if point in BETWEEN_WAVES:
            # One batch a wave, so that there is something between two waves.
            variables["PROGRESS_EXHAUST__SPARK__LEARNERS_PER_WAVE"] = "5"
        with self.driver(FAULTY_JOB, *arguments, **variables) as process:
            wait_for(file.exists, f"the driver reaches {point}", process)
            yield process, file

    def work_off(self, *arguments: str) -> tuple[int, str]:
        """Run the real job to its end."""
        with self.driver(REAL_JOB, *arguments) as process:
            out, _ = process.communicate(timeout=RUN_S)
        return process.returncode, out


def kill(process: subprocess.Popen[str]) -> None:
    """Kill the JVM and the Python it has started, at once."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def wait_for(happens: Any, what: str, process: subprocess.Popen[str] | None = None) -> None:
    deadline = time.monotonic() + RUN_S
    while not happens():
        if process is not None and process.poll() is not None:
            pytest.fail(f"waiting until {what}: the driver ended with {process.returncode}: {process.communicate()[0]}")
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


def python_of(process: subprocess.Popen[str]) -> int:
    """The process id of the Python that a JVM has started."""
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text(encoding="ascii").split()
    tasks = [int(child) for child in children]
    for task in Path(f"/proc/{process.pid}/task").iterdir():
        tasks += [int(child) for child in (task / "children").read_text(encoding="ascii").split()]
    [python] = {pid for pid in tasks if "faulty_job" in Path(f"/proc/{pid}/cmdline").read_text(encoding="utf-8")}
    return python


@pytest.fixture(scope="module")
def world() -> World:
    world = batches_world(3, 2, learners=5)
    for tree in world.trees.values():
        tree["result"]["content"]["channel"] = CHANNEL
    return world


@pytest.fixture
def place(world: World, postgres: PostgresServer, tmp_path: Path) -> Iterator[Place]:
    write_world(world, tmp_path)
    with QueueDatabase.make(postgres, NEW) as database:
        yield Place(tmp_path, database)


@pytest.mark.parametrize(
    "points",
    [USUAL_POINTS, pytest.param(MORE_POINTS, marks=pytest.mark.long)],
    ids=["usual points", "more points"],
)
def test_request_whose_driver_was_killed_ends_with_the_files_of_an_undisturbed_run(
    place: Place, world: World, points: tuple[str, ...]
) -> None:
    expected = {batch_id: report.content for batch_id, report in expected_reports(world).items()}
    for number, point in enumerate(points):
        place.put_in(point, *BATCHES, minutes=number)
        with place.waiting_driver(point, point) as (process, _):
            kill(process)
            process.wait()
        assert place.files(point).items() <= expected.items(), f"{point}: a file is there in part"
        assert place.row(point)["status"] == (
            "SUCCESS" if point in ("after_commit", "before_cleanup") else "PROCESSING"
        )
    staged = [path.name for path in (place.reports / ".staging").iterdir()]
    assert len(staged) >= 1, "killed drivers leave their staging"

    code, out = place.work_off()

    assert code == 0, out
    for point in points:
        row = place.row(point)
        assert (row["status"], row["iteration"]) == ("SUCCESS", 0 if point in CLOSED_POINTS else 1)
        assert len(row["download_urls"]) == len(BATCHES)
        assert [(place.folder / "out" / url).read_bytes() for url in row["download_urls"]] == [
            expected[batch_id] for batch_id in BATCHES
        ]
        assert sorted(path.name for path in (place.reports / point).glob("*.csv")) == sorted(
            Path(url).name for url in row["download_urls"]
        )
    assert list((place.reports / ".staging").iterdir()) == []


@pytest.mark.parametrize(
    ("number", "failed_tries"),
    [
        pytest.param(signal.SIGKILL, 0, id="killed"),
        pytest.param(signal.SIGABRT, 1, id="crashed", marks=pytest.mark.long),
        pytest.param(signal.SIGTERM, 0, id="stopped", marks=pytest.mark.long),
    ],
)
def test_driver_whose_jvm_goes_gives_back_what_it_has_and_is_gone(place: Place, number: int, failed_tries: int) -> None:
    """Schedulers kill the JVM of spark-submit at a time-out: that is no fault of a request, a crash may be."""
    place.put_in("r-1", "b-000")
    with place.waiting_driver("after_stage", "r-1") as (process, file):
        python = python_of(process)
        os.kill(process.pid, number)
        begin = time.monotonic()
        process.wait(DIES_S)
        file.unlink()
        assert process.stdout is not None
        process.stdout.read()  # to its end: nobody holds the other end any more
        wait_for(lambda: not Path(f"/proc/{python}").exists(), "the driver is gone")
        assert time.monotonic() - begin < DIES_S
    row = place.row("r-1")
    assert (row["status"], row["iteration"]) == ("SUBMITTED", failed_tries)
    # A file may be out before the driver hears of it; it is listed then.
    assert len(row["download_urls"] or []) == len(place.files("r-1"))
    assert list((place.reports / ".staging").iterdir()) == []
    [lock] = place.database.execute("SELECT count(*) AS held FROM pg_locks WHERE locktype = 'advisory'")
    assert lock["held"] == 0

    code, out = place.work_off()

    assert code == 0, out
    assert (place.row("r-1")["status"], place.row("r-1")["iteration"]) == ("SUCCESS", failed_tries)


def test_paused_driver_whose_request_was_finished_by_another_writes_nothing(place: Place) -> None:
    place.put_in("r-1", *BATCHES)
    with place.waiting_driver("before_publish", "r-1") as (process, file):
        os.killpg(process.pid, signal.SIGSTOP)
        place.database.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() "
            "AND application_name = 'progress-exhaust'"
        )
        code, out = place.work_off()
        assert code == 0, out
        before = {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in place.reports.rglob("*.csv")}
        row = place.row("r-1")
        assert (row["status"], row["iteration"], len(before)) == ("SUCCESS", 1, 3)
        file.unlink()
        os.killpg(process.pid, signal.SIGCONT)
        out, _ = process.communicate(timeout=RUN_S)
        assert process.returncode == 1, out
    assert {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in place.reports.rglob("*.csv")} == before
    assert place.row("r-1") == row
    assert list((place.reports / ".staging").iterdir()) == []


def test_stopped_driver_gives_its_request_back(place: Place) -> None:
    place.put_in("r-1", *BATCHES)
    command = [str(Path(sys.executable).with_name("progress-exhaust")), "run", "--log-format", "text"]
    variables = {"PROGRESS_EXHAUST__SPARK__MASTER": "local[2,4]", "PROGRESS_EXHAUST__SPARK__DRIVER_MEMORY": "1g"}
    with subprocess.Popen(
        command, env=place.environment(**variables), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        assert any("computing" in line for line in process.stderr)
        process.send_signal(signal.SIGTERM)
        begin = time.monotonic()
        process.communicate(timeout=RUN_S)
        assert time.monotonic() - begin < 30
    assert process.returncode == 143
    row = place.row("r-1")
    assert (row["status"], row["iteration"]) == ("SUBMITTED", 0)
    assert list((place.reports / ".staging").iterdir()) == []


def test_two_drivers_at_once_make_each_request_once(place: Place, world: World) -> None:
    for number in range(4):
        place.put_in(f"r-{number}", "b-000", "b-001", minutes=number)
    variables = {"PROGRESS_EXHAUST__REQUESTS__REPORTS_PER_WAVE": "2"}
    with place.driver(REAL_JOB, "--json", **variables) as one, place.driver(REAL_JOB, "--json", **variables) as other:
        outs = [process.communicate(timeout=RUN_S)[0] for process in (one, other)]
        assert [one.returncode, other.returncode] == [0, 0], outs
    documents = [json.loads(out[out.index("\n{\n") :]) for out in outs]
    done = [request["key"]["request_id"] for document in documents for request in document["requests"]]
    assert sorted(done) == ["r-0", "r-1", "r-2", "r-3"]
    expected = expected_reports(world)
    for number in range(4):
        assert place.row(f"r-{number}")["iteration"] == 0
        assert place.files(f"r-{number}") == {one: expected[one].content for one in ("b-000", "b-001")}
