"""The content service over HTTP: what it is asked, and its sign of life; a server answers as it is told to."""

from __future__ import annotations

import pytest

from progress_exhaust.catalogue.port import layouts
from tests.support.http_catalogue import ABSENT, LIVE, RULES, TOKEN, TREE, catalogue_at, fault_of
from tests.support.scripted_server import Handler, ScriptedServer, found, says, tree_of


def test_tree_is_fetched_with_the_token_and_without_following_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "")
    with ScriptedServer(tree_of(TREE)) as server, catalogue_at(server.url, hierarchy_url=f"{server.url}/tree/") as http:
        assert http.tree("do_1") == TREE
    (seen,) = server.seen
    assert (seen.method, seen.path, seen.headers["Authorization"]) == ("GET", "/tree/do_1", f"Bearer {TOKEN}")


def test_no_token_sends_no_authorization() -> None:
    with ScriptedServer(tree_of(TREE)) as server, catalogue_at(server.url, token=None) as http:
        http.tree("do_1")
    assert "Authorization" not in server.seen[0].headers


def test_search_states_ids_status_limit_offset_and_order() -> None:
    with ScriptedServer(found({"identifier": "do_1", "status": "Live"})) as server, catalogue_at(server.url) as http:
        assert http.states(["do_1", "do_2"]) == {"do_1": LIVE, "do_2": ABSENT}
    (seen,) = server.seen
    assert (seen.method, seen.path) == ("POST", "/search")
    assert seen.body == {
        "request": {
            "filters": {"identifier": ["do_1", "do_2"], "status": ["Live", "Unlisted", "Flagged", "Retired"]},
            "fields": ["identifier", "status", "mimeType", "visibility"],
            "limit": 100,
            "offset": 0,
            "sort_by": {"identifier": "asc"},
        }
    }


@pytest.mark.parametrize("ids", [[], ["../x"], ["", "a/b", "do 1"]], ids=repr)
def test_no_call_is_made_for_no_ids(ids: list[str]) -> None:
    with ScriptedServer(found()) as server, catalogue_at(server.url) as http:
        assert http.states(ids) == dict.fromkeys(ids, ABSENT)
        assert set(layouts(http, ids, RULES, 2)) == set(ids)
    assert server.seen == []


@pytest.mark.rule("C4")
def test_trees_of_retired_and_absent_collections_are_not_fetched() -> None:
    hits = [{"identifier": "do_1", "status": "Live"}, {"identifier": "do_2", "status": "Retired"}]
    with ScriptedServer(found(*hits), tree_of(TREE)) as server, catalogue_at(server.url) as http:
        layouts(http, ["do_1", "do_2", "do_3"], RULES, 2)
    assert [seen.path for seen in server.seen] == ["/search", "/tree/do_1"]


def test_connections_are_kept_open_between_calls() -> None:
    ports = []

    def reply(handler: Handler) -> None:
        ports.append(handler.client_address[1])
        handler.protocol_version = "HTTP/1.1"
        handler.say(200, b'{"responseCode": "OK", "result": {"content": {}}}', Connection="keep-alive")

    with ScriptedServer(reply) as server, catalogue_at(server.url) as http:
        for _ in range(3):
            http.tree("do_1")
    assert len(set(ports)) == 1


def test_check_is_one_call() -> None:
    with ScriptedServer(found()) as server, catalogue_at(server.url) as http:
        http.check()
    assert len(server.seen) == 1


def test_check_of_a_service_that_is_down_is_not_tried_again() -> None:
    with ScriptedServer(says(503)) as server, catalogue_at(server.url) as http:
        error = fault_of(http.check)
    assert "HTTP 503" in str(error)
    assert len(server.seen) == 1
