"""One driver at its run: how many requests it takes, what it says of the time left, and what it tries once more."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path

import pytest

from progress_exhaust.errors import ComputeError, QueueError
from progress_exhaust.export.run import Event
from progress_exhaust.job_requests.memory import MemoryQueue
from progress_exhaust.job_requests.model import Claim, Delivered, RequestKey, Status
from progress_exhaust.job_requests.progress import PROGRESS_FOLDER, progress_of
from progress_exhaust.jvm_end import JvmEnd
from progress_exhaust.log_actions import Action
from progress_exhaust.output.stores.local import LocalStore
from progress_exhaust.worker.outcome import JobEnd
from progress_exhaust.worker.worker import RequestFilter
from tests.support.fake_engine import Rig
from tests.support.request_runs import PUT_IN_AT, TAG, put_in_anew, request

KEY = RequestKey(TAG, "r-1")


def put_in(rig: Rig, request_id: str, *batch_ids: str, minutes: int = 0) -> None:
    queue = MemoryQueue(rig.table, rig.settings.requests, now=lambda: PUT_IN_AT)
    queue.submit(request(request_id, minutes=minutes, batchFilter=list(batch_ids)))


def test_as_many_requests_are_taken_as_may_be(tmp_path: Path) -> None:
    rig = Rig(tmp_path / "out")
    for number in range(3):
        put_in(rig, f"r-{number}", f"b-{number}", minutes=number)
    rig.run(RequestFilter(most=2))
    states = [rig.row(f"r-{number}").status for number in range(3)]
    assert states == [Status.SUCCESS, Status.SUCCESS, Status.SUBMITTED]


def test_time_left_is_unknown_before_the_first_file_and_none_after_the_last(tmp_path: Path) -> None:
    told: list[str] = []

    class Listening(LocalStore):
        def write_text(self, path: str, lines: Iterable[str]) -> int:
            lines = list(lines)
            if f"/{PROGRESS_FOLDER}/" in path:
                told.extend(lines)
            return super().write_text(path, lines)

    rig = Rig(tmp_path / "out", make_store=Listening, sections={"requests": {"progress_every_s": 0.000_001}})
    put_in(rig, "r-1", "b-0", "b-1")
    rig.run()
    left = {progress.files: progress.seconds_left for progress in map(progress_of, told) if progress}
    assert left[0] is None
    assert left[2] == 0


def test_request_that_could_not_be_given_back_is_tried_once_more_when_the_driver_leaves(tmp_path: Path) -> None:
    failures = [QueueError("asking PostgreSQL: no connection")]

    class FailingOnce(MemoryQueue):
        def requeue(self, claim: Claim, delivered: Delivered, *, failed_try: str = "") -> bool:
            if failures:
                raise failures.pop()
            return super().requeue(claim, delivered, failed_try=failed_try)

    rig = Rig(
        tmp_path / "out",
        breaking={"b-0": ComputeError("the JVM is gone")},
        jvm=JvmEnd.KILLED,
        make_queue=lambda table, settings: FailingOnce(table, settings.requests, now=lambda: PUT_IN_AT),
    )
    put_in(rig, "r-1", "b-0")
    with pytest.raises(ComputeError):
        rig.run()
    assert [event.action for event in rig.events if event.action in ("left", "given_back")] == ["left", "given_back"]
    assert rig.row("r-1").status == Status.SUBMITTED


def test_file_of_a_request_that_was_put_in_anew_meanwhile_is_not_published(tmp_path: Path) -> None:
    later = PUT_IN_AT + timedelta(hours=1)
    rig: Rig = Rig(tmp_path / "out", before_publishing=lambda report: put_in_anew(rig.table, "r-1", later))
    put_in(rig, "r-1", "b-0")
    outcome = rig.run()
    assert [one.state for one in outcome.results] == [JobEnd.LOST]
    assert outcome.made == []
    assert list((tmp_path / "out").rglob("*.csv")) == []


@pytest.mark.parametrize(
    ("spoil", "action"),
    [
        pytest.param({"sick_searches": {"course"}}, "charged", id="a fault that may pass"),
        pytest.param({"refused_searches": {"course"}}, "retry", id="a fault of what is asked for"),
    ],
)
def test_log_tells_whether_a_fault_is_charged_to_the_request(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, spoil: dict[str, set[str]], action: str
) -> None:
    caplog.set_level(logging.DEBUG, logger="progress_exhaust.worker.finisher")
    rig = Rig(tmp_path / "out")
    for name, searches in spoil.items():
        setattr(rig.catalogue, name, searches)
    queue = MemoryQueue(rig.table, rig.settings.requests, now=lambda: PUT_IN_AT)
    queue.submit(request("r-1", searchFilter={"request": {"filters": {"name": "course"}}}))
    rig.run()
    told = [vars(record)["action"] for record in caplog.records if "search: failed" in record.getMessage()]
    assert told == [action]


def test_row_that_somebody_else_has_locked_is_ended_as_soon_as_they_let_go(tmp_path: Path) -> None:
    rig: Rig = Rig(tmp_path / "out", before_publishing=lambda report: rig.table.locked.add(KEY))
    put_in(rig, "r-1", "b-0")

    def let_go(event: Event) -> None:
        if event.action == Action.WAITING:
            rig.table.locked.clear()

    outcome = rig.run(tell=let_go)

    assert [event.action for event in rig.events].count(Action.WAITING) == 1
    assert [one.state for one in outcome.results] == [JobEnd.SUCCESS]
    assert rig.row("r-1").status == Status.SUCCESS


def test_request_on_which_too_many_drivers_have_died_is_given_up(tmp_path: Path) -> None:
    rig = Rig(tmp_path / "out")
    put_in(rig, "r-1", "b-0")
    row = rig.row("r-1")
    row.status, row.iteration = Status.PROCESSING, rig.settings.requests.tries - 1

    outcome = rig.run()

    assert [one.state for one in outcome.results] == [JobEnd.ABANDONED]
    assert [event.action for event in rig.events if event.request_id == "r-1"] == [Action.ABANDONED]
    assert row.status == Status.FAILED


def test_row_that_somebody_else_has_locked_is_passed_over_and_taken_in_the_same_run(tmp_path: Path) -> None:
    rig = Rig(tmp_path / "out")
    put_in(rig, "r-1", "b-0")
    rig.table.locked.add(KEY)

    def let_go(event: Event) -> None:
        if event.action == Action.LOCKED:
            rig.table.locked.clear()

    outcome = rig.run(tell=let_go)

    assert [event.action for event in rig.events].count(Action.LOCKED) == 1
    assert [one.state for one in outcome.results] == [JobEnd.SUCCESS]
