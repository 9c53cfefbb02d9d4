"""Which leaves of a course tree are mandatory, and for which collections, case by case worked out by hand."""

from __future__ import annotations

from typing import Any

import pytest

from progress_exhaust.catalogue.layout import Assessment, NestedCollection
from tests.support.tree_nodes import Node, course, leaf, levels, nested_leaves, optional, unit, walked


@pytest.mark.rule("T5")
@pytest.mark.parametrize(
    ("fields", "leaves"),
    [
        pytest.param({}, ("x", "y"), id="empty children"),
        pytest.param({"children": None}, ("x", "y"), id="children null"),
        pytest.param({"children": [None, "z", {}, {"identifier": ""}]}, ("x", "y"), id="children left out"),
        pytest.param({"children": [leaf("z")]}, ("z",), id="a child"),
        pytest.param({"children": [unit("u")]}, (), id="a child without leaves"),
        pytest.param({"children": [unit("do_root", leaf("z"))]}, (), id="a child left out as a cycle"),
        pytest.param(
            {"leafNodes": ["x", "", None, 7, ["z"], {"identifier": "z"}, True, "x", "y"]}, ("x", "y"), id="odd"
        ),
        pytest.param({"leafNodes": []}, (), id="none"),
        pytest.param({"leafNodes": None}, (), id="null"),
        pytest.param({"leafNodes": "x"}, (), id="a text"),
        pytest.param({"leafNodes": '["x"]'}, (), id="a text of a list"),
        pytest.param({"leafNodes": {"x": 1}}, (), id="an object"),
        pytest.param({"leafNodes": ["do_root", "c", "\ud800"]}, ("do_root", "c", "\ufffd"), id="ids like others"),
    ],
)
def test_collection_without_a_valid_child_has_the_leaves_it_lists(fields: Node, leaves: tuple[str, ...]) -> None:
    thin = {"leafNodes": ["x", "y"]} | fields
    layout = walked(course("c", **thin))
    assert nested_leaves(layout) == {"c": leaves}
    assert layout.leaves == leaves
    assert layout.assessments == ()
    assert walked(**{"children": []} | thin).leaves == leaves


@pytest.mark.rule("T5")
def test_leaf_does_not_have_the_leaves_it_lists() -> None:
    assert walked(leaf("a", leafNodes=["x"])).leaves == ("a",)


@pytest.mark.rule("T5")
def test_marks_hold_for_leaves_that_are_only_listed() -> None:
    layout = walked(
        unit("u", course("outer", course("thin", leafNodes=["a", "b"], **optional()), leaf("c")), **optional()),
        course("beside", leafNodes=["a", "d", "e"]),
        unit("v", leaf("d", **optional())),
        leaf("f"),
    )
    assert layout.leaves == ("e", "f")
    assert nested_leaves(layout) == {"outer": ("c",), "thin": ("a", "b"), "beside": ("a", "d", "e")}


@pytest.mark.rule("T5")
def test_leaves_only_listed_and_leaves_placed_are_one() -> None:
    layout = walked(course("c", leafNodes=["a", "q"]), course("d", leaf("q", contentType="SelfAssess", name="Q")))
    assert layout.leaves == ("a", "q")
    assert layout.assessments == (Assessment("q", "Q", True),)


@pytest.mark.rule("T1")
def test_what_stands_below_a_leaf_is_not_walked() -> None:
    layout = walked(
        leaf("set", mimeType="application/vnd.sunbird.questionset", children=[course("c"), leaf("q"), "junk"])
    )
    assert layout.leaves == ("set",)
    assert layout.nested == ()
    assert layout.warnings == {}


@pytest.mark.rule("T9")
def test_leaf_counts_for_every_collection_around_it() -> None:
    layout = walked(course("outer", leaf("o"), unit("u", course("inner", leaf("i")))))
    assert layout.leaves == ("o", "i")
    assert nested_leaves(layout) == {"outer": ("o", "i"), "inner": ("i",)}


