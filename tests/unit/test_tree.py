"""The walk of a course tree, case by case worked out by hand, and against a slow reference that follows definitions."""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from progress_exhaust.catalogue.layout import Assessment, Layout, NestedCollection, TreeWarning
from progress_exhaust.catalogue.tree import TreeRules, layout_of
from progress_exhaust.errors import Reason, SkippedReport
from progress_exhaust.settings.sections import AssessmentSettings, CatalogueSettings

RULES = TreeRules.of(CatalogueSettings(), AssessmentSettings())
COLLECTION = "application/vnd.ekstep.content-collection"
Node = dict[str, Any]


def leaf(identifier: str, /, **fields: Any) -> Node:
    return {"identifier": identifier, "mimeType": "video/mp4", "contentType": "Resource", **fields}


def unit(identifier: str, /, *children: Any, **fields: Any) -> Node:
    return {
        "identifier": identifier,
        "mimeType": COLLECTION,
        "contentType": "TextBookUnit",
        "visibility": "Parent",
        "children": list(children),
        **fields,
    }


def course(identifier: str, /, *children: Any, **fields: Any) -> Node:
    return unit(
        identifier,
        *children,
        **{"contentType": "Course", "visibility": "Default", "trackable": {"enabled": "Yes"}} | fields,
    )


def optional(mark: Any = True) -> Node:
    return {"relationalMetadata": {"optional": mark}}


def root(*children: Any, **fields: Any) -> Node:
    return course("do_root", *children, **{"name": "Root", "channel": "ch"} | fields)


def walked(*children: Any, **fields: Any) -> Layout:
    return layout_of(root(*children, **fields), "do_root", RULES)


def levels(layout: Layout) -> dict[str, str]:
    return {nested.identifier: nested.level for nested in layout.nested}


def nested_leaves(layout: Layout) -> dict[str, tuple[str, ...]]:
    return {nested.identifier: nested.leaves for nested in layout.nested}


def scores(layout: Layout) -> list[str]:
    return [assessment.identifier for assessment in layout.assessments]


def test_the_sample_of_the_feature_spec() -> None:
    layout = walked(
        unit(
            "do_unit",
            course("do_a", leaf("a1"), leaf("a2"), name="A"),
            course(
                "do_b",
                leaf("b1"),
                leaf("b2"),
                leaf("b3"),
                leaf("b4"),
                leaf("q", contentType="SelfAssess", name="Q"),
                name="B",
            ),
        )
    )
    assert layout == Layout(
        collection_id="do_root",
        name="Root",
        channel="ch",
        leaves=("a1", "a2", "b1", "b2", "b3", "b4", "q"),
        nested=(
            NestedCollection("do_a", "A", "1.1", ("a1", "a2")),
            NestedCollection("do_b", "B", "1.2", ("b1", "b2", "b3", "b4", "q")),
        ),
        assessments=(Assessment("q", "Q", True),),
        warnings={},
    )


@pytest.mark.parametrize(
    ("tree", "found"),
    [
        pytest.param(None, "root is null", id="null"),
        pytest.param([root()], "root is a list", id="list"),
        pytest.param("do_root", "root is a text", id="text"),
        pytest.param(7, "root is a number", id="number"),
        pytest.param(False, "root is a boolean", id="boolean"),
        pytest.param({}, "identifier is missing", id="no identifier"),
        pytest.param(root(identifier=7), "identifier is missing", id="identifier not text"),
        pytest.param(root(identifier=""), "identifier is missing", id="empty identifier"),
        pytest.param(root(identifier="do_other"), 'identifier is "do_other"', id="other identifier"),
        pytest.param(root(identifier="DO_ROOT"), 'identifier is "DO_ROOT"', id="other case"),
        pytest.param(root(identifier="do_root "), 'identifier is "do_root "', id="blank at the end"),
        pytest.param(root(identifier="x\n\ud800" * 90), r'identifier is "x\n', id="long junk"),
    ],
)
def test_root_that_is_not_the_collection_asked_for_is_a_bad_tree(tree: object, found: str) -> None:
    with pytest.raises(SkippedReport) as caught:
        layout_of(tree, "do_root", RULES)
    assert (caught.value.reason, caught.value.subject) == (Reason.BAD_TREE, "do_root")
    assert str(caught.value).startswith('hierarchy of collection "do_root": ')
    assert found in str(caught.value)
    assert len(str(caught.value)) < 800
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("indexes", "order"),
    [
        pytest.param([3, 1, 2], "bca", id="numbers sort"),
        pytest.param([2, 1.5, 1], "cba", id="fractions are numbers"),
        pytest.param([1, 0, 1], "bac", id="ties in array order"),
        pytest.param([2, True, 1], "abc", id="a boolean is not a number"),
        pytest.param([2, "1", 0], "abc", id="a text is not a number"),
        pytest.param([2, None, 0], "abc", id="null is not a number"),
        pytest.param([0, -1, -(10**400)], "cba", id="huge and negative numbers"),
    ],
)
def test_children_go_by_index_where_every_sibling_has_a_number(indexes: list[Any], order: str) -> None:
    children = [leaf(name, index=index) for name, index in zip("abc", indexes, strict=True)]
    assert walked(*children).leaves == tuple(order)


