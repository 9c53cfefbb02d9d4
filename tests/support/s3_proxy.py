"""An HTTP proxy on loopback before an S3 server: it counts calls, and can be told to misbehave."""

from __future__ import annotations

import http.client
import re
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, unquote, urlsplit

_SERVER_S = 60.0
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)
_OF_THE_CONNECTION = frozenset({"connection", "keep-alive", "transfer-encoding", "content-length", "date", "server"})


@dataclass(frozen=True)
class Call:
    """A call of S3's interface.

    Attributes:
        method: of HTTP.
        key: in the bucket; empty for a call of the bucket.
        arguments: names in the query.
        is_copy: whether an object is copied in the store.
    """

    method: str
    key: str
    arguments: frozenset[str]
    is_copy: bool

    @property
    def is_part(self) -> bool:
        """Whether it belongs to an upload that another call has begun."""
        return "uploadId" in self.arguments


class Fault:
    """How a call is answered in the server's place."""

    def answer(self, handler: _Handler, body: bytes) -> bool:
        """Answer the call; return whether the server is to answer it all the same."""
        raise NotImplementedError


@dataclass(frozen=True)
class Refuse(Fault):
    """Answer with an error, as S3 words them."""

    status: int
    code: str
    message: str

    def answer(self, handler: _Handler, body: bytes) -> bool:
        """Send the error."""
        text = f"<Error><Code>{self.code}</Code><Message>{self.message}</Message><RequestId>1</RequestId></Error>"
        handler.send(self.status, {"Content-Type": "application/xml"}, text.encode())
        return False


SLOW_DOWN = Refuse(503, "SlowDown", "Please reduce your request rate.")


@dataclass(frozen=True)
class Delay(Fault):
    """Answer late."""

    seconds: float

    def answer(self, handler: _Handler, body: bytes) -> bool:
        """Wait, unless the proxy ends."""
        handler.server.is_closing.wait(self.seconds)
        return True


