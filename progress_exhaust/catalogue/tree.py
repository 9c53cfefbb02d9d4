"""The walk of a course tree: from the nested nodes of a hierarchy answer to the flat layout of a report's columns.

One pre-order walk, iterative, since trees come from outside and may be deep. Whatever does not fit is left out and
counted, or refuses the tree as a whole; nothing is cut short. Source of the rules: the data contract, "The tree and
its layout".
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Self

from progress_exhaust.catalogue import refusals
from progress_exhaust.catalogue.layout import Assessment, Layout, NestedCollection, TreeWarning
from progress_exhaust.catalogue.text import clean, shown
from progress_exhaust.errors import NotMade
from progress_exhaust.settings import AssessmentSettings, CatalogueSettings

COLLECTION_MIME_TYPE = "application/vnd.ekstep.content-collection"
QUESTION_SET_MIME_TYPE = "application/vnd.sunbird.questionset"

Node = dict[str, Any]


@dataclass(frozen=True, slots=True)
class TreeRules:
    """The bounds of a tree, and which of its question sets give a score.

    Attributes:
        max_depth: deepest level of a node, the root at 0.
        max_nodes: nodes that are looked at, the root included.
        question_set_categories: primary categories of the question sets that are assessments.
    """

    max_depth: int
    max_nodes: int
    question_set_categories: tuple[str, ...]

    @classmethod
    def of(cls, catalogue: CatalogueSettings, assessment: AssessmentSettings) -> Self:
        """Return the rules that the settings hold."""
        return cls(catalogue.max_depth, catalogue.max_nodes, assessment.question_set_categories)


def layout_of(tree: object, collection_id: str, rules: TreeRules) -> Layout:
    """Walk a tree and return the layout of its collection.

    Args:
        tree: the root node of a hierarchy answer, with its children; of any shape.
        collection_id: the identifier that the root must have.
        rules: bounds and categories.

    Raises:
        NotMade: the root is not the collection asked for (`BAD_TREE`), or the tree is over a bound (`TREE_TOO_LARGE`).
    """
    if not isinstance(tree, dict):
        raise _bad_root(collection_id, f"root is {_kind(tree)}")
    identifier = _text(tree, "identifier")
    if identifier != collection_id:
        found = f"is {shown(identifier)}" if identifier else "is missing or empty"
        raise _bad_root(collection_id, f"the root's identifier {found}")
    return _Walk(collection_id, rules).layout_of(tree)


@dataclass(frozen=True, slots=True)
class _Child:
    """A node that is walked; `position` counts the collection nodes among its siblings, and is 0 for a leaf."""

    node: Node
    identifier: str
    position: int


@dataclass(frozen=True, slots=True)
class _Place:
    """A collection node on the current path.

    Attributes:
        identifier: its id.
        level: its position path; empty for the root.
        counting: leaf lists of the collections a mandatory leaf here counts for: those at or above this node with no
            optional mark below them on the way.
        children: what is still to be walked below it.
    """

    identifier: str
    level: str
    counting: tuple[list[str], ...]
    children: Iterator[_Child]


@dataclass(slots=True)
class _Nested:
    """A nested collection as far as the walk has come; `leaves` may hold an id several times."""

    name: str
    levels: list[str] = field(default_factory=list)
    leaves: list[str] = field(default_factory=list)


class _Walk:
    """One walk over one tree."""

    def __init__(self, collection_id: str, rules: TreeRules) -> None:
        self._collection_id = collection_id
        self._rules = rules
        self._nodes = 1
        self._on_path: set[str] = set()
        self._leaves: list[str] = []
        self._nested: dict[str, _Nested] = {}
        self._assessments: dict[str, Assessment] = {}
        self._warnings: Counter[TreeWarning] = Counter()

    def layout_of(self, root: Node) -> Layout:
        self._on_path.add(self._collection_id)
        path = [_Place(self._collection_id, "", (self._leaves,), self._children(root, depth=1))]
        while path:
            place = path[-1]
            child = next(place.children, None)
            if child is None:
                path.pop()
                self._on_path.discard(place.identifier)
                continue
            # An optional mark takes what is below it out of every collection above it.
            counting = () if _is_optional(child.node) else place.counting
            if child.position:
                path.append(self._enter(child, place.level, counting, depth=len(path)))
            else:
                self._note_leaf(child, counting)
        return Layout(
            collection_id=self._collection_id,
            name=_text(root, "name"),
            channel=_text(root, "channel"),
            leaves=_distinct(self._leaves),
            nested=tuple(
                NestedCollection(identifier, nested.name, "; ".join(nested.levels), _distinct(nested.leaves))
                for identifier, nested in self._nested.items()
            ),
            assessments=tuple(self._assessments.values()),
            warnings=dict(self._warnings),
        )

    def _enter(self, child: _Child, level_above: str, counting: tuple[list[str], ...], depth: int) -> _Place:
        level = f"{level_above}.{child.position}" if level_above else str(child.position)
        if _is_trackable(child.node):
            nested = self._nested.setdefault(child.identifier, _Nested(_text(child.node, "name")))
            nested.levels.append(level)
            # Its own mark does not count within it, so it is added after the mark has been applied.
            counting = (*counting, nested.leaves)
        self._on_path.add(child.identifier)
        return _Place(child.identifier, level, counting, self._children(child.node, depth + 1))

    def _note_leaf(self, child: _Child, counting: tuple[list[str], ...]) -> None:
        for leaves in counting:
            leaves.append(child.identifier)
        is_self_assess = _is_self_assess(child.node)
        if not is_self_assess and not _is_question_set(child.node, self._rules.question_set_categories):
            return
        known = self._assessments.get(child.identifier)
        if known is None or (is_self_assess and not known.is_self_assess):
            name = _text(child.node, "name") if known is None else known.name
            self._assessments[child.identifier] = Assessment(child.identifier, name, is_self_assess)

    def _children(self, node: Node, depth: int) -> Iterator[_Child]:
        """Return the children at `depth` that are walked, in tree order, each collection with its position."""
        entries = node.get("children")
        siblings: list[tuple[Node, str]] = []
        for entry in entries if isinstance(entries, list) else ():
            if not isinstance(entry, dict):
                self._warnings[TreeWarning.CHILD_NOT_AN_OBJECT] += 1
            elif identifier := _text(entry, "identifier"):
                siblings.append((entry, identifier))
            else:
                self._warnings[TreeWarning.CHILD_WITHOUT_IDENTIFIER] += 1
        self._nodes += len(siblings)
        if self._nodes > self._rules.max_nodes:
            raise refusals.too_large(self._collection_id, f"more than {self._rules.max_nodes:,} nodes", "max_nodes")
        if all(_is_number(sibling.get("index")) for sibling, _ in siblings):
            siblings.sort(key=lambda sibling: sibling[0]["index"])
        children = self._positioned(siblings)
        if children and depth > self._rules.max_depth:
            raise refusals.too_large(self._collection_id, f"nodes below level {self._rules.max_depth}", "max_depth")
        return iter(children)

    def _positioned(self, siblings: list[tuple[Node, str]]) -> list[_Child]:
        children: list[_Child] = []
        position = 0
        for node, identifier in siblings:
            if node.get("mimeType") != COLLECTION_MIME_TYPE:
                children.append(_Child(node, identifier, 0))
            elif identifier in self._on_path:
                self._warnings[TreeWarning.CYCLE] += 1
            else:
                position += 1
                children.append(_Child(node, identifier, position))
        return children


def _bad_root(collection_id: str, got: str) -> NotMade:
    return refusals.bad_tree(collection_id, got, f"an object with identifier {shown(collection_id)}")


def _kind(value: object) -> str:
    """Name a JSON value's type as JSON does."""
    names = {list: "a list", str: "a text", bool: "a boolean", int: "a number", float: "a number", type(None): "null"}
    return names.get(type(value), "no JSON value")


def _distinct(identifiers: list[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(identifiers))


def _text(node: Node, key: str) -> str:
    """Return a text field, or an empty text where the node has none."""
    value = node.get(key)
    return clean(value) if isinstance(value, str) else ""


def _is_number(value: object) -> bool:
    # In Python a bool is an int; in JSON it is not a number.
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_trackable(node: Node) -> bool:
    trackable = node.get("trackable")
    enabled = trackable.get("enabled") if isinstance(trackable, dict) else None
    if isinstance(enabled, str):
        return enabled == "Yes"
    return node.get("contentType") == "Course" and node.get("visibility") != "Parent"


def _is_optional(node: Node) -> bool:
    metadata = node.get("relationalMetadata")
    mark = metadata.get("optional") if isinstance(metadata, dict) else None
    return mark is True or (isinstance(mark, str) and mark.lower() == "true")


def _is_self_assess(node: Node) -> bool:
    return node.get("contentType") == "SelfAssess" or node.get("primaryCategory") == "Course Assessment"


def _is_question_set(node: Node, categories: tuple[str, ...]) -> bool:
    is_set = node.get("objectType") == "QuestionSet" or node.get("mimeType") == QUESTION_SET_MIME_TYPE
    return is_set and node.get("primaryCategory") in categories
