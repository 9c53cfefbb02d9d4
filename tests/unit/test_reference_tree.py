"""The reference's walk of a tree, by hand-worked cases."""

from __future__ import annotations

from typing import Any

import pytest

from tests.reference.tree import COLLECTION_TYPE, Layout, TreeTooLargeError, Walk, layout_of, read_tree
from tests.worlds.trees import chain_tree


def node(identifier: str, *children: Any, **fields: Any) -> dict[str, Any]:
    """Make a unit with children, or a leaf without any."""
    kind = {"mimeType": COLLECTION_TYPE, "children": list(children)} if children else {"mimeType": "video/mp4"}
    return {"identifier": identifier, **kind, **fields}


def course(identifier: str, *children: Any, **fields: Any) -> dict[str, Any]:
    return node(identifier, *children, trackable={"enabled": "Yes"}, **fields)


OPTIONAL = {"relationalMetadata": {"optional": True}}


def layout(*children: Any) -> Layout:
    return layout_of(read_tree(course("root", *children), Walk(64, 1000)), ("Practice Question Set",))


def test_levels_count_all_collections_among_their_siblings() -> None:
    made = layout(
        node("leaf"),
        node("unit1", node("x")),
        node("unit2", node("x"), course("a", course("b", node("x")), node("y"), course("c", node("z")))),
        course("d", node("x")),
    )
    assert made.level_by_nested == {"a": "2.1", "b": "2.1.1", "c": "2.1.2", "d": "3"}
    assert made.leaves == {"leaf", "x", "y", "z"}
    assert made.leaves_by_nested == {"a": {"x", "y", "z"}, "b": {"x"}, "c": {"z"}, "d": {"x"}}


def test_collection_placed_twice_has_each_path_and_all_its_leaves() -> None:
    made = layout(node("unit", course("a", node("x"))), course("b", node("z")), course("a", node("y")))
    assert made.level_by_nested == {"a": "1.1; 3", "b": "2"}
    assert made.leaves_by_nested["a"] == {"x", "y"}


def test_place_that_is_not_trackable_counts_a_position_but_is_no_nested_collection() -> None:
    made = layout(node("a", node("x")), course("a", node("y")))
    assert made.level_by_nested == {"a": "2"}
    assert made.leaves_by_nested == {"a": {"y"}}


def test_optional_collection_leaves_its_parent_but_keeps_its_own_leaves() -> None:
    made = layout(course("a", node("x"), course("b", node("y"), node("z", **OPTIONAL), **OPTIONAL)))
    assert made.leaves == {"x"}
    assert made.leaves_by_nested == {"a": {"x"}, "b": {"y"}}


def test_leaf_optional_in_one_place_and_mandatory_in_another_is_mandatory() -> None:
    assert layout(node("x", **OPTIONAL), node("unit", node("x"))).leaves == {"x"}


@pytest.mark.parametrize("mark", [True, "true", "TRUE", "tRue"])
def test_optional_marks(mark: object) -> None:
    assert layout(node("x", relationalMetadata={"optional": mark})).leaves == set()


@pytest.mark.parametrize("mark", [False, "false", 1, "1", " true", None, [True], {"optional": True}])
def test_what_only_looks_like_an_optional_mark(mark: object) -> None:
    assert layout(node("x", relationalMetadata={"optional": mark})).leaves == {"x"}


def test_children_stand_by_index_only_if_each_has_a_number() -> None:
    first, second = course("a", node("x"), index=2), course("b", node("x"), index=1)
    assert list(layout(first, second).level_by_nested) == ["b", "a"]
    assert list(layout(first, "no node", {"index": "z"}, second).level_by_nested) == ["b", "a"]
    assert list(layout(first, second, node("c", index=True)).level_by_nested) == ["a", "b"]
    assert list(layout(first, second, node("c")).level_by_nested) == ["a", "b"]
    assert list(layout(first, second, course("root", node("x"))).level_by_nested) == ["a", "b"]
    assert list(layout(course("a", node("x"), index=1.0), {**second, "index": 1}).level_by_nested) == ["a", "b"]


def test_cycle_and_unusable_children_are_left_out_without_a_position() -> None:
    walk = Walk(64, 1000)
    inner = course("b", course("a", node("p")), course("root", node("p")), node("y"), {"mimeType": COLLECTION_TYPE})
    root = read_tree(course("root", None, course("", node("p")), course("a", inner, course("c", node("z")))), walk)
    made = layout_of(root, ())
    assert made.level_by_nested == {"a": "1", "b": "1.1", "c": "1.2"}
    assert made.leaves == {"y", "z"}
    assert (walk.cycles, walk.unusable_children) == (2, 3)


def test_what_stands_below_a_leaf_is_not_looked_at() -> None:
    made = layout({**node("q"), "children": [node("x", contentType="SelfAssess"), None]})
    assert (made.leaves, made.assessments) == ({"q"}, [])


@pytest.mark.parametrize(
    ("fields", "is_nested"),
    [
        ({"trackable": {"enabled": "Yes"}}, True),
        ({"trackable": {"enabled": "yes"}}, False),
        ({"trackable": {"enabled": "No"}, "contentType": "Course"}, False),
        ({"trackable": {"enabled": True}, "contentType": "Course"}, True),
        ({"trackable": "Yes", "contentType": "Course", "visibility": "Default"}, True),
        ({"contentType": "Course", "visibility": None}, True),
        ({"contentType": "Course", "visibility": "Parent"}, False),
        ({"trackable": {"enabled": "Yes"}, "visibility": "Parent"}, True),
        ({"contentType": "course"}, False),
        ({}, False),
    ],
)
def test_nested_collection_is_a_trackable_one(fields: dict[str, Any], is_nested: bool) -> None:
    assert list(layout(node("a", node("x"), **fields)).level_by_nested) == (["a"] if is_nested else [])


@pytest.mark.parametrize(
    ("fields", "is_assessment", "counts_for_total"),
    [
        ({"contentType": "SelfAssess"}, True, True),
        ({"primaryCategory": "Course Assessment"}, True, True),
        ({"objectType": "QuestionSet", "primaryCategory": "Practice Question Set"}, True, False),
        ({"mimeType": "application/vnd.sunbird.questionset", "primaryCategory": "Practice Question Set"}, True, False),
        ({"objectType": "QuestionSet"}, False, False),
        ({"primaryCategory": "Practice Question Set"}, False, False),
        ({"contentType": ["SelfAssess"]}, False, False),
        ({"contentType": "SelfAssess", "mimeType": COLLECTION_TYPE}, False, False),
    ],
)
def test_assessment_is_a_leaf_that_gives_a_score(
    fields: dict[str, Any], is_assessment: bool, counts_for_total: bool
) -> None:
    made = layout({"identifier": "x", **fields})
    assert (made.assessments, made.self_assessments) == (
        ["x"] if is_assessment else [],
        {"x"} if counts_for_total else set(),
    )


def test_assessment_stands_at_the_first_place_that_meets_the_rule() -> None:
    made = layout(node("x"), node("y", contentType="SelfAssess"), node("x", contentType="SelfAssess", **OPTIONAL))
    assert made.assessments == ["y", "x"]


def test_tree_over_a_cap_is_refused() -> None:
    read_tree(chain_tree("root", 64), Walk(64, 1000))
    with pytest.raises(TreeTooLargeError):
        read_tree(chain_tree("root", 65), Walk(64, 1000))
    read_tree(course("root", node("x"), node("y")), Walk(64, 3))
    with pytest.raises(TreeTooLargeError):
        read_tree(course("root", node("x"), node("y")), Walk(64, 2))
