"""Which trouble of the content service is tried again, how often and after which gap, and what is never tried again."""

from __future__ import annotations

import gc
import itertools
import logging
import socket

import pytest

from progress_exhaust.errors import Reason
from tests.support.http_catalogue import TOKEN, TREE, TROUBLE, Clock, asked, catalogue_at, fault_of, not_made
from tests.support.scripted_server import Handler, Reply, ScriptedServer, says, tree_of


@pytest.mark.parametrize("reply", TROUBLE.values(), ids=TROUBLE)
def test_trouble_that_may_pass_is_tried_again(reply: Reply) -> None:
    clock = Clock()
    with ScriptedServer(reply, reply, tree_of(TREE)) as server, catalogue_at(server.url, clock) as http:
        assert http.tree("do_1") == TREE
    assert len(server.seen) == 3
    assert clock.slept == [0.5, 1.0]


@pytest.mark.parametrize("name", TROUBLE)
def test_trouble_that_stays_ends_a_search_after_five_tries(name: str) -> None:
    with ScriptedServer(TROUBLE[name]) as server, catalogue_at(server.url) as http:
        error = fault_of(lambda: http.states(["do_1"]))
    assert asked(server, "/search") == 5 + 2, "all tries, and a probe of two"
    assert str(error).startswith('searching 1 collection from "do_1": ')
    assert "catalogue.search_url" in str(error)


@pytest.mark.parametrize("name", [name for name in TROUBLE if name != "cut JSON"])
def test_trouble_that_stays_is_a_fault_of_the_service_and_not_of_the_collection(name: str) -> None:
    with ScriptedServer(TROUBLE[name]) as server, catalogue_at(server.url) as http:
        error = fault_of(lambda: http.tree("do_1"))
    assert error.transient
    assert (asked(server, "/tree"), asked(server, "/search")) == (5, 2)


# urllib3 leaves such a connection to the garbage collector, which says so.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_contradicting_headers_are_trouble_that_may_pass() -> None:
    reply = says(200, "{}", **{"Content-Length": "3"})
    with ScriptedServer(reply) as server, catalogue_at(server.url) as http:
        error = fault_of(lambda: http.tree("do_1"))
        gc.collect()
    assert "headers that contradict each other after 5 tries" in str(error)


def test_message_of_a_service_that_stays_down() -> None:
    with ScriptedServer(says(503)) as server, catalogue_at(server.url) as http:
        error = fault_of(lambda: http.tree("do_1"))
    assert str(error) == (
        'fetching the tree of collection "do_1": HTTP 503 after 5 tries, expected HTTP 200; '
        "check catalogue.hierarchy_url and try again"
    )


def test_tree_that_stays_unreadable_loses_that_collection_alone() -> None:
    with ScriptedServer(TROUBLE["cut JSON"]) as server, catalogue_at(server.url) as http:
        assert not_made(lambda: http.tree("do_1")).reason is Reason.BAD_TREE
    assert len(server.seen) == 5


def test_gaps_double_up_to_a_cap_with_full_jitter() -> None:
    clock = Clock()
    shares = itertools.cycle([0.0, 0.5, 1.0])
    clock.random = lambda: next(shares)  # type: ignore[method-assign]
    with ScriptedServer(says(503)) as server, catalogue_at(server.url, clock, tries=8) as http:
        fault_of(lambda: http.tree("do_1"))
    assert clock.slept[:7] == [0.0, 0.5, 2.0, 0.0, 4.0, 8.0, 0.0]


