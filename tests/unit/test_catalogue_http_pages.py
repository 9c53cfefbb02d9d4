"""The search for ids over HTTP: every page counts, and a list of pages that do not fit is begun anew."""

from __future__ import annotations

import pytest

from progress_exhaust.catalogue.port import CollectionState
from progress_exhaust.errors import SkippedReport
from tests.support.http_catalogue import (
    ABSENT,
    FIRST,
    GOOD,
    LIVE,
    MISFITS,
    RETIRED,
    WANTED,
    Index,
    Probed,
    catalogue_at,
    node,
)
from tests.support.scripted_server import Reply, ScriptedServer, found, says


@pytest.mark.parametrize(("number", "calls"), [(1, 1), (100, 1), (101, 2), (250, 3), (10_001, 101)])
def test_all_ids_are_resolved_once(number: int, calls: int) -> None:
    ids = [f"do_{index:05}" for index in range(number)]
    index = Index(*(node(identifier, "Retired" if int(identifier[3:]) % 3 else "Live") for identifier in ids))
    with ScriptedServer(index) as server, catalogue_at(server.url, concurrency=4) as http:
        states = http.states(ids)
    assert states == {identifier: RETIRED if int(identifier[3:]) % 3 else LIVE for identifier in ids}
    assert len(server.seen) == calls
    asked = [identifier for seen in server.seen for identifier in seen.body["request"]["filters"]["identifier"]]
    assert sorted(asked) == ids


def test_twins_make_a_second_page_and_do_not_count() -> None:
    ids = [f"do_{index:03}" for index in range(100)]
    nodes = [*(node(identifier, "Retired") for identifier in ids), *(node(f"{identifier}.img") for identifier in ids)]
    with ScriptedServer(Index(*nodes)) as server, catalogue_at(server.url) as http:
        assert set(http.states(ids).values()) == {RETIRED}
    assert [seen.body["request"]["offset"] for seen in server.seen] == [0, 100]


@pytest.mark.parametrize("statuses", [("Retired", "Live"), ("Live", "Retired")])
def test_live_one_of_two_nodes_with_one_id_wins(statuses: tuple[str, str]) -> None:
    reply = found(*(node("do_1", status) for status in statuses))
    with ScriptedServer(reply) as server, catalogue_at(server.url) as http:
        assert http.states(["do_1"]) == {"do_1": LIVE}


@pytest.mark.rule("C4")
@pytest.mark.parametrize(
    ("status", "state"),
    [("Live", LIVE), ("Unlisted", LIVE), ("Flagged", LIVE), ("Retired", RETIRED), ("Draft", ABSENT), ("live", ABSENT)],
)
def test_state_of_each_status(status: str, state: CollectionState) -> None:
    with ScriptedServer(found(node("do_1", status))) as server, catalogue_at(server.url) as http:
        assert http.states(["do_1"]) == {"do_1": state}


def test_ids_not_asked_for_are_ignored() -> None:
    reply = found(node("do_2"), node("DO_1"), node("do_1 "), node("do_1", "Retired"))
    with ScriptedServer(reply) as server, catalogue_at(server.url) as http:
        assert http.states(["do_1"]) == {"do_1": RETIRED}


def test_same_hit_twice_on_one_page_counts_once() -> None:
    with ScriptedServer(found(node("do_1"), node("do_1"))) as server, catalogue_at(server.url) as http:
        assert http.states(["do_1"]) == {"do_1": LIVE}


def test_service_that_leaves_the_list_out_has_found_nothing() -> None:
    reply = says(200, {"responseCode": "OK", "result": {"count": 0}})
    with ScriptedServer(reply) as server, catalogue_at(server.url) as http:
        assert http.states(["do_1"]) == {"do_1": ABSENT}
    assert len(server.seen) == 1


@pytest.mark.parametrize("pages", MISFITS.values(), ids=MISFITS)
def test_list_is_begun_anew_once_where_its_pages_do_not_fit(pages: list[Reply]) -> None:
    with ScriptedServer(*pages, *GOOD) as server, catalogue_at(server.url) as http:
        assert http.states(WANTED) == dict.fromkeys(WANTED, LIVE)
    assert len(server.seen) == len(pages) + 2


@pytest.mark.parametrize("pages", MISFITS.values(), ids=MISFITS)
def test_ids_whose_pages_do_not_fit_twice_are_asked_for_in_halves(pages: list[Reply]) -> None:
    halves = [found(*FIRST[:50]), found(*FIRST[50:])]
    with ScriptedServer(Probed(*pages, *pages, *halves)) as server, catalogue_at(server.url) as http:
        assert http.states(WANTED) == dict.fromkeys(WANTED, LIVE)
    assert len(server.seen) == 2 * len(pages) + 1 + 2


def test_id_whose_pages_never_fit_costs_itself() -> None:
    reply = found(node("do_1"), count=2)
    with ScriptedServer(Probed(reply)) as server, catalogue_at(server.url) as http:
        refusal = http.states(["do_1"])["do_1"]
    assert isinstance(refusal, SkippedReport)
    assert "search: pages that do not make one list, twice" in str(refusal)
