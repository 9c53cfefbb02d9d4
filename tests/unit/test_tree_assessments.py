"""Which leaves of a course tree are assessments, and where their column stands."""

from __future__ import annotations

import pytest

from progress_exhaust.catalogue.layout import Assessment
from progress_exhaust.catalogue.tree import TreeRules, layout_of
from tests.support.tree_nodes import Node, course, leaf, optional, root, scores, unit, walked


@pytest.mark.rule("T10")
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


@pytest.mark.rule("T10")
def test_collection_node_is_never_an_assessment() -> None:
    assert (
        walked(course("c", contentType="SelfAssess"), unit("u", primaryCategory="Course Assessment")).assessments == ()
    )


@pytest.mark.rule("T10")
def test_question_set_categories_are_a_setting() -> None:
    rules = TreeRules(64, 100_000, ("Survey",))
    tree = root(
        leaf("a", objectType="QuestionSet", primaryCategory="Survey"),
        leaf("b", objectType="QuestionSet", primaryCategory="Practice Question Set"),
    )
    assert scores(layout_of(tree, "do_root", rules)) == ["a"]


@pytest.mark.rule("T10")
def test_optional_assessment_keeps_its_column() -> None:
    layout = walked(unit("u", leaf("a", contentType="SelfAssess"), **optional()))
    assert scores(layout) == ["a"]
    assert layout.leaves == ()


@pytest.mark.rule("T10")
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