class CutBody(Fault):
    """End the connection in the middle of the bytes: of those that came, the server gets a half and no more."""

    def answer(self, handler: _Handler, body: bytes) -> bool:
        """Hand on a half, and reset both sides."""
        with socket.create_connection(("127.0.0.1", handler.server.target_port), timeout=_SERVER_S) as server:
            lines = [handler.requestline, *(f"{name}: {value}" for name, value in handler.headers.items())]
            server.sendall("\r\n".join([*lines, "", ""]).encode() + body[: len(body) // 2])
            time.sleep(0.1)
        handler.reset()
        return False


@dataclass
class _Rule:
    is_met: Callable[[Call], bool]
    fault: Fault
    times: int | None


class Outage:
    """Begins with the first call of some kind, and lasts.

    Attributes:
        since: when it has begun, on the clock that only goes forward; None before that.
    """

    def __init__(self, begins_at: Callable[[Call], bool]) -> None:
        self.since: float | None = None
        self._begins_at = begins_at

    def includes(self, call: Call) -> bool:
        """Whether the call falls into it."""
        if self.since is None and self._begins_at(call):
            self.since = time.monotonic()
        return self.since is not None

    def seconds(self) -> float:
        """Return how long it lasts by now; it must have begun."""
        assert self.since is not None
        return time.monotonic() - self.since


def is_report(call: Call) -> bool:
    """Whether a report is put in its place."""
    return call.method == "PUT" and call.key.endswith(".csv")


class S3Proxy:
    """Passes calls on to a server while its `with` block runs.

    Args:
        target_port: of the server, on loopback.

    Attributes:
        calls: those that came so far.
    """

    def __init__(self, target_port: int) -> None:
        self.calls: list[Call] = []
        self._target_port = target_port
        self._server = self._listen(0)
        self.port: int = self._server.server_port

    @property
    def url(self) -> str:
        """Where clients find the store."""
        return f"http://127.0.0.1:{self.port}"

    def fail(self, is_met: Callable[[Call], bool], fault: Fault, times: int | None = None) -> None:
        """Let calls fail, so many of them or all."""
        self._server.rules.append(_Rule(is_met, fault, times))

    def fail_from(self, begins_at: Callable[[Call], bool], *, is_killed: bool) -> Outage:
        """Go away for good at the first such call, which is not answered, or answer 503 to it and all that follow."""
        outage = Outage(begins_at)
        if is_killed:
            self._server.deadly = outage.includes
        else:
            self.fail(outage.includes, SLOW_DOWN)
        return outage

    def kill(self) -> None:
        """Go away: connections are reset, and nobody listens any more."""
        self._server.kill()

    def heal(self) -> None:
        """Pass all calls again, on the same port."""
        self._server.rules.clear()
        self._server.deadly = None
        if self._server.is_closing.is_set():
            self._server = self._listen(self.port)

    @contextmanager
    def counted(self) -> Iterator[list[Call]]:
        """Give a list that has the calls of the block when it ends."""
        before = len(self.calls)
        found: list[Call] = []
        yield found
        found += self.calls[before:]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()

    def _listen(self, port: int) -> _Server:
        server = _Server(("127.0.0.1", port), self._target_port, self.calls)
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        return server


class _Server(ThreadingHTTPServer):
    """Knows its open connections, so that they end with it."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], target_port: int, calls: list[Call]) -> None:
        self.target_port = target_port
        self.calls = calls
        self.rules: list[_Rule] = []
        self.deadly: Callable[[Call], bool] | None = None
        self.is_closing = threading.Event()
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        super().__init__(address, _Handler)

    def fault_of(self, call: Call) -> Fault | None:
        """Return how a call fails, if it does."""
        with self._lock:
            self.calls.append(call)
            for rule in self.rules:
                if rule.times != 0 and rule.is_met(call):
                    rule.times = None if rule.times is None else rule.times - 1
                    return rule.fault
        return None

    def kill(self) -> None:
        """Reset all connections and take no new ones."""
        if not self.is_closing.is_set():
            self.is_closing.set()
            self.socket.close()
            with self._lock:
                connections, self._open = self._open, set()
            for connection in connections:
                reset(connection)
            threading.Thread(target=self.shutdown, daemon=True).start()

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._lock:
            self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._lock:
            self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: a client that hangs up is its own affair."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def handle_call(self) -> None:
        """Read a call, and pass it on or let it fail."""
        url = urlsplit(self.path)
        key = unquote(url.path).partition("/")[2].partition("/")[2]
        arguments = frozenset(parse_qs(url.query, keep_blank_values=True))
        call = Call(self.command, key, arguments, "x-amz-copy-source" in self.headers)
        body = self._body()
        fault = self.server.fault_of(call)
        if self.server.deadly and self.server.deadly(call):
            self.server.kill()
            self.close_connection = True
        elif fault is None or fault.answer(self, body):
            self._pass_on(body)

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = handle_call  # noqa: N815 - the library's names

    def send(self, status: int, headers: dict[str, str], body: bytes) -> None:
        """Send an answer; that to HEAD has no body, whatever its length says."""
        self.send_response_only(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if self.command != "HEAD":
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def reset(self) -> None:
        """End the connection rudely."""
        self.close_connection = True
        reset(self.connection)

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def _body(self) -> bytes:
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            pieces = []
            while size := int(re.split(rb"[;\r]", self.rfile.readline())[0], 16):
                pieces.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(pieces)
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def _pass_on(self, body: bytes) -> None:
        server = http.client.HTTPConnection("127.0.0.1", self.server.target_port, timeout=_SERVER_S)
        try:
            server.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in self.headers.items():
                if name.lower() not in {"connection", "expect", "transfer-encoding", "content-length"}:
                    server.putheader(name, value)
            server.putheader("Content-Length", str(len(body)))
            server.endheaders(body)
            answer = server.getresponse()
            content = answer.read()
        finally:
            server.close()
        headers = {name: value for name, value in answer.getheaders() if name.lower() not in _OF_THE_CONNECTION}
        if self.command == "HEAD" and "Content-Length" in answer.headers:
            headers["Content-Length"] = str(answer.headers["Content-Length"])
        self.send(answer.status, headers, content)


def reset(connection: socket.socket) -> None:
    """Close so that the other side sees a reset, not an orderly end."""
    try:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        connection.shutdown(socket.SHUT_RDWR)
        connection.close()
    except OSError:
        pass
