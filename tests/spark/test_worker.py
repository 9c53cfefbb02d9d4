"""Drivers that work the queue off: what each request gets, who may see what, and what happens when things fail."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from progress_exhaust.errors import CatalogueError, ComputeError, QueueError
from progress_exhaust.export.run import Event
from progress_exhaust.job_requests.memory import MemoryRow, MemoryTable
from progress_exhaust.job_requests.model import CANCELLED, Claim, Delivered, NewRequest, RequestKey, Status
from progress_exhaust.output.stores.local import LocalStore
from progress_exhaust.settings.sections import Settings
from progress_exhaust.worker.outcome import RequestsOutcome
from progress_exhaust.worker.worker import RequestFilter
from tests.reference.report import expected_reports
from tests.support.builders import answer, batch, batches_world, collection, enrolment, leaf, user
from tests.support.request_runs import PUT_IN_AT, TAG, TestedQueue, WorkedOff, put_in_anew, request, work_off
from tests.support.spark_counters import jobs_so_far
from tests.support.whole_runs import DAY, DAY_IN_NAME, settings_for, write_world
from tests.worlds import World

ROOT, OTHER = "root", "other"


def two_organisations(batches: int = 4, learners: int = 6) -> World:
    """Learners by turns of two root organisations; the first collection belongs to one, the second to the other."""
    world = batches_world(batches, 2, learners)
    for number, row in enumerate(world.tables["user"]):
        row["rootorgid"] = (ROOT, OTHER)[number % 2]
    for number, tree in enumerate(world.trees.values()):
        tree["result"]["content"]["channel"] = (ROOT, OTHER)[number % 2]
    return world


@pytest.fixture(scope="module")
def world() -> World:
    return two_organisations()


@pytest.fixture(scope="module")
def folder(world: World, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("world")
    write_world(world, folder)
    return folder


@pytest.fixture
def settings(world: World, folder: Path, tmp_path: Path) -> Callable[..., Settings]:
    """Settings over the world, with an output folder of the test's own; sections win."""

    def make(**sections: dict[str, Any]) -> Settings:
        output = {"url": str(tmp_path / "out")} | sections.pop("output", {})
        return settings_for(world, folder, output=output, **sections)

    return make


@pytest.fixture
def table() -> MemoryTable:
    return MemoryTable()


def put_in(table: MemoryTable, *requests: NewRequest) -> None:
    for one in requests:
        TestedQueue(table).submit(one)


def row(table: MemoryTable, request_id: str, tag: str = TAG) -> MemoryRow:
    return table.rows[RequestKey(tag, request_id)]


def urls_in(table: MemoryTable, request_id: str, tag: str = TAG) -> tuple[str, ...]:
    told = row(table, request_id, tag).urls
    assert told is not None
    return told


def urls(worked: WorkedOff, request_id: str, *batch_ids: str) -> tuple[str, ...]:
    return tuple(str(worked.path(request_id, one).relative_to(worked.folder)) for one in batch_ids)


# What a request gets.


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


def test_search_delivers_all_batches_of_all_collections_found(
    spark: SparkSession, world: World, table: MemoryTable, settings: Callable[..., Settings]
) -> None:
    put_in(table, request("r-1", searchFilter={"request": {"filters": {"channel": [ROOT]}}}))
    worked = work_off(spark, TestedQueue(table), settings())
    assert row(table, "r-1").urls == urls(worked, "r-1", "b-000", "b-002")
    assert worked.file("r-1", "b-002") == expected_reports(world)["b-002"].content


def test_request_id_of_two_tags_gets_two_folders(
    spark: SparkSession, table: MemoryTable, settings: Callable[..., Settings]
) -> None:
    put_in(table, request("r-1", tag="a", batchId="b-000"), request("r-1", tag="b", batchId="b-002"))
    worked = work_off(spark, TestedQueue(table), settings())
    [first], [second] = urls_in(table, "r-1", "a"), urls_in(table, "r-1", "b")
    assert Path(first).parent != Path(second).parent
    assert worked.csv_files() == sorted([first, second])


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


@pytest.mark.parametrize("keeps_processed", [True, False])
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


# Partial delivery.


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


# Who may see what.


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


# Limits.


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


def test_first_report_of_a_channel_goes_whatever_its_bytes(
    spark: SparkSession, table: MemoryTable, settings: Callable[..., Settings]
) -> None:
    limited = settings(requests={"bytes_per_channel": 1}, output={"publish_threads": 1})
    put_in(table, request("r-1", batchFilter=["b-000", "b-002"]))
    assert work_off(spark, TestedQueue(table), limited).states() == {"r-1": "SUBMITTED"}
    assert len(urls_in(table, "r-1")) == 1
    assert work_off(spark, TestedQueue(table), limited).states() == {"r-1": "SUCCESS"}
    assert len(urls_in(table, "r-1")) == 2


