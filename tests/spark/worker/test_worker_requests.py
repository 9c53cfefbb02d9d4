"""Drivers that work the queue off: what each request gets."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from progress_exhaust.job_requests.memory_table import MemoryTable
from progress_exhaust.job_requests.model import NewRequest, Status
from progress_exhaust.settings.sections import Settings
from progress_exhaust.worker.worker import RequestFilter
from tests.reference.report import expected_reports
from tests.support.request_runs import TestedQueue, request, work_off
from tests.support.spark_counters import jobs_so_far
from tests.support.whole_runs import DAY, DAY_IN_NAME, settings_for, write_world
from tests.support.worker_requests import OTHER, ROOT, put_in, row, two_organisations, urls, urls_in
from tests.worlds import World


@pytest.mark.rule("Q8", "Q23")
def test_batches_of_a_request_are_delivered_in_the_order_asked_for(
    spark: SparkSession, world: World, table: MemoryTable, settings: Callable[..., Settings]
) -> None:
    put_in(table, request("r-1", batchFilter=["b-002", "b-000"]))
    worked = work_off(spark, TestedQueue(table), settings())
    expected = expected_reports(world)
    closed = row(table, "r-1")
    assert (closed.status, closed.iteration, closed.err_message) == (Status.SUCCESS, 0, None)
    assert closed.urls == urls(worked, "r-1", "b-002", "b-000")
    assert {one: worked.file("r-1", one) for one in ("b-000", "b-002")} == {
        one: expected[one].content for one in ("b-000", "b-002")
    }
    assert worked.csv_files() == sorted(closed.urls)
    assert closed.file_created_at is not None
    assert closed.completed_at is not None
    assert closed.execution_ms is not None
    assert closed.execution_ms > 0
    manifest = worked.manifest("r-1")
    assert [file["batch_id"] for file in manifest["files"]] == ["b-002", "b-000"]
    assert manifest["request"]["state"] == "SUCCESS"
    assert worked.outcome.unfinished == 0


def test_report_asked_for_by_many_is_computed_once(
    spark: SparkSession, world: World, table: MemoryTable, settings: Callable[..., Settings]
) -> None:
    put_in(table, *(request(f"r-{number}", minutes=number) for number in range(5)))
    worked = work_off(spark, TestedQueue(table), settings())
    assert set(worked.states().values()) == {"SUCCESS"}
    [computing] = [event.sentence for event in worked.events if event.sentence.startswith("computing")]
    assert computing.startswith("computing 1 report of")
    assert {worked.file(f"r-{number}", "b-000") for number in range(5)} == {expected_reports(world)["b-000"].content}


def test_requests_share_one_wave_whose_jobs_do_not_depend_on_their_number(
    spark: SparkSession, settings: Callable[..., Settings]
) -> None:
    def jobs(number: int) -> int:
        table = MemoryTable()
        put_in(table, *(request(f"r-{one}", batchFilter=[f"b-00{one % 4}"]) for one in range(number)))
        before = jobs_so_far(spark)
        work_off(spark, TestedQueue(table), settings())
        return jobs_so_far(spark) - before

    assert jobs(12) == jobs(2)


@pytest.mark.rule("Q14")
def test_request_of_one_channel_does_not_wait_for_the_bigger_one_of_another(
    spark: SparkSession, table: MemoryTable, settings: Callable[..., Settings]
) -> None:
    put_in(
        table,
        request("r-1", batchFilter=["b-000"]),
        request("r-2", batchFilter=["b-001"], minutes=1),
        request("r-3", channel=OTHER, batchFilter=["b-001"], minutes=2),
    )
    worked = work_off(spark, TestedQueue(table), settings(), RequestFilter(most=2))
    assert worked.states() == {"r-1": "SUCCESS", "r-3": "SUCCESS"}
    assert row(table, "r-2").status == Status.SUBMITTED


@pytest.mark.rule("Q8")
def test_search_delivers_all_batches_of_all_collections_found(
    spark: SparkSession, world: World, table: MemoryTable, settings: Callable[..., Settings]
) -> None:
    put_in(table, request("r-1", searchFilter={"request": {"filters": {"channel": [ROOT]}}}))
    worked = work_off(spark, TestedQueue(table), settings())
    assert row(table, "r-1").urls == urls(worked, "r-1", "b-000", "b-002")
    assert worked.file("r-1", "b-002") == expected_reports(world)["b-002"].content


@pytest.mark.rule("Q24")
def test_request_id_of_two_tags_gets_two_folders(
    spark: SparkSession, table: MemoryTable, settings: Callable[..., Settings]
) -> None:
    put_in(table, request("r-1", tag="a", batchId="b-000"), request("r-1", tag="b", batchId="b-002"))
    worked = work_off(spark, TestedQueue(table), settings())
    [first], [second] = urls_in(table, "r-1", "a"), urls_in(table, "r-1", "b")
    assert Path(first).parent != Path(second).parent
    assert worked.csv_files() == sorted([first, second])


@pytest.mark.rule("Q24")
def test_request_whose_id_ends_like_a_hash_of_a_tag_has_a_folder_of_its_own(
    spark: SparkSession, table: MemoryTable, settings: Callable[..., Settings]
) -> None:
    # printf a | sha256sum
    like = "r-1.ca978112"
    put_in(table, request("r-1", tag="a"), request("r-1", tag="b"), request(like, batchId="b-002"))
    worked = work_off(spark, TestedQueue(table), settings())
    urls_of_all = [*urls_in(table, "r-1", "a"), *urls_in(table, "r-1", "b"), *urls_in(table, like)]
    assert len({Path(url).parent for url in urls_of_all}) == 3
    assert worked.csv_files() == sorted(urls_of_all)
    assert Path(urls_in(table, "r-1", "a")[0]).parent == Path("progress-exhaust/r-1~ca978112")


@pytest.mark.rule("Q24")
@pytest.mark.parametrize("keeps_processed", [True, pytest.param(False, marks=pytest.mark.long)])
def test_files_that_an_earlier_version_put_behind_a_dot_are_used_again(
    spark: SparkSession, table: MemoryTable, settings: Callable[..., Settings], keeps_processed: bool
) -> None:
    limited = settings(requests={"reports_per_channel": 1})
    put_in(
        table,
        request("r-1", tag="a", channel="root", batchFilter=["b-000", "b-002"]),
        request("r-1", tag="b", batchId="b-000", channel="nobody"),
    )
    queue = TestedQueue(table, keeps_processed=keeps_processed)
    worked = work_off(spark, queue, limited, RequestFilter(tag="a"))
    now, before = (worked.folder / "progress-exhaust" / name for name in ("r-1~ca978112", "r-1.ca978112"))
    now.rename(before)
    manifest = before / "manifest.json"
    manifest.write_text(manifest.read_text(encoding="utf-8").replace("r-1~", "r-1."), encoding="utf-8")
    given_back = row(table, "r-1", "a")
    given_back.processed = (given_back.processed or "").replace("r-1~", "r-1.")
    [kept] = before.glob("*.csv")
    changed_at = kept.stat().st_mtime_ns

    work_off(spark, queue, limited, RequestFilter(tag="a"), day=DAY + timedelta(days=1))

    closed = row(table, "r-1", "a")
    assert closed.status == Status.SUCCESS
    assert [Path(url).parent.name for url in urls_in(table, "r-1", "a")] == ["r-1.ca978112", "r-1~ca978112"]
    assert (kept.stat().st_mtime_ns, list(before.glob("*.csv"))) == (changed_at, [kept])
    assert {Path(url).name.rpartition("_progress_")[2] for url in urls_in(table, "r-1", "a")} == {f"{DAY_IN_NAME}.csv"}


@pytest.mark.rule("Q11")
def test_batch_nobody_knows_is_named_and_the_others_are_delivered(
    spark: SparkSession, table: MemoryTable, settings: Callable[..., Settings]
) -> None:
    put_in(table, request("r-1", batchFilter=["b-000", "b-nobody", "../up"]))
    worked = work_off(spark, TestedQueue(table), settings())
    closed = row(table, "r-1")
    assert closed.status == Status.SUCCESS
    assert closed.urls == urls(worked, "r-1", "b-000")
    assert closed.err_message == "2 of 3 not made: ../up (bad id), b-nobody (unknown)".replace("/", "?")
    assert {one["id"]: one["reason"] for one in worked.manifest("r-1")["not_made"]} == {
        "b-nobody": "unknown_batch",
        "../up": "bad_id",
    }


@pytest.mark.rule("Q16", "Q17", "Q26")
@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"batchId": "b-nobody"}, "No data found"),
        ({"batchFilter": ["b-nobody", "b-no-one"]}, "No data found"),
        ({"searchFilter": {"request": {"filters": {"channel": ["nowhere"]}}}}, "No data found"),
        ({"batchFilter": ["b-000", "b-001", "b-002"]}, "Number of batches in request exceeded. It should be within 2"),
        (
            {"batchFilter": [f"b-{number}" for number in range(10_001)]},
            "Number of batches in request exceeded. It should be within 2",
        ),
        (
            {"searchFilter": {"request": {"filters": {"contentType": ["Course"]}}}},
            "Number of batches in request exceeded. It should be within 2",
        ),
    ],
    ids=[
        "unknown batch",
        "unknown batches",
        "search without hits",
        "too many batches",
        "far too many ids",
        "too many found",
    ],
)
def test_request_for_nothing_that_can_be_made_ends_with_the_words_others_know(
    spark: SparkSession,
    table: MemoryTable,
    settings: Callable[..., Settings],
    data: dict[str, Any],
    message: str,
) -> None:
    put_in(table, request("r-1", **data))
    few = {"reports_per_request": 2, "reports_per_search": 2}
    worked = work_off(spark, TestedQueue(table), settings(requests=few))
    closed = row(table, "r-1")
    assert (closed.status, closed.err_message, closed.urls or ()) == (Status.FAILED, message, ())
    assert closed.completed_at is not None
    assert worked.csv_files() == []
    assert worked.outcome.unfinished == 0


@pytest.mark.rule("Q26")
def test_request_for_a_retired_collection_says_so(spark: SparkSession, table: MemoryTable, tmp_path: Path) -> None:
    world = two_organisations(2, 2)
    world.trees["do_0"]["result"]["content"]["status"] = "Retired"
    write_world(world, tmp_path)
    put_in(table, request("r-1", batchId="b-000"), request("r-2", batchFilter=["b-000", "b-001"]))
    work_off(spark, TestedQueue(table), settings_for(world, tmp_path))
    assert (row(table, "r-1").status, row(table, "r-1").err_message) == (
        Status.FAILED,
        "The request is made for retired collection",
    )
    assert (row(table, "r-2").status, row(table, "r-2").err_message) == (
        Status.SUCCESS,
        "1 of 2 not made: b-000 (retired)",
    )


@pytest.mark.rule("Q9")
@pytest.mark.parametrize("data", ["null", "[]", "{", '{"batchFilter": "b-000"}', '{"batchId": 1}'])
def test_request_data_that_means_nothing_fails_and_the_others_go_on(
    spark: SparkSession, table: MemoryTable, settings: Callable[..., Settings], data: str
) -> None:
    bad = request("r-bad")
    put_in(table, NewRequest(bad.key, data, bad.requested_by, bad.channel, bad.submitted_at), request("r-1"))
    worked = work_off(spark, TestedQueue(table), settings())
    assert worked.states() == {"r-bad": "FAILED", "r-1": "SUCCESS"}
    assert row(table, "r-bad").err_message
    assert "\n" not in (row(table, "r-bad").err_message or "")
