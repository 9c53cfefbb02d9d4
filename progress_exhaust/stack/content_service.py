"""A content service over a folder of hierarchy answers, on loopback only: for the demo, tests and benchmarks.

It behaves as the real one where that has surprised its clients: a search gives 100 hits unless told otherwise, an
empty list in a filter is dropped, and without a status only live nodes come back. Hits stand in lists by object type,
with one count for all. Units of collections, with the visibility `Parent`, are hits too. Asking for other states than
published ones also gives the twins of edited and of retired nodes, without the `.img` by which the index knows them:
the same id twice. What it does not know of a search (operators, full-text queries) it refuses, rather than find
something else.
"""

from __future__ import annotations

import argparse
import json
import signal
import socket
import threading
from collections.abc import Collection, Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self

DEFAULT_LIMIT = 100
MOST_PAGED = 10_000
"""Offset plus limit after which the index refuses, as Elasticsearch does."""

SEARCH_PATH = "/v3/search"
HIERARCHY_PATH = "/collection/v1/hierarchy"

COLLECTION = "application/vnd.ekstep.content-collection"

_PUBLISHED = frozenset({"Live", "Unlisted", "Flagged"})
_TWIN = ".img"
_CONTENTS = "content"
_QUESTION_SET = "QuestionSet"
_MOST_BODY_BYTES = 2 * 1024 * 1024
_KNOWN = frozenset({"filters", "fields", "limit", "offset", "sort_by", "facets"})

Node = dict[str, Any]


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
        self._server.index = _Index(Path(directory), frozenset(edited))
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


class _Index:
    """The nodes of a folder that a search finds, without their children."""

    def __init__(self, directory: Path, edited: frozenset[str]) -> None:
        self._directory = directory
        self._edited = edited
        self._lock = threading.Lock()
        self._nodes: dict[Path, tuple[tuple[int, int], list[Node]]] = {}

    def nodes(self) -> Iterator[Node]:
        """Give each node once, and its twin where it has one, reading only what has changed."""
        with self._lock:
            known, self._nodes = self._nodes, {}
            for file in sorted(self._directory.glob("*.json")):
                stat = file.stat()
                stamp = (stat.st_mtime_ns, stat.st_size)
                entry = known.get(file)
                self._nodes[file] = entry if entry and entry[0] == stamp else (stamp, _nodes_in(file))
            all_nodes = [node for _, nodes in self._nodes.values() for node in nodes]
        seen: set[str] = set()
        for node in all_nodes:
            if node["identifier"] in seen:
                continue
            seen.add(node["identifier"])
            yield node
            if node["status"] == "Retired":
                yield node | {"identifier": f"{node['identifier']}{_TWIN}"}
            elif node["identifier"] in self._edited:
                yield node | {"identifier": f"{node['identifier']}{_TWIN}", "status": "Draft"}

    def body(self, collection_id: str) -> bytes | None:
        """Return the stored answer for a collection."""
        file = self._directory / f"{collection_id}.json"
        is_inside = file.parent == self._directory and ".." not in collection_id
        return file.read_bytes() if is_inside and file.is_file() else None


def _nodes_in(file: Path) -> list[Node]:
    """Return the root of a file, its units and its question sets; nothing where it holds no tree."""
    try:
        root = json.loads(file.read_bytes())["result"]["content"]
        nodes = [_fields(root, {"status": "Live", "mimeType": COLLECTION})]
        level = [root]
        while level:
            level = [child for node in level for child in node.get("children") or () if isinstance(child, dict)]
            nodes += [
                _fields(node, {"status": nodes[0]["status"], "channel": nodes[0].get("channel")})
                for node in level
                if isinstance(node.get("identifier"), str)
                and (
                    node.get("objectType") == _QUESTION_SET
                    or (node.get("mimeType") == COLLECTION and node.get("visibility") == "Parent")
                )
            ]
        return nodes
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return []


def _fields(node: Node, usual: Node) -> Node:
    told = {key: value for key, value in node.items() if key != "children" and value is not None}
    return {"visibility": "Default"} | usual | told


def found(nodes: Iterator[Node], search: dict[str, Any]) -> dict[str, Any]:
    """Return the result of a search, by the rules of the real service.

    Raises:
        ValueError: the search asks for something that is not known here.
    """
    if not search.keys() <= _KNOWN:
        raise ValueError("only filters are known")
    filters = {field: _wanted(wanted) for field, wanted in search.get("filters", {}).items() if wanted != []}
    statuses = filters.setdefault("status", ["Live"])
    has_twins = not _PUBLISHED.issuperset(statuses)
    hits = [
        node
        for node in nodes
        if (has_twins or not node["identifier"].endswith(_TWIN))
        and all(_matches(_shown(node).get(field), wanted) for field, wanted in filters.items())
    ]
    for field, order in reversed(search.get("sort_by", {}).items()):
        hits.sort(key=lambda hit: str(hit.get(field, "")), reverse=order == "desc")
    offset = search.get("offset", 0)
    fields = search.get("fields")
    lists: dict[str, list[Node]] = {}
    for hit in hits[offset : offset + search.get("limit", DEFAULT_LIMIT)]:
        shown = _shown(hit)
        of_type = _QUESTION_SET if hit.get("objectType") == _QUESTION_SET else _CONTENTS
        told = {field: shown[field] for field in fields if field in shown} if fields else shown
        lists.setdefault(of_type, []).append(told)
    return {"count": len(hits), **lists}


def _shown(node: Node) -> Node:
    """Return a node as an answer shows it: a twin has the id of what it is the twin of."""
    return node | {"identifier": node["identifier"].removesuffix(_TWIN)}


def _wanted(wanted: Any) -> list[Any]:
    values = wanted if isinstance(wanted, list) else [wanted]
    if any(isinstance(value, dict) for value in values):
        raise ValueError("operators are not known")
    return values


def _matches(value: Any, wanted: list[Any]) -> bool:
    return any(one in wanted for one in (value if isinstance(value, list) else [value]))


class _Server(ThreadingHTTPServer):
    """Knows its open connections, so that idle ones end with it."""

    daemon_threads = False
    index: _Index
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
            search = json.loads(body)["request"]
            if search.get("offset", 0) + search.get("limit", DEFAULT_LIMIT) > MOST_PAGED:
                raise ValueError("paged too far")
            result = found(self.server.index.nodes(), search)
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
