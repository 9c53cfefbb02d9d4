"""The content service over HTTP, from a server that answers as it is told to."""

from __future__ import annotations

import gc
import gzip
import io
import itertools
import logging
import socket
import ssl
import subprocess
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from progress_exhaust.catalogue.http.catalogue import HttpCatalogue
from progress_exhaust.catalogue.port import CollectionState, Found, layouts
from progress_exhaust.catalogue.tree import TreeRules
from progress_exhaust.errors import CatalogueError, Reason, RequestError, SkippedReport, StepFailed
from progress_exhaust.settings.sections import CatalogueSettings
from tests.support.scripted_server import Handler, Reply, ScriptedServer, found, says, tree_of

RULES = TreeRules(64, 100_000, ())
TOKEN = "t0p-s3cret"
TREE = {"identifier": "do_1", "children": []}
LIVE, RETIRED, ABSENT = CollectionState.LIVE, CollectionState.RETIRED, CollectionState.ABSENT


class Clock:
    """A sleep that takes no time and remembers it; jitter is always the given share."""

    def __init__(self, share: float = 1.0) -> None:
        self.share = share
        self.now = 0.0
        self.slept: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds

    def monotonic(self) -> float:
        return self.now

    def random(self) -> float:
        return self.share


def catalogue_at(url: str, clock: Clock | None = None, **settings: Any) -> HttpCatalogue:
    chosen = {
        "search_url": f"{url}/search",
        "hierarchy_url": f"{url}/tree",
        "token": TOKEN,
        "concurrency": 1,
    } | settings
    clock = clock or Clock()
    return HttpCatalogue(CatalogueSettings(**chosen), sleep=clock.sleep, monotonic=clock.monotonic, random=clock.random)