def test_index_is_missing_on_one_sibling_so_array_order_holds() -> None:
    assert walked(leaf("b", index=2), leaf("a"), leaf("c", index=1)).leaves == ("b", "a", "c")


def test_children_left_out_do_not_matter_for_the_order() -> None:
    layout = walked(leaf("b", index=2), {"index": "x"}, "junk", leaf("a", index=1))
    assert layout.leaves == ("a", "b")
    assert layout.warnings == {TreeWarning.CHILD_NOT_AN_OBJECT: 1, TreeWarning.CHILD_WITHOUT_IDENTIFIER: 1}


def test_a_cyclic_sibling_without_index_keeps_array_order() -> None:
    assert walked(leaf("b", index=2), unit("do_root"), leaf("a", index=1)).leaves == ("b", "a")


def test_level_counts_all_collection_nodes_and_no_leaf() -> None:
    layout = walked(
        leaf("l0"),
        unit("u1", leaf("l1")),
        leaf("l2"),
        unit("u2", course("c1", leaf("x")), unit("u3"), course("c2", course("c3"))),
        course("c4"),
    )
    assert levels(layout) == {"c1": "2.1", "c2": "2.3", "c3": "2.3.1", "c4": "3"}


def test_children_left_out_take_no_position() -> None:
    layout = walked(
        "junk",
        course("", course("lost")),
        course("do_root", course("lost too")),
        {"mimeType": COLLECTION, "children": [course("lost three")]},
        course("c"),
    )
    assert levels(layout) == {"c": "1"}
    assert layout.warnings == {
        TreeWarning.CHILD_NOT_AN_OBJECT: 1,
        TreeWarning.CHILD_WITHOUT_IDENTIFIER: 2,
        TreeWarning.CYCLE: 1,
    }


@pytest.mark.parametrize("children", [None, "x", 7, {}, {"a": leaf("a")}, True], ids=repr)
def test_children_that_are_not_a_list_count_as_none(children: Any) -> None:
    layout = walked(course("c", children=children))
    assert nested_leaves(layout) == {"c": ()}
    assert layout.warnings == {}