@pytest.mark.rule("T9")
def test_doubled_leaf_counts_once() -> None:
    layout = walked(leaf("a"), course("c", leaf("b"), leaf("a"), leaf("b")), leaf("a"))
    assert layout.leaves == ("a", "b")
    assert nested_leaves(layout) == {"c": ("b", "a")}


@pytest.mark.rule("T9")
@pytest.mark.parametrize(
    ("mark", "is_optional"),
    [(True, True), ("true", True), ("TRUE", True), ("tRuE", True)]
    + [(mark, False) for mark in (False, None, "false", "yes", " true", 1, 1.0, ["true"], {"a": 1}, "")],
    ids=repr,
)
def test_which_marks_make_a_leaf_optional(mark: Any, is_optional: bool) -> None:
    assert walked(leaf("a", **optional(mark))).leaves == (() if is_optional else ("a",))


TEXTS_OF_AN_OBJECT = [
    '{"KEY": VALUE}',
    ' \n{"a": [1], "KEY": VALUE}\t',
    '{"KEY": 5, "KEY": VALUE}',
    '{"b": "\ud800", "KEY": VALUE}',
]

NO_TEXTS_OF_AN_OBJECT = [
    "",
    "KEY",
    "VALUE",
    '{"KEY": VALUE',
    '{"KEY": VALUE} x',
    '{"KEY": VALUE}{"KEY": VALUE}',
    '{"KEY": VALUE, "a": NaN}',
    '{"KEY": VALUE, "a": -Infinity}',
    '{"KEY": VALUE, "a": ' + "9" * 5_000 + "}",
    '{"KEY": VALUE,}',
    "{'KEY': VALUE}",
    '\ufeff{"KEY": VALUE}',
    '[{"KEY": VALUE}]',
    '"{\\"KEY\\": VALUE}"',
    '{"KEY": VALUE, "a": ' + "[" * 5_000 + "]" * 5_000 + "}",
    '{"a":' * 100_000,
]


@pytest.mark.rule("T2")
@pytest.mark.parametrize(
    ("pattern", "is_read"),
    [(text, True) for text in TEXTS_OF_AN_OBJECT] + [(text, False) for text in NO_TEXTS_OF_AN_OBJECT],
    ids=lambda value: repr(value)[:40],
)
def test_text_counts_as_the_object_that_all_of_it_is_in_strict_json(pattern: str, is_read: bool) -> None:
    marked = pattern.replace("KEY", "optional").replace("VALUE", "true")
    assert walked(leaf("a", relationalMetadata=marked)).leaves == (() if is_read else ("a",))
    trackable = pattern.replace("KEY", "enabled").replace("VALUE", '"No"')
    assert levels(walked(course("c", trackable=trackable))) == ({} if is_read else {"c": "1"})


@pytest.mark.rule("T9")
@pytest.mark.parametrize("metadata", [None, "optional", True, ["optional"], {}, "true", [{"optional": True}]], ids=repr)
def test_other_metadata_does_not_make_a_leaf_optional(metadata: Any) -> None:
    assert walked(leaf("a", relationalMetadata=metadata)).leaves == ("a",)


@pytest.mark.rule("T9")
def test_optional_unit_takes_all_below_it_along() -> None:
    layout = walked(course("c", unit("u", unit("v", leaf("a")), **optional()), leaf("b")))
    assert layout.leaves == ("b",)
    assert nested_leaves(layout) == {"c": ("b",)}


@pytest.mark.rule("T9")
def test_optional_nested_course_drops_out_of_its_parent_and_keeps_its_own_progress() -> None:
    layout = walked(course("outer", leaf("o"), course("inner", leaf("i"), leaf("j", **optional()), **optional())))
    assert layout.leaves == ("o",)
    assert nested_leaves(layout) == {"outer": ("o",), "inner": ("i",)}


