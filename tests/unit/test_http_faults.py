"""Faults of the content service: who bears witness of its health, what ends a row of failures, what is tried again."""

from __future__ import annotations

import pytest

from progress_exhaust.catalogue.http.catalogue import HttpCatalogue
from progress_exhaust.catalogue.http.client import Patience, RequestGivenUp
from progress_exhaust.catalogue.http.guarded import GuardedRequests
from progress_exhaust.catalogue.http.transport import RequestFailed
from progress_exhaust.errors import CatalogueError, SkippedReport
from progress_exhaust.settings.sections import CatalogueSettings
from tests.support.scripted_server import Handler, ScriptedServer, found, says, tree_of


def catalogue_at(url: str, down_after: int = 5) -> HttpCatalogue:
    settings = CatalogueSettings(
        search_url=f"{url}/search", hierarchy_url=f"{url}/tree", concurrency=1, tries=1, down_after=down_after
    )
    return HttpCatalogue(settings, sleep=lambda _: None, monotonic=lambda: 0.0, random=lambda: 0.0)


def test_only_the_two_trees_that_came_last_are_witnesses() -> None:
    sick: set[str] = set()

    def answer(handler: Handler) -> None:
        is_sick = handler.path.rpartition("/")[2] in sick
        (found() if handler.command == "POST" else says(500) if is_sick else tree_of({"children": []}))(handler)

    with ScriptedServer(answer) as server, catalogue_at(server.url) as http:
        for collection_id in ("do_1", "do_2", "do_3"):
            http.tree(collection_id)
        sick |= {"do_2", "do_3", "do_4"}
        with pytest.raises(CatalogueError):
            http.tree("do_4")
        asked = [seen.path for seen in server.seen]
    assert asked[:5] == ["/tree/do_1", "/tree/do_2", "/tree/do_3", "/tree/do_4", "/search"]
    assert set(asked[5:]) == {"/tree/do_3", "/tree/do_2"}


@pytest.mark.parametrize("between", [404, 200], ids=["unknown", "unreadable"])
def test_answer_that_holds_no_tree_ends_a_row_of_failures_all_the_same(between: int) -> None:
    statuses = {"do_1": 500, "do_2": 500, "do_3": between, "do_4": 500}

    def answer(handler: Handler) -> None:
        (found() if handler.command == "POST" else says(statuses[handler.path.rpartition("/")[2]], b"{"))(handler)

    with ScriptedServer(answer) as server, catalogue_at(server.url, down_after=2) as http:
        for collection_id in statuses:
            with pytest.raises(SkippedReport):
                http.tree(collection_id)
        probes = [seen.path for seen in server.seen].count("/search")
    assert probes == 1, "the first failure has the service probed, and no two in a row come after it"


def test_failure_without_a_second_try_leaves_the_further_tries_of_others_as_they_are() -> None:
    guarded = GuardedRequests(CatalogueSettings(tries=3, down_after=1), monotonic=lambda: 0.0)
    patiences: list[Patience] = []

    def answer(patience: Patience) -> None:
        patiences.append(patience)

    def fail(*tries: int) -> None:
        def request(_: Patience) -> None:
            raise RequestGivenUp("searching", "HTTP 500", RequestFailed("HTTP 500"), *tries, expected="", remedy="")

        with pytest.raises(RequestGivenUp):
            guarded.send(request)

    fail()
    fail(3)
    guarded.send(answer)
    assert [one.tries for one in patiences] == [2], "both further tries that there are have come to nothing"


def test_search_for_ids_that_finds_more_than_can_be_paged_through_is_no_fault_that_passes() -> None:
    told = pytest.raises(CatalogueError, match="expected at most two for each id")
    with ScriptedServer(found(count=10_001)) as server, catalogue_at(server.url) as http, told as caught:
        http.states(["do_1"])
    assert not caught.value.transient, "the address is wrong; a driver that watches must not go on"


def test_call_of_a_catalogue_that_is_closed_is_not_tried_again() -> None:
    slept: list[float] = []
    http = HttpCatalogue(CatalogueSettings(tries=3), sleep=slept.append, random=lambda: 1.0)
    http.close()
    with pytest.raises(CatalogueError, match=r"client closed, expected"):
        http.tree("do_1")
    assert slept == []