@pytest.mark.parametrize(
    ("fields", "nested"),
    [
        pytest.param({"trackable": {"enabled": "Yes"}, "contentType": "TextBook"}, True, id="yes whatever its type"),
        pytest.param({"trackable": {"enabled": "Yes"}, "visibility": "Parent"}, True, id="yes whatever its visibility"),
        pytest.param({"trackable": {"enabled": "yes"}, "contentType": "TextBook"}, True, id="yes in any case"),
        pytest.param({"trackable": {"enabled": "YES"}, "contentType": "TextBook"}, True, id="yes in capitals"),
        pytest.param({"trackable": {"enabled": "No"}}, False, id="no"),
        pytest.param({"trackable": {"enabled": "NO"}}, False, id="no in capitals"),
        pytest.param({"trackable": {"enabled": " Yes"}}, False, id="yes and a blank is another text"),
        pytest.param({"trackable": {"enabled": "true"}}, False, id="text of true is another text"),
        pytest.param({"trackable": {"enabled": ""}}, False, id="empty text is text"),
        pytest.param({"trackable": {"enabled": True}, "contentType": "TextBook"}, True, id="true"),
        pytest.param({"trackable": {"enabled": False}}, False, id="false"),
        pytest.param({"trackable": {"enabled": None}}, True, id="enabled null: by type"),
        pytest.param({"trackable": {"enabled": 1}}, True, id="enabled a number: by type"),
        pytest.param({"trackable": {"enabled": 0}}, True, id="enabled zero: by type"),
        pytest.param({"trackable": {"enabled": ["No"]}}, True, id="enabled a list: by type"),
        pytest.param({"trackable": {"Enabled": "No"}}, True, id="another key: by type"),
        pytest.param({"trackable": '{"enabled":"yes"}', "contentType": "TextBook"}, True, id="text of an object"),
        pytest.param({"trackable": '{"enabled":false}'}, False, id="text of an object that says false"),
        pytest.param({"trackable": '{"enabled":null}'}, True, id="text of an object that says nothing: by type"),
        pytest.param({"trackable": {}}, True, id="enabled missing: by type"),
        pytest.param({"trackable": "Yes"}, True, id="trackable not an object: by type"),
        pytest.param({"trackable": None}, True, id="trackable null: by type"),
        pytest.param({"trackable": None, "visibility": "Parent"}, False, id="by type, part of its parent"),
        pytest.param({"trackable": None, "visibility": None}, True, id="by type, visibility null"),
        pytest.param({"trackable": None, "contentType": "course"}, False, id="by type, case matters"),
        pytest.param({"trackable": None, "contentType": None}, False, id="by type, none"),
    ],
)
def test_which_collection_nodes_are_nested_collections(fields: Node, nested: bool) -> None:
    layout = walked(course("c", leaf("a"), **fields))
    assert levels(layout) == ({"c": "1"} if nested else {})
    assert layout.leaves == ("a",)


def test_root_is_a_collection_whatever_its_fields_and_never_nested() -> None:
    layout = walked(leaf("a"), mimeType="video/mp4", trackable={"enabled": "Yes"}, **optional())
    assert layout.leaves == ("a",)
    assert layout.nested == ()


def bare(identifier: str, /, **fields: Any) -> Node:
    """Make a node without mimeType."""
    return {"identifier": identifier, "trackable": {"enabled": "Yes"}, **fields}


@pytest.mark.parametrize(
    ("node", "kind"),
    [
        pytest.param(bare("n", children=[leaf("a")]), "collection", id="children"),
        pytest.param(bare("n", children=[leaf("a")], mimeType=None), "collection", id="mimeType null"),
        pytest.param(bare("n", children=[]), "collection", id="no child"),
        pytest.param(bare("n", children=[None, {}]), "collection", id="children left out"),
        pytest.param(bare("n", children=[leaf("a")], objectType="Content"), "collection", id="another object type"),
        pytest.param(
            bare("n", children=[leaf("a")], objectType=["QuestionSet"]), "collection", id="object type a list"
        ),
        pytest.param(bare("n"), "leaf", id="no children"),
        pytest.param(bare("n", children=None), "leaf", id="children null"),
        pytest.param(bare("n", children={"0": leaf("a")}), "leaf", id="children an object"),
        pytest.param(bare("n", children="[]"), "leaf", id="children a text"),
        pytest.param(bare("n", leafNodes=["a"]), "leaf", id="leafNodes alone"),
        pytest.param(bare("n", children=[leaf("a")], mimeType=""), "leaf", id="mimeType empty"),
        pytest.param(bare("n", children=[leaf("a")], mimeType=7), "leaf", id="mimeType a number"),
        pytest.param(bare("n", children=[leaf("a")], mimeType="video/mp4"), "leaf", id="another mimeType"),
        pytest.param(bare("n", children=[leaf("a")], objectType="QuestionSet"), "leaf", id="question set"),
        pytest.param(
            bare("n", children=[leaf("a")], mimeType="application/vnd.sunbird.questionset"),
            "leaf",
            id="question set by mimeType",
        ),
    ],
)
def test_node_without_mime_type_is_a_collection_if_it_has_a_list_of_children(node: Node, kind: str) -> None:
    layout = walked(node, course("c"))
    assert levels(layout) == ({"n": "1", "c": "2"} if kind == "collection" else {"c": "1"})
    assert ("n" in layout.leaves) == (kind == "leaf")


