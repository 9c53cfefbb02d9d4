"""Drivers that work the queue off: who may see what, and how much of a run a channel gets."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from progress_exhaust.job_requests.memory_table import MemoryTable
from progress_exhaust.job_requests.model import Status
from progress_exhaust.settings.sections import Settings
from tests.reference.report import expected_reports
from tests.support.request_runs import TestedQueue, request, work_off
from tests.support.whole_runs import DAY, settings_for, write_world
from tests.support.worker_requests import OTHER, put_in, row, two_organisations, urls, urls_in
from tests.worlds import World


@pytest.mark.rule("Q7")
def test_channel_of_the_collection_sees_all_learners_and_another_one_its_own(
    spark: SparkSession, world: World, table: MemoryTable, settings: Callable[..., Settings]
) -> None:
    put_in(table, request("r-own"), request("r-other", channel=OTHER))
    worked = work_off(spark, TestedQueue(table), settings())
    everyone, narrowed = expected_reports(world)["b-000"], expected_reports(world, OTHER)["b-000"]
    assert worked.file("r-own", "b-000") == everyone.content
    assert worked.file("r-other", "b-000") == narrowed.content
    assert narrowed.rows == everyone.rows / 2
    [file] = worked.manifest("r-other")["files"]
    assert file["audience"] == OTHER
    assert file["rows_dropped"] == {"other_organisation": 3}


@pytest.mark.rule("Q7")
@pytest.mark.parametrize("channel", ["", "nobody's"])
def test_batch_without_a_permitted_learner_is_as_unknown_as_one_that_is_not_there(
    spark: SparkSession, table: MemoryTable, settings: Callable[..., Settings], channel: str
) -> None:
    put_in(table, request("r-1", channel=channel), request("r-2", channel=channel, batchId="b-nobody"))
    worked = work_off(spark, TestedQueue(table), settings())
    assert worked.csv_files() == []
    assert row(table, "r-1").err_message == row(table, "r-2").err_message == "No data found"
    told = [worked.manifest(one)["not_made"] for one in ("r-1", "r-2")]
    assert str(told[0]).replace("b-000", "b-nobody") == str(told[1])


@pytest.mark.rule("Q7")
def test_collection_without_a_channel_is_seen_by_nobody(
    spark: SparkSession, table: MemoryTable, tmp_path: Path
) -> None:
    world = two_organisations(1, 2)
    del world.trees["do_0"]["result"]["content"]["channel"]
    write_world(world, tmp_path)
    put_in(table, request("r-1"))
    worked = work_off(spark, TestedQueue(table), settings_for(world, tmp_path))
    assert row(table, "r-1").err_message == "No data found"
    assert worked.csv_files() == []


@pytest.mark.rule("Q18", "Q23")
def test_reports_over_a_channels_limit_wait_for_the_next_run_and_finished_files_are_kept(
    spark: SparkSession, world: World, table: MemoryTable, settings: Callable[..., Settings]
) -> None:
    limited = settings(requests={"reports_per_channel": 1})
    put_in(table, request("r-1", batchFilter=["b-000", "b-002"]), request("r-2", channel=OTHER, batchId="b-001"))
    first = work_off(spark, TestedQueue(table), limited)
    assert first.states() == {"r-1": "SUBMITTED", "r-2": "SUCCESS"}
    assert (row(table, "r-1").iteration, row(table, "r-1").urls) == (0, urls(first, "r-1", "b-000"))
    assert first.outcome.unfinished == 1
    kept = first.path("r-1", "b-000").stat().st_mtime_ns
    second = work_off(spark, TestedQueue(table), limited, day=DAY + timedelta(days=1))
    assert second.states() == {"r-1": "SUCCESS"}
    assert row(table, "r-1").urls == urls(second, "r-1", "b-000", "b-002"), "named by the day of the first claim"
    assert second.path("r-1", "b-000").stat().st_mtime_ns == kept
    assert second.file("r-1", "b-002") == expected_reports(world)["b-002"].content
    assert [file["rows_dropped"] for file in second.manifest("r-1")["files"]] == [{}, {}]


@pytest.mark.rule("Q19")
def test_first_report_of_a_channel_goes_whatever_its_bytes(
    spark: SparkSession, table: MemoryTable, settings: Callable[..., Settings]
) -> None:
    limited = settings(requests={"bytes_per_channel": 1}, output={"publish_threads": 1})
    put_in(table, request("r-1", batchFilter=["b-000", "b-002"]))
    assert work_off(spark, TestedQueue(table), limited).states() == {"r-1": "SUBMITTED"}
    assert len(urls_in(table, "r-1")) == 1
    assert work_off(spark, TestedQueue(table), limited).states() == {"r-1": "SUCCESS"}
    assert len(urls_in(table, "r-1")) == 2


@pytest.mark.rule("Q20")
def test_no_wave_begins_after_the_wall_time(
    spark: SparkSession, table: MemoryTable, settings: Callable[..., Settings]
) -> None:
    put_in(table, request("r-1"), request("r-2", batchId="b-001", minutes=1))
    limited = settings(requests={"wall_time_s": 1, "reports_per_wave": 1})
    worked = work_off(spark, TestedQueue(table), limited)
    assert worked.outcome.unfinished >= 1
    assert row(table, "r-2").status == Status.SUBMITTED
    assert row(table, "r-2").iteration in (None, 0)
