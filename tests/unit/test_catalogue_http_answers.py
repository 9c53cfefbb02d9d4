"""Size and form of what the content service answers."""

from __future__ import annotations

import gzip
import io
import tracemalloc
from typing import Any

import pytest

from progress_exhaust.errors import Reason
from tests.support.http_catalogue import OPEN_END, asked, catalogue_at, fault_of, not_made
from tests.support.scripted_server import Handler, ScriptedServer, says


@pytest.mark.rule("T6")
def test_body_cap_is_inclusive() -> None:
    body = b'{"responseCode": "OK", "result": {"content": {}}}'
    with ScriptedServer(says(200, body)) as server:
        with catalogue_at(server.url, max_tree_bytes=len(body)) as http:
            http.tree("do_1")
        with catalogue_at(server.url, max_tree_bytes=len(body) - 1) as http:
            assert not_made(lambda: http.tree("do_1")).reason is Reason.TREE_TOO_LARGE


def test_compressed_answer_is_read() -> None:
    body = gzip.compress(b'{"responseCode": "OK", "result": {"content": {"identifier": "do_1"}}}')
    with ScriptedServer(says(200, body, Content_Encoding="gzip")) as server, catalogue_at(server.url) as http:
        assert http.tree("do_1") == {"identifier": "do_1"}


def bomb() -> bytes:
    packed = io.BytesIO()
    with gzip.GzipFile(fileobj=packed, mode="wb", compresslevel=9) as file:
        for _ in range(100):
            file.write(b" " * 1_000_000)
    return packed.getvalue()


@pytest.mark.parametrize("what", ["tree", "search"])
def test_gzip_bomb_is_stopped_at_the_cap(what: str) -> None:
    reply = says(200, bomb(), Content_Encoding="gzip")
    caps: dict[str, Any] = {"max_tree_bytes": 1_000_000, "max_search_bytes": 1_000_000}
    with ScriptedServer(reply) as server, catalogue_at(server.url, **caps) as http:
        tracemalloc.start()
        try:
            if what == "tree":
                assert not_made(lambda: http.tree("do_1")).reason is Reason.TREE_TOO_LARGE
            else:
                assert "more than 1,000,000 bytes" in str(fault_of(lambda: http.states(["do_1"])))
            assert tracemalloc.get_traced_memory()[1] < 6_000_000
        finally:
            tracemalloc.stop()
    assert asked(server, f"/{what}") == (1 if what == "tree" else 2), "no second try, but a probe"


def test_endless_body_is_stopped_at_the_cap() -> None:
    def reply(handler: Handler) -> None:
        handler.wfile.write(OPEN_END)
        while handler.rest(0):
            handler.wfile.write(b" " * 100_000)

    with ScriptedServer(reply) as server, catalogue_at(server.url, max_tree_bytes=1_000_000) as http:
        assert not_made(lambda: http.tree("do_1")).reason is Reason.TREE_TOO_LARGE


@pytest.mark.parametrize(
    "answer",
    [
        None,
        [],
        7,
        "OK",
        {},
        {"responseCode": "OK"},
        {"responseCode": "CLIENT_ERROR", "result": {"count": 0}},
        {"responseCode": 200, "result": {"count": 0}},
        {"result": {"count": 0}},
        {"responseCode": "OK", "result": []},
        {"responseCode": "OK", "result": {}},
        {"responseCode": "OK", "result": {"count": "1", "content": []}},
        {"responseCode": "OK", "result": {"count": True, "content": []}},
        {"responseCode": "OK", "result": {"count": -1, "content": []}},
        {"responseCode": "OK", "result": {"count": 1.5, "content": []}},
        {"responseCode": "OK", "result": {"count": 1, "content": [7]}},
        {"responseCode": "OK", "result": {"count": 1, "content": [{"status": "Live"}]}},
        {"responseCode": "OK", "result": {"count": 1, "content": [{"identifier": 7, "status": "Live"}]}},
        {"responseCode": "OK", "result": {"count": 1, "content": [{"identifier": "do_1"}]}},
        {"responseCode": "OK", "result": {"count": 20_000, "content": [{"identifier": "do_1", "status": "Live"}]}},
    ],
    ids=repr,
)
def test_search_answer_of_the_wrong_form_is_a_fault(answer: Any) -> None:
    with ScriptedServer(says(200, answer)) as server, catalogue_at(server.url, tries=2) as http:
        error = fault_of(lambda: http.states(["do_1"]))
    assert "catalogue.search_url" in str(error)


@pytest.mark.parametrize("content", [{}, "do_1", 7, None], ids=repr)
def test_search_that_finds_but_lists_nothing_is_not_whole(content: Any) -> None:
    reply = says(200, {"responseCode": "OK", "result": {"count": 1, "content": content}})
    with ScriptedServer(reply) as server, catalogue_at(server.url, tries=2) as http:
        assert "pages that do not make one list" in str(fault_of(lambda: http.states(["do_1"])))


def test_search_answer_too_deep_to_parse_is_a_fault() -> None:
    with ScriptedServer(says(200, "[" * 100_000)) as server, catalogue_at(server.url) as http:
        assert "too deep to parse" in str(fault_of(lambda: http.states(["do_1"])))
    assert len(server.seen) == 2, "no second try, but a probe"


def test_wrong_charset_is_unreadable() -> None:
    body = '{"responseCode": "OK", "result": {"content": {"name": "ä"}}}'.encode("latin-1")
    reply = says(200, body, Content_Type="application/json; charset=latin-1")
    with ScriptedServer(reply) as server, catalogue_at(server.url) as http:
        assert not_made(lambda: http.tree("do_1")).reason is Reason.BAD_TREE
