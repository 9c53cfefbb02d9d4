"""A loopback HTTP server that answers each call as a script says, well or badly."""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self


@dataclass
class Seen:
    """One call as it arrived."""

    method: str
    path: str
    headers: dict[str, str]
    body: Any


Reply = Callable[["Handler"], object]


@dataclass
class Script:
    """What to answer, call by call; the last reply answers all further calls."""

    replies: list[Reply]
    seen: list[Seen] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def next(self, seen: Seen) -> Reply:
        with self.lock:
            self.seen.append(seen)
            return self.replies[min(len(self.seen), len(self.replies)) - 1]


class Handler(BaseHTTPRequestHandler):
    server: _Server
    disable_nagle_algorithm = True

    def handle_one_request(self) -> None:
        try:
            super().handle_one_request()
        except OSError:
            # The client hung up, as it should.
            self.close_connection = True

    def answer(self) -> None:
        raw = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        body: Any = json.loads(raw) if raw else None
        reply = self.server.script.next(Seen(self.command, self.path, dict(self.headers.items()), body))
        self.seen_body = body
        reply(self)

    do_GET = do_POST = answer  # noqa: N815  (names of the standard library)

    def rest(self, seconds: float) -> bool:
        """Wait; return whether the server still runs."""
        return not self.server.stopping.wait(seconds)

    def say(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in ({"Content_Length": str(len(body))} | headers).items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        pass


class _Server(ThreadingHTTPServer):
    daemon_threads = False
    script: Script
    tls: ssl.SSLContext | None = None

    def __init__(self) -> None:
        self.stopping = threading.Event()
        super().__init__(("127.0.0.1", 0), Handler)

    def finish_request(self, request: Any, client_address: Any) -> None:
        if self.tls is None:
            super().finish_request(request, client_address)
            return
        # In the thread of the connection, so that a failed handshake does not stop the server.
        with self.tls.wrap_socket(request, server_side=True) as secured:
            super().finish_request(secured, client_address)

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass


class ScriptedServer:
    def __init__(self, *replies: Reply, tls: ssl.SSLContext | None = None) -> None:
        self.script = Script(list(replies))
        self._server = _Server()
        self._server.script = self.script
        self._server.tls = tls
        scheme = "https" if tls else "http"
        self.url = f"{scheme}://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.005,))

    @property
    def seen(self) -> list[Seen]:
        return self.script.seen

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.stopping.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def says(status: int, body: bytes | str | dict[str, Any] | list[Any] | None = b"", **headers: str) -> Reply:
    raw = body.encode() if isinstance(body, str) else body if isinstance(body, bytes) else json.dumps(body).encode()
    return lambda handler: handler.say(status, raw, **headers)


def found(*hits: dict[str, Any], count: int | None = None) -> Reply:
    """Answer a search with these hits, but no more than it asks for."""

    def reply(handler: Handler) -> None:
        page = list(hits)[: handler.seen_body["request"].get("limit", 100)]
        result = {"count": len(hits) if count is None else count, "content": page}
        says(200, {"responseCode": "OK", "result": result})(handler)

    return reply


def tree_of(tree: Any) -> Reply:
    return says(200, {"responseCode": "OK", "result": {"content": tree}})
