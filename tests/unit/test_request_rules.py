"""What a row may not ask for, how much is claimed together, and where files go that are asked for again."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from progress_exhaust.job_requests.model import Status
from progress_exhaust.report.model import Report
from tests.support.fake_engine import Rig
from tests.support.request_runs import PUT_IN_AT, put_in_anew
from tests.support.sick_requests import folder_of, put_in
from tests.support.whole_runs import DAY


@pytest.mark.rule("Q9")
def test_request_that_asks_for_a_password_fails_and_no_open_file_is_made_of_it(tmp_path: Path) -> None:
    rig = Rig(tmp_path / "out")
    put_in(rig, "r-secret", "b-0")
    put_in(rig, "r-open", "b-1", minutes=1)
    rig.row("r-secret").encryption_key = "a-key"

    outcome = rig.run()

    refused = rig.row("r-secret")
    assert (refused.status, refused.urls or ()) == (Status.FAILED, ())
    assert refused.err_message == "Files protected by a password can not be made yet; ask without one"
    assert not folder_of(rig, "r-secret").exists()
    assert rig.row("r-open").status == Status.SUCCESS
    assert outcome.unfinished == 0


@pytest.mark.rule("Q10")
@pytest.mark.parametrize("request_id", ["../up", "a/b", "..", ".hidden", "a b", "", "x" * 101, "r~1"])
def test_request_whose_id_can_not_name_a_folder_fails_before_anything_is_made(request_id: str, tmp_path: Path) -> None:
    rig = Rig(tmp_path / "out")
    put_in(rig, request_id, "b-0")

    rig.run()

    refused = rig.row(request_id)
    assert (refused.status, refused.urls or ()) == (Status.FAILED, ())
    assert refused.err_message == "The request id can not name a folder; use letters, digits, _ . -"
    assert list(tmp_path.rglob("*.csv")) == []
    assert rig.catalogue.searches == 0


@pytest.mark.rule("Q21")
def test_no_more_reports_are_claimed_together_than_the_limit_says(tmp_path: Path) -> None:
    claimed_while_making: list[int] = []

    def count(_: Report) -> None:
        claimed_while_making.append(sum(row.status == Status.PROCESSING for row in rig.table.rows.values()))

    rig = Rig(tmp_path / "out", sections={"requests": {"reports_per_wave": 2}}, before_publishing=count)
    for number in range(4):
        put_in(rig, f"r-{number}", f"b-{number}", minutes=number)

    rig.run()

    assert {row.status for row in rig.table.rows.values()} == {Status.SUCCESS}
    assert len(claimed_while_making) == 4
    assert max(claimed_while_making) <= 2


@pytest.mark.rule("Q25")
def test_request_put_in_anew_replaces_its_files_of_that_day_and_leaves_those_of_another(tmp_path: Path) -> None:
    rig = Rig(tmp_path / "out")
    put_in(rig, "r-1", "b-0")
    rig.run()
    [first] = folder_of(rig, "r-1").glob("*.csv")
    first.write_text("of the first submission\n", encoding="utf-8")
    made = []
    for days in (0, 1):
        put_in_anew(rig.table, "r-1", PUT_IN_AT + timedelta(hours=days + 1))
        rig.day = DAY + timedelta(days=days)
        rig.run()
        assert rig.row("r-1").status == Status.SUCCESS
        made.append({path.name: path.read_text(encoding="utf-8") for path in folder_of(rig, "r-1").glob("*.csv")})
    assert list(made[0]) == [first.name]
    assert made[0][first.name] != "of the first submission\n"
    assert made[1].keys() > made[0].keys()
    assert len(made[1]) == 2
    assert made[1][first.name] == made[0][first.name]
