"""What a report takes from a collection's tree: nested collections, levels, leaves and assessments."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

COLLECTION_TYPE = "application/vnd.ekstep.content-collection"
QUESTION_SET_TYPE = "application/vnd.sunbird.questionset"


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


def read_tree(root: dict[str, Any], walk: Walk) -> Node:
    """Read a tree from its root, leaving out unusable children and cycles.

    Raises:
        TreeTooLargeError: it is deeper or has more nodes than allowed.
    """
    return Node(root, True, "", read_children(root, "", [root["identifier"]], walk))


def read_children(parent: dict[str, Any], level: str, path: list[str], walk: Walk) -> list[Node]:
    """Read what stands below a collection; `path` holds the identifiers from the root down to it, both included."""
    children: list[Node] = []
    position = 0
    for child in ordered_children(parent, walk):
        walk.nodes += 1
        if len(path) > walk.max_depth or walk.nodes > walk.max_nodes:
            raise TreeTooLargeError
        if child.get("mimeType") != COLLECTION_TYPE:
            children.append(Node(child, False))
        elif child["identifier"] in path:
            walk.cycles += 1
        else:
            position += 1
            own_level = f"{level}.{position}" if level else str(position)
            below = read_children(child, own_level, [*path, child["identifier"]], walk)
            children.append(Node(child, True, own_level, below))
    return children


def ordered_children(parent: dict[str, Any], walk: Walk) -> list[dict[str, Any]]:
    """Return the usable children, by `index` where each of them has a number there, else as they stand."""
    listed = parent.get("children")
    listed = listed if isinstance(listed, list) else []
    usable = [child for child in listed if isinstance(child, dict) and is_filled_text(child.get("identifier"))]
    walk.unusable_children += len(listed) - len(usable)
    if all(is_number(child.get("index")) for child in usable):
        usable.sort(key=lambda child: child["index"])
    return usable


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
    trackable = node.fields.get("trackable")
    if isinstance(trackable, dict) and isinstance(trackable.get("enabled"), str):
        return str(trackable["enabled"]) == "Yes"
    return node.fields.get("contentType") == "Course" and node.fields.get("visibility") != "Parent"


def is_optional(node: Node) -> bool:
    """Tell whether a place carries the optional mark itself."""
    metadata = node.fields.get("relationalMetadata")
    mark = metadata.get("optional") if isinstance(metadata, dict) else None
    return mark is True or (isinstance(mark, str) and mark.lower() == "true")


def mandatory_leaves(node: Node) -> set[str]:
    """Return the leaves below a place that no mark below it makes optional."""
    leaves: set[str] = set()
    for child in node.children:
        if is_optional(child):
            continue
        if child.is_collection:
            leaves |= mandatory_leaves(child)
        else:
            leaves.add(child.identifier)
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
    assessments: list[str]
    self_assessments: set[str]


def layout_of(root: Node, question_set_categories: tuple[str, ...]) -> Layout:
    """Work out the layout of a tree."""
    below = everything_below(root)
    places: dict[str, list[Node]] = {}
    for node in below:
        if is_nested_collection(node):
            places.setdefault(node.identifier, []).append(node)
    name = root.fields.get("name")
    return Layout(
        collection_id=root.identifier,
        collection_name=without_lone_surrogates(name) if isinstance(name, str) else "",
        leaves=mandatory_leaves(root),
        leaves_by_nested={
            nested: set().union(*(mandatory_leaves(node) for node in nodes)) for nested, nodes in places.items()
        },
        level_by_nested={nested: "; ".join(node.level for node in nodes) for nested, nodes in places.items()},
        assessments=list(
            dict.fromkeys(node.identifier for node in below if is_assessment(node, question_set_categories))
        ),
        self_assessments={node.identifier for node in below if is_self_assess(node)},
    )


def without_lone_surrogates(text: str) -> str:
    """Put U+FFFD where half of a pair stands alone."""
    return re.sub("[\ud800-\udfff]", "\ufffd", text)
