"""The search of a request over HTTP: what is asked, and which hits count."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from progress_exhaust.catalogue.port import Found, layouts
from progress_exhaust.errors import RequestError, SkippedReport
from tests.support.http_catalogue import (
    ABSENT,
    BY_CHANNEL,
    GOOD,
    LIVE,
    MISFITS,
    RETIRED,
    RULES,
    WANTED,
    Index,
    Probed,
    catalogue_at,
    fault_of,
    node,
    own_fault,
)
from tests.support.scripted_server import Reply, ScriptedServer, found, says


@pytest.mark.rule("Q12")
def test_hits_of_every_list_count_and_only_collections_are_kept() -> None:
    reply = says(
        200,
        {
            "responseCode": "OK",
            "result": {
                "count": 4,
                "content": [
                    {**node("do_1"), "mimeType": "application/vnd.ekstep.content-collection"},
                    {**node("do_pdf"), "mimeType": "application/pdf"},
                ],
                "QuestionSet": [{**node("do_qs"), "mimeType": "application/vnd.sunbird.questionset"}],
                "Event": [{**node("do_event"), "mimeType": None}],
                "facets": [{"name": "board", "values": [{"name": "cbse", "count": 4}]}],
                "aggregations": ["x"],
                "Empty": [],
                "ttl": 3,
            },
        },
    )
    with ScriptedServer(reply) as server, catalogue_at(server.url) as http:
        assert http.search(BY_CHANNEL) == [Found("do_1", LIVE), Found("do_event", LIVE)]


def test_only_collections_have_to_tell_their_status() -> None:
    quiet = {"identifier": "do_qs", "mimeType": "application/vnd.sunbird.questionset"}
    with ScriptedServer(found(node("do_1"), quiet)) as server, catalogue_at(server.url) as http:
        assert http.search(BY_CHANNEL) == [Found("do_1", LIVE)]
        assert http.states(["do_1", "do_qs"]) == {"do_1": LIVE, "do_qs": ABSENT}


def test_list_of_hits_and_something_else_is_unreadable() -> None:
    result = {"count": 1, "Thing": [node("do_1"), {"name": "do_2"}]}
    with (
        ScriptedServer(Probed(says(200, {"responseCode": "OK", "result": result}))) as server,
        catalogue_at(server.url, tries=2) as http,
    ):
        assert "a search answer with a fault at identifier" in own_fault(lambda: http.search(BY_CHANNEL))


@pytest.mark.rule("Q12")
def test_units_are_not_found_unless_a_visibility_is_asked_for() -> None:
    reply = found({**node("do_1"), "visibility": "Default"}, {**node("do_u"), "visibility": "Parent"}, node("do_2"))
    with ScriptedServer(reply) as server, catalogue_at(server.url) as http:
        assert http.search(BY_CHANNEL) == [Found("do_1", LIVE), Found("do_2", LIVE)]
        asked_for = {"request": {"filters": {"channel": "a", "visibility": ["Parent", "Default"]}}}
        assert http.search(asked_for) == [Found("do_1", LIVE), Found("do_2", LIVE), Found("do_u", LIVE)]


@pytest.mark.parametrize("statuses", [("Live", "Live"), ("Live", "Draft"), ("Draft", "Live"), ("Retired", "Retired")])
def test_twin_as_the_hundred_and_first_hit_is_the_same_hit(statuses: tuple[str, str]) -> None:
    first = [node(f"do_{number:03}") for number in range(99)]
    pages = found(*first, node("do_x", statuses[0]), count=101), found(node("do_x", statuses[1]), count=101)
    with ScriptedServer(*pages) as server, catalogue_at(server.url) as http:
        hits = http.search(BY_CHANNEL)
    assert len(server.seen) == 2
    assert hits[-1] == Found("do_x", RETIRED if "Retired" in statuses else LIVE)
    assert len(hits) == 100


def requesters_fault(call: Callable[[], object]) -> str:
    with pytest.raises(RequestError) as caught:
        call()
    assert not isinstance(caught.value, SkippedReport)
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    assert len(str(caught.value)) <= 100
    return str(caught.value)


@pytest.mark.rule("Q12")
def test_search_of_a_request_is_asked_with_our_own_page_fields_and_order() -> None:
    search = {
        "filters": {"leafNodesCount": {">": 3}, "medium": ["Hindi"], "channel": []},
        "query": "maths",
        "limit": 10**9,
        "offset": 7,
        "fields": [],
        "sort_by": {"name": "desc"},
        "facets": ["x"],
    }
    with ScriptedServer(found(node("do_1"))) as server, catalogue_at(server.url) as http:
        assert http.search({"request": search}) == [Found("do_1", LIVE)]
    (seen,) = server.seen
    assert seen.body == {
        "request": {
            "filters": {
                "status": ["Live", "Unlisted", "Flagged", "Retired"],
                "mimeType": "application/vnd.ekstep.content-collection",
                "visibility": ["Default"],
                "leafNodesCount": {">": 3},
                "medium": ["Hindi"],
            },
            "query": "maths",
            "fields": ["identifier", "status", "mimeType", "visibility"],
            "limit": 100,
            "offset": 0,
            "sort_by": {"identifier": "asc"},
        }
    }


def test_status_visibility_and_mime_type_of_the_requester_are_kept() -> None:
    filters = {"status": "Live", "mimeType": ["a/b"], "visibility": "Parent"}
    with ScriptedServer(found()) as server, catalogue_at(server.url) as http:
        assert http.search({"request": {"filters": filters}}) == []
    assert server.seen[0].body["request"]["filters"] == filters


def test_no_call_is_made_for_a_search_that_filters_nothing() -> None:
    with ScriptedServer(found(node("do_1"))) as server, catalogue_at(server.url) as http:
        requesters_fault(lambda: http.search({"request": {"filters": {"identifier": []}}}))
    assert server.seen == []


@pytest.mark.rule("Q12")
@pytest.mark.parametrize(("number", "calls"), [(0, 1), (100, 1), (101, 2), (250, 3), (10_000, 100)])
def test_all_pages_of_a_search_are_read(number: int, calls: int) -> None:
    ids = [f"do_{index:05}" for index in range(number)]
    with ScriptedServer(Index(*map(node, ids))) as server, catalogue_at(server.url) as http:
        assert http.search(BY_CHANNEL) == [Found(identifier, LIVE) for identifier in ids]
    assert [seen.body["request"]["offset"] for seen in server.seen] == list(range(0, calls * 100, 100))


@pytest.mark.rule("Q9")
def test_10001_hits_are_refused_at_the_first_page() -> None:
    ids = [f"do_{index:05}" for index in range(10_001)]
    with ScriptedServer(Index(*map(node, ids))) as server, catalogue_at(server.url) as http:
        sentence = requesters_fault(lambda: http.search(BY_CHANNEL))
    assert sentence == "searchFilter finds 10,001 collections, more than 10,000 hits; narrow its filters"
    assert len(server.seen) == 1


def test_twins_unsafe_ids_and_what_was_never_live_are_not_found() -> None:
    hits = [
        node("do_2", "Retired"),
        node("do_2.img", "Retired"),
        node("do_1.img", "Live"),
        node("do_3", "Draft"),
        node("../do_4"),
        node(""),
        node("do_0"),
    ]
    with ScriptedServer(found(*hits)) as server, catalogue_at(server.url) as http:
        assert http.search(BY_CHANNEL) == [Found("do_0", LIVE), Found("do_2", RETIRED)]


@pytest.mark.rule("Q12")
@pytest.mark.parametrize("statuses", [("Retired", "Live"), ("Live", "Retired")])
def test_live_one_of_two_hits_with_one_id_wins(statuses: tuple[str, str]) -> None:
    reply = found(*(node("do_1", status) for status in statuses))
    with ScriptedServer(reply) as server, catalogue_at(server.url) as http:
        assert http.search(BY_CHANNEL) == [Found("do_1", LIVE)]


@pytest.mark.rule("Q12")
@pytest.mark.parametrize("pages", MISFITS.values(), ids=MISFITS)
def test_search_is_begun_anew_once_where_its_pages_do_not_fit(pages: list[Reply]) -> None:
    with ScriptedServer(*pages, *GOOD) as server, catalogue_at(server.url) as http:
        assert http.search(BY_CHANNEL) == [Found(identifier, LIVE) for identifier in WANTED]
    assert len(server.seen) == len(pages) + 2
    with ScriptedServer(Probed(*pages, *pages)) as server, catalogue_at(server.url) as http:
        sentence = own_fault(lambda: http.search(BY_CHANNEL))
    assert "searching the collections of a request: pages that do not make one list, twice" in sentence
    assert len(server.seen) == 2 * len(pages) + 1, "the service itself is probed"


@pytest.mark.rule("Q9")
@pytest.mark.parametrize("status", [400, 413, 422])
def test_filter_that_the_service_refuses_is_the_requesters_fault_and_not_tried_again(status: int) -> None:
    with ScriptedServer(says(status)) as server, catalogue_at(server.url) as http:
        sentence = requesters_fault(lambda: http.search(BY_CHANNEL))
    assert sentence == "searchFilter is refused by the content service; check its fields and values"
    assert len(server.seen) == 1


def test_refused_filters_bring_the_service_into_no_doubt() -> None:
    with ScriptedServer(*[says(400)] * 6, found(node("do_1"))) as server, catalogue_at(server.url) as http:
        for _ in range(6):
            requesters_fault(lambda: http.search(BY_CHANNEL))
        assert http.search(BY_CHANNEL) == [Found("do_1", LIVE)]


@pytest.mark.parametrize("status", [401, 404, 302, 503])
def test_service_that_fails_is_not_the_requesters_fault(status: int) -> None:
    with ScriptedServer(says(status)) as server, catalogue_at(server.url) as http:
        assert f"HTTP {status}" in str(fault_of(lambda: http.search(BY_CHANNEL)))


def test_search_that_fails_half_way_is_tried_again_and_whole() -> None:
    with ScriptedServer(GOOD[0], says(503), GOOD[1]) as server, catalogue_at(server.url) as http:
        assert len(http.search(BY_CHANNEL)) == 100
    assert [seen.body["request"]["offset"] for seen in server.seen] == [0, 100, 100]


def test_one_failed_search_fails_the_whole_step() -> None:
    ids = [f"do_{index:03}" for index in range(150)]
    with (
        ScriptedServer(found(*(node(one) for one in ids[:100])), says(400)) as server,
        catalogue_at(server.url) as http,
    ):
        fault_of(lambda: layouts(http, ids, RULES, 2))
