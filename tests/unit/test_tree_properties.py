"""The walk of any course tree: junk never breaks it, and it agrees with a slow reference that follows definitions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from progress_exhaust.catalogue.layout import Assessment, Layout, NestedCollection
from progress_exhaust.catalogue.tree import layout_of
from progress_exhaust.errors import Reason, SkippedReport
from tests.support.tree_nodes import COLLECTION, RULES, Node

JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                [
                    "identifier",
                    "name",
                    "children",
                    "mimeType",
                    "trackable",
                    "relationalMetadata",
                    "index",
                    "contentType",
                ]
            )
            | st.text(max_size=3),
            inner,
            max_size=6,
        )
    ),
    max_leaves=30,
)

FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "trackable": st.sampled_from([{"enabled": "Yes"}, {"enabled": "yes"}, {"enabled": True}, '{"enabled": "YES"}'])
    | st.sampled_from([{"enabled": "No"}, {"enabled": False}, '{"enabled": false}', '{"enabled": tru', {}, None]),
    "contentType": st.sampled_from(["Course", "SelfAssess", "Resource"]),
    "visibility": st.sampled_from(["Default", "Parent"]),
    "relationalMetadata": st.sampled_from([{"optional": True}, {"optional": "True"}, '{"optional": true}'])
    | st.sampled_from([{"optional": False}, '{"optional": "no"}', '{"optional": true', None]),
    "index": st.sampled_from([1, 2, 2, 3.5, "1", True]),
    "primaryCategory": st.sampled_from(["Course Assessment", "Practice Question Set", "Survey"]),
    "objectType": st.sampled_from(["QuestionSet", "Content"]),
    "leafNodes": st.lists(st.sampled_from(["a", "b", "x", "y", "", 7]), max_size=3),
}

LEAVES = st.fixed_dictionaries(
    {"identifier": st.sampled_from("abcvwxyz"), "mimeType": st.sampled_from(["video/mp4", None])}, optional=FIELDS
)


def collections(children: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.fixed_dictionaries(
        {
            "identifier": st.sampled_from(["do_root", *"abcde"]),
            "mimeType": st.sampled_from([COLLECTION, COLLECTION, None]),
            "children": st.lists(children, max_size=4),
            "trackable": FIELDS["trackable"],
        },
        optional={key: values for key, values in FIELDS.items() if key != "trackable"},
    )


TREES = LEAVES


for _ in range(4):
    TREES = collections(TREES | TREES | LEAVES | st.sampled_from([7, {}]))


@settings(max_examples=150, deadline=None)
@given(JUNK)
def test_junk_gives_a_layout_or_not_made(junk: Any) -> None:
    for tree in (
        junk,
        {"identifier": "do_root", "children": junk},
        {"identifier": "do_root", "children": [junk, junk]},
    ):
        try:
            layout_of(tree, "do_root", RULES)
        except SkippedReport as error:
            assert error.reason in (Reason.BAD_TREE, Reason.TREE_TOO_LARGE)


@pytest.mark.rule("T1", "T3", "T7", "T9")
@settings(max_examples=300, deadline=None)
@given(TREES)
def test_walk_agrees_with_a_reference_that_follows_the_definitions(tree: Any) -> None:
    tree = tree | {"identifier": "do_root"}
    layout = layout_of(tree, "do_root", RULES)
    assert layout == reference_layout(tree, layout)


Spot = tuple[tuple[Node, int], ...]
"""All nodes from the root down to one node, each with its position."""


def holds_others(node: Node) -> bool:
    match node:
        case {"mimeType": str(mime_type)}:
            return mime_type == COLLECTION
        case {"objectType": "QuestionSet"}:
            return False
        case {"children": list()}:
            return True
    return False


def spots(above: Spot) -> Iterator[Spot]:
    """Every node of the tree in pre-order, each with the way to it."""
    node = above[-1][0]
    if len(above) > 1 and not holds_others(node):
        return
    children = [child for child in node.get("children") or [] if isinstance(child, dict) and child.get("identifier")]
    if not children:
        for text in node.get("leafNodes") or []:
            if isinstance(text, str) and text:
                yield (*above, ({"identifier": text}, 0))
    if all(type(child.get("index")) in (int, float) for child in children):
        children = sorted(children, key=lambda child: child["index"])
    path_ids = {other["identifier"] for other, _ in above}
    position = 0
    for child in children:
        is_collection = holds_others(child)
        if is_collection and child["identifier"] in path_ids:
            continue
        position += is_collection
        spot = (*above, (child, position if is_collection else 0))
        yield spot
        yield from spots(spot)


def reference_layout(tree: Node, found: Layout) -> Layout:
    everything = list(spots(((tree, 0),)))
    leaf_spots = [spot for spot in everything if not holds_others(spot[-1][0])]

    def trackable(node: Node) -> bool:
        match node.get("trackable"):
            case {"enabled": "Yes" | "yes" | True} | '{"enabled": "YES"}':
                return True
            case {"enabled": "No" | False} | '{"enabled": false}':
                return False
        return node.get("contentType") == "Course" and node.get("visibility", "Default") != "Parent"

    def marked(node: Node) -> bool:
        return node.get("relationalMetadata") in ({"optional": True}, {"optional": "True"}, '{"optional": true}')

    def mandatory(places: list[Spot]) -> tuple[str, ...]:
        below = [(len(at), spot) for at in places for spot in leaf_spots if ways(spot)[: len(at)] == ways(at)]
        optional = {spot[-1][0]["identifier"] for depth, spot in below if any(marked(node) for node, _ in spot[depth:])}
        return distinct([spot[-1][0]["identifier"] for _, spot in below if spot[-1][0]["identifier"] not in optional])

    def ways(spot: Spot) -> tuple[int, ...]:
        return tuple(position for _, position in spot)

    def distinct(ids: list[str]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(ids))

    places: dict[str, list[Spot]] = {}
    for spot in everything:
        if holds_others(spot[-1][0]) and trackable(spot[-1][0]):
            places.setdefault(spot[-1][0]["identifier"], []).append(spot)
    nested = []
    for identifier, own in places.items():
        level = "; ".join(".".join(str(position) for _, position in place[1:]) for place in own)
        nested.append(NestedCollection(identifier, "", level, mandatory(own)))
    self_assess = {
        spot[-1][0]["identifier"]
        for spot in leaf_spots
        if spot[-1][0].get("contentType") == "SelfAssess" or spot[-1][0].get("primaryCategory") == "Course Assessment"
    }
    assessments = [
        spot[-1][0]["identifier"]
        for spot in leaf_spots
        if spot[-1][0].get("contentType") == "SelfAssess"
        or spot[-1][0].get("primaryCategory") == "Course Assessment"
        or (
            spot[-1][0].get("objectType") == "QuestionSet"
            and spot[-1][0].get("primaryCategory") == "Practice Question Set"
        )
    ]
    return Layout(
        "do_root",
        "",
        "",
        mandatory([((tree, 0),)]),
        tuple(nested),
        tuple(Assessment(identifier, "", identifier in self_assess) for identifier in distinct(assessments)),
        found.warnings,
    )