def test_question_set_without_mime_type_keeps_its_column() -> None:
    practice = {"objectType": "QuestionSet", "primaryCategory": "Practice Question Set"}
    layout = walked(bare("q", children=[leaf("a", contentType="SelfAssess")], **practice))
    assert (scores(layout), layout.leaves) == (["q"], ("q",))


def test_node_without_mime_type_can_be_a_cycle() -> None:
    layout = walked(course("c", bare("c", children=[leaf("lost")]), bare("do_root", children=[]), leaf("a")))
    assert (layout.leaves, layout.warnings) == (("a",), {TreeWarning.CYCLE: 2})


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


def test_leaf_does_not_have_the_leaves_it_lists() -> None:
    assert walked(leaf("a", leafNodes=["x"])).leaves == ("a",)


def test_marks_hold_for_leaves_that_are_only_listed() -> None:
    layout = walked(
        unit("u", course("outer", course("thin", leafNodes=["a", "b"], **optional()), leaf("c")), **optional()),
        course("beside", leafNodes=["a", "d", "e"]),
        unit("v", leaf("d", **optional())),
        leaf("f"),
    )
    assert layout.leaves == ("e", "f")
    assert nested_leaves(layout) == {"outer": ("c",), "thin": ("a", "b"), "beside": ("a", "d", "e")}


def test_leaves_only_listed_and_leaves_placed_are_one() -> None:
    layout = walked(course("c", leafNodes=["a", "q"]), course("d", leaf("q", contentType="SelfAssess", name="Q")))
    assert layout.leaves == ("a", "q")
    assert layout.assessments == (Assessment("q", "Q", True),)


def test_what_stands_below_a_leaf_is_not_walked() -> None:
    layout = walked(
        leaf("set", mimeType="application/vnd.sunbird.questionset", children=[course("c"), leaf("q"), "junk"])
    )
    assert layout.leaves == ("set",)
    assert layout.nested == ()
    assert layout.warnings == {}


def test_leaf_counts_for_every_collection_around_it() -> None:
    layout = walked(course("outer", leaf("o"), unit("u", course("inner", leaf("i")))))
    assert layout.leaves == ("o", "i")
    assert nested_leaves(layout) == {"outer": ("o", "i"), "inner": ("i",)}


def test_doubled_leaf_counts_once() -> None:
    layout = walked(leaf("a"), course("c", leaf("b"), leaf("a"), leaf("b")), leaf("a"))
    assert layout.leaves == ("a", "b")
    assert nested_leaves(layout) == {"c": ("b", "a")}


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


@pytest.mark.parametrize("metadata", [None, "optional", True, ["optional"], {}, "true", [{"optional": True}]], ids=repr)
def test_other_metadata_does_not_make_a_leaf_optional(metadata: Any) -> None:
    assert walked(leaf("a", relationalMetadata=metadata)).leaves == ("a",)


def test_optional_unit_takes_all_below_it_along() -> None:
    layout = walked(course("c", unit("u", unit("v", leaf("a")), **optional()), leaf("b")))
    assert layout.leaves == ("b",)
    assert nested_leaves(layout) == {"c": ("b",)}


def test_optional_nested_course_drops_out_of_its_parent_and_keeps_its_own_progress() -> None:
    layout = walked(course("outer", leaf("o"), course("inner", leaf("i"), leaf("j", **optional()), **optional())))
    assert layout.leaves == ("o",)
    assert nested_leaves(layout) == {"outer": ("o",), "inner": ("i",)}


def test_mark_between_two_collections_counts_for_the_outer_one_alone() -> None:
    layout = walked(unit("u", course("c", unit("v", course("d", leaf("a")), **optional()), leaf("b")), **optional()))
    assert layout.leaves == ()
    assert nested_leaves(layout) == {"c": ("b",), "d": ("a",)}


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


