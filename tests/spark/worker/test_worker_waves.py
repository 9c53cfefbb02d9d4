"""Drivers that work the queue off: what a wave costs, and what is charged to whom when things fail."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from progress_exhaust.errors import ComputeError
from progress_exhaust.job_requests.memory_table import MemoryTable
from progress_exhaust.job_requests.model import Status
from progress_exhaust.output.stores.local import LocalStore
from progress_exhaust.settings.sections import Settings
from tests.support.builders import answer, batch, collection, enrolment, leaf, user
from tests.support.request_runs import TestedQueue, WorkedOff, request, work_off
from tests.support.spark_counters import jobs_so_far
from tests.support.whole_runs import settings_for, write_world
from tests.support.worker_requests import OTHER, ROOT, put_in, row, two_organisations
from tests.worlds import World


@pytest.mark.parametrize(
    ("error", "why"),
    [
        pytest.param(ComputeError("Spark ran out of memory"), "Spark ran out of memory", id="Spark"),
        pytest.param(
            KeyError("a defect"),
            "an unforeseen KeyError; see the log of the job",
            id="defect",
            marks=pytest.mark.long,
        ),
    ],
)
def test_what_breaks_one_request_is_charged_to_it_alone_and_the_others_are_made(
    spark: SparkSession, table: MemoryTable, settings: Callable[..., Settings], error: Exception, why: str
) -> None:
    class Breaking(LocalStore):
        """A store in which the reports of one batch can not be found, without it being a fault of the store."""

        def publish(self, source: str, target: str) -> None:
            if "b-001" in target:
                raise error
            super().publish(source, target)

    def work() -> WorkedOff:
        return work_off(spark, TestedQueue(table), settings(), store=Breaking(Path(settings().output.url)))

    put_in(table, request("r-1"), request("r-2", batchId="b-001", channel=OTHER), request("r-3", batchId="b-002"))
    worked = work()
    assert worked.states() == {"r-1": "SUCCESS", "r-2": "SUBMITTED", "r-3": "SUCCESS"}
    assert [str(one) for one in worked.outcome.unforeseen] == [str(error)]
    sick = row(table, "r-2")
    assert (sick.status, sick.iteration, sick.err_message) == (Status.SUBMITTED, 1, f"Try 1 of 3 failed: {why}")
    work()
    assert work().states() == {"r-2": "FAILED"}
    assert (sick.status, sick.iteration, sick.err_message) == (Status.FAILED, 3, f"Given up after 3 tries: {why}")
    assert work().outcome.due == 0


def test_missing_table_is_found_before_anything_is_claimed(
    spark: SparkSession, world: World, table: MemoryTable, folder: Path, tmp_path: Path
) -> None:
    lame = tmp_path / "lame"
    shutil.copytree(folder, lame)
    shutil.rmtree(lame / "snapshot" / "sunbird.location")
    put_in(table, request("r-1"))
    with pytest.raises(Exception, match=r"reading table sunbird\.location"):
        work_off(spark, TestedQueue(table), settings_for(world, lame))
    assert (row(table, "r-1").status, row(table, "r-1").iteration) == (Status.SUBMITTED, None)


def test_finished_request_is_closed_before_the_next_wave_begins(
    spark: SparkSession, table: MemoryTable, settings: Callable[..., Settings]
) -> None:
    states: list[tuple[str, str]] = []

    def look(event: object) -> None:
        if "computing" in str(event):
            states.append((row(table, "r-1").status, row(table, "r-2").status))

    put_in(table, request("r-1", batchId="b-000"), request("r-2", batchId="b-001", minutes=1))
    work_off(spark, TestedQueue(table), settings(spark={"learners_per_wave": 1}), tell=look)
    assert states == [(Status.PROCESSING, Status.PROCESSING), (Status.SUCCESS, Status.PROCESSING)]


def test_one_update_a_wave_notes_what_unfinished_requests_have(
    spark: SparkSession, table: MemoryTable, settings: Callable[..., Settings]
) -> None:
    put_in(
        table, request("r-1", batchFilter=["b-000", "b-001", "b-002"]), request("r-2", batchFilter=["b-000", "b-002"])
    )
    queue = TestedQueue(table)
    work_off(spark, queue, settings(spark={"learners_per_wave": 1}))
    assert queue.checkpoints == 2


@pytest.mark.long
def test_request_of_two_thousand_batches_takes_the_jobs_and_the_updates_of_a_small_one(
    spark: SparkSession, tmp_path: Path
) -> None:
    def jobs_and_updates(batches: int) -> tuple[int, int]:
        world = two_organisations(batches, 1)
        folder = tmp_path / str(batches)
        write_world(world, folder)
        table = MemoryTable()
        put_in(table, request("r-1", batchFilter=[f"b-{number:03d}" for number in range(batches)]))
        limits = {"reports_per_request": batches, "reports_per_channel": batches}
        queue = TestedQueue(table)
        before = jobs_so_far(spark)
        work_off(spark, queue, settings_for(world, folder, requests=limits))
        assert row(table, "r-1").status == Status.SUCCESS
        assert len(row(table, "r-1").urls or ()) == batches
        return jobs_so_far(spark) - before, queue.checkpoints

    assert jobs_and_updates(2000) == jobs_and_updates(2)


def test_nothing_due_opens_nothing(spark: SparkSession, table: MemoryTable, settings: Callable[..., Settings]) -> None:
    worked = work_off(spark, TestedQueue(table), settings(), store=None)
    assert (worked.outcome.due, worked.events) == (0, [])


def test_learner_of_two_batches_under_one_id_is_counted_for_each_collection(
    spark: SparkSession, table: MemoryTable, tmp_path: Path
) -> None:
    trees = {one: answer(collection(one, [leaf(f"{one}-a")], channel=ROOT)) for one in ("do_0", "do_1")}
    tables: dict[str, list[Any]] = {
        "course_batch": [batch("b-1", "do_0"), batch("b-1", "do_1")],
        "user": [user("u-1", rootorgid=ROOT)],
        "user_enrolments": [enrolment("u-1", "b-1", "do_0"), enrolment("u-1", "b-1", "do_1")],
        "location": [],
    }
    world = World(tables, trees)
    write_world(world, tmp_path)
    put_in(
        table,
        *(
            request(f"r-{number}", searchFilter={"request": {"filters": {"identifier": [f"do_{number}"]}}})
            for number in (0, 1)
        ),
    )
    worked = work_off(spark, TestedQueue(table), settings_for(world, tmp_path))
    assert worked.states() == {"r-0": "SUCCESS", "r-1": "SUCCESS"}
    for number in (0, 1):
        lines = worked.file(f"r-{number}", "b-1").decode().splitlines()
        assert [line.split(",")[0] for line in lines[1:]] == [f"do_{number}"]


@pytest.mark.rule("Q23")
def test_day_of_the_run_names_the_files(
    spark: SparkSession, table: MemoryTable, settings: Callable[..., Settings]
) -> None:
    put_in(table, request("r-1"))
    worked = work_off(spark, TestedQueue(table), settings(), day=date(2021, 1, 2))
    assert worked.csv_files() == ["progress-exhaust/r-1/b-000_progress_02_01_2021.csv"]