@pytest.mark.parametrize(
    ("headers", "gap"),
    [
        pytest.param({"Retry-After": "7"}, 7, id="seconds"),
        pytest.param({"Retry-After": " 7 "}, 7, id="blanks around"),
        pytest.param({"Retry-After": "61"}, 60, id="over the cap"),
        pytest.param({"Retry-After": "9" * 9}, 60, id="far over the cap"),
        pytest.param({"Retry-After": "9" * 5000}, 0.5, id="absurd"),
        pytest.param({"Retry-After": "0"}, 0.5, id="zero"),
        pytest.param({"Retry-After": "-5"}, 0.5, id="negative"),
        pytest.param({"Retry-After": "soon"}, 0.5, id="words"),
        pytest.param({"Retry-After": "Wed, 21 Oct 2015 07:28:09 GMT"}, 9, id="date"),
        pytest.param({"Retry-After": "Wed, 21 Oct 2015 07:27:00 GMT"}, 0.5, id="date gone by"),
        pytest.param({"Retry-After": "Wed, 99 Oct 99999 07:28:09 GMT"}, 0.5, id="absurd date"),
        pytest.param({"Retry-After": "Wed, 21 Oct 2015 07:28:09 GMT", "Date": ""}, 0.5, id="date without a clock"),
    ],
)
@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_is_honoured_up_to_the_setting(status: int, headers: dict[str, str], gap: float) -> None:
    def reply(handler: Handler) -> None:
        handler.send_response_only(status)
        for name, value in ({"Date": "Wed, 21 Oct 2015 07:28:00 GMT", "Content-Length": "0"} | headers).items():
            handler.send_header(name, value)
        handler.end_headers()

    clock = Clock()
    with ScriptedServer(reply, tree_of(TREE)) as server, catalogue_at(server.url, clock) as http:
        assert http.tree("do_1") == TREE
    assert clock.slept == [gap]


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (400, "HTTP 400, expected HTTP 200; check catalogue.hierarchy_url"),
        (401, "HTTP 401, expected HTTP 200; check catalogue.token"),
        (403, "HTTP 403, expected HTTP 200; check catalogue.token"),
        (405, "HTTP 405"),
        (410, "HTTP 410"),
        (204, "HTTP 204"),
        (301, "HTTP 301, a redirect, expected"),
        (302, "HTTP 302, a redirect, expected"),
        (307, "HTTP 307, a redirect, expected"),
        (308, "HTTP 308, a redirect, expected"),
    ],
)
def test_refusals_are_not_tried_again_and_redirects_not_followed(status: int, words: str) -> None:
    with ScriptedServer(says(status, Location="/elsewhere")) as server, catalogue_at(server.url) as http:
        error = fault_of(lambda: http.tree("do_1"))
    assert asked(server, "/tree") == 1
    assert words in str(error)
    assert not error.transient


def test_404_for_a_tree_is_an_unknown_collection_and_for_the_search_a_fault() -> None:
    with ScriptedServer(says(404)) as server, catalogue_at(server.url) as http:
        assert not_made(lambda: http.tree("do_1")).reason is Reason.UNKNOWN_COLLECTION
        error = fault_of(lambda: http.states(["do_1"]))
    assert "HTTP 404" in str(error)
    assert not error.transient
    assert (asked(server, "/tree"), asked(server, "/search")) == (1, 2)


def test_nobody_listens() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        clock = Clock()
        with catalogue_at(f"http://127.0.0.1:{taken.getsockname()[1]}", clock) as http:
            error = fault_of(lambda: http.tree("do_1"))
    assert "no connection (Connection refused) after 5 tries" in str(error)
    assert len(clock.slept) == 4


@pytest.mark.parametrize(
    "url",
    ["", "x", "ftp://127.0.0.1", "http://", "http://[", "http://a b", "http://\ud800", "http://127.0.0.1:x"],
    ids=repr,
)
def test_address_that_is_none_is_not_tried_again(url: str) -> None:
    clock = Clock()
    with catalogue_at(url, clock) as http:
        error = fault_of(lambda: http.tree("do_1"))
    assert "an address or header that can not be sent" in str(error)
    assert clock.slept == []


@pytest.mark.parametrize("token", ["line\nbreak", "ключ"], ids=repr)
def test_token_that_does_not_fit_a_header_is_not_shown(token: str) -> None:
    with ScriptedServer(says(401)) as server, catalogue_at(server.url, token=token) as http:
        assert token not in repr(fault_of(lambda: http.tree("do_1")))


def test_token_is_in_no_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with ScriptedServer(says(503), says(401)) as server, catalogue_at(server.url) as http:
        fault_of(lambda: http.tree("do_1"))
        assert TOKEN not in repr(http) + repr(vars(http))
    assert TOKEN not in caplog.text
