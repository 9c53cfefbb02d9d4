"""What a report takes from a collection's tree: nested collections, levels, leaves and assessments."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any

COLLECTION_TYPE = "application/vnd.ekstep.content-collection"
QUESTION_SET_TYPE = "application/vnd.sunbird.questionset"
LONGEST_LEVEL = 32_000


class TreeTooLargeError(Exception):
    """The tree is over a cap."""


@dataclass(frozen=True)
class Node:
    """One place in the tree, with what stands below it in tree order; leaves have nothing below them."""

    fields: dict[str, Any]
    is_collection: bool
    level: str = ""
    children: list[Node] = field(default_factory=list)

    @property
    def identifier(self) -> str:
        """Return the identifier of what is placed here."""
        return str(self.fields["identifier"])


@dataclass
class Walk:
    """The limits of a walk, and what it has met."""

    max_depth: int
    max_nodes: int
    nodes: int = 1
    cycles: int = 0
    unusable_children: int = 0

    def count(self, nodes: int, depth: int) -> None:
        """Count nodes that stand at a depth.

        Raises:
            TreeTooLargeError: they are too deep, or there are too many by now.
        """
        self.nodes += nodes
        if self.nodes > self.max_nodes or (nodes and depth > self.max_depth):
            raise TreeTooLargeError


def read_tree(root: dict[str, Any], walk: Walk) -> Node:
    """Read a tree from its root, leaving out unusable children and cycles.

    Raises:
        TreeTooLargeError: it is deeper or has more nodes than allowed.
    """
    return Node(root, True, "", read_children(root, "", [root["identifier"]], walk))


def read_children(parent: dict[str, Any], level: str, path: list[str], walk: Walk) -> list[Node]:
    """Read what stands below a collection; `path` holds the identifiers from the root down to it, both included."""
    listed = parent.get("children")
    listed = listed if isinstance(listed, list) else []
    walk.count(len(listed), depth=len(path))
    usable = [child for child in listed if isinstance(child, dict) and is_filled_text(child.get("identifier"))]
    walk.unusable_children += len(listed) - len(usable)
    if not usable:
        return thin_leaves(parent, depth=len(path), walk=walk)
    children: list[Node] = []
    position = 0
    for child in in_order(usable):
        if not is_collection(child):
            children.append(Node(child, False))
        elif child["identifier"] in path:
            walk.cycles += 1
        else:
            position += 1
            own_level = f"{level}.{position}" if level else str(position)
            below = read_children(child, own_level, [*path, child["identifier"]], walk)
            children.append(Node(child, True, own_level, below))
    return children


def thin_leaves(parent: dict[str, Any], depth: int, walk: Walk) -> list[Node]:
    """Return the leaves of a collection that has no child and only lists their ids."""
    listed = parent.get("leafNodes")
    texts = [entry for entry in listed if is_filled_text(entry)] if isinstance(listed, list) else []
    walk.count(len(texts), depth)
    return [Node({"identifier": text}, False) for text in texts]


def in_order(children: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return usable children by `index` where each of them has a number there, else as they stand."""
    if all(is_number(child.get("index")) for child in children):
        return sorted(children, key=lambda child: child["index"])
    return children


def is_collection(child: dict[str, Any]) -> bool:
    """Tell whether a node below the root is a collection node."""
    if child.get("mimeType") is not None:
        return bool(child["mimeType"] == COLLECTION_TYPE)
    return isinstance(child.get("children"), list) and child.get("objectType") != "QuestionSet"


def as_object(value: object) -> dict[str, Any]:
    """Return an object, or what a text of JSON holds where that is one; else an object without fields."""
    if isinstance(value, str):
        try:
            value = json.loads(value, parse_constant=refuse_constant)
        except (ValueError, RecursionError):
            return {}
    return value if isinstance(value, dict) else {}


def refuse_constant(name: str) -> None:
    """Refuse NaN and the infinities, which are no JSON."""
    raise ValueError(name)


def is_filled_text(value: object) -> bool:
    """Tell whether a JSON value is text that is not empty."""
    return isinstance(value, str) and value != ""


