"""Random trees stay wild: each oddity that the contract names must really occur in them, often enough."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from tests.reference.csv_text import guarded
from tests.reference.tree import Node, everything_below, is_nested_collection, is_optional, optional_leaves
from tests.worlds.census import ENOUGH, SEEDS, Seen, seen
from tests.worlds.trees import COLLECTION_TYPE, QUESTION_SET_TYPE


def siblings_of_collections(one: Seen) -> list[list[Any]]:
    """Give the `index` values of all siblings in the trees that are used."""
    groups = [node.children for node in [*one.roots, *one.places] if len(node.children) > 1]
    return [[child.fields.get("index") for child in group] for group in groups]


def number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def nested_ids(root: Node) -> Counter[str]:
    return Counter(node.identifier for node in everything_below(root) if is_nested_collection(node))


def within(node: Node, test: Callable[[Node], bool]) -> int:
    return sum(test(inner) for inner in everything_below(node))


def field_values(one: Seen, name: str) -> list[Any]:
    return [node.fields[name] for node in one.places if name in node.fields]


def is_self_assess_set(node: Node) -> bool:
    return node.fields.get("objectType") == "QuestionSet" and node.fields.get("contentType") == "SelfAssess"


def marked(one: Seen) -> list[Node]:
    metadata = [(node, node.fields.get("relationalMetadata")) for node in one.places]
    return [node for node, value in metadata if isinstance(value, dict) and "optional" in value]


def is_thin(node: Node) -> bool:
    """Tell whether a collection has the leaves that it lists; any other leaf has more than an id."""
    return any(set(child.fields) == {"identifier"} for child in node.children)


def left_mandatory(node: Node) -> set[str]:
    """Give the leaves that stand below a node with no mark on their way."""
    plain = [child for child in node.children if not is_optional(child)]
    return set().union(*(left_mandatory(child) if child.is_collection else {child.identifier} for child in plain))


def places_of(root: Node) -> list[list[Node]]:
    """Give the places of each nested collection."""
    nested = [node for node in everything_below(root) if is_nested_collection(node)]
    return [[node for node in nested if node.identifier == key] for key in nested_ids(root)]


def optional_elsewhere(places: list[Node]) -> int:
    """Count the leaves that one place of a collection leaves mandatory, and only another one makes optional."""
    mandatory, optional = [left_mandatory(node) for node in places], [optional_leaves(node) for node in places]
    return sum(
        leaf not in optional[here] and any(leaf in there for there in optional)
        for here, leaves in enumerate(mandatory)
        for leaf in leaves
    )


def enabled_of(one: Seen) -> list[Any]:
    trackable = [value for value in field_values(one, "trackable") if isinstance(value, dict)]
    return [value["enabled"] for value in trackable if "enabled" in value]


def has_listed_ids(node: Node) -> bool:
    listed = node.fields.get("leafNodes")
    return isinstance(listed, list) and any(isinstance(entry, str) and entry for entry in listed)


TREES: dict[str, Callable[[Seen], int]] = {
    "unit in a unit": lambda s: sum(
        within(n, lambda i: i.is_collection and not is_nested_collection(i))
        for n in s.places
        if n.is_collection and not is_nested_collection(n)
    ),
    "nested in nested": lambda s: sum(within(n, is_nested_collection) for n in s.places if is_nested_collection(n)),
    "nested in a unit": lambda s: sum(
        within(n, is_nested_collection) for n in s.places if n.is_collection and not is_nested_collection(n)
    ),
    "collection placed twice": lambda s: sum(sum(c > 1 for c in nested_ids(r).values()) for r in s.roots),
    "place of a nested collection that is not trackable": lambda s: sum(
        n.is_collection and not is_nested_collection(n) and n.identifier in nested_ids(r)
        for r in s.roots
        for n in everything_below(r)
    ),
    "leaf placed twice": lambda s: sum(
        c > 1
        for r in s.roots
        for c in Counter(n.identifier for n in everything_below(r) if not n.is_collection).values()
    ),
    "optional as true": lambda s: sum(n.fields["relationalMetadata"]["optional"] is True for n in marked(s)),
    "optional as text": lambda s: sum(
        is_optional(n) and n.fields["relationalMetadata"]["optional"] is not True for n in marked(s)
    ),
    "optional looked like": lambda s: sum(not is_optional(n) for n in marked(s)),
    "metadata of a wrong type": lambda s: sum(not isinstance(v, dict) for v in field_values(s, "relationalMetadata")),
    "optional nested collection": lambda s: sum(is_nested_collection(n) and is_optional(n) for n in s.places),
    "optional unit": lambda s: sum(
        n.is_collection and not is_nested_collection(n) and is_optional(n) for n in s.places
    ),
    "leaf optional here and mandatory there": lambda s: sum(
        len({is_optional(n) for n in everything_below(r) if n.identifier == leaf}) > 1
        for r in s.roots
        for leaf in {n.identifier for n in everything_below(r) if not n.is_collection}
    ),
    "leaf optional in one place alone": lambda s: sum(len(left_mandatory(r) & optional_leaves(r)) for r in s.roots),
    "leaf optional in one place alone of a nested collection": lambda s: sum(
        len(left_mandatory(n) & optional_leaves(n)) for n in s.places if is_nested_collection(n)
    ),
    "leaf optional in another place of its collection": lambda s: sum(
        optional_elsewhere(places) for r in s.roots for places in places_of(r)
    ),
    "optional in text": lambda s: sum(
        is_optional(n) for n in s.places if isinstance(n.fields.get("relationalMetadata"), str)
    ),
    "optional in text looked like": lambda s: sum(
        not is_optional(n) for n in s.places if isinstance(n.fields.get("relationalMetadata"), str)
    ),
    "optional root": lambda s: sum(is_optional(r) for r in s.roots),
    "cycle": lambda s: sum(r.warnings["cycle"] > 0 for r in s.made()),
    "unusable child": lambda s: sum(r.warnings["unusable_child"] > 0 for r in s.made()),
    "children that are no list": lambda s: sum(
        not isinstance(n.fields.get("children"), list) for n in s.places if n.is_collection
    ),
    "leaf with children": lambda s: sum(bool(n.fields.get("children")) for n in s.places if not n.is_collection),
    "leaf and collection of one id": lambda s: sum(
        len({n.is_collection for n in everything_below(r) if n.identifier == i}) > 1
        for r in s.roots
        for i in nested_ids(r)
    ),
    "index out of order": lambda s: sum(all(map(number, g)) and sorted(g) == g for g in siblings_of_collections(s)),
    "index with ties": lambda s: sum(all(map(number, g)) and len(set(g)) < len(g) for g in siblings_of_collections(s)),
    "index mixed": lambda s: sum(0 < sum(map(number, g)) < len(g) for g in siblings_of_collections(s)),
    "index true or false": lambda s: sum(isinstance(i, bool) for g in siblings_of_collections(s) for i in g),
    "index absent": lambda s: sum(i is None for g in siblings_of_collections(s) for i in g),
    "children reordered": lambda s: sum(
        [c.fields for c in n.children] != [c for c in n.fields["children"] if any(c is d.fields for d in n.children)]
        for n in [*s.roots, *s.places]
        if n.children and not is_thin(n)
    ),
    "nested by trackable": lambda s: sum(
        is_nested_collection(n) and isinstance(n.fields.get("trackable"), dict) for n in s.places
    ),
    "nested by content type": lambda s: sum(
        is_nested_collection(n) and not isinstance(n.fields.get("trackable"), dict) for n in s.places
    ),
    "nested by text of an object": lambda s: sum(
        is_nested_collection(n) and n.fields.get("contentType") != "Course"
        for n in s.places
        if isinstance(n.fields.get("trackable"), str)
    ),
    "not nested by text of an object": lambda s: sum(
        n.fields.get("contentType") == "Course" and n.fields.get("visibility") != "Parent"
        for n in s.places
        if isinstance(n.fields.get("trackable"), str) and n.is_collection and not is_nested_collection(n)
    ),
    "nested by type for want of an object in a text": lambda s: sum(
        is_nested_collection(n) for n in s.places if n.fields.get("trackable") in ("No", '{"enabled": "No"')
    ),
    "enabled yes in other cases": lambda s: sum(value in ("yes", "YES") for value in enabled_of(s)),
    "enabled another text": lambda s: sum(value in ("NO", "true", "") for value in enabled_of(s)),
    "enabled true": lambda s: sum(value is True for value in enabled_of(s)),
    "enabled false": lambda s: sum(value is False for value in enabled_of(s)),
    "trackable of a wrong type": lambda s: sum(not isinstance(v, dict) for v in field_values(s, "trackable")),
    "enabled of a wrong type": lambda s: sum(
        isinstance(v, dict) and not isinstance(v.get("enabled"), str) for v in field_values(s, "trackable")
    ),
    "visibility of a wrong type": lambda s: sum(not isinstance(v, str) for v in field_values(s, "visibility")),
    "content type of a wrong type": lambda s: sum(not isinstance(v, str) for v in field_values(s, "contentType")),
    "category of a wrong type": lambda s: sum(not isinstance(v, str) for v in field_values(s, "primaryCategory")),
    "MIME type of a wrong type": lambda s: sum(not isinstance(v, str) for v in field_values(s, "mimeType")),
    "object type of a wrong type": lambda s: sum(not isinstance(v, str) for v in field_values(s, "objectType")),
    "MIME type absent": lambda s: sum("mimeType" not in n.fields for n in s.places),
    "collection without MIME type": lambda s: sum(
        n.is_collection and n.fields.get("mimeType") is None and bool(n.children) for n in s.places
    ),
    "nested collection without MIME type": lambda s: sum(
        is_nested_collection(n) and n.fields.get("mimeType") is None for n in s.places
    ),
    "collection without MIME type and child": lambda s: sum(
        n.is_collection and n.fields.get("mimeType") is None and n.fields["children"] == [] for n in s.places
    ),
    "question set without MIME type, with children": lambda s: sum(
        not n.is_collection and n.fields.get("mimeType") is None and isinstance(n.fields.get("children"), list)
        for n in s.places
    ),
    "thin collection": lambda s: sum(map(is_thin, s.places)),
    "thin nested collection": lambda s: sum(is_thin(n) and is_nested_collection(n) for n in s.places),
    "thin optional collection": lambda s: sum(is_thin(n) and is_optional(n) for n in s.places),
    "thin root": lambda s: sum(map(is_thin, s.roots)),
    "thin collection whose children are left out": lambda s: sum(
        is_thin(n) and bool(n.fields["children"]) for n in s.places
    ),
    "leaf that is listed and placed": lambda s: sum(
        len({len(n.fields) == 1 for n in everything_below(r) if n.identifier == leaf}) > 1
        for r in s.roots
        for leaf in {n.identifier for n in everything_below(r) if not n.is_collection}
    ),
    "listed leaves beside children": lambda s: sum(
        has_listed_ids(n) and bool(n.children) and not is_thin(n) for n in [*s.roots, *s.places]
    ),
    "listed leaves beside a cycle alone": lambda s: sum(
        has_listed_ids(n) and n.is_collection and not n.children for n in [*s.roots, *s.places]
    ),
    "listed leaves that are no list": lambda s: sum(not isinstance(v, list) for v in field_values(s, "leafNodes")),
    "listed leaves that are no ids": lambda s: sum(
        not isinstance(entry, str) or not entry
        for v in field_values(s, "leafNodes")
        for entry in (v if isinstance(v, list) else [])
    ),
    "level too long": lambda s: sum(r.warnings["level_cut"] > 0 for r in s.made()),
    "level long and not too long": lambda s: sum(10_000 < len(c) < 32_000 for c in s.cells(" - Level")),
    "self-assess by type": lambda s: sum(n.fields.get("contentType") == "SelfAssess" for n in s.places),
    "self-assess by category": lambda s: sum(n.fields.get("primaryCategory") == "Course Assessment" for n in s.places),
    "question set by object type": lambda s: sum(n.fields.get("objectType") == "QuestionSet" for n in s.places),
    "question set by MIME type": lambda s: sum(n.fields.get("mimeType") == QUESTION_SET_TYPE for n in s.places),
    "question set of no category": lambda s: sum(
        n.fields.get("objectType") == "QuestionSet" and n.fields.get("primaryCategory") != "Practice Question Set"
        for n in s.places
    ),
    "question set that is self-assess": lambda s: sum(map(is_self_assess_set, s.places)),
    "assessment optional": lambda s: sum(
        is_optional(n) and n.fields.get("contentType") == "SelfAssess" for n in s.places
    ),
    "root of another MIME type": lambda s: sum(r.fields["mimeType"] != COLLECTION_TYPE for r in s.roots),
    "root without children": lambda s: sum(not r.children for r in s.roots),
    "root name with half a pair": lambda s: sum("\ufffd" in c for c in s.cells("Collection Name")),
    "root name of a wrong type": lambda s: sum(not isinstance(r.fields.get("name"), str) for r in s.roots),
    "root status absent": lambda s: sum("status" not in r.fields for r in s.roots),
    "leaf count that misleads": lambda s: sum("leafNodesCount" in r.fields for r in s.roots),
    "nested collection that has batches": lambda s: sum(i in s.world.trees for r in s.roots for i in nested_ids(r)),
    "deepest tree allowed": lambda s: sum(n.identifier == "un_chain_63" for n in s.places),
    "content ids that hurt in a path or expression": lambda s: sum(
        any(c in n.identifier for c in "`\".,'{") for n in s.places
    ),
    "header that is a formula": lambda s: sum(guarded(c) != c for r in s.made() for c in r.header),
    "header that needs quotes": lambda s: sum(any(x in c for x in ',"') for r in s.made() for c in r.header),
    "ids that begin with each other": lambda s: sum(
        {"do_1", "do_12"} <= {n.identifier for n in everything_below(r)} for r in s.roots
    ),
    "ids that differ by case": lambda s: sum(
        {"do_A", "do_a"} <= {n.identifier for n in everything_below(r)} for r in s.roots
    ),
}


@pytest.mark.parametrize("oddity", TREES)
def test_oddity_occurs_in_random_worlds(oddity: str) -> None:
    assert sum(TREES[oddity](seen(seed)) for seed in SEEDS) >= ENOUGH
