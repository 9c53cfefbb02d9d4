"""What a run wants, as the lines that Spark reads."""

from __future__ import annotations

import json
from itertools import chain

import pytest

from progress_exhaust.catalogue.layout import Layout, NestedCollection
from progress_exhaust.report.inputs import ONE_GROUP, leaf_rows


def layout_of(nested: list[tuple[str, ...]]) -> Layout:
    collections = tuple(
        NestedCollection(f"do_{number}", "", str(number), leaves) for number, leaves in enumerate(nested)
    )
    return Layout("do_1", "", "", (), collections, ())


@pytest.mark.parametrize("count", [0, 1, ONE_GROUP, ONE_GROUP + 1, 200])
def test_groups_hold_the_nested_collections_in_order_and_all_their_leaves(count: int) -> None:
    nested = [(f"leaf-{number}", "shared", f"leaf-{number}b")[: number % 4] for number in range(count)]

    (line,) = leaf_rows([layout_of(nested)])

    groups = json.loads(line)["nested_groups"]
    assert [tuple(leaves) for group in groups for leaves in group["nested"]] == nested
    if count <= ONE_GROUP:
        assert [group["leaves"] for group in groups] == [None]
    else:
        assert all(set(group["leaves"]) == set(chain.from_iterable(group["nested"])) for group in groups)
        assert all(len(group["leaves"]) == len(set(group["leaves"])) for group in groups)
        assert len(groups) <= 2 * count**0.5