def test_place_that_is_not_trackable_adds_neither_level_nor_leaves() -> None:
    layout = walked(
        course("c", leaf("a"), trackable={"enabled": "No"}, name="no"),
        course("c", leaf("b"), name="yes"),
    )
    assert layout.nested == (NestedCollection("c", "yes", "2", ("b",)),)
    assert layout.leaves == ("a", "b")


def test_cycle_is_left_out_with_all_below_it() -> None:
    layout = walked(
        course("c", unit("u", course("c", leaf("lost")), course("do_root", leaf("lost")), leaf("a"))), course("u")
    )
    assert levels(layout) == {"c": "1", "u": "2"}
    assert layout.leaves == ("a",)
    assert layout.warnings == {TreeWarning.CYCLE: 2}


def test_same_collection_beside_itself_is_no_cycle() -> None:
    layout = walked(course("c"), course("c"))
    assert levels(layout) == {"c": "1; 2"}
    assert layout.warnings == {}


def test_leaf_with_the_id_of_a_collection_on_its_path_is_no_cycle() -> None:
    assert walked(leaf("do_root")).leaves == ("do_root",)


def test_node_that_contains_itself_ends() -> None:
    node = course("c", leaf("a"))
    node["children"].append(node)
    layout = walked(node)
    assert levels(layout) == {"c": "1"}
    assert layout.warnings == {TreeWarning.CYCLE: 1}


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        pytest.param({"contentType": "SelfAssess"}, True, id="self assess"),
        pytest.param({"primaryCategory": "Course Assessment"}, True, id="course assessment"),
        pytest.param(
            {"objectType": "QuestionSet", "primaryCategory": "Practice Question Set"}, False, id="by object type"
        ),
        pytest.param(
            {"mimeType": "application/vnd.sunbird.questionset", "primaryCategory": "Practice Question Set"},
            False,
            id="by mime",
        ),
        pytest.param({"objectType": "QuestionSet", "primaryCategory": "Course Assessment"}, True, id="set, assessment"),
        pytest.param({"objectType": "QuestionSet", "primaryCategory": "Survey"}, None, id="other category"),
        pytest.param(
            {"objectType": "QuestionSet", "primaryCategory": ["Practice Question Set"]}, None, id="category list"
        ),
        pytest.param({"objectType": "QuestionSet"}, None, id="no category"),
        pytest.param({"primaryCategory": "Practice Question Set"}, None, id="not a set"),
        pytest.param({"contentType": "selfassess"}, None, id="case matters"),
        pytest.param({"contentType": "Resource"}, None, id="plain"),
    ],
)
def test_which_leaves_are_assessments(fields: Node, expected: bool | None) -> None:
    layout = walked(leaf("a", name="A", **fields))
    assert layout.assessments == (() if expected is None else (Assessment("a", "A", expected),))
    assert layout.leaves == ("a",)


def test_collection_node_is_never_an_assessment() -> None:
    assert (
        walked(course("c", contentType="SelfAssess"), unit("u", primaryCategory="Course Assessment")).assessments == ()
    )


def test_question_set_categories_are_a_setting() -> None:
    rules = TreeRules(64, 100_000, ("Survey",))
    tree = root(
        leaf("a", objectType="QuestionSet", primaryCategory="Survey"),
        leaf("b", objectType="QuestionSet", primaryCategory="Practice Question Set"),
    )
    assert scores(layout_of(tree, "do_root", rules)) == ["a"]


def test_optional_assessment_keeps_its_column() -> None:
    layout = walked(unit("u", leaf("a", contentType="SelfAssess"), **optional()))
    assert scores(layout) == ["a"]
    assert layout.leaves == ()


def test_assessment_stands_at_the_first_place_that_meets_the_rule() -> None:
    practice = {"objectType": "QuestionSet", "primaryCategory": "Practice Question Set"}
    layout = walked(
        leaf("a", name="no assessment here"),
        leaf("b", contentType="SelfAssess", name="B"),
        leaf("a", name="first", **practice),
        leaf("c", contentType="SelfAssess"),
        leaf("a", name="second", contentType="SelfAssess"),
        leaf("a", name="third", **practice),
    )
    assert layout.assessments == (Assessment("b", "B", True), Assessment("a", "first", True), Assessment("c", "", True))
    assert layout.leaves == ("a", "b", "c")


