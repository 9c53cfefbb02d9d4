"""One odd thing costs only itself: what becomes of a sick request, and of those beside it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from progress_exhaust.errors import CatalogueError, OutputError, QueueError
from progress_exhaust.job_requests.memory import MemoryQueue
from progress_exhaust.job_requests.model import Claim, Closing, NotClaimed, RequestKey, Status
from progress_exhaust.output.stores.local import LocalStore
from tests.support.fake_engine import Rig, content_of
from tests.support.request_runs import PUT_IN_AT, put_in_anew
from tests.support.sick_requests import folder_of, put_in, search

TRIES = 3


# Ways to be sick: each makes the request r-sick, which asks for b-0, and spoils it.


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
        def complete(self, claim: Claim, closing: Closing) -> bool:
            if claim.key.request_id == "r-sick" and closing.status is Status.SUCCESS:
                raise QueueError("asking PostgreSQL: refused with code P0001; see its log")
            return super().complete(claim, closing)

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


@pytest.mark.rule("Q4", "Q13", "Q22", "Q26")
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


@pytest.mark.rule("Q22")
def test_request_gets_well_within_its_tries(tmp_path: Path) -> None:
    rig = Rig(tmp_path / "out")
    put_in(rig, "r-1", "b-0")
    rig.catalogue.without_tree.add("do_0")
    rig.run()
    rig.catalogue.without_tree.clear()
    rig.run()
    row = rig.row("r-1")
    assert (row.status, row.iteration, row.err_message) == (Status.SUCCESS, 1, None)


@pytest.mark.rule("Q6")
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


@pytest.mark.rule("Q4")
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


@pytest.mark.rule("Q4")
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