def test_no_wave_begins_after_the_wall_time(
    spark: SparkSession, table: MemoryTable, settings: Callable[..., Settings]
) -> None:
    put_in(table, request("r-1"), request("r-2", batchId="b-001", minutes=1))
    limited = settings(requests={"wall_time_s": 1, "reports_per_wave": 1})
    worked = work_off(spark, TestedQueue(table), limited)
    assert worked.outcome.unfinished >= 1
    assert row(table, "r-2").status == Status.SUBMITTED
    assert row(table, "r-2").iteration in (None, 0)


# Crashes, fences and faults.


class Death(BaseException):
    """What stands for the end of a process."""


class DyingStore(LocalStore):
    """A store whose driver dies at the move of certain files."""

    def __init__(self, root: Path, words: str) -> None:
        super().__init__(root)
        self._words = words

    def publish(self, source: str, target: str) -> None:
        if self._words in target and target.endswith(".csv"):
            raise Death
        super().publish(source, target)


class DeadQueue(TestedQueue):
    """A queue whose driver is gone at the moment it wants to give something back."""

    def release(self, *arguments: Any, **options: Any) -> bool:
        raise Death


def work_until_death(spark: SparkSession, table: MemoryTable, settings: Settings, words: str) -> None:
    queue = DeadQueue(table)
    with pytest.raises(Death):
        work_off(spark, queue, settings, store=DyingStore(Path(settings.output.url), words))
    queue.close_connections()


def test_ten_requests_share_a_wave_and_the_one_that_kills_every_driver_ends_alone(
    spark: SparkSession, table: MemoryTable, settings: Callable[..., Settings]
) -> None:
    lifted = settings(requests={"reports_per_channel": 100})
    put_in(table, *(request(f"r-{number}", minutes=number) for number in range(10)))
    for _ in range(3):
        work_until_death(spark, table, lifted, "r-4/")
    ended = work_off(spark, TestedQueue(table), lifted)
    assert ended.states()["r-4"] == "GAVE_UP"
    for number in range(10):
        state, iteration = row(table, f"r-{number}").status, row(table, f"r-{number}").iteration or 0
        assert state == (Status.FAILED if number == 4 else Status.SUCCESS)
        assert number == 4 or iteration <= 1
    assert all(one.status != Status.PROCESSING for one in table.rows.values())


def test_request_taken_over_uses_whole_files_again_and_makes_damaged_ones_anew(
    spark: SparkSession, world: World, table: MemoryTable, settings: Callable[..., Settings]
) -> None:
    one_a_wave = settings(spark={"learners_per_wave": 1})
    put_in(table, request("r-1", batchFilter=["b-000", "b-001", "b-002"]))
    work_until_death(spark, table, one_a_wave, "b-002")
    first = Path(one_a_wave.output.url)
    whole, damaged = (WorkedOff(first, RequestsOutcome()).path("r-1", one) for one in ("b-000", "b-001"))
    damaged.write_bytes(damaged.read_bytes().replace(b"u-0003", b"u-0004"))
    kept = whole.stat().st_mtime_ns
    worked = work_off(spark, TestedQueue(table), one_a_wave)
    assert (row(table, "r-1").status, row(table, "r-1").iteration) == (Status.SUCCESS, 1)
    assert whole.stat().st_mtime_ns == kept
    expected = expected_reports(world)
    assert worked.file("r-1", "b-000") == expected["b-000"].content
    assert worked.file("r-1", "b-001") == expected_reports(world, ROOT)["b-001"].content
    assert worked.file("r-1", "b-002") == expected["b-002"].content


@pytest.mark.parametrize("keeps_processed", [True, False], ids=["column", "manifest"])
def test_finished_files_are_used_again_within_a_submission_only(
    spark: SparkSession, table: MemoryTable, settings: Callable[..., Settings], keeps_processed: bool
) -> None:
    limited = settings(requests={"reports_per_channel": 1})
    put_in(table, request("r-1", batchFilter=["b-000", "b-002"]))
    queue = TestedQueue(table, keeps_processed=keeps_processed)
    first = work_off(spark, queue, limited).path("r-1", "b-000")
    kept = first.stat().st_mtime_ns
    work_off(spark, queue, limited)
    assert row(table, "r-1").status == Status.SUCCESS
    assert first.stat().st_mtime_ns == kept
    put_in_anew(table, "r-1", PUT_IN_AT + timedelta(days=1))
    work_off(spark, queue, settings())
    assert (row(table, "r-1").status, row(table, "r-1").iteration) == (Status.SUCCESS, 0)
    assert first.stat().st_mtime_ns != kept


def test_request_put_in_anew_runs_again_whatever_its_iteration_says(
    spark: SparkSession, table: MemoryTable, settings: Callable[..., Settings]
) -> None:
    put_in(table, request("r-1"))
    ended = row(table, "r-1")
    ended.status, ended.iteration, ended.completed_at = Status.FAILED, 3, PUT_IN_AT
    put_in_anew(table, "r-1", PUT_IN_AT + timedelta(days=1))
    work_off(spark, TestedQueue(table), settings())
    assert (row(table, "r-1").status, row(table, "r-1").iteration) == (Status.SUCCESS, 0)