@pytest.mark.parametrize("name", [None, 7, ["x"], {}, True], ids=repr)
def test_names_that_are_not_text_are_blank(name: Any) -> None:
    layout = walked(course("c", leaf("a", name=name, contentType="SelfAssess"), name=name), name=name, channel=name)
    assert (layout.name, layout.channel, layout.nested[0].name, layout.assessments[0].name) == ("", "", "", "")


def test_lone_surrogates_become_replacement_characters_everywhere() -> None:
    layout = walked(
        course("c\udc00", leaf("a\ud800", contentType="SelfAssess", name="n\ud800"), name="\udfffx"),
        name="é\ud83d",
        channel="\udbff",
    )
    assert layout == Layout(
        "do_root",
        "é\ufffd",
        "\ufffd",
        ("a\ufffd",),
        (NestedCollection("c\ufffd", "\ufffdx", "1", ("a\ufffd",)),),
        (Assessment("a\ufffd", "n\ufffd", True),),
        {},
    )


@pytest.mark.parametrize("count", [None, 0, -1, 2.5, "7", 10**30], ids=repr)
def test_leaf_count_and_status_of_nodes_are_never_used(count: Any) -> None:
    layout = walked(
        course("c", leaf("a", status="Retired"), status="Draft", leafNodesCount=count), leafNodesCount=count
    )
    assert nested_leaves(layout) == {"c": ("a",)}


def chain(depth: int, *last: Node, kind: Callable[..., Node] = unit) -> Node:
    """A root with collections below it down to the level `depth`, and what stands below the last one."""
    node = kind(f"n{depth}", *last)
    for level in range(depth - 1, 0, -1):
        node = kind(f"n{level}", node)
    return root(node)


def refusal(tree: object, rules: TreeRules = RULES) -> SkippedReport:
    with pytest.raises(SkippedReport) as caught:
        layout_of(tree, "do_root", rules)
    return caught.value


def test_depth_cap_is_inclusive_with_the_root_at_zero() -> None:
    layout_of(chain(64), "do_root", RULES)
    error = refusal(chain(65))
    assert error.reason is Reason.TREE_TOO_LARGE
    assert "nodes below level 64" in str(error)


def test_leaves_count_for_the_depth_too() -> None:
    rules = TreeRules(1, 10, ())
    layout_of(root(leaf("a"), unit("u")), "do_root", rules)
    assert refusal(root(unit("u", leaf("a"))), rules).reason is Reason.TREE_TOO_LARGE


def test_very_deep_tree_is_refused_without_recursion() -> None:
    assert refusal(chain(50_000)).reason is Reason.TREE_TOO_LARGE


def test_node_cap_is_inclusive_and_counts_the_root() -> None:
    layout = walked(*(leaf(f"l{n}") for n in range(99_999)))
    assert len(layout.leaves) == 99_999
    error = refusal(root(*(leaf(f"l{n}") for n in range(100_000))))
    assert error.reason is Reason.TREE_TOO_LARGE
    assert "more than 100,000 nodes" in str(error)


LEFT_OUT: list[Any] = [None, 7, "x", [], {}, leaf(""), unit("do_root"), unit("u")]
"""Children that are left out below a unit `u`: by shape, for want of an identifier, as cycles."""


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"children": LEFT_OUT}, id="children left out"),
        pytest.param({"leafNodes": ["x"] * 8}, id="leaves that are only listed"),
        pytest.param({"children": [None] * 4, "leafNodes": [*"abcd", "", 7, None]}, id="both"),
    ],
)
def test_what_is_left_out_or_only_listed_counts_for_both_bounds(fields: Node) -> None:
    tree = root(unit("u", **fields))
    layout_of(tree, "do_root", TreeRules(2, 10, ()))
    assert "more than 9 nodes" in str(refusal(tree, TreeRules(2, 9, ())))
    assert "nodes below level 1" in str(refusal(tree, TreeRules(1, 10, ())))


def test_node_cap_holds_for_children_that_are_left_out() -> None:
    assert walked(*[None] * 99_999).warnings == {TreeWarning.CHILD_NOT_AN_OBJECT: 99_999}
    assert refusal(root(*[None] * 100_000)).reason is Reason.TREE_TOO_LARGE
    assert refusal(root(leafNodes=["x"] * 100_000)).reason is Reason.TREE_TOO_LARGE


