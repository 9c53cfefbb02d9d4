"""The walk of a course tree: from the nested nodes of a hierarchy answer to the flat layout of a report's columns.

One pre-order walk, iterative, since trees come from outside and may be deep. It notes the leaves in one list, in tree
order, so that all that stands below a place is one span of that list, and what is mandatory within a collection is
worked out from its spans when the walk is over. Whatever does not fit is left out and counted, or refuses the tree as a
whole; nothing but a level too long for a cell is cut short. Source of the rules: the data contract, "From the tree to
the columns".
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain, compress
from typing import NamedTuple, Self

from progress_exhaust.catalogue import refusals
from progress_exhaust.catalogue.layout import Assessment, Layout, NestedCollection, TreeWarning
from progress_exhaust.catalogue.node import (
    Node,
    is_collection,
    is_number,
    is_optional,
    is_question_set,
    is_self_assess,
    is_trackable,
    list_in,
    text_in,
    text_or_nothing,
)
from progress_exhaust.errors import SkippedReport
from progress_exhaust.settings.sections import AssessmentSettings, CatalogueSettings
from progress_exhaust.text import shown

LONGEST_LEVEL = 32_000
BETWEEN_PLACES = "; "
CUT = "…"


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
        SkippedReport: the root is not the collection asked for (`BAD_TREE`), or the tree is over a bound
            (`TREE_TOO_LARGE`).
    """
    if not isinstance(tree, dict):
        raise _bad_root(collection_id, f"root is {_kind(tree)}")
    identifier = text_in(tree, "identifier")
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


class _Span(NamedTuple):
    """The leaves below one place of a collection: those from `first` to before `end` of all leaves noted.

    Attributes:
        first: place of its first leaf in the list.
        end: place after that of its last one.
        depth: of the place itself; marks further down count for it.
    """

    first: int
    end: int
    depth: int


@dataclass(slots=True)
class _Nested:
    """A nested collection as far as the walk has come.

    Attributes:
        name: from its first place.
        levels: of its places, as many as a cell holds and one more.
        level_length: characters of these, each with what stands between it and the next.
        spans: the leaves below each of its places.
    """

    name: str
    levels: list[str] = field(default_factory=list)
    level_length: int = 0
    spans: list[_Span] = field(default_factory=list)

    @property
    def is_level_too_long(self) -> bool:
        return self.level_length - len(BETWEEN_PLACES) > LONGEST_LEVEL

    def note_level(self, level: str) -> None:
        # A tree can hold one collection a hundred thousand times.
        if not self.is_level_too_long:
            self.levels.append(level)
            self.level_length += len(level) + len(BETWEEN_PLACES)

    def level(self) -> str:
        level = BETWEEN_PLACES.join(self.levels)
        return level[: LONGEST_LEVEL - len(CUT)] + CUT if self.is_level_too_long else level


@dataclass(frozen=True, slots=True)
class _Place:
    """A collection node on the current path.

    Attributes:
        identifier: its id.
        level: its position path; empty for the root.
        marked: depth of the deepest optional mark on the way from the root to it, its own included; 0 without one. The
            root's own mark is at 0, too, and counts for nobody.
        first_leaf: how many leaves were noted before it.
        nested: what is known of it as a nested collection; none where it is not trackable here.
        children: what is still to be walked below it.
    """

    identifier: str
    level: str
    marked: int
    first_leaf: int
    nested: _Nested | None
    children: Iterator[_Child]