def is_number(value: object) -> bool:
    """Tell whether a JSON value is a number; true and false are none."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def everything_below(node: Node) -> list[Node]:
    """Return all places below a node in tree order."""
    below: list[Node] = []
    for child in node.children:
        below += [child, *everything_below(child)]
    return below


def is_nested_collection(node: Node) -> bool:
    """Tell whether a place below the root is a trackable collection."""
    if not node.is_collection:
        return False
    enabled = as_object(node.fields.get("trackable")).get("enabled")
    if isinstance(enabled, str):
        return enabled.lower() == "yes"
    if isinstance(enabled, bool):
        return enabled
    return node.fields.get("contentType") == "Course" and node.fields.get("visibility") != "Parent"


def is_optional(node: Node) -> bool:
    """Tell whether a place carries the optional mark itself."""
    mark = as_object(node.fields.get("relationalMetadata")).get("optional")
    return mark is True or (isinstance(mark, str) and mark.lower() == "true")


def mandatory_leaves(places: list[Node]) -> set[str]:
    """Return the leaves below the places of a collection that are optional at none of theirs."""
    every = {node.identifier for place in places for node in everything_below(place) if not node.is_collection}
    return every - set().union(*(optional_leaves(place) for place in places))


def optional_leaves(node: Node) -> set[str]:
    """Return the leaves below a place that a mark below it makes optional somewhere."""
    leaves: set[str] = set()
    for child in node.children:
        if not is_optional(child):
            leaves |= optional_leaves(child)
        else:
            leaves |= {below.identifier for below in [child, *everything_below(child)] if not below.is_collection}
    return leaves


def is_self_assess(node: Node) -> bool:
    """Tell whether a place is a leaf that counts for the total score."""
    by_type = node.fields.get("contentType") == "SelfAssess"
    return not node.is_collection and (by_type or node.fields.get("primaryCategory") == "Course Assessment")


def is_assessment(node: Node, question_set_categories: tuple[str, ...]) -> bool:
    """Tell whether a place is a leaf that gives a score."""
    if node.is_collection:
        return False
    is_question_set = node.fields.get("objectType") == "QuestionSet" or node.fields.get("mimeType") == QUESTION_SET_TYPE
    in_category = node.fields.get("primaryCategory") in list(question_set_categories)
    return is_self_assess(node) or (is_question_set and in_category)


@dataclass(frozen=True)
class Layout:
    """What the columns and the counting of one collection need; the order of the dicts is that of the columns."""

    collection_id: str
    collection_name: str
    leaves: set[str]
    leaves_by_nested: dict[str, set[str]]
    level_by_nested: dict[str, str]
    levels_cut: int
    assessments: list[str]
    self_assessments: set[str]


def layout_of(root: Node, question_set_categories: tuple[str, ...]) -> Layout:
    """Work out the layout of a tree."""
    below = everything_below(root)
    places: dict[str, list[Node]] = {}
    for node in below:
        if is_nested_collection(node):
            places.setdefault(node.identifier, []).append(node)
    levels = {nested: "; ".join(node.level for node in nodes) for nested, nodes in places.items()}
    name = root.fields.get("name")
    return Layout(
        collection_id=root.identifier,
        collection_name=without_lone_surrogates(name) if isinstance(name, str) else "",
        leaves=mandatory_leaves([root]),
        leaves_by_nested={nested: mandatory_leaves(nodes) for nested, nodes in places.items()},
        level_by_nested={nested: fitting(level) for nested, level in levels.items()},
        levels_cut=sum(fitting(level) != level for level in levels.values()),
        assessments=list(
            dict.fromkeys(node.identifier for node in below if is_assessment(node, question_set_categories))
        ),
        self_assessments={node.identifier for node in below if is_self_assess(node)},
    )


def fitting(level: str) -> str:
    """Return a level, cut where it is too long for a cell."""
    return level if len(level) <= LONGEST_LEVEL else level[: LONGEST_LEVEL - 1] + "…"


def without_lone_surrogates(text: str) -> str:
    """Put U+FFFD where half of a pair stands alone."""
    return re.sub("[\ud800-\udfff]", "\ufffd", text)