def every_place_but(left_out: set[int], places: int, *first: Node) -> list[Node]:
    """Make `places` siblings: units at the positions left out, the nodes given first, and else the course `c`."""
    others = iter(first)
    return [unit("u") if n in left_out else next(others, course("c")) for n in range(1, places + 1)]


@pytest.mark.parametrize(
    ("siblings", "length"),
    [
        # 9 digits at 1 to 9, 180 to 99, 2,700 to 999, then 4 a place; and 2 characters between two places.
        pytest.param(every_place_but(set(), 5_518), 31_999, id="one less"),
        pytest.param(every_place_but({1, 10, 11}, 5_520), 32_000, id="just fits"),
        pytest.param(every_place_but(set(), 5_518, unit("v", course("c"))), 32_001, id="one more"),
    ],
)
def test_level_has_at_most_32_000_characters(siblings: list[Node], length: int) -> None:
    layout = walked(*siblings)
    places = [str(n) for n, node in enumerate(siblings, start=1) if node["identifier"] == "c"]
    whole = "; ".join((["1.1"] if length > 32_000 else []) + places)
    assert len(whole) == length
    assert levels(layout) == {"c": whole if length <= 32_000 else whole[:31_999] + "…"}
    assert layout.warnings == ({} if length <= 32_000 else {TreeWarning.LEVEL_CUT: 1})


def test_levels_that_are_cut_are_counted_once_a_collection() -> None:
    layout = walked(*[course(f"c{n % 3}") for n in range(20_000)], *[course("d")] * 9)
    assert layout.warnings == {TreeWarning.LEVEL_CUT: 3}
    assert {key: len(level) for key, level in levels(layout).items()} == {
        "c0": 32_000,
        "c1": 32_000,
        "c2": 32_000,
        "d": 9 * 5 + 8 * 2,
    }


def test_many_deep_places_of_one_collection_cost_neither_time_nor_memory() -> None:
    places = [course("c") for _ in range(99_900)]  # together 14 million characters of level
    tree = chain(62, *places)
    tracemalloc.start()
    started = time.process_time()
    layout = layout_of(tree, "do_root", RULES)
    took, (_, peak) = time.process_time() - started, tracemalloc.get_traced_memory()
    tracemalloc.stop()
    one = "1." * 62
    assert levels(layout)["c"][:300] == f"{one}1; {one}2; {one}3; "[:300]
    assert (len(levels(layout)["c"]), layout.warnings) == (32_000, {TreeWarning.LEVEL_CUT: 1})
    assert peak < 30_000_000  # measured: 18 million, most of it the list of siblings; 40 with all levels kept
    assert took < 20  # measured: 2 s under tracemalloc


def test_every_node_trackable_down_to_the_last_level_is_quick() -> None:
    chains = [chain(63, leaf(f"l{n}", **(optional() if n % 2 else {})), kind=course) for n in range(1_560)]
    started = time.process_time()
    layout = walked(*(child for tree in chains for child in tree["children"]))
    assert time.process_time() - started < 8  # measured: 1 s
    assert {nested.leaves for nested in layout.nested} == {tuple(f"l{n}" for n in range(0, 1_560, 2))}


def test_many_nodes_below_many_collections_are_quick() -> None:
    node: Node = course("c62", *(leaf(f"l{n}", contentType="SelfAssess") for n in range(99_000)))
    for level in range(61, 0, -1):
        node = course(f"c{level}", node)
    started = time.process_time()
    layout = walked(node)
    assert time.process_time() - started < 8  # measured: 1 s; it must not grow with depth squared
    assert {len(nested.leaves) for nested in layout.nested} == {99_000}


def test_shared_nodes_that_unfold_without_end_meet_the_cap() -> None:
    node = unit("u0", leaf("a"))
    for level in range(1, 60):
        node = unit(f"u{level}", node, node)
    assert refusal(root(node)).reason is Reason.TREE_TOO_LARGE


# --- properties ---------------------------------------------------------------------------------------------------

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