class _Walk:
    """One walk over one tree."""

    def __init__(self, collection_id: str, rules: TreeRules) -> None:
        self._collection_id = collection_id
        self._rules = rules
        self._nodes = 1
        self._on_path: set[str] = set()
        # All leaves in tree order, each with the depth of the deepest optional mark on its way, its own included.
        self._leaves: list[str] = []
        self._marks: list[int] = []
        self._nested: dict[str, _Nested] = {}
        self._assessments: dict[str, Assessment] = {}
        self._warnings: Counter[TreeWarning] = Counter()

    def layout_of(self, root: Node) -> Layout:
        self._on_path.add(self._collection_id)
        path = [_Place(self._collection_id, "", 0, 0, None, self._children(root, depth=1))]
        while path:
            place, depth = path[-1], len(path)
            child = next(place.children, None)
            if child is None:
                path.pop()
                self._leave(place, depth - 1)
                continue
            marked = depth if is_optional(child.node) else place.marked
            if child.position:
                path.append(self._enter(child, place.level, marked, depth))
            else:
                self._note_leaf(child, marked)
        nested = tuple(self._nested_collections())
        return Layout(
            collection_id=self._collection_id,
            name=text_in(root, "name"),
            channel=text_in(root, "channel"),
            leaves=self._mandatory_leaves([_Span(0, len(self._leaves), 0)]),
            nested=nested,
            assessments=tuple(self._assessments.values()),
            warnings=dict(self._warnings),
        )

    def _enter(self, child: _Child, level_above: str, marked: int, depth: int) -> _Place:
        level = f"{level_above}.{child.position}" if level_above else str(child.position)
        nested = None
        if is_trackable(child.node):
            nested = self._nested.setdefault(child.identifier, _Nested(text_in(child.node, "name")))
            nested.note_level(level)
        self._on_path.add(child.identifier)
        below = self._children(child.node, depth + 1)
        return _Place(child.identifier, level, marked, len(self._leaves), nested, below)

    def _leave(self, place: _Place, depth: int) -> None:
        self._on_path.discard(place.identifier)
        if place.nested is not None:
            place.nested.spans.append(_Span(place.first_leaf, len(self._leaves), depth))

    def _note_leaf(self, child: _Child, marked: int) -> None:
        self._leaves.append(child.identifier)
        self._marks.append(marked)
        counts_for_total = is_self_assess(child.node)
        if not counts_for_total and not self._is_scored_question_set(child.node):
            return
        known = self._assessments.get(child.identifier)
        if known is None or (counts_for_total and not known.is_self_assess):
            name = text_in(child.node, "name") if known is None else known.name
            self._assessments[child.identifier] = Assessment(child.identifier, name, counts_for_total)

    def _is_scored_question_set(self, leaf: Node) -> bool:
        return is_question_set(leaf) and leaf.get("primaryCategory") in self._rules.question_set_categories

    def _nested_collections(self) -> Iterator[NestedCollection]:
        for identifier, nested in self._nested.items():
            if nested.is_level_too_long:
                self._warnings[TreeWarning.LEVEL_CUT] += 1
            leaves = self._mandatory_leaves(nested.spans)
            yield NestedCollection(identifier, nested.name, nested.level(), leaves)

    def _mandatory_leaves(self, spans: Sequence[_Span]) -> tuple[str, ...]:
        """Return the distinct leaves of a collection that no mark below any of its places makes optional."""
        found = dict.fromkeys(chain.from_iterable(self._leaves[span.first : span.end] for span in spans))
        optional: set[str] = set()
        for first, end, depth in spans:
            is_optional_here = map(depth.__lt__, self._marks[first:end])
            optional.update(compress(self._leaves[first:end], is_optional_here))
        return tuple(leaf for leaf in found if leaf not in optional) if optional else tuple(found)

    def _children(self, node: Node, depth: int) -> Iterator[_Child]:
        """Return the children at `depth` that are walked, in tree order, each collection with its position."""
        entries = list_in(node, "children")
        self._count(len(entries), depth)
        siblings: list[tuple[Node, str]] = []
        for entry in entries:
            if not isinstance(entry, dict):
                self._warnings[TreeWarning.CHILD_NOT_AN_OBJECT] += 1
            elif identifier := text_in(entry, "identifier"):
                siblings.append((entry, identifier))
            else:
                self._warnings[TreeWarning.CHILD_WITHOUT_IDENTIFIER] += 1
        if not siblings:
            return self._listed_leaves(node, depth)
        if all(is_number(sibling.get("index")) for sibling, _ in siblings):
            siblings.sort(key=lambda sibling: sibling[0]["index"])
        return iter(self._positioned(siblings))

    def _listed_leaves(self, node: Node, depth: int) -> Iterator[_Child]:
        """Return the leaves of a collection node without children, of which it only lists the ids."""
        identifiers = [text for text in map(text_or_nothing, list_in(node, "leafNodes")) if text]
        self._count(len(identifiers), depth)
        return (_Child({}, identifier, 0) for identifier in identifiers)

    def _count(self, nodes: int, depth: int) -> None:
        """Count nodes at a depth, those that are left out, too: they have to be looked at."""
        self._nodes += nodes
        if self._nodes > self._rules.max_nodes:
            raise refusals.too_large(self._collection_id, f"more than {self._rules.max_nodes:,} nodes", "max_nodes")
        if nodes and depth > self._rules.max_depth:
            raise refusals.too_large(self._collection_id, f"nodes below level {self._rules.max_depth}", "max_depth")

    def _positioned(self, siblings: list[tuple[Node, str]]) -> list[_Child]:
        children: list[_Child] = []
        position = 0
        for node, identifier in siblings:
            if not is_collection(node):
                children.append(_Child(node, identifier, 0))
            elif identifier in self._on_path:
                self._warnings[TreeWarning.CYCLE] += 1
            else:
                position += 1
                children.append(_Child(node, identifier, position))
        return children


def _bad_root(collection_id: str, got: str) -> SkippedReport:
    return refusals.bad_tree(collection_id, got, f"an object with identifier {shown(collection_id)}")


def _kind(value: object) -> str:
    """Name a JSON value's type as JSON does."""
    names = {list: "a list", str: "a text", bool: "a boolean", int: "a number", float: "a number", type(None): "null"}
    return names.get(type(value), "no JSON value")
