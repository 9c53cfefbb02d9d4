"""Bounds of a course tree: how deep, how wide, how long a Level, and that a walk within the bounds is quick."""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest

from progress_exhaust.catalogue.layout import TreeWarning
from progress_exhaust.catalogue.tree import TreeRules, layout_of
from progress_exhaust.errors import Reason, SkippedReport
from tests.support.tree_nodes import RULES, Node, course, leaf, levels, optional, root, unit, walked


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


@pytest.mark.rule("T6")
def test_depth_cap_is_inclusive_with_the_root_at_zero() -> None:
    layout_of(chain(64), "do_root", RULES)
    error = refusal(chain(65))
    assert error.reason is Reason.TREE_TOO_LARGE
    assert "nodes below level 64" in str(error)


@pytest.mark.rule("T6")
def test_leaves_count_for_the_depth_too() -> None:
    rules = TreeRules(1, 10, ())
    layout_of(root(leaf("a"), unit("u")), "do_root", rules)
    assert refusal(root(unit("u", leaf("a"))), rules).reason is Reason.TREE_TOO_LARGE


def test_very_deep_tree_is_refused_without_recursion() -> None:
    assert refusal(chain(50_000)).reason is Reason.TREE_TOO_LARGE


@pytest.mark.rule("T6")
def test_node_cap_is_inclusive_and_counts_the_root() -> None:
    layout = walked(*(leaf(f"l{n}") for n in range(99_999)))
    assert len(layout.leaves) == 99_999
    error = refusal(root(*(leaf(f"l{n}") for n in range(100_000))))
    assert error.reason is Reason.TREE_TOO_LARGE
    assert "more than 100,000 nodes" in str(error)


LEFT_OUT: list[Any] = [None, 7, "x", [], {}, leaf(""), unit("do_root"), unit("u")]
"""Children that are left out below a unit `u`: by shape, for want of an identifier, as cycles."""


@pytest.mark.rule("T6")
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


@pytest.mark.rule("T6")
def test_node_cap_holds_for_children_that_are_left_out() -> None:
    assert walked(*[None] * 99_999).warnings == {TreeWarning.CHILD_NOT_AN_OBJECT: 99_999}
    assert refusal(root(*[None] * 100_000)).reason is Reason.TREE_TOO_LARGE
    assert refusal(root(leafNodes=["x"] * 100_000)).reason is Reason.TREE_TOO_LARGE


def every_place_but(left_out: set[int], places: int, *first: Node) -> list[Node]:
    """Make `places` siblings: units at the positions left out, the nodes given first, and else the course `c`."""
    others = iter(first)
    return [unit("u") if n in left_out else next(others, course("c")) for n in range(1, places + 1)]


@pytest.mark.rule("T8")
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
