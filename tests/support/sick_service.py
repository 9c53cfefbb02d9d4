"""A content service over a folder that answers for some collections in other ways than it should."""

from __future__ import annotations

import gzip
import socket
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

import requests

from progress_exhaust.stack.content_service import ContentService
from tests.support.scripted_server import Handler, Reply, ScriptedServer, says


def drip(handler: Handler) -> None:
    """Send a piece every 50 ms, for as long as the client stays."""
    handler.wfile.write(b"HTTP/1.0 200 OK\r\n\r\n")
    while handler.rest(0.05):
        handler.wfile.write(b" ")


def hang_up(handler: Handler) -> None:
    """End the connection without an answer."""
    handler.connection.shutdown(socket.SHUT_RDWR)


WAYS: dict[str, tuple[Reply, str]] = {
    "http-500": (says(500, "oops"), "HTTP 500 after 2 tries"),
    "http-400": (says(400), "HTTP 400"),
    "drips": (drip, "no whole answer in 1 s after 2 tries"),
    "http-403": (says(403), "HTTP 403"),
    "http-405": (says(405), "HTTP 405"),
    "http-410": (says(410), "HTTP 410"),
    "http-302": (says(302, Location="/elsewhere"), "HTTP 302, a redirect"),
    "http-429": (says(429, Retry_After="1"), "HTTP 429 after 2 tries"),
    "http-502": (says(502, "<html>"), "HTTP 502 after 2 tries"),
    "http-503": (says(503), "HTTP 503 after 2 tries"),
    "http-504": (says(504), "HTTP 504 after 2 tries"),
    "server-error": (says(200, {"responseCode": "SERVER_ERROR"}), 'response code "SERVER_ERROR" after 2 tries'),
    "cut": (says(200, '{"responseCode"', Content_Length="1000"), "answer that broke off after 2 tries"),
    "two-lengths": (
        says(200, "{}", **{"Content-Length": "3"}),
        "an answer with headers that contradict each other after 2 tries",
    ),
    "not-gzip": (
        says(200, gzip.compress(b"{}")[3:], Content_Encoding="gzip"),
        "answer that can not be decompressed after 2 tries",
    ),
    "page": (says(200, "<html>sign in</html>"), "a page instead of JSON after 2 tries"),
    "empty": (says(200, ""), "an empty answer after 2 tries"),
    "hangs-up": (hang_up, "connection lost after 2 tries"),
}
"""What is answered instead of a tree, and what the sentence then says was got, with two tries of a second each."""


class SickService:
    """Serves a folder while its `with` block runs.

    Args:
        directory: the folder of hierarchy answers.
        sick: what is answered instead of the trees of these collections.
        outage: what is answered to everything; None answers.
    """

    def __init__(self, directory: Path, sick: Mapping[str, Reply], outage: Reply | None = None) -> None:
        self._well = ContentService(directory)
        self._sick = sick
        self._outage = outage
        self._server = ScriptedServer(self._answer)

    def __enter__(self) -> Self:
        self._well.__enter__()
        self._server.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.__exit__(kind, error, trace)
        self._well.__exit__(kind, error, trace)

    def variables(self) -> dict[str, str]:
        """The settings of a job that asks this service and is soon tired of it."""
        return {
            "PROGRESS_EXHAUST__CATALOGUE__SEARCH_URL": f"{self._server.url}/search",
            "PROGRESS_EXHAUST__CATALOGUE__HIERARCHY_URL": f"{self._server.url}/tree",
            "PROGRESS_EXHAUST__CATALOGUE__TRIES": "2",
            "PROGRESS_EXHAUST__CATALOGUE__BACKOFF_S": "0.01",
            "PROGRESS_EXHAUST__CATALOGUE__TOTAL_TIMEOUT_S": "1",
        }

    def _answer(self, handler: Handler) -> None:
        collection_id = handler.path.rpartition("/")[2]
        if self._outage is not None:
            self._outage(handler)
        elif handler.command == "POST":
            answer = requests.post(self._well.search_url, json=handler.seen_body, timeout=10)
            says(answer.status_code, answer.content)(handler)
        elif collection_id in self._sick:
            self._sick[collection_id](handler)
        else:
            answer = requests.get(f"{self._well.hierarchy_url}/{collection_id}", timeout=10)
            says(answer.status_code, answer.content)(handler)
