"""A sick request under a watching driver, among searches, and while others change it: it has one outcome."""

from __future__ import annotations

import threading
from pathlib import Path
from random import Random

import pytest

from progress_exhaust.job_requests.memory import MemoryQueue
from progress_exhaust.job_requests.model import CANCELLED, Claim, Closing, Status
from progress_exhaust.job_requests.quotas import RetryPause
from tests.support.fake_engine import Rig
from tests.support.request_runs import PUT_IN_AT, put_in_anew
from tests.support.sick_requests import folder_of, put_in, search


@pytest.mark.rule("Q4")
def test_watching_driver_leaves_a_sick_request_alone_for_a_while(tmp_path: Path) -> None:
    now = [0.0]
    rig = Rig(tmp_path / "out", pause=RetryPause(600.0, lambda: now[0]))
    put_in(rig, "r-sick", "b-0")
    rig.catalogue.without_tree.add("do_0")
    iterations = []
    for at in (0.0, 60.0, 599.0, 600.0, 660.0, 1200.0):
        now[0] = at
        put_in(rig, f"r-{at}", "b-1", minutes=1)
        rig.run()
        assert rig.row(f"r-{at}").status == Status.SUCCESS
        iterations.append(rig.row("r-sick").iteration)
    assert iterations == [1, 1, 1, 2, 2, 3]


@pytest.mark.rule("Q12")
def test_request_that_searches_is_not_searched_anew_by_a_later_run(tmp_path: Path) -> None:
    rig = Rig(tmp_path / "out", size=3, sections={"requests": {"bytes_per_channel": 1}})
    for tree in rig.catalogue.trees.values():
        tree["name"] = "same"
    put_in(rig, "r-1", searchFilter=search("same"))
    runs = 0
    while rig.row("r-1").status != Status.SUCCESS:
        rig.run()
        runs += 1
        assert runs < 5
    assert runs > 1
    assert rig.catalogue.searches == 1
    assert len(rig.row("r-1").urls or ()) == 3


@pytest.mark.rule("Q17", "Q18")
def test_search_may_take_its_channel_over_the_limit_once_a_run_and_has_a_limit_of_its_own(tmp_path: Path) -> None:
    limits = {"reports_per_channel": 2, "reports_per_request": 1, "reports_per_search": 3}
    rig = Rig(tmp_path / "out", size=7, sections={"requests": limits})
    for number, name in enumerate(("a", "a", "a", "b", "b", "b", "b")):
        rig.catalogue.trees[f"do_{number}"]["name"] = name
    put_in(rig, "r-a", searchFilter=search("a"))
    put_in(rig, "r-b", searchFilter=search("b"), minutes=1)
    put_in(rig, "r-c", searchFilter=search("a"), minutes=2)
    rig.run()
    assert (rig.row("r-a").status, len(rig.row("r-a").urls or ())) == (Status.SUCCESS, 3)
    assert rig.row("r-b").err_message == "Number of batches in request exceeded. It should be within 3"
    assert rig.row("r-c").status == Status.SUBMITTED
    rig.run()
    assert rig.row("r-c").status == Status.SUCCESS


@pytest.mark.parametrize("seed", range(20))
def test_request_that_is_cancelled_taken_over_or_put_in_anew_meanwhile_has_one_outcome(
    tmp_path: Path, seed: int
) -> None:
    """Eight threads publish; what happens to the row, and when, is drawn."""
    random = Random(seed)
    what = ("cancel", "take over", "put in anew", "ask for something else")[seed % 4]
    moment = random.randint(0, 40)
    looks = [0]
    guard = threading.Lock()

    class Interrupted(MemoryQueue):
        """A queue to whose row something happens at the drawn look, straight before or after it."""

        def is_ours(self, claim: Claim) -> bool:
            self._happen(before=True)
            answer = super().is_ours(claim)
            self._happen(before=False)
            return answer

        def complete(self, claim: Claim, closing: Closing) -> bool:
            self._happen(before=True)
            return super().complete(claim, closing)

        def _happen(self, *, before: bool) -> None:
            with guard:
                looks[0] += 1
                is_it = looks[0] == moment
            if is_it:
                happen()

    rig = Rig(tmp_path / "out", size=16)
    put_in(rig, "r-1", *(f"b-{number}" for number in range(16)))
    put_in(rig, "r-2", "b-1", minutes=1)
    happened = []
    taker = MemoryQueue(rig.table, rig.settings.requests, now=lambda: PUT_IN_AT)

    def happen() -> None:
        row = rig.row("r-1")
        happened.append(row.status)
        if row.status != Status.PROCESSING:
            return
        if what == "cancel":
            other = MemoryQueue(rig.table, rig.settings.requests, now=lambda: PUT_IN_AT)
            other.cancel(request_id="r-1", tag=None, now=PUT_IN_AT)
        elif what == "take over":
            key = next(key for key in rig.table.owners if key.request_id == "r-1")
            del rig.table.owners[key]  # our connection was lost, and the lock with it
            assert isinstance(taker.claim(key), Claim)
        elif what == "put in anew":
            put_in_anew(rig.table, "r-1", PUT_IN_AT.replace(year=2021))
        else:
            row.request_data = '{"batchId":"b-1"}'

    rig.make_queue = lambda table, settings: Interrupted(table, settings.requests, now=lambda: PUT_IN_AT)
    outcome = rig.run()

    states = [one.state for one in outcome.results if one.key.request_id == "r-1"]
    assert len(states) == 1
    assert rig.row("r-2").status == Status.SUCCESS
    row = rig.row("r-1")
    out = {f"progress-exhaust/r-1/{path.name}" for path in folder_of(rig, "r-1").glob("*.csv")}
    if happened == [Status.PROCESSING] and what == "cancel":
        assert states == ["CANCELLED"]
        assert (row.status, row.err_message) == (Status.FAILED, CANCELLED)
        assert set(row.urls or ()) == out, "all that is out is listed"
        assert outcome.unfinished == 0
    elif happened == [Status.PROCESSING]:
        assert states == ["LOST"]
        assert outcome.unfinished == 1
    else:
        assert states == ["SUCCESS"]
        assert len(out) == 16
    is_taken = happened == [Status.PROCESSING] and what == "take over"
    assert [(key.request_id, owner) for key, owner in rig.table.owners.items()] == [("r-1", taker)] * is_taken
    assert (row.status, row.iteration) == (Status.PROCESSING, 1) or not is_taken
