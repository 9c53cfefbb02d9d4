"""Who is to blame: the collection whose tree can not be had, or the content service, which a probe shows to be away."""

from __future__ import annotations

import socket
import threading

import pytest

from progress_exhaust.catalogue.port import layouts
from progress_exhaust.errors import Reason, SkippedReport
from tests.support.http_catalogue import (
    BY_CHANNEL,
    LIVE,
    OPEN_END,
    RULES,
    SLOW,
    TOKEN,
    TREE,
    TROUBLE,
    Alive,
    Clock,
    asked,
    catalogue_at,
    fault_of,
    node,
    not_made,
    own_fault,
)
from tests.support.scripted_server import Handler, Reply, ScriptedServer, found, says, tree_of

SICK: dict[str, Reply] = {name: reply for name, reply in TROUBLE.items() if name != "cut JSON"} | {
    **{str(status): says(status, Location="/elsewhere") for status in (400, 403, 405, 410, 204, 301, 302, 307)}
}


@pytest.mark.rule("C2")
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


@pytest.mark.rule("C2")
def test_login_that_is_refused_is_never_charged_to_a_collection() -> None:
    with ScriptedServer(Alive(says(401))) as server, catalogue_at(server.url) as http:
        assert "check catalogue.token" in str(fault_of(lambda: http.tree("do_1")))


@pytest.mark.rule("C2")
def test_probe_fetches_the_last_tree_that_was_there() -> None:
    replies = Alive(tree_of(TREE), says(503))
    with ScriptedServer(replies) as server, catalogue_at(server.url, tries=1) as http:
        http.tree("do_1")
        assert "HTTP 503" in str(fault_of(lambda: http.tree("do_2")))
    assert [seen.path for seen in server.seen] == ["/tree/do_1", "/tree/do_2", "/search", "/tree/do_1", "/tree/do_1"]


@pytest.mark.rule("Q13")
def test_search_of_one_request_that_fails_while_the_service_answers_is_its_own_fault() -> None:
    def answer(handler: Handler) -> None:
        (says(500) if "channel" in handler.seen_body["request"]["filters"] else found())(handler)

    with ScriptedServer(answer) as server, catalogue_at(server.url, tries=2) as http:
        sentence = own_fault(lambda: http.search(BY_CHANNEL))
    assert sentence.startswith("searching the collections of a request: HTTP 500 after 2 tries")


@pytest.mark.rule("C2")
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


@pytest.mark.rule("C2")
def test_many_sick_collections_cost_few_probes_and_few_tries_each() -> None:
    clock = Clock()
    with ScriptedServer(Alive(says(500))) as server, catalogue_at(server.url, clock) as http:
        for number in range(100):
            assert not_made(lambda number=number: http.tree(f"do_{number}")).reason is Reason.TREE_UNAVAILABLE  # type: ignore[misc]
    assert asked(server, "/tree") == 5 * 5 + 95 * 2
    assert asked(server, "/search") <= 1 + 100 / 5 + clock.now / 5.0


@pytest.mark.rule("C2")
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


@pytest.mark.rule("C2")
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
