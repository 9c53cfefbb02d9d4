"""The walk of a course tree, case by case worked out by hand: root, order, kinds, cycles, names."""

from __future__ import annotations

from typing import Any

import pytest

from progress_exhaust.catalogue.layout import Assessment, Layout, NestedCollection, TreeWarning
from progress_exhaust.catalogue.tree import layout_of
from progress_exhaust.errors import Reason, SkippedReport
from tests.support.tree_nodes import (
    COLLECTION,
    RULES,
    Node,
    course,
    leaf,
    levels,
    nested_leaves,
    optional,
    root,
    scores,
    unit,
    walked,
)


@pytest.mark.rule("T11")
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


@pytest.mark.rule("T3")
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


@pytest.mark.rule("T3")
def test_index_is_missing_on_one_sibling_so_array_order_holds() -> None:
    assert walked(leaf("b", index=2), leaf("a"), leaf("c", index=1)).leaves == ("b", "a", "c")


@pytest.mark.rule("T3")
def test_children_left_out_do_not_matter_for_the_order() -> None:
    layout = walked(leaf("b", index=2), {"index": "x"}, "junk", leaf("a", index=1))
    assert layout.leaves == ("a", "b")
    assert layout.warnings == {TreeWarning.CHILD_NOT_AN_OBJECT: 1, TreeWarning.CHILD_WITHOUT_IDENTIFIER: 1}


@pytest.mark.rule("T3")
def test_a_cyclic_sibling_without_index_keeps_array_order() -> None:
    assert walked(leaf("b", index=2), unit("do_root"), leaf("a", index=1)).leaves == ("b", "a")


@pytest.mark.rule("T8")
def test_level_counts_all_collection_nodes_and_no_leaf() -> None:
    layout = walked(
        leaf("l0"),
        unit("u1", leaf("l1")),
        leaf("l2"),
        unit("u2", course("c1", leaf("x")), unit("u3"), course("c2", course("c3"))),
        course("c4"),
    )
    assert levels(layout) == {"c1": "2.1", "c2": "2.3", "c3": "2.3.1", "c4": "3"}


@pytest.mark.rule("T3")
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


@pytest.mark.rule("T7")
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


@pytest.mark.rule("T7")
def test_root_is_a_collection_whatever_its_fields_and_never_nested() -> None:
    layout = walked(leaf("a"), mimeType="video/mp4", trackable={"enabled": "Yes"}, **optional())
    assert layout.leaves == ("a",)
    assert layout.nested == ()


def bare(identifier: str, /, **fields: Any) -> Node:
    """Make a node without mimeType."""
    return {"identifier": identifier, "trackable": {"enabled": "Yes"}, **fields}


@pytest.mark.rule("T1")
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


@pytest.mark.rule("T1")
def test_question_set_without_mime_type_keeps_its_column() -> None:
    practice = {"objectType": "QuestionSet", "primaryCategory": "Practice Question Set"}
    layout = walked(bare("q", children=[leaf("a", contentType="SelfAssess")], **practice))
    assert (scores(layout), layout.leaves) == (["q"], ("q",))


def test_node_without_mime_type_can_be_a_cycle() -> None:
    layout = walked(course("c", bare("c", children=[leaf("lost")]), bare("do_root", children=[]), leaf("a")))
    assert (layout.leaves, layout.warnings) == (("a",), {TreeWarning.CYCLE: 2})


@pytest.mark.rule("T4")
def test_cycle_is_left_out_with_all_below_it() -> None:
    layout = walked(
        course("c", unit("u", course("c", leaf("lost")), course("do_root", leaf("lost")), leaf("a"))), course("u")
    )
    assert levels(layout) == {"c": "1", "u": "2"}
    assert layout.leaves == ("a",)
    assert layout.warnings == {TreeWarning.CYCLE: 2}


@pytest.mark.rule("T4")
def test_same_collection_beside_itself_is_no_cycle() -> None:
    layout = walked(course("c"), course("c"))
    assert levels(layout) == {"c": "1; 2"}
    assert layout.warnings == {}


@pytest.mark.rule("T4")
def test_leaf_with_the_id_of_a_collection_on_its_path_is_no_cycle() -> None:
    assert walked(leaf("do_root")).leaves == ("do_root",)


@pytest.mark.rule("T4")
def test_node_that_contains_itself_ends() -> None:
    node = course("c", leaf("a"))
    node["children"].append(node)
    layout = walked(node)
    assert levels(layout) == {"c": "1"}
    assert layout.warnings == {TreeWarning.CYCLE: 1}


@pytest.mark.rule("C4")
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
