"""Ids and shape of the synthetic world, each as plain Python (for course trees) and as Spark expressions (for rows).

Both sides count from 0: collection, nested collection, leaf and batch numbers. An id is made of its numbers, so a tree
written by the driver and rows made by executors meet without either looking at the other.
"""

from __future__ import annotations

from dataclasses import dataclass

from pyspark.sql import Column
from pyspark.sql import functions as F

_NODE = "do_2140"
_BATCH = "0132"
_COLLECTION_DIGITS = 6
_NODE_DIGITS = 11
_BATCH_DIGITS = 15

ROOT = 0
NESTED = 1
UNIT = 2
LEAF = 3


def node_id(collection: int, kind: int, number: int) -> str:
    """Return the identifier of a node of a collection's tree."""
    return f"{_NODE}{collection:0{_COLLECTION_DIGITS}d}{kind}{node_number(number)}"


def node_number(number: int) -> str:
    """Return the end of a node's identifier."""
    return f"{number:0{_NODE_DIGITS}d}"


def node_prefix_column(collection: Column, kind: int | Column) -> Column:
    """Return the identifier of a node up to its number."""
    kind_digit = kind.cast("string") if isinstance(kind, Column) else F.lit(str(kind))
    return F.concat(F.lit(_NODE), _digits(collection, _COLLECTION_DIGITS), kind_digit)


def node_id_column(collection: Column, kind: int | Column, number: Column) -> Column:
    """Return the same as `node_id`."""
    return F.concat(node_prefix_column(collection, kind), _digits(number, _NODE_DIGITS))


def batch_id_column(batch: Column) -> Column:
    """Return the id of a batch."""
    return F.concat(F.lit(_BATCH), _digits(batch, _BATCH_DIGITS))


def uuid_column(*parts: Column | str) -> Column:
    """Return an id in the form of a UUID, made of texts and numbers."""
    texts = [F.lit(part) if isinstance(part, str) else part.cast("string") for part in parts]
    digest = F.md5(F.concat_ws(":", *texts))
    return F.concat_ws("-", *(F.substring(digest, at, size) for at, size in _UUID_FIELDS))


_UUID_FIELDS = ((1, 8), (9, 4), (13, 4), (17, 4), (21, 12))


def _digits(number: Column, width: int) -> Column:
    return F.lpad(number.cast("string"), width, "0")


def hash_text(seed: int, what: str, *ids: Column) -> Column:
    """Return 16 hexadecimal digits made of whole-number ids; cheaper than a UUID."""
    hashed = F.xxhash64(F.lit(f"{seed}:{what}"), *(number.cast("bigint") for number in ids))
    return F.lower(F.lpad(F.hex(hashed), 16, "0"))


class Dice:
    """Chances that depend on nothing but the seed and ids: same seed, same data, however the work is cut."""

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def roll(self, what: str, sides: int, *ids: Column) -> Column:
        """Return a number from 0 to `sides` - 1, alike for the same `what` and whole-number ids."""
        # A hash differs between a number as int and as bigint.
        numbers = [number.cast("bigint") for number in ids]
        return F.pmod(F.xxhash64(F.lit(f"{self._seed}:{what}"), *numbers), F.lit(sides).cast("bigint"))

    def chance(self, what: str, share: float, *ids: Column) -> Column:
        """Return true in this share of the cases, 0 to 1."""
        return self.roll(what, _PARTS, *ids) < F.lit(round(share * _PARTS)).cast("bigint")


_PARTS = 1_000_000


@dataclass(frozen=True, slots=True)
class NestedShape:
    """A nested collection as every collection of the world has it.

    Attributes:
        first_leaf: number of its first leaf.
        end_leaf: number after its last leaf.
        inside: number of the nested collection it stands in; None where it stands in a unit or below the root.
    """

    first_leaf: int
    end_leaf: int
    inside: int | None


def nested_shapes(leaves: int, nested: int, depth: int) -> tuple[NestedShape, ...]:
    """Deal the leaves, numbered in tree order, to the nested collections.

    From a depth of 3 on, each third nested collection stands inside the one before it, which then has its leaves too.
    """
    shapes: list[NestedShape] = []
    for number in range(nested):
        first, end = number * leaves // nested, (number + 1) * leaves // nested
        is_inside = depth >= _DEPTH_OF_INNER and number % 3 == 2
        if is_inside:
            outer = shapes[number - 1]
            shapes[number - 1] = NestedShape(outer.first_leaf, end, outer.inside)
        shapes.append(NestedShape(first, end, number - 1 if is_inside else None))
    return tuple(shapes)


_DEPTH_OF_INNER = 3


def assessment_leaf(assessment: int, assessments: int, leaves: int) -> int:
    """Return the number of the leaf that is this assessment; they are spread evenly, the last leaf is one."""
    return (assessment + 1) * leaves // assessments - 1
