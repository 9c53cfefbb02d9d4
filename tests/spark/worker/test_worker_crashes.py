"""Drivers that work the queue off: what becomes of requests when drivers die, or lose what they hold."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from progress_exhaust.errors import CatalogueError, QueueError
from progress_exhaust.export.run import Event
from progress_exhaust.job_requests.memory_table import MemoryTable
from progress_exhaust.job_requests.model import CANCELLED, Claim, Delivered, RequestKey, Status
from progress_exhaust.output.stores.local import LocalStore
from progress_exhaust.settings.sections import Settings
from progress_exhaust.worker.outcome import RequestsOutcome
from tests.reference.report import expected_reports
from tests.support.request_runs import PUT_IN_AT, TAG, TestedQueue, WorkedOff, put_in_anew, request, work_off
from tests.support.worker_requests import ROOT, put_in, row, urls_in
from tests.worlds import World


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

    def requeue(self, *arguments: Any, **options: Any) -> bool:
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


@pytest.mark.rule("Q30")
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


@pytest.mark.rule("Q6")
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


@pytest.mark.rule("Q6")
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

    def requeue(self, claim: Claim, delivered: Delivered, *, failed_try: str = "") -> bool:
        self._ask()
        return super().requeue(claim, delivered, failed_try=failed_try)

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
