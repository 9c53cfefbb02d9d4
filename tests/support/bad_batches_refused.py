"""Batches that are refused, by the ids of the contract's table."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from tests.support.bad_batch_case import DEEPEST, BatchCase, chain, deep, enrolled, one_batch, registry
from tests.support.builders import activity, answer, batch, collection, enrolment, small_tree, user
from tests.worlds import World

UNSAFE_IDS = (
    "../escaped",
    "../../escaped",
    "/escaped",
    "a/../../escaped",
    "a..b",
    ".hidden",
    "-dash",
    "%2e%2e%2fescaped",
    "\u2024\u2024/escaped",
    "\u0663",
    "x*",
    "{}",
    "a b",
    "a:b",
    "a\\b",
    "a\nb",
    "x" * 101,
    "x" * 300,
)
NUL = "a\0b"

CASES, case = registry()


@case("batch-unknown")
def _(name: str) -> BatchCase:
    return BatchCase(World({"course_batch": []}, {}, asked=(name, f"{name}-2")), is_in_table=False)


@case("id-unsafe")
def _(name: str) -> BatchCase:
    rows = [batch(identifier, f"do-{name}") for identifier in (*UNSAFE_IDS, NUL)]
    return BatchCase(World({"course_batch": rows}, {f"do-{name}": answer(small_tree(f"do-{name}"))}))


@case("collection-id-unsafe")
def _(name: str) -> BatchCase:
    rows = [batch(f"{name}-{number}", unsafe) for number, unsafe in enumerate((*UNSAFE_IDS, NUL))]
    return BatchCase(World({"course_batch": rows}, {}))


@case("batch-ambiguous")
def _(name: str) -> BatchCase:
    second = f"do-{name}-2"
    world = one_batch(name, batches=[batch(name, f"do-{name}"), batch(name, second)])
    return BatchCase(World(world.tables, {**world.trees, second: answer(small_tree(second))}))


def of_trees(name: str, bodies: Sequence[Any]) -> BatchCase:
    """Make a batch for each hierarchy answer, given as a value or as the bytes of the file; None is no file."""
    rows, trees, files = [], {}, {}
    for number, body in enumerate(bodies):
        place = f"do-{name}-{number}"
        rows.append(batch(f"{name}-{number}", place))
        if isinstance(body, bytes):
            files[place] = body.replace(b"<id>", place.encode())
        elif body is not None:
            trees[place] = body
    enrolments = [enrolment("someone", row["batchid"], row["courseid"]) for row in rows]
    return BatchCase(World({"course_batch": rows, "user_enrolments": enrolments}, trees), bodies=files)


@case("collection-unknown")
def _(name: str) -> BatchCase:
    return of_trees(name, [None, {"responseCode": "RESOURCE_NOT_FOUND", "result": {}}])


@case("collection-never-live")
def _(name: str) -> BatchCase:
    statuses: list[Any] = ["Draft", "live", 7, ["Live"], True]
    return of_trees(
        name, [answer(small_tree(f"do-{name}-{n}") | {"status": status}) for n, status in enumerate(statuses)]
    )


@case("collection-retired")
def _(name: str) -> BatchCase:
    return of_trees(name, [answer(small_tree(f"do-{name}-0") | {"status": "Retired"})])


@case("tree-not-json")
def _(name: str) -> BatchCase:
    start = b'{"result":{"content":{"identifier":"<id>"'
    return of_trees(
        name, [b"", b"<html>Bad gateway</html>", start, start + b',"name":"\xff"}}}', start + b',"index":NaN}}}']
    )


@case("tree-null")
def _(name: str) -> BatchCase:
    return of_trees(name, [b"null", [], {}, {"result": None}, {"result": []}, answer(None), 7, "x"])


@case("tree-root-not-an-object")
def _(name: str) -> BatchCase:
    return of_trees(name, [answer([]), answer("x"), answer(7), answer(1.5), answer(False)])


@case("tree-of-another-root")
def _(name: str) -> BatchCase:
    others: list[Any] = ["do-other", f"DO-{name}", "", None, 7, []]
    return of_trees(name, [answer(small_tree("do-x") | {"identifier": other}) for other in others])


def wide(root: str, nodes: int) -> bytes:
    """Write the tree of a root and leaves."""
    return json.dumps(answer(collection(root, ({"identifier": f"n{n}"} for n in range(nodes - 1))))).encode()


def wide_and_empty(root: str, nodes: int) -> bytes:
    """Write the tree of a root whose children are null."""
    return json.dumps(answer(collection(root, []) | {"children": [None] * (nodes - 1)})).encode()


def wide_and_thin(root: str, nodes: int) -> bytes:
    """Write the tree of a root that only lists its leaves."""
    return json.dumps(answer(collection(root, [], leafNodes=["a"] * (nodes - 1)))).encode()


@case("tree-too-deep")
def _(name: str) -> BatchCase:
    thin = json.dumps(collection("thin", [], leafNodes=["a"]))
    depth = DEEPEST + 1
    return of_trees(name, [chain("<id>", depth), deep("<id>", depth, "null"), deep("<id>", depth - 1, thin)])


@case("tree-10000-deep")
def _(name: str) -> BatchCase:
    return of_trees(name, [chain("<id>", 10_000)])


@case("tree-100001-nodes")
def _(name: str) -> BatchCase:
    return of_trees(name, [write("<id>", 100_001) for write in (wide, wide_and_empty, wide_and_thin)])


@case("tree-too-many-bytes")
def _(name: str) -> BatchCase:
    start = b'{"result":{"content":{"identifier":"<id>"}}}'
    return of_trees(name, [start + b" " * (64 * 1024 * 1024)])


@case("doubled-batch")
def _(name: str) -> BatchCase:
    return BatchCase(one_batch(name, batches=[batch(name, f"do-{name}"), batch(name, f"do-{name}", name="Twin")]))


@case("doubled-enrolment")
def _(name: str) -> BatchCase:
    return BatchCase(one_batch(name, [enrolled(name), enrolled(name, contentstatus={}), enrolled(name, 2)]))


@case("doubled-learner")
def _(name: str) -> BatchCase:
    return BatchCase(one_batch(name, users=[user(f"{name}-1"), user(f"{name}-1", firstname="Twin")]))


@case("doubled-activity")
def _(name: str) -> BatchCase:
    rows = [activity(f"{name}-1", name, f"do-{name}", {"completedCount": count}) for count in (1.0, 2.0)]
    return BatchCase(one_batch(name, activity=rows))


@case("doubled-nested-activity")
def _(name: str) -> BatchCase:
    rows = [activity(f"{name}-1", name, f"do-{name}-nested", {"completedCount": count}) for count in (1.0, 2.0)]
    return BatchCase(one_batch(name, [enrolled(name, contentstatus=None)], activity=rows))