class CancellingStore(LocalStore):
    """A store that sees a request cancelled once its first file is out."""

    def __init__(self, root: Path, table: MemoryTable) -> None:
        super().__init__(root)
        self._table = table

    def publish(self, source: str, target: str) -> None:
        super().publish(source, target)
        if target.endswith(".csv"):
            TestedQueue(self._table).cancel(request_id="r-1", tag=None, now=PUT_IN_AT)


def test_cancelled_request_gets_no_further_file_and_keeps_those_that_are_out(
    spark: SparkSession, table: MemoryTable, settings: Callable[..., Settings]
) -> None:
    one_by_one = settings(output={"publish_threads": 1})
    put_in(table, request("r-1", batchFilter=["b-000", "b-002"]))
    worked = work_off(spark, TestedQueue(table), one_by_one, store=CancellingStore(Path(one_by_one.output.url), table))
    closed = row(table, "r-1")
    assert (closed.status, closed.err_message) == (Status.FAILED, CANCELLED)
    assert len(urls_in(table, "r-1")) == 1
    assert worked.csv_files() == list(urls_in(table, "r-1"))
    assert worked.states() == {"r-1": "CANCELLED"}
    assert worked.outcome.unfinished == 0


def test_request_taken_over_meanwhile_is_neither_written_nor_published(
    spark: SparkSession, table: MemoryTable, settings: Callable[..., Settings]
) -> None:
    put_in(table, request("r-1"))
    queue, winner = TestedQueue(table), TestedQueue(table)

    def steal(event: object) -> None:
        if "computing" in str(event):
            queue.close_connections()
            winner.claim(RequestKey(TAG, "r-1"))

    worked = work_off(spark, queue, settings(), tell=steal)
    assert worked.csv_files() == []
    assert (row(table, "r-1").status, row(table, "r-1").iteration) == (Status.PROCESSING, 1)
    assert worked.states() == {"r-1": "LOST"}
    assert worked.outcome.unfinished == 1


def test_request_taken_over_before_anything_is_computed_gets_no_manifest_of_ours(
    spark: SparkSession, table: MemoryTable, settings: Callable[..., Settings]
) -> None:
    put_in(table, request("r-1"))
    queue, winner = TestedQueue(table), TestedQueue(table)

    def steal(event: object) -> None:
        if "finding what" in str(event):
            queue.close_connections()
            winner.claim(RequestKey(TAG, "r-1"))

    worked = work_off(spark, queue, settings(), tell=steal)
    assert not worked.path("r-1", "b-000").parent.exists()
    assert worked.states() == {"r-1": "LOST"}


def test_service_that_fails_sends_requests_back_as_they_were(
    spark: SparkSession, table: MemoryTable, settings: Callable[..., Settings], folder: Path
) -> None:
    class Away:
        def check(self) -> None:
            return None

        def states(self, collection_ids: object) -> dict[str, object]:
            raise CatalogueError("the content service does not answer")

    put_in(table, request("r-1"), request("r-2", batchId="b-001"))
    with pytest.raises(CatalogueError):
        work_off(spark, TestedQueue(table), settings(), catalogue=Away())
    assert {(one.status, one.iteration) for one in table.rows.values()} == {(Status.SUBMITTED, 0)}
    assert table.owners == {}
    assert work_off(spark, TestedQueue(table), settings()).states() == {"r-1": "SUCCESS", "r-2": "SUCCESS"}


class LostQueue(TestedQueue):
    """A queue whose database is gone once the first file is to be moved."""

    is_gone = False

    def is_ours(self, claim: Claim) -> bool:
        self._ask()
        return super().is_ours(claim)

    def release(self, claim: Claim, delivered: Delivered, *, failed_try: str = "") -> bool:
        self._ask()
        return super().release(claim, delivered, failed_try=failed_try)

    def _ask(self) -> None:
        if self.is_gone:
            raise QueueError("the request queue does not answer")


def test_nothing_is_published_once_the_queue_is_gone_and_the_next_run_does_the_work(
    spark: SparkSession, table: MemoryTable, settings: Callable[..., Settings]
) -> None:
    def lose(event: Event) -> None:
        queue.is_gone = queue.is_gone or event.sentence.startswith("computing")

    put_in(table, request("r-1"))
    queue = LostQueue(table)
    with pytest.raises(QueueError):
        work_off(spark, queue, settings(), tell=lose)
    assert list(Path(settings().output.url).rglob("*.csv")) == []
    queue.close_connections()
    worked = work_off(spark, TestedQueue(table), settings())
    assert (worked.states(), row(table, "r-1").iteration) == ({"r-1": "SUCCESS"}, 1)


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (ComputeError("Spark ran out of memory"), "Spark ran out of memory"),
        (KeyError("a defect"), "an unforeseen KeyError; see the log of the job"),
    ],
    ids=["Spark", "defect"],
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


def test_day_of_the_run_names_the_files(
    spark: SparkSession, table: MemoryTable, settings: Callable[..., Settings]
) -> None:
    put_in(table, request("r-1"))
    worked = work_off(spark, TestedQueue(table), settings(), day=date(2021, 1, 2))
    assert worked.csv_files() == ["progress-exhaust/r-1/b-000_progress_02_01_2021.csv"]
