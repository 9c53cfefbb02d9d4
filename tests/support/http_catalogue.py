"""The catalogue over HTTP before a scripted service: how it is made and asked, and services that misbehave."""

from __future__ import annotations

import gzip
import socket
from collections.abc import Callable
from typing import Any

import pytest

from progress_exhaust.catalogue.http.catalogue import HttpCatalogue
from progress_exhaust.catalogue.port import CollectionState
from progress_exhaust.catalogue.tree import TreeRules
from progress_exhaust.errors import CatalogueError, SkippedReport, StepFailed
from progress_exhaust.settings.sections import CatalogueSettings
from tests.support.scripted_server import Handler, Reply, ScriptedServer, found, says

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


def own_fault(call: Callable[[], object]) -> str:
    with pytest.raises(StepFailed) as caught:
        call()
    assert TOKEN not in repr(caught.value)
    return str(caught.value)


BY_CHANNEL = {"request": {"filters": {"channel": "a"}}}