def fault_of(call: Callable[[], object]) -> CatalogueError:
    with pytest.raises(CatalogueError) as caught:
        call()
    assert TOKEN not in repr(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    return caught.value


def not_made(call: Callable[[], object]) -> SkippedReport:
    with pytest.raises(SkippedReport) as caught:
        call()
    return caught.value


def asked(server: ScriptedServer, path: str) -> int:
    """How many calls there were of this path, those of probes among them."""
    return sum(seen.path.startswith(path) for seen in server.seen)


class Alive:
    """A service that answers searches, and trees by turns as it is told; the last reply answers all further calls."""

    def __init__(self, *trees: Reply) -> None:
        self._trees = list(trees)

    def __call__(self, handler: Handler) -> None:
        if handler.command == "POST":
            found()(handler)
        else:
            (self._trees.pop(0) if len(self._trees) > 1 else self._trees[0])(handler)


class Probed:
    """A service that answers probes, and all else by turns as it is told; the last reply answers all further calls."""

    def __init__(self, *replies: Reply) -> None:
        self._replies = list(replies)

    def __call__(self, handler: Handler) -> None:
        if handler.command == "POST" and handler.seen_body["request"]["limit"] == 1:
            found()(handler)
        else:
            (self._replies.pop(0) if len(self._replies) > 1 else self._replies[0])(handler)


# --- what is asked -----------------------------------------------------------------------------------------------


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


# --- tries -------------------------------------------------------------------------------------------------------

TROUBLE: dict[str, Reply] = {
    "500": says(500, "oops"),
    "502": says(502),
    "503": says(503),
    "504": says(504),
    "429": says(429),
    "empty body": says(200, ""),
    "cut JSON": says(200, '{"responseCode": "OK", "result": {"cont'),
    "page": says(200, " \n<html>sign in</html>", Content_Type="text/html"),
    "half a body": says(200, '{"responseCode"', Content_Length="1000"),
    "no answer": lambda handler: handler.connection.shutdown(socket.SHUT_RDWR),
    "half a header": lambda handler: handler.wfile.write(b"HTTP/1.0 200 OK\r\nContent-"),
    "no HTTP": lambda handler: handler.wfile.write(b"220 mail.example ESMTP\r\n\r\n"),
    "not gzip": says(200, '{"responseCode": "OK"}', Content_Encoding="gzip"),
    "server error in a 200": says(200, {"responseCode": "SERVER_ERROR"}),
}


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


# --- who is to blame -----------------------------------------------------------------------------------------------

SICK: dict[str, Reply] = {name: reply for name, reply in TROUBLE.items() if name != "cut JSON"} | {
    **{str(status): says(status, Location="/elsewhere") for status in (400, 403, 405, 410, 204, 301, 302, 307)}
}


@pytest.mark.parametrize("reply", SICK.values(), ids=SICK)
def test_tree_that_can_not_be_had_while_the_service_answers_costs_that_collection_alone(reply: Reply) -> None:
    def sick_or_well(handler: Handler) -> None:
        (reply if handler.path.endswith("do_2") else tree_of({"identifier": handler.path[-4:]}))(handler)

    hits = found(*(node(f"do_{number}") for number in range(4)))

    def answer(handler: Handler) -> None:
        (hits if handler.command == "POST" else sick_or_well)(handler)

    with ScriptedServer(answer) as server, catalogue_at(server.url, concurrency=2) as http:
        made = layouts(http, [f"do_{number}" for number in range(4)], RULES, 2)
    refusal = made.pop("do_2")
    assert isinstance(refusal, SkippedReport)
    assert refusal.reason is Reason.TREE_UNAVAILABLE
    assert str(refusal).startswith('tree of collection "do_2": ')
    assert "\n" not in str(refusal)
    assert TOKEN not in str(refusal)
    assert [type(one).__name__ for one in made.values()] == ["Layout"] * 3


def test_login_that_is_refused_is_never_charged_to_a_collection() -> None:
    with ScriptedServer(Alive(says(401))) as server, catalogue_at(server.url) as http:
        assert "check catalogue.token" in str(fault_of(lambda: http.tree("do_1")))


def test_probe_fetches_the_last_tree_that_was_there() -> None:
    replies = Alive(tree_of(TREE), says(503))
    with ScriptedServer(replies) as server, catalogue_at(server.url, tries=1) as http:
        http.tree("do_1")
        assert "HTTP 503" in str(fault_of(lambda: http.tree("do_2")))
    assert [seen.path for seen in server.seen] == ["/tree/do_1", "/tree/do_2", "/search", "/tree/do_1", "/tree/do_1"]


def test_search_of_one_request_that_fails_while_the_service_answers_is_its_own_fault() -> None:
    def answer(handler: Handler) -> None:
        (says(500) if "channel" in handler.seen_body["request"]["filters"] else found())(handler)

    with ScriptedServer(answer) as server, catalogue_at(server.url, tries=2) as http:
        sentence = own_fault(lambda: http.search(BY_CHANNEL))
    assert sentence.startswith("searching the collections of a request: HTTP 500 after 2 tries")


def test_id_that_a_search_fails_for_is_found_by_halving() -> None:
    def answer(handler: Handler) -> None:
        ids = handler.seen_body["request"]["filters"]["identifier"]
        (says(500) if "do_7" in ids else found(*(node(one) for one in ids)))(handler)

    ids = [f"do_{number}" for number in range(10)]
    with ScriptedServer(answer) as server, catalogue_at(server.url, tries=1) as http:
        states = http.states(ids)
        made = layouts(http, ["do_7"], RULES, 1)
    sick = states.pop("do_7")
    assert states == dict.fromkeys(set(ids) - {"do_7"}, LIVE)
    for refusal in (sick, made["do_7"]):
        assert isinstance(refusal, SkippedReport)
        assert refusal.reason is Reason.TREE_UNAVAILABLE
        assert str(refusal).startswith('tree of collection "do_7": search: HTTP 500, while')


def test_many_sick_collections_cost_few_probes_and_few_tries_each() -> None:
    clock = Clock()
    with ScriptedServer(Alive(says(500))) as server, catalogue_at(server.url, clock) as http:
        for number in range(100):
            assert not_made(lambda number=number: http.tree(f"do_{number}")).reason is Reason.TREE_UNAVAILABLE  # type: ignore[misc]
    assert asked(server, "/tree") == 5 * 5 + 95 * 2
    assert asked(server, "/search") <= 1 + 100 / 5 + clock.now / 5.0


def test_outage_is_found_after_so_many_failures_and_the_service_is_believed_again_when_it_is_back() -> None:
    clock = Clock()
    is_down = threading.Event()
    is_down.set()

    def answer(handler: Handler) -> None:
        (says(503) if is_down.is_set() else found() if handler.command == "POST" else tree_of(TREE))(handler)

    with ScriptedServer(answer) as server, catalogue_at(server.url, clock, tries=1, down_after=2) as http:
        for _ in range(2):
            fault_of(lambda: http.tree("do_1"))
        before = len(server.seen)
        for _ in range(50):
            assert "sign of life" in str(fault_of(lambda: http.tree("do_1")))
        assert len(server.seen) - before <= 2, "one probe for all"
        is_down.clear()
        clock.now += 5
        assert http.tree("do_1") == TREE
        assert http.tree("do_1") == TREE


def test_threads_share_one_probe() -> None:
    def answer(handler: Handler) -> None:
        handler.rest(0.05)
        Alive(says(500))(handler)

    with ScriptedServer(answer) as server, catalogue_at(server.url, tries=1, concurrency=8) as http:
        threads = [threading.Thread(target=lambda: not_made(lambda: http.tree("do_1"))) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert asked(server, "/search") == 1


def test_tree_is_no_witness_of_itself_and_one_of_two_others_is_enough() -> None:
    sick: set[str] = set()

    def answer(handler: Handler) -> None:
        is_sick = handler.path.rpartition("/")[2] in sick
        (found() if handler.command == "POST" else says(500) if is_sick else tree_of(TREE))(handler)

    with ScriptedServer(answer) as server, catalogue_at(server.url, tries=1) as http:
        http.tree("do_1")
        sick |= {"do_1", "do_3", "do_4"}
        assert not_made(lambda: http.tree("do_1")).reason is Reason.TREE_UNAVAILABLE
        assert [seen.path for seen in server.seen] == ["/tree/do_1", "/tree/do_1", "/search"]
    with ScriptedServer(answer) as server, catalogue_at(server.url, tries=1) as http:
        sick -= {"do_3"}
        http.tree("do_2")
        http.tree("do_3")
        sick |= {"do_3"}
        assert not_made(lambda: http.tree("do_4")).reason is Reason.TREE_UNAVAILABLE
        probe = ["/search", "/tree/do_3", "/tree/do_3", "/tree/do_2"]
        assert [seen.path for seen in server.seen][2:] == ["/tree/do_4", *probe]


def test_probe_reads_no_more_than_the_beginning_of_a_tree() -> None:
    sent: list[int] = []

    def endless(handler: Handler) -> None:
        handler.wfile.write(OPEN_END)
        while handler.rest(0):
            sent.append(handler.wfile.write(b" " * 100_000))

    replies = Alive(tree_of(TREE), says(500), endless)
    with ScriptedServer(replies) as server, catalogue_at(server.url, tries=1) as http:
        http.tree("do_1")
        assert not_made(lambda: http.tree("do_2")).reason is Reason.TREE_UNAVAILABLE
    assert 0 < sum(sent) < 32_000_000, "a tree may have 64 MiB; what was on its way does not count"


def test_outage_that_begins_just_after_a_good_probe_is_charged_to_few() -> None:
    is_down = threading.Event()

    def answer(handler: Handler) -> None:
        (says(503) if is_down.is_set() else Alive(says(500)))(handler)

    with ScriptedServer(answer) as server, catalogue_at(server.url, tries=1, down_after=3) as http:
        assert not_made(lambda: http.tree("do_0")).reason is Reason.TREE_UNAVAILABLE
        is_down.set()
        for number in (1, 2):
            assert not_made(lambda number=number: http.tree(f"do_{number}")).reason is Reason.TREE_UNAVAILABLE  # type: ignore[misc]
        for number in range(3, 20):
            fault_of(lambda number=number: http.tree(f"do_{number}"))  # type: ignore[misc]
    assert asked(server, "/tree") == 4


def test_witness_that_has_become_sick_holds_up_no_other_tree() -> None:
    sick: set[str] = set()
    clock = Clock()

    def answer(handler: Handler) -> None:
        is_sick = handler.path.rpartition("/")[2] in sick
        (found() if handler.command == "POST" else says(500) if is_sick else tree_of(TREE))(handler)

    with ScriptedServer(answer) as server, catalogue_at(server.url, clock, tries=1, down_after=1) as http:
        http.tree("do_1")
        sick |= {"do_1", "do_2"}
        fault_of(lambda: http.tree("do_2"))
        fault_of(lambda: http.tree("do_3"))
        clock.now += 5
        assert http.tree("do_3") == TREE
        assert not_made(lambda: http.tree("do_2")).reason is Reason.TREE_UNAVAILABLE


def test_address_where_nobody_listens_is_charged_to_no_collection() -> None:
    with socket.socket() as taken, ScriptedServer(found()) as server:
        taken.bind(("127.0.0.1", 0))
        trees = f"http://127.0.0.1:{taken.getsockname()[1]}"
        with catalogue_at(server.url, hierarchy_url=trees) as http:
            assert "no connection (Connection refused)" in str(fault_of(lambda: http.tree("do_1")))


def test_failed_searches_and_trees_are_counted_apart() -> None:
    def answer(handler: Handler) -> None:
        (says(503) if handler.command == "POST" else tree_of(TREE))(handler)

    with ScriptedServer(answer) as server, catalogue_at(server.url, tries=1) as http:
        fault_of(lambda: http.states(["do_1"]))
        assert "sign of life" in str(fault_of(lambda: http.states(["do_1"])))
        assert http.tree("do_1") == TREE


def test_answers_give_further_tries_back() -> None:
    replies = [says(500)] * (5 + 5 + 2) + [tree_of(TREE)] * 4 + [says(500)]
    with ScriptedServer(Alive(*replies)) as server, catalogue_at(server.url, down_after=2) as http:
        for number in range(3):
            assert not_made(lambda number=number: http.tree(f"do_{number}")).reason is Reason.TREE_UNAVAILABLE  # type: ignore[misc]
        for number in range(4):
            http.tree(f"do_well_{number}")
        before = asked(server, "/tree/do_9")
        fault_of(lambda: http.tree("do_9"))
        assert asked(server, "/tree/do_9") - before == 5


def test_deadline_is_not_waited_for_again_once_many_have_failed() -> None:
    with (
        ScriptedServer(Alive(SLOW["drips its body"])) as server,
        catalogue_at(server.url, tries=2, down_after=1, total_timeout_s=1.0) as http,
    ):
        for number in range(3):
            assert not_made(lambda number=number: http.tree(f"do_{number}")).reason is Reason.TREE_UNAVAILABLE  # type: ignore[misc]
    assert [asked(server, f"/tree/do_{number}") for number in range(3)] == [2, 1, 1]


def test_what_an_answer_leaves_on_its_connection_is_not_taken_for_the_next() -> None:
    forged = b'HTTP/1.1 200 OK\r\nContent-Length: 48\r\n\r\n{"responseCode":"OK","result":{"content":"bad"}}'

    def answer(handler: Handler) -> None:
        handler.protocol_version = "HTTP/1.1"
        whole = b'{"responseCode": "OK", "result": {"content": {"identifier": "do_1"}}}'
        body = whole[:-1] if handler.path.endswith("do_cut") else whole
        handler.say(200, body + forged, Content_Length=str(len(body)), Connection="keep-alive")

    with ScriptedServer(answer) as server, catalogue_at(server.url, tries=1) as http:
        for _ in range(3):
            assert http.tree("do_1") == {"identifier": "do_1"}
            assert not_made(lambda: http.tree("do_cut")).reason is Reason.BAD_TREE


# --- lists, twins and units ----------------------------------------------------------------------------------------


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


# --- time --------------------------------------------------------------------------------------------------------


def drip(head: bytes, piece: bytes) -> Reply:
    """Send a piece every 50 ms, for as long as the client stays."""

    def reply(handler: Handler) -> None:
        handler.wfile.write(head)
        while handler.rest(0.05):
            handler.wfile.write(piece)

    return reply


OPEN_END = b"HTTP/1.0 200 OK\r\n\r\n"
SLOW: dict[str, Reply] = {
    "drips its body": drip(OPEN_END, b" "),
    "drips its chunks": drip(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
    "drips compressed": drip(b"HTTP/1.0 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + gzip.compress(b" ")[:10], b"\0"),
    "drips its status": drip(b"HTTP/1.0 200 ", b"O"),
    "drips its headers": drip(b"HTTP/1.0 200 OK\r\n", b"X-A: b\r\n"),
    "drips one header": drip(b"HTTP/1.0 200 OK\r\nX-A: ", b"b"),
    "says nothing": lambda handler: [None for _ in iter(lambda: handler.rest(0.05), False)] and None,
    "stops in its body": lambda handler: (
        handler.wfile.write(OPEN_END + b"{") and [None for _ in iter(lambda: handler.rest(0.05), False)] and None
    ),
}


@pytest.mark.parametrize("reply", SLOW.values(), ids=SLOW)
def test_call_ends_at_its_deadline(reply: Reply) -> None:
    with ScriptedServer(Alive(reply)) as server, catalogue_at(server.url, tries=1, total_timeout_s=1.0) as http:
        started = time.monotonic()
        error = not_made(lambda: http.tree("do_1"))
        taken_s = time.monotonic() - started
    assert 1.0 <= taken_s < 10
    assert "no whole answer in 1 s" in str(error)


def test_slow_call_is_tried_again_on_a_new_connection() -> None:
    replies = (SLOW["drips its body"], tree_of(TREE))
    with ScriptedServer(*replies) as server, catalogue_at(server.url, total_timeout_s=1.0) as http:
        assert http.tree("do_1") == TREE


def test_silence_ends_at_the_read_timeout() -> None:
    reply = SLOW["stops in its body"]
    with ScriptedServer(Alive(reply)) as server, catalogue_at(server.url, tries=1, read_timeout_s=0.2) as http:
        started = time.monotonic()
        error = not_made(lambda: http.tree("do_1"))
    assert time.monotonic() - started < 2
    assert "no answer in time" in str(error)


@pytest.fixture
def black_hole() -> Iterator[str]:
    """An address where connections are neither accepted nor refused: the queue of its listener is full."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        waiting = [socket.socket() for _ in range(4)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(listener.getsockname())
        time.sleep(0.05)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        for one in waiting:
            one.close()


def test_connection_that_is_not_taken_up_ends_at_the_connect_timeout(black_hole: str) -> None:
    with catalogue_at(black_hole, tries=1, connect_timeout_s=0.3) as http:
        started = time.monotonic()
        error = fault_of(lambda: http.tree("do_1"))
    assert 0.3 <= time.monotonic() - started < 4, "the call, and a probe of two tries"
    assert "no connection in time" in str(error)


def test_close_ends_calls_and_waits_in_hand() -> None:
    errors: list[CatalogueError] = []
    with ScriptedServer(SLOW["says nothing"]) as server:
        settings = CatalogueSettings(search_url=server.url, hierarchy_url=server.url, backoff_s=60, backoff_max_s=60)
        http = HttpCatalogue(settings, random=lambda: 1.0)
        thread = threading.Thread(target=lambda: errors.append(fault_of(lambda: http.tree("do_1"))))
        thread.start()
        while not server.seen:
            time.sleep(0.01)
        http.close()
        thread.join(2)
        assert not thread.is_alive()
    with ScriptedServer(says(503)) as server:
        settings = CatalogueSettings(search_url=server.url, hierarchy_url=server.url, backoff_s=60, backoff_max_s=60)
        http = HttpCatalogue(settings, random=lambda: 1.0)
        thread = threading.Thread(target=lambda: errors.append(fault_of(lambda: http.tree("do_1"))))
        thread.start()
        while not server.seen:
            time.sleep(0.01)
        time.sleep(0.1)
        http.close()
        thread.join(2)
        assert not thread.is_alive()
        fault_of(lambda: http.tree("do_1"))
    assert len(errors) == 2


# --- size and form -----------------------------------------------------------------------------------------------


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


# --- pages -------------------------------------------------------------------------------------------------------


class Index:
    """Answers searches as the real index does, over nodes in memory."""

    def __init__(self, *nodes: dict[str, str]) -> None:
        self.nodes = sorted(nodes, key=lambda node: node["identifier"])

    def __call__(self, handler: Handler) -> None:
        request = handler.seen_body["request"]
        wanted = request["filters"].get("identifier", ())
        twins = {f"{identifier}.img" for identifier in wanted}
        hits = [
            node for node in self.nodes if not wanted or node["identifier"] in wanted or node["identifier"] in twins
        ]
        page = hits[request.get("offset", 0) :][: request.get("limit", 100)]
        found(*page, count=len(hits))(handler)


def node(identifier: str, status: str = "Live") -> dict[str, str]:
    return {"identifier": identifier, "status": status}


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


FIRST = [node(f"do_{index:03}") for index in range(100)]
SECOND = [node(f"do_{index:03}.img") for index in range(50)]
GOOD = [found(*FIRST, count=150), found(*SECOND, count=150)]
MISFITS: dict[str, list[Reply]] = {
    "count shrinks": [found(*FIRST, count=150), found(*SECOND[:49], count=149)],
    "count grows": [found(*FIRST, count=150), found(*SECOND, node("do_x"), count=151)],
    "page comes again": [found(*FIRST, count=150), found(*FIRST[:50], count=150)],
    "pages overlap": [found(*FIRST, count=150), found(*FIRST[-2:], *SECOND[:48], count=150)],
    "second page is short": [found(*FIRST, count=150), found(*SECOND[:49], count=150)],
    "second page is empty": [found(*FIRST, count=150), found(count=150)],
    "second page is long": [found(*FIRST, count=150), found(*SECOND, node("do_x"), count=150)],
    "first page is short": [found(*FIRST[:99], count=150)],
}
WANTED = [hit["identifier"] for hit in FIRST]


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


def own_fault(call: Callable[[], object]) -> str:
    with pytest.raises(StepFailed) as caught:
        call()
    assert TOKEN not in repr(caught.value)
    return str(caught.value)


# --- a request's search --------------------------------------------------------------------------------------------

BY_CHANNEL = {"request": {"filters": {"channel": "a"}}}


def requesters_fault(call: Callable[[], object]) -> str:
    with pytest.raises(RequestError) as caught:
        call()
    assert not isinstance(caught.value, SkippedReport)
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    assert len(str(caught.value)) <= 100
    return str(caught.value)


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


@pytest.mark.parametrize(("number", "calls"), [(0, 1), (100, 1), (101, 2), (250, 3), (10_000, 100)])
def test_all_pages_of_a_search_are_read(number: int, calls: int) -> None:
    ids = [f"do_{index:05}" for index in range(number)]
    with ScriptedServer(Index(*map(node, ids))) as server, catalogue_at(server.url) as http:
        assert http.search(BY_CHANNEL) == [Found(identifier, LIVE) for identifier in ids]
    assert [seen.body["request"]["offset"] for seen in server.seen] == list(range(0, calls * 100, 100))


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


@pytest.mark.parametrize("statuses", [("Retired", "Live"), ("Live", "Retired")])
def test_live_one_of_two_hits_with_one_id_wins(statuses: tuple[str, str]) -> None:
    reply = found(*(node("do_1", status) for status in statuses))
    with ScriptedServer(reply) as server, catalogue_at(server.url) as http:
        assert http.search(BY_CHANNEL) == [Found("do_1", LIVE)]


@pytest.mark.parametrize("pages", MISFITS.values(), ids=MISFITS)
def test_search_is_begun_anew_once_where_its_pages_do_not_fit(pages: list[Reply]) -> None:
    with ScriptedServer(*pages, *GOOD) as server, catalogue_at(server.url) as http:
        assert http.search(BY_CHANNEL) == [Found(identifier, LIVE) for identifier in WANTED]
    assert len(server.seen) == len(pages) + 2
    with ScriptedServer(Probed(*pages, *pages)) as server, catalogue_at(server.url) as http:
        sentence = own_fault(lambda: http.search(BY_CHANNEL))
    assert "searching the collections of a request: pages that do not make one list, twice" in sentence
    assert len(server.seen) == 2 * len(pages) + 1, "the service itself is probed"


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


# --- TLS ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a certificate for 127.0.0.1 and its key, made for this run."""
    folder = tmp_path_factory.mktemp("tls")
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "key.pem"]
    names = ["-subj", "/CN=test", "-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run(
        ["openssl", "req", "-x509", "-days", "2", *key, *names, "-out", "cert.pem"],
        cwd=folder,
        check=True,
        capture_output=True,
    )
    return folder


@pytest.fixture
def tls(authority: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority / "cert.pem", authority / "key.pem")
    return context


def test_certificate_of_the_given_authority_is_trusted(authority: Path, tls: ssl.SSLContext) -> None:
    ca_file = str(authority / "cert.pem")
    with ScriptedServer(tree_of(TREE), tls=tls) as server, catalogue_at(server.url, ca_file=ca_file) as http:
        assert http.tree("do_1") == TREE


def test_other_certificates_are_refused_at_once(tls: ssl.SSLContext) -> None:
    clock = Clock()
    with ScriptedServer(tree_of(TREE), tls=tls) as server, catalogue_at(server.url, clock) as http:
        error = fault_of(lambda: http.tree("do_1"))
    assert "TLS certificate refused (self-signed certificate)" in str(error)
    assert "catalogue.ca_file" in str(error)
    assert not error.transient
    assert clock.slept == []
    assert server.seen == []


def test_certificate_for_another_host_is_refused(authority: Path, tls: ssl.SSLContext) -> None:
    with ScriptedServer(tree_of(TREE), tls=tls) as server:
        url = server.url.replace("127.0.0.1", "localhost")
        with catalogue_at(url, ca_file=str(authority / "cert.pem")) as http:
            assert "TLS certificate refused" in str(fault_of(lambda: http.tree("do_1")))


def test_deadline_holds_over_tls(authority: Path, tls: ssl.SSLContext) -> None:
    with ScriptedServer(SLOW["drips its headers"], tls=tls) as server:
        ca_file = str(authority / "cert.pem")
        with catalogue_at(server.url, tries=1, total_timeout_s=0.4, ca_file=ca_file) as http:
            started = time.monotonic()
            fault_of(lambda: http.tree("do_1"))
    assert 0.4 <= time.monotonic() - started < 2


def test_server_that_does_not_speak_tls() -> None:
    with ScriptedServer(tree_of(TREE)) as server, catalogue_at(server.url.replace("http:", "https:"), tries=2) as http:
        error = fault_of(lambda: http.tree("do_1"))
    assert "TLS connection failed after 2 tries" in str(error)


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_authority_file_that_can_not_be_used_is_named(tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_text(content)
    with catalogue_at("https://127.0.0.1:1", ca_file=str(file)) as http:
        error = fault_of(lambda: http.tree("do_1"))
    assert "ca.pem can not be read" in str(error)
    assert not error.transient


# --- a sign of life ----------------------------------------------------------------------------------------------


def test_check_is_one_call() -> None:
    with ScriptedServer(found()) as server, catalogue_at(server.url) as http:
        http.check()
    assert len(server.seen) == 1


def test_check_of_a_service_that_is_down_is_not_tried_again() -> None:
    with ScriptedServer(says(503)) as server, catalogue_at(server.url) as http:
        error = fault_of(http.check)
    assert "HTTP 503" in str(error)
    assert len(server.seen) == 1
