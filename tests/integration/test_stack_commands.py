"""`python -m progress_exhaust.stack` as a user runs it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from progress_exhaust.settings.load import load
from progress_exhaust.stack import processes
from progress_exhaust.stack.driver import cql_session

WRITE_PARQUET = """
import sys
from pyspark.sql import SparkSession
builder = SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false")
spark = builder.config("spark.driver.bindAddress", "127.0.0.1").config("spark.driver.host", "127.0.0.1").getOrCreate()
spark.conf.set("spark.sql.session.timeZone", "Asia/Kolkata")
spark.sql('''SELECT 'Course' activity_type, 'do_1' activity_id, 'u-1' user_id, 'cb:b-1' context_id,
  map('completedCount', 2) agg, map('score:do_2', 1.5D, 'nan', double('NaN')) aggregates,
  map('completedCount', timestamp'2020-08-25 19:15:54.15') agg_last_updated, array('x') agg_details
''').write.parquet(sys.argv[1])
spark.stop()
"""

# Jars that can not be had are a reason to skip; the fixture knows.
needs_jars = pytest.mark.usefixtures("make_node", "connector_jar_folder")


@pytest.fixture
def state(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "state"
    _stack("stop", tmp_path / "state")


def _stack(command: str, state: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "progress_exhaust.stack", command, "--state", str(state), *arguments],
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )


@needs_jars
def test_stack_serves_a_world_until_it_is_stopped(state: Path, tmp_path: Path, java: Path) -> None:
    snapshot, catalogue = tmp_path / "snapshot", tmp_path / "catalogue"
    (snapshot / "sunbird_courses.course_batch").mkdir(parents=True)
    (snapshot / "sunbird_courses.course_batch" / "part.jsonl").write_text(
        '{"courseid": "do_1", "batchid": "b-1", "name": "Batch"}\n'
    )
    subprocess.run(
        [sys.executable, "-c", WRITE_PARQUET, str(snapshot / "sunbird_courses.user_activity_agg")],
        env={**os.environ, "JAVA_HOME": str(java)},
        cwd=tmp_path,
        capture_output=True,
        timeout=240,
        check=True,
    )
    catalogue.mkdir()
    tree = {"identifier": "do_1", "name": "Course", "children": []}
    (catalogue / "do_1.json").write_text(json.dumps({"responseCode": "OK", "result": {"content": tree}}))
    places = ("--snapshot", str(snapshot), "--catalogue", str(catalogue))

    started = _stack("start", state, *places)
    assert started.returncode == 0, started.stdout + started.stderr
    assert "sunbird_courses.course_batch: 1 rows" in started.stdout
    told = load(state / "progress_exhaust.toml", {}, {})
    with cql_session(told.cassandra.hosts[0], told.cassandra.port) as session:
        [batch] = session.execute("SELECT * FROM sunbird_courses.course_batch")
        assert (batch.batchid, batch.name) == ("b-1", "Batch")
        [activity] = session.execute("SELECT * FROM sunbird_courses.user_activity_agg")
        assert (dict(activity.agg), activity.agg_details) == ({"completedCount": 2}, ["x"])
        assert (activity.aggregates["score:do_2"], str(activity.aggregates["nan"])) == (1.5, "nan")
        assert activity.agg_last_updated["completedCount"].isoformat() == "2020-08-25T13:45:54.150000"
    with urllib.request.urlopen(f"{told.catalogue.hierarchy_url}/do_1", timeout=10) as answer:
        assert json.load(answer)["result"]["content"]["name"] == "Course"
    assert any(Path(told.spark.connector_jars).glob("*spark-cassandra-connector_*.jar"))

    again = _stack("start", state, *places)
    assert (again.returncode, "runs already" in again.stdout) == (0, True)
    running = [
        processes.running_process(state / "cassandra" / "node.pid"),
        processes.running_process(state / "content_service.pid"),
    ]
    assert None not in running
    stopped = _stack("stop", state)
    assert (stopped.returncode, stopped.stdout.count("stopped")) == (0, 2)
    assert not any(process.is_running() for process in running if process)
    nothing = _stack("stop", state)
    assert (nothing.returncode, nothing.stdout) == (0, f"nothing runs in {state}\n")


@needs_jars
def test_start_with_a_damaged_snapshot_leaves_nothing_running(state: Path, tmp_path: Path) -> None:
    (tmp_path / "sunbird.user").mkdir()
    (tmp_path / "sunbird.user" / "part.jsonl").write_text('{"id": 5}\n')
    failed = _stack("start", state, "--snapshot", str(tmp_path), "--catalogue", str(tmp_path))
    assert failed.returncode == 1
    assert "part.jsonl: column id: expected text, got a JSON int" in failed.stderr
    assert "Traceback" not in failed.stderr
    assert processes.running_process(state / "cassandra" / "node.pid") is None


def test_folder_that_is_missing_is_told(state: Path, tmp_path: Path) -> None:
    failed = _stack("start", state, "--snapshot", str(tmp_path / "none"), "--catalogue", str(tmp_path))
    assert (failed.returncode, "is not a folder" in failed.stderr) == (2, True)


def test_queue_can_be_started_again_after_each_stop_but_not_over_other_things(tmp_path: Path) -> None:
    state = tmp_path / "queue"
    for _ in range(2):
        started = _stack("start-queue", state)
        stopped = _stack("stop-queue", state)
        assert (started.returncode, stopped.returncode) == (0, 0), started.stderr + stopped.stderr
        assert "PostgreSQL answers on port" in started.stdout
        assert "stopped PostgreSQL" in stopped.stdout
    (state / "postgres" / "of somebody.txt").touch()
    refused = _stack("start-queue", state)
    assert refused.returncode == 2
    assert "it holds other things; give another --state" in refused.stderr
    assert (state / "postgres" / "of somebody.txt").exists()
