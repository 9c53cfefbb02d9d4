"""What a JVM that is killed, lost or stopped costs the requests that were at work."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from progress_exhaust.job_requests.model import Status
from progress_exhaust.jvm_end import JvmEnd
from tests.support.fake_engine import Rig
from tests.support.request_runs import PUT_IN_AT, put_in_anew
from tests.support.sick_requests import put_in


def lose_jvm(rig: Rig, end: JvmEnd) -> None:
    rig.jvm, rig.keep_broken = end, True
    rig.breaking["b-0"] = ConnectionError("the gateway is gone")
    with pytest.raises(Exception, match="JVM of the Spark driver is gone"):
        rig.run()


@pytest.mark.rule("Q4")
def test_killed_jvm_is_charged_to_nobody_twice_a_submission(tmp_path: Path) -> None:
    rig = Rig(tmp_path / "out")
    put_in(rig, "r-1", "b-0")
    row = rig.row("r-1")
    seen = []
    for _ in range(4):
        lose_jvm(rig, JvmEnd.KILLED)
        seen.append((row.status, row.iteration))
    assert seen == [(Status.SUBMITTED, number) for number in (0, 0, 1, 2)]
    lose_jvm(rig, JvmEnd.KILLED)
    assert (row.status, row.err_message) == (
        Status.FAILED,
        "Given up after 3 tries: the JVM of its driver came to an end",
    )
    put_in_anew(rig.table, "r-1", PUT_IN_AT.replace(year=2021))
    lose_jvm(rig, JvmEnd.KILLED)
    assert (row.status, row.iteration) == (Status.SUBMITTED, 0)


def test_lost_jvm_is_charged_to_all_that_were_at_work_and_each_is_then_tried_alone(tmp_path: Path) -> None:
    rig = Rig(tmp_path / "out")
    for number in range(3):
        put_in(rig, f"r-{number}", f"b-{number}", minutes=number)
    rig.before_publishing = lambda report: wait_for_breaking.wait(1)
    wait_for_breaking = threading.Event()
    lose_jvm(rig, JvmEnd.LOST)
    charged = {key.request_id for key, row in rig.table.rows.items() if row.iteration}
    assert "r-0" in charged
    rig.jvm, rig.keep_broken, rig.breaking = JvmEnd.ALIVE, False, {}
    rig.events.clear()
    rig.run()
    assert {row.status for row in rig.table.rows.values()} == {Status.SUCCESS}
    rounds = [event.sentence for event in rig.events if event.sentence.startswith("finding what")]
    assert rounds.count("finding what 1 request means") >= len(charged)


@pytest.mark.rule("Q4")
def test_stopped_jvm_is_charged_to_nobody(tmp_path: Path) -> None:
    rig = Rig(tmp_path / "out")
    put_in(rig, "r-1", "b-0")
    lose_jvm(rig, JvmEnd.STOPPED) if False else None
    rig.jvm, rig.keep_broken = JvmEnd.STOPPED, True
    rig.breaking["b-0"] = ConnectionError("the gateway is gone")
    with pytest.raises(ConnectionError):
        rig.run()
    assert (rig.row("r-1").status, rig.row("r-1").iteration) == (Status.SUBMITTED, 0)
