"""What a content service finds: the nodes of a folder of hierarchy answers, by the rules of the real one.

It behaves as the real one does where that has surprised its clients: a search gives 100 hits unless told otherwise, an
empty list in a filter is dropped, and without a status only live nodes come back. Hits stand in lists by object type,
with one count for all. Units of collections, with the visibility `Parent`, are hits too. Asking for other states than
published ones also gives the twins of edited and of retired nodes, without the `.img` by which the index knows them:
the same id twice. What it does not know of a search (operators, full-text queries) it refuses, rather than find
something else.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

COLLECTION = "application/vnd.ekstep.content-collection"
DEFAULT_LIMIT = 100
MOST_PAGED = 10_000
"""Offset plus limit after which the index refuses, as Elasticsearch does."""

_PUBLISHED = frozenset({"Live", "Unlisted", "Flagged"})
_TWIN = ".img"
_CONTENTS = "content"
_QUESTION_SET = "QuestionSet"
_KNOWN = frozenset({"filters", "fields", "limit", "offset", "sort_by", "facets"})

Node = dict[str, Any]


class ContentIndex:
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


def search_nodes(nodes: Iterator[Node], search: dict[str, Any]) -> dict[str, Any]:
    """Return the result of a search, by the rules of the real service.

    Raises:
        ValueError: the search asks for something that is not known here.
    """
    if not search.keys() <= _KNOWN:
        raise ValueError("only filters are known")
    offset, limit = search.get("offset", 0), search.get("limit", DEFAULT_LIMIT)
    if offset + limit > MOST_PAGED:
        raise ValueError("paged too far")
    filters = {field: _wanted_values(wanted) for field, wanted in search.get("filters", {}).items() if wanted != []}
    statuses = filters.setdefault("status", ["Live"])
    has_twins = not _PUBLISHED.issuperset(statuses)
    hits = [
        node
        for node in nodes
        if (has_twins or not node["identifier"].endswith(_TWIN))
        and all(_matches(_as_answered(node).get(field), wanted) for field, wanted in filters.items())
    ]
    for field, order in reversed(search.get("sort_by", {}).items()):
        hits.sort(key=lambda hit: str(hit.get(field, "")), reverse=order == "desc")
    fields = search.get("fields")
    lists: dict[str, list[Node]] = {}
    for hit in hits[offset : offset + limit]:
        shown = _as_answered(hit)
        of_type = _QUESTION_SET if hit.get("objectType") == _QUESTION_SET else _CONTENTS
        told = {field: shown[field] for field in fields if field in shown} if fields else shown
        lists.setdefault(of_type, []).append(told)
    return {"count": len(hits), **lists}


def _as_answered(node: Node) -> Node:
    """Return a node as an answer shows it: a twin has the id of what it is the twin of."""
    return node | {"identifier": node["identifier"].removesuffix(_TWIN)}


def _wanted_values(wanted: Any) -> list[Any]:
    values = wanted if isinstance(wanted, list) else [wanted]
    if any(isinstance(value, dict) for value in values):
        raise ValueError("operators are not known")
    return values


def _matches(value: Any, wanted: list[Any]) -> bool:
    return any(one in wanted for one in (value if isinstance(value, list) else [value]))
