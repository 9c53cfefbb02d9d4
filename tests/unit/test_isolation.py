"""One odd thing costs only itself: what becomes of a sick request, and of those beside it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from progress_exhaust.errors import CatalogueError, OutputError, QueueError
from progress_exhaust.job_requests.memory import MemoryQueue
from progress_exhaust.job_requests.model import CANCELLED, Claim, Closing, NotClaimed, RequestKey, Status
from progress_exhaust.job_requests.quotas import RetryPause
from progress_exhaust.jvm_end import JvmEnd
from progress_exhaust.output.stores.local import LocalStore
from tests.support.fake_engine import Rig, content_of
from tests.support.request_runs import PUT_IN_AT, put_in_anew, request

TRIES = 3


def put_in(rig: Rig, request_id: str, *batch_ids: str, minutes: int = 0, **data: Any) -> None:
    asked = data or {"batchFilter": list(batch_ids)}
    queue = MemoryQueue(rig.table, rig.settings.requests, now=lambda: PUT_IN_AT)
    queue.submit(request(request_id, minutes=minutes, **asked))


def search(name: str) -> dict[str, object]:
    return {"request": {"filters": {"name": name}}}


def folder_of(rig: Rig, request_id: str) -> Path:
    return rig.folder / "progress-exhaust" / request_id


# --- ways to be sick: each makes the request r-sick, which asks for b-0, and spoils it --------------------------------


def sick_tree(rig: Rig) -> str:
    put_in(rig, "r-sick", "b-0")
    rig.catalogue.without_tree.add("do_0")
    return "tree of do_0"


def sick_search(rig: Rig) -> str:
    put_in(rig, "r-sick", searchFilter=search("course do_0"))
    rig.catalogue.sick_searches.add("course do_0")
    return "searching the collections"


def folder_is_a_file(rig: Rig) -> str:
    put_in(rig, "r-sick", "b-0")
    folder_of(rig, "r-sick").parent.mkdir(parents=True)
    folder_of(rig, "r-sick").write_text("somebody's", encoding="utf-8")
    return "r-sick"


def target_is_a_directory(rig: Rig) -> str:
    put_in(rig, "r-sick", "b-0")
    (folder_of(rig, "r-sick") / "b-0_progress_26_08_2020.csv").mkdir(parents=True)
    return "a directory stands in its place"


def defect(rig: Rig) -> str:
    put_in(rig, "r-sick", "b-0")
    rig.breaking["b-0"] = KeyError("x")
    return "an unforeseen KeyError"


def row_that_can_not_be_closed(rig: Rig) -> str:
    put_in(rig, "r-sick", "b-0")

    class Refusing(MemoryQueue):
        def close(self, claim: Claim, closing: Closing) -> bool:
            if claim.key.request_id == "r-sick" and closing.status is Status.SUCCESS:
                raise QueueError("asking PostgreSQL: refused with code P0001; see its log")
            return super().close(claim, closing)

    rig.make_queue = lambda table, settings: Refusing(table, settings.requests, now=lambda: PUT_IN_AT)
    return "refused with code P0001"


WAYS: list[Callable[[Rig], str]] = [
    sick_tree,
    sick_search,
    folder_is_a_file,
    target_is_a_directory,
    defect,
    row_that_can_not_be_closed,
]


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_sick_request_costs_only_itself_and_ends_after_its_tries(way: Callable[[Rig], str], tmp_path: Path) -> None:
    rig = Rig(tmp_path / "out")
    cause = way(rig)
    put_in(rig, "r-1", "b-1", minutes=1)
    put_in(rig, "r-2", "b-2", "b-3", minutes=2)

    rig.run()

    for request_id, batch_ids in (("r-1", ["b-1"]), ("r-2", ["b-2", "b-3"])):
        assert rig.row(request_id).status == Status.SUCCESS
        assert [rig.file(request_id, one) for one in batch_ids] == [content_of(one) for one in batch_ids]
    sick = rig.row("r-sick")
    assert (sick.status, sick.iteration) == (Status.SUBMITTED, 1)
    assert sick.err_message is not None
    assert sick.err_message.startswith("Try 1 of 3 failed: ")
    assert cause in sick.err_message
    for _ in range(TRIES - 2):
        assert rig.run().unfinished == 1
    assert sick.status == Status.SUBMITTED
    rig.run()
    assert (sick.status, sick.iteration) == (Status.FAILED, TRIES)
    assert sick.err_message.startswith("Given up after 3 tries: ")
    assert cause in sick.err_message
    assert rig.run().due == 0
    assert rig.table.owners == {}


def test_manifest_that_can_not_be_written_keeps_no_file_from_being_listed(tmp_path: Path) -> None:
    rig = Rig(tmp_path / "out")
    put_in(rig, "r-sick", "b-0")
    (folder_of(rig, "r-sick") / "manifest.json").mkdir(parents=True)
    sick = rig.row("r-sick")
    for number in (1, 2):
        rig.run()
        assert (sick.status, sick.iteration) == (Status.SUBMITTED, number)
        assert sick.urls == ("progress-exhaust/r-sick/b-0_progress_26_08_2020.csv",)
    rig.run()
    assert (sick.status, sick.iteration) == (Status.SUCCESS, 3)
    assert sick.urls == ("progress-exhaust/r-sick/b-0_progress_26_08_2020.csv",)
    assert (sick.err_message or "").startswith("Given up after 3 tries: ")
    assert rig.file("r-sick", "b-0") == content_of("b-0")


def test_batches_that_can_be_made_are_out_from_the_first_try_on_and_the_others_named_at_the_end(tmp_path: Path) -> None:
    rig = Rig(tmp_path / "out")
    put_in(rig, "r-1", "b-0", "b-1")
    rig.catalogue.without_tree.add("do_0")
    row = rig.row("r-1")
    rig.run()
    made_at = next(folder_of(rig, "r-1").glob("b-1_*.csv")).stat().st_mtime_ns
    assert (row.status, row.iteration, len(row.urls or ())) == (Status.SUBMITTED, 1, 1)
    rig.run()
    rig.run()
    assert (row.status, row.err_message) == (Status.SUCCESS, "1 of 2 not made: b-0 (tree unavailable)")
    assert len(row.urls or ()) == 1
    assert next(folder_of(rig, "r-1").glob("b-1_*.csv")).stat().st_mtime_ns == made_at


def test_request_gets_well_within_its_tries(tmp_path: Path) -> None:
    rig = Rig(tmp_path / "out")
    put_in(rig, "r-1", "b-0")
    rig.catalogue.without_tree.add("do_0")
    rig.run()
    rig.catalogue.without_tree.clear()
    rig.run()
    row = rig.row("r-1")
    assert (row.status, row.iteration, row.err_message) == (Status.SUCCESS, 1, None)


def test_request_put_in_anew_has_all_its_tries(tmp_path: Path) -> None:
    rig = Rig(tmp_path / "out")
    put_in(rig, "r-1", "b-0")
    rig.catalogue.without_tree.add("do_0")
    for _ in range(TRIES):
        rig.run()
    assert rig.row("r-1").status == Status.FAILED
    put_in_anew(rig.table, "r-1", PUT_IN_AT)
    rig.run()
    assert (rig.row("r-1").status, rig.row("r-1").iteration) == (Status.SUBMITTED, 1)


def test_service_that_is_down_is_charged_to_nobody_and_ends_the_run(tmp_path: Path) -> None:
    rig = Rig(tmp_path / "out")
    for number in range(3):
        put_in(rig, f"r-{number}", f"b-{number}")

    def go_down(event: object) -> None:
        rig.catalogue.is_down = "finding what" in str(event)

    with pytest.raises(CatalogueError):
        rig.run(tell=go_down)
    assert {(row.status, row.iteration) for row in rig.table.rows.values()} == {(Status.SUBMITTED, 0)}
    assert rig.table.owners == {}


def test_output_place_that_fails_is_charged_to_nobody(tmp_path: Path) -> None:
    class Full(LocalStore):
        is_full = False

        def publish(self, source: str, target: str) -> None:
            Full.is_full = True
            raise OutputError("publishing: no space left; check output.url, its space and its rights")

        def check(self) -> None:
            if self.is_full:
                raise OutputError("writing: no space left; check output.url, its space and its rights")
            super().check()

    rig = Rig(tmp_path / "out", make_store=Full)
    put_in(rig, "r-1", "b-1")
    put_in(rig, "r-2", "b-2")
    with pytest.raises(OutputError):
        rig.run()
    assert {(row.status, row.iteration) for row in rig.table.rows.values()} == {(Status.SUBMITTED, 0)}


@pytest.mark.parametrize("when", ["first", "second", "all"])
def test_whatever_ends_the_claiming_releases_what_was_claimed(tmp_path: Path, when: str) -> None:
    class Failing(MemoryQueue):
        claims = 0

        def claim(self, key: RequestKey) -> Claim | NotClaimed:
            Failing.claims += 1
            if when == "all" or Failing.claims == (1 if when == "first" else 2):
                raise QueueError("the request queue does not answer")
            return super().claim(key)

    rig = Rig(tmp_path / "out")
    rig.make_queue = lambda table, settings: Failing(table, settings.requests, now=lambda: PUT_IN_AT)
    for number in range(3):
        put_in(rig, f"r-{number}", f"b-{number}", minutes=number)
    with pytest.raises(QueueError):
        rig.run()
    assert {(row.status, row.iteration or 0) for row in rig.table.rows.values()} == {(Status.SUBMITTED, 0)}


def test_files_that_are_out_stay_listed_where_a_later_run_fails_before_it_knows_them(tmp_path: Path) -> None:
    rig = Rig(tmp_path / "out", sections={"requests": {"reports_per_channel": 1}})
    put_in(rig, "r-1", "b-1", "b-2")
    rig.run()
    listed = rig.row("r-1").urls
    assert listed
    processed = rig.row("r-1").processed

    def go_down(event: object) -> None:
        rig.catalogue.is_down = "finding what" in str(event)

    with pytest.raises(CatalogueError):
        rig.run(tell=go_down)
    assert (rig.row("r-1").urls, rig.row("r-1").processed) == (listed, processed)


# --- the JVM ----------------------------------------------------------------------------------------------------------


def lose_jvm(rig: Rig, end: JvmEnd) -> None:
    rig.jvm, rig.keep_broken = end, True
    rig.breaking["b-0"] = ConnectionError("the gateway is gone")
    with pytest.raises(Exception, match="JVM of the Spark driver is gone"):
        rig.run()


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


def test_stopped_jvm_is_charged_to_nobody(tmp_path: Path) -> None:
    rig = Rig(tmp_path / "out")
    put_in(rig, "r-1", "b-0")
    lose_jvm(rig, JvmEnd.STOPPED) if False else None
    rig.jvm, rig.keep_broken = JvmEnd.STOPPED, True
    rig.breaking["b-0"] = ConnectionError("the gateway is gone")
    with pytest.raises(ConnectionError):
        rig.run()
    assert (rig.row("r-1").status, rig.row("r-1").iteration) == (Status.SUBMITTED, 0)


# --- watching, searches, locks ----------------------------------------------------------------------------------------


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


# --- settled once -----------------------------------------------------------------------------------------------------


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

        def close(self, claim: Claim, closing: Closing) -> bool:
            self._happen(before=True)
            return super().close(claim, closing)

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

    states = [one.state for one in outcome.settled if one.key.request_id == "r-1"]
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


# --- any subset -------------------------------------------------------------------------------------------------------


@given(data=st.data())
def test_any_sick_collections_and_requests_leave_exactly_the_others_made(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    rig = Rig(tmp_path_factory.mktemp("any") / "out", size=5)
    sick_trees = data.draw(st.sets(st.sampled_from(sorted(rig.catalogue.trees))))
    sick_folders = data.draw(st.sets(st.integers(0, 5)))
    asked = data.draw(st.lists(st.sets(st.sampled_from(sorted(rig.batches)), min_size=1), min_size=1, max_size=6))
    rig.catalogue.without_tree |= sick_trees
    for number, batch_ids in enumerate(asked):
        put_in(rig, f"r-{number}", *sorted(batch_ids), minutes=number)
        if number in sick_folders:
            folder_of(rig, f"r-{number}").parent.mkdir(parents=True, exist_ok=True)
            folder_of(rig, f"r-{number}").touch()

    def made_of(number: int) -> list[str]:
        if number in sick_folders:
            return []
        return [one for one in sorted(asked[number]) if rig.batches[one] not in sick_trees]

    rig.run()
    for number, batch_ids in enumerate(asked):
        row = rig.row(f"r-{number}")
        is_whole = len(made_of(number)) == len(batch_ids)
        assert row.status == (Status.SUCCESS if is_whole else Status.SUBMITTED)
        assert (row.iteration or 0) == (0 if is_whole else 1)
        assert [url.rpartition("/")[2].partition("_")[0] for url in row.urls or ()] == made_of(number)
    for _ in range(TRIES - 1):
        rig.run()
    for number, batch_ids in enumerate(asked):
        row = rig.row(f"r-{number}")
        assert row.status == (Status.SUCCESS if made_of(number) else Status.FAILED)
        assert [url.rpartition("/")[2].partition("_")[0] for url in row.urls or ()] == made_of(number)
        assert bool(row.err_message) == (len(made_of(number)) < len(batch_ids))
    assert rig.table.owners == {}
