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
    return layout_of(read_tree(course("root", *children), Walk(64, 20_000)), ("Practice Question Set",))


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


def test_leaf_optional_in_one_place_and_mandatory_in_another_is_optional_within_what_holds_both() -> None:
    made = layout(course("a", node("x"), node("y")), node("unit", course("b", node("x")), node("z"), **OPTIONAL))
    assert made.leaves == {"y"}
    assert made.leaves_by_nested == {"a": {"x", "y"}, "b": {"x"}}


def test_leaf_optional_in_one_place_of_a_collection_is_so_in_the_other_one() -> None:
    made = layout(course("a", node("x"), node("y")), course("a", node("x", **OPTIONAL), **OPTIONAL))
    assert made.leaves_by_nested == {"a": {"y"}}


def test_node_without_mime_type_that_has_a_list_of_children_is_a_collection() -> None:
    bare = {"identifier": "a", "trackable": {"enabled": "Yes"}}
    made = layout(
        {**bare, "children": [node("x")]},
        {**bare, "identifier": "b", "mimeType": None, "children": []},
        {**bare, "identifier": "leaf", "children": {}},
        {**bare, "identifier": "set", "objectType": "QuestionSet", "children": [node("y")]},
        {**bare, "identifier": "odd", "mimeType": 5, "children": [node("y")]},
    )
    assert made.level_by_nested == {"a": "1", "b": "2"}
    assert made.leaves == {"x", "leaf", "set", "odd"}


def test_collection_without_a_child_has_the_leaves_it_lists() -> None:
    def thin(identifier: str, *children: Any, **fields: Any) -> dict[str, Any]:
        return course(identifier, None, *children, leafNodes=["x", "", 5, None, "y", "x"], **fields)

    made = layout(thin("a", **OPTIONAL), thin("b", node("z")), thin("c", course("root", node("z"))))
    assert made.leaves == {"z"}
    assert made.leaves_by_nested == {"a": {"x", "y"}, "b": {"z"}, "c": set()}
    assert layout({"identifier": "leaf", "leafNodes": ["x"]}).leaves == {"leaf"}


def test_level_that_is_too_long_is_cut() -> None:
    made = layout(node("u1", *(course("a", node("x")) for _ in range(5_000))), course("b", node("x")))
    assert made.level_by_nested["a"][:25] == "1.1; 1.2; 1.3; 1.4; 1.5; "
    assert (len(made.level_by_nested["a"]), made.level_by_nested["a"][-1]) == (32_000, "…")
    assert (made.level_by_nested["b"], made.levels_cut) == ("2", 1)


@pytest.mark.parametrize("mark", [True, "true", "TRUE", "tRue"])
def test_optional_marks(mark: object) -> None:
    assert layout(node("x", relationalMetadata={"optional": mark})).leaves == set()


@pytest.mark.parametrize("mark", [False, "false", 1, "1", " true", None, [True], {"optional": True}])
def test_what_only_looks_like_an_optional_mark(mark: object) -> None:
    assert layout(node("x", relationalMetadata={"optional": mark})).leaves == {"x"}


@pytest.mark.parametrize(
    ("text", "is_read"),
    [
        ('{"optional": true}', True),
        (' {"x": [], "optional": "TRUE"}\n', True),
        ('{"optional": true} x', False),
        ('{"optional": true, "x": NaN}', False),
        ("{'optional': true}", False),
        ('[{"optional": true}]', False),
        ('"{\\"optional\\": true}"', False),
        ("", False),
        ('{"optional": true, "x": ' + "[" * 5_000 + "]" * 5_000 + "}", False),
    ],
)
def test_object_may_be_text_of_one(text: str, is_read: bool) -> None:
    assert layout(node("x", relationalMetadata=text)).leaves == (set() if is_read else {"x"})
    enabled = text.replace("optional", "enabled").replace("TRUE", "YES")
    assert set(layout(node("a", node("x"), trackable=enabled)).level_by_nested) == ({"a"} if is_read else set())


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
        ({"trackable": {"enabled": "yes"}}, True),
        ({"trackable": {"enabled": "YES"}, "visibility": "Parent"}, True),
        ({"trackable": {"enabled": "NO"}, "contentType": "Course"}, False),
        ({"trackable": {"enabled": ""}, "contentType": "Course"}, False),
        ({"trackable": {"enabled": True}}, True),
        ({"trackable": {"enabled": False}, "contentType": "Course"}, False),
        ({"trackable": {"enabled": 1}, "contentType": "Course"}, True),
        ({"trackable": '{"enabled": "No"}', "contentType": "Course"}, False),
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


@pytest.mark.parametrize(
    "last",
    [
        pytest.param({"children": [None, {}, node("root", node("x"))]}, id="children left out"),
        pytest.param({"leafNodes": ["x", "x", "x"]}, id="leaves that are only listed"),
    ],
)
def test_what_is_left_out_or_only_listed_counts_as_nodes(last: dict[str, Any]) -> None:
    tree = course("root", {"identifier": "unit", "mimeType": COLLECTION_TYPE, **last})
    read_tree(tree, Walk(2, 5))
    for walk in (Walk(2, 4), Walk(1, 5)):
        with pytest.raises(TreeTooLargeError):
            read_tree(tree, walk)
