"""A big batch goes through in slices: no rows come to the driver, and its memory does not grow with them."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support.command_line import (
    RUN_S,
    CommandLine,
    Ended,
    export_arguments,
    manifest_below,
    most_memory,
    reports_below,
    run,
    started,
)

MEGABYTE = 1_000_000
SLICED = "PROGRESS_EXHAUST__SPARK__LEARNERS_PER_SLICE"


def world_of(folder: Path, learners: int) -> list[str]:
    """Arguments that make one big batch of a small course."""
    places = ["--snapshot", str(folder / "snapshot"), "--catalogue", str(folder / "catalogue")]
    sizes = {"learners": learners, "batches": 1, "collections": 1, "leaves": 4, "nested": 1, "assessments": 1}
    options = [text for name, value in sizes.items() for text in (f"--{name}", str(value))]
    return ["sample-data", *places, *options, "--attempts", "1"]


@pytest.fixture(scope="module")
def event_logs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("event-logs")


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory, event_logs: Path) -> Iterator[CommandLine]:
    """Commands in a JVM that notes what each task sends to the driver."""
    defaults = tmp_path_factory.mktemp("conf") / "spark-defaults.conf"
    defaults.write_text(f"spark.eventLog.enabled true\nspark.eventLog.dir {event_logs.as_uri()}\n", encoding="utf-8")
    with CommandLine(SPARK_CONF_DIR=str(defaults.parent)) as line:
        yield line


@dataclass(frozen=True)
class Tasks:
    """What all tasks of a run have told of themselves.

    Attributes:
        number: how many there were.
        sent_bytes: of the results that they have sent to the driver.
        most_written: lines that a single one has written.
    """

    number: int
    sent_bytes: int
    most_written: int


def tasks_of(event_log: Path) -> Tasks:
    """Read the log of a run."""
    events = (json.loads(line) for line in event_log.read_text(encoding="utf-8").splitlines())
    metrics = [event["Task Metrics"] for event in events if event["Event"] == "SparkListenerTaskEnd"]
    return Tasks(
        len(metrics),
        sum(metric["Result Size"] for metric in metrics),
        max(metric["Output Metrics"]["Records Written"] for metric in metrics),
    )


def test_batch_in_slices_is_the_same_file_and_sends_no_rows_to_the_driver(
    line: CommandLine, event_logs: Path, tmp_path: Path
) -> None:
    learners, slices = 60_000, 6
    assert line.run(world_of(tmp_path, learners)).code == 0
    whole, sliced = tmp_path / "whole", tmp_path / "sliced"
    before = set(event_logs.iterdir())
    assert line.run(export_arguments(tmp_path, "--all", output=whole)).code == 0
    memory = line.most_memory()
    [log_of_whole] = set(event_logs.iterdir()) - before

    per_slice = {SLICED: str(learners // slices)}
    assert line.run(export_arguments(tmp_path, "--all", output=sliced), **per_slice).code == 0

    [log_of_sliced] = set(event_logs.iterdir()) - before - {log_of_whole}
    assert reports_below(sliced) == reports_below(whole)
    rows = max(file["rows"] for file in manifest_below(sliced)["files"])
    assert rows > learners * 0.9
    tasks_of_whole, tasks_of_sliced = tasks_of(log_of_whole), tasks_of(log_of_sliced)
    assert tasks_of_whole.most_written > rows
    assert tasks_of_sliced.most_written < rows * 0.6
    # A row of the report has some 200 bytes: sent to the driver, all of them would be 12 MB.
    assert tasks_of_whole.sent_bytes < MEGABYTE
    assert tasks_of_sliced.sent_bytes < MEGABYTE
    # Tasks are cut by the number of learners, also where these are only about to be counted.
    assert tasks_of_whole.number < tasks_of_sliced.number < 100
    assert line.most_memory() - memory < 5 * MEGABYTE


@pytest.mark.long
def test_batch_of_a_million_goes_through_a_driver_of_one_gigabyte(tmp_path: Path) -> None:
    learners = 1_000_000
    assert run(world_of(tmp_path, learners)).code == 0
    sliced: dict[str, Any] = {SLICED: "100000"}
    process = started(export_arguments(tmp_path, "--all"), **sliced)
    python = jvm = 0
    deadline = time.monotonic() + 3 * RUN_S
    while process.poll() is None and time.monotonic() < deadline:
        python = max(python, most_memory(process.pid))
        jvm = max([jvm, *(most_memory(child) for child in children_of(process.pid))])
        time.sleep(0.2)
    with process:
        out, err = process.communicate(timeout=RUN_S)
    ended = Ended(process.returncode, out, err)
    assert (ended.code, ended.errors()) == (0, [])
    big = max(manifest_below(tmp_path / "reports")["files"], key=lambda file: int(file["rows"]))
    assert big["rows"] > learners * 0.9
    assert (tmp_path / "reports" / big["path"]).read_bytes().count(b"\n") == big["rows"] + 1
    assert 50 * MEGABYTE < python < 250 * MEGABYTE
    assert 500 * MEGABYTE < jvm < 2000 * MEGABYTE


def children_of(process_id: int) -> list[int]:
    """Return the ids of the processes that a process has started, and of those that these have."""
    answer = subprocess.run(["ps", "-e", "-o", "pid=,ppid="], capture_output=True, text=True, check=True)
    parents = [tuple(map(int, row.split())) for row in answer.stdout.splitlines()]
    found = [process_id]
    for known in found:
        found += [child for child, parent in parents if parent == known]
    return found[1:]