@pytest.mark.rule("T9")
def test_mark_between_two_collections_counts_for_the_outer_one_alone() -> None:
    layout = walked(unit("u", course("c", unit("v", course("d", leaf("a")), **optional()), leaf("b")), **optional()))
    assert layout.leaves == ()
    assert nested_leaves(layout) == {"c": ("b",), "d": ("a",)}


@pytest.mark.rule("T9")
@pytest.mark.parametrize("turn", [1, -1], ids=["marked first", "marked last"])
def test_leaf_optional_in_one_place_is_optional_within_each_collection_around_that_place(turn: int) -> None:
    marked, plain = course("c", leaf("a", **optional()), leaf("b")), course("d", leaf("a"), leaf("c"))
    layout = walked(course("outer", *[unit("u", marked), plain][::turn]), course("beside", leaf("a")))
    assert set(layout.leaves) == {"b", "c"}
    assert {key: set(leaves) for key, leaves in nested_leaves(layout).items()} == {
        "outer": {"b", "c"},
        "c": {"b"},
        "d": {"a", "c"},
        "beside": {"a"},
    }


def test_leaf_twice_in_one_unit_marked_once_is_optional() -> None:
    assert walked(leaf("a"), leaf("b"), leaf("a", **optional())).leaves == ("b",)


def test_leaf_below_an_optional_unit_is_optional_beside_it_too() -> None:
    layout = walked(course("c", leaf("a"), unit("u", unit("v", leaf("a"), leaf("b")), **optional()), leaf("d")))
    assert nested_leaves(layout) == {"c": ("d",)}


def test_leaf_optional_in_one_place_of_a_collection_is_optional_in_its_other_ones() -> None:
    layout = walked(
        unit("u", course("c", leaf("a"), leaf("b"))),
        unit("v", course("c", leaf("a", **optional()), leaf("d"))),
    )
    assert nested_leaves(layout) == {"c": ("b", "d")}
    assert layout.leaves == ("b", "d")


def test_mark_in_a_place_that_is_not_trackable_does_not_count_for_the_others() -> None:
    layout = walked(
        course("c", leaf("a"), leaf("b")),
        course("c", leaf("a", **optional()), trackable={"enabled": "No"}),
    )
    assert nested_leaves(layout) == {"c": ("a", "b")}
    assert layout.leaves == ("b",)


@pytest.mark.rule("T9")
def test_marks_outside_a_collection_at_it_and_above_it_do_not_count_for_it() -> None:
    layout = walked(
        leaf("a", **optional()),
        unit("u", unit("v", course("c", leaf("a"), course("d", leaf("a")), **optional())), **optional()),
        unit("w", leaf("a"), **optional()),
        leaf("b"),
        **optional(),
    )
    assert layout.leaves == ("b",)
    assert nested_leaves(layout) == {"c": ("a",), "d": ("a",)}


@pytest.mark.rule("T8")
def test_collection_placed_twice_has_one_pair_both_levels_and_all_leaves() -> None:
    layout = walked(
        unit("u1", course("c", leaf("a"), name="first")),
        course("d", leaf("x")),
        unit("u2", leaf("l"), unit("v"), course("c", leaf("b"), leaf("a"), name="second"), **optional()),
    )
    assert layout.nested == (
        NestedCollection("c", "first", "1.1; 3.2", ("a", "b")),
        NestedCollection("d", "", "2", ("x",)),
    )
    # Its second place is in an optional unit, and that makes both of its leaves optional for the root.
    assert layout.leaves == ("x",)


@pytest.mark.rule("T7")
def test_place_that_is_not_trackable_adds_neither_level_nor_leaves() -> None:
    layout = walked(
        course("c", leaf("a"), trackable={"enabled": "No"}, name="no"),
        course("c", leaf("b"), name="yes"),
    )
    assert layout.nested == (NestedCollection("c", "yes", "2", ("b",)),)
    assert layout.leaves == ("a", "b")
