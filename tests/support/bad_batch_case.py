"""One kind of bad input that concerns single batches: what it is made of, and the table that it stands in."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.support.builders import COLLECTION_TYPE, answer, batch, enrolment, leaf, small_tree, user
from tests.worlds import World
from tests.worlds.model import Row

DEEPEST = 64


@dataclass(frozen=True)
class BatchCase:
    """One kind of bad input.

    Attributes:
        world: the batches it is about, and all they need.
        cells: what columns of the first batch hold, from the first row to the last; worked out by hand.
        counted: how often it happens there, where it is counted.
        bodies: hierarchy answers by collection id, where they are no JSON that Python would write.
        is_in_table: whether the batches are in `course_batch`.
    """

    world: World
    cells: Mapping[str, Sequence[str]] = field(default_factory=dict)
    counted: int = 0
    bodies: Mapping[str, bytes] = field(default_factory=dict)
    is_in_table: bool = True


Build = Callable[[str], BatchCase]
"""Builds a case from its id, to name batches, collections and learners after."""


def registry() -> tuple[dict[str, Build], Callable[[str], Callable[[Build], Build]]]:
    """Make an empty table of cases, and the decorator that puts a builder into it by the id of its case."""
    cases: dict[str, Build] = {}

    def case(identifier: str) -> Callable[[Build], Build]:
        def register(build: Build) -> Build:
            assert identifier not in cases
            cases[identifier] = build
            return build

        return register

    return cases, case


def one_batch(
    name: str,
    enrolments: Iterable[Row] | None = None,
    tree: dict[str, Any] | None = None,
    users: Iterable[Row] | None = None,
    **others: Any,
) -> World:
    """Make a batch of one learner, who has done one leaf of three, with what a case wants otherwise."""
    place, learner = f"do-{name}", f"{name}-1"
    tables = {
        "course_batch": others.pop("batches", [batch(name, place)]),
        "user_enrolments": list(enrolments) if enrolments is not None else [enrolled(name)],
        "user": list(users) if users is not None else [user(learner)],
        "location": others.pop("location", []),
        "user_activity_agg": others.pop("activity", []),
        "assessment_aggregator": others.pop("attempts", []),
    }
    assert not others
    return World(tables, {place: answer(tree if tree is not None else small_tree(place))})


def enrolled(name: str, number: int = 1, **columns: Any) -> Row:
    """Make the enrolment of a learner who has done one leaf of three."""
    return enrolment(f"{name}-{number}", name, f"do-{name}", **{"contentstatus": {f"do-{name}-a": 2}, **columns})


def learners(name: str, values: Sequence[Any], make: Callable[[int, Any], Row]) -> list[Row]:
    """Make a row for each value, for learners numbered from 1."""
    return [make(number, value) for number, value in enumerate(values, start=1)]


def places(name: str) -> list[Row]:
    """Make two states with a district each."""
    return [
        {"id": f"{name}-state-1", "type": "state", "name": "Kerala"},
        {"id": f"{name}-district-1", "type": "district", "name": "Thrissur", "parentid": f"{name}-state-1"},
        {"id": f"{name}-state-2", "type": "state", "name": "Assam"},
        {"id": f"{name}-district-2", "type": "district", "name": "Dibrugarh", "parentid": f"{name}-state-2"},
    ]


def chain(root: str, depth: int) -> bytes:
    """Write the tree of one leaf at a depth, the root at 0; no serialiser is asked to go so deep."""
    return deep(root, depth, json.dumps(leaf("a")))


def deep(root: str, depth: int, last: str) -> bytes:
    """Write a tree of collections one below the other, with the JSON of one entry at a depth."""
    node = '{{"identifier":"{}","mimeType":"{}","children":['
    nodes = [node.format(root, COLLECTION_TYPE), *(node.format(f"c{n}", COLLECTION_TYPE) for n in range(1, depth))]
    return ('{"result":{"content":' + "".join(nodes) + last + "]}" * depth + "}}").encode()
