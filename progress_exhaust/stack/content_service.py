"""A content service over a folder of hierarchy answers, on loopback only: for the demo, tests and benchmarks.

What it finds, and how far that is as the real one finds it, tells `content_index`.
"""

from __future__ import annotations

import argparse
import json
import signal
import socket
import threading
from collections.abc import Collection, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from progress_exhaust.stack.content_index import ContentIndex, search_nodes

SEARCH_PATH = "/v3/search"
HIERARCHY_PATH = "/collection/v1/hierarchy"

_MOST_BODY_BYTES = 2 * 1024 * 1024


class ContentService:
    """Serves a folder of `<collection_id>.json` while its `with` block runs; changed files are seen.

    Args:
        directory: the folder.
        port: where to listen; 0 takes a free port.
        token: the bearer token each call must carry; None asks for none.
        edited: ids of collections that are being edited, so that the index has a twin of each.
    """

    def __init__(
        self,
        directory: str | Path,
        *,
        port: int = 0,
        token: str | None = None,
        edited: Collection[str] = (),
    ) -> None:
        self._server = _Server(("127.0.0.1", port), _Handler)
        self._server.index = ContentIndex(Path(directory), frozenset(edited))
        self._server.token = token
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    @property
    def port(self) -> int:
        """The port it listens on."""
        return self._server.server_port

    @property
    def search_url(self) -> str:
        """Where to POST a search."""
        return f"http://127.0.0.1:{self.port}{SEARCH_PATH}"

    @property
    def hierarchy_url(self) -> str:
        """Where to GET a tree, before `/<collection_id>`."""
        return f"http://127.0.0.1:{self.port}{HIERARCHY_PATH}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    """Knows its open connections, so that idle ones end with it."""

    daemon_threads = False
    index: ContentIndex
    token: str | None = None

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        self._open: set[socket.socket] = set()
        super().__init__(address, handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: a client that hangs up is its own affair."""

    def server_close(self) -> None:
        for connection in tuple(self._open):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue
        super().server_close()


class _Handler(BaseHTTPRequestHandler):
    """Answers one connection."""

    server: _Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        if self.path != SEARCH_PATH or length > _MOST_BODY_BYTES:
            self.close_connection = True
            self._answer(404, "RESOURCE_NOT_FOUND", {})
            return
        body = self.rfile.read(length)
        if not self._is_allowed():
            return
        try:
            result = search_nodes(self.server.index.nodes(), json.loads(body)["request"])
        except (ValueError, LookupError, TypeError, AttributeError):
            self._answer(400, "CLIENT_ERROR", {})
            return
        self._answer(200, "OK", result)

    def do_GET(self) -> None:
        if not self._is_allowed():
            return
        parent, _, collection_id = self.path.partition("?")[0].rpartition("/")
        body = self.server.index.body(collection_id) if parent == HIERARCHY_PATH else None
        if body is None:
            self._answer(404, "RESOURCE_NOT_FOUND", {})
        else:
            self._send(200, body)

    def log_message(self, format: str, *args: Any) -> None:
        """Keep silent."""

    def _is_allowed(self) -> bool:
        token = self.server.token
        if token is None or self.headers.get("Authorization") == f"Bearer {token}":
            return True
        self._answer(401, "CLIENT_ERROR", {})
        return False

    def _answer(self, status: int, code: str, result: dict[str, Any]) -> None:
        self._send(status, json.dumps({"responseCode": code, "result": result}).encode())

    def _send(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve a folder until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(prog="content_service", description="Serve a catalogue folder on loopback.")
    parser.add_argument("--directory", type=Path, required=True, help="folder of <collection_id>.json")
    parser.add_argument("--port", type=int, default=0, help="port to listen on; 0 takes a free one")
    parser.add_argument("--port-file", type=Path, required=True, help="file for the port, once it listens")
    options = parser.parse_args(arguments)
    stop = {signal.SIGTERM, signal.SIGINT}
    # Blocked before any thread starts, so that only the wait below gets them.
    signal.pthread_sigmask(signal.SIG_BLOCK, stop)
    with ContentService(options.directory, port=options.port) as service:
        unfinished = options.port_file.with_name(f"{options.port_file.name}.new")
        unfinished.write_text(f"{service.port}\n", encoding="ascii")
        # Whoever waits for the file finds it whole.
        unfinished.replace(options.port_file)
        signal.sigwait(stop)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
