"""The layout of one collection: the ordered dynamic columns of its reports, and the leaves each is counted over.

Pure values; the walk that makes them is in `tree`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class TreeWarning(StrEnum):
    """What was left out of a tree or cut, and why; counted in the manifest."""

    CHILD_NOT_AN_OBJECT = "child_not_an_object"
    CHILD_WITHOUT_IDENTIFIER = "child_without_identifier"
    CYCLE = "cycle"
    LEVEL_CUT = "level_cut"


@dataclass(frozen=True, slots=True)
class NestedCollection:
    """A trackable collection node below the root: one Progress and one Level column.

    Attributes:
        identifier: its id, as in the tree.
        name: its human name; empty where the tree has no text for it.
        level: position paths of all its places, in tree order, joined by ``"; "``, e.g. ``1.2; 3``; one that is too
            long for a cell is cut, and ends in ``…``.
        leaves: distinct ids of its mandatory leaves over all its places, in tree order.
    """

    identifier: str
    name: str
    level: str
    leaves: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Assessment:
    """A leaf that gives a score: one Score column.

    Attributes:
        identifier: its content id.
        name: its human name; empty where the tree has no text for it.
        is_self_assess: whether its score counts towards Total Score.
    """

    identifier: str
    name: str
    is_self_assess: bool


@dataclass(frozen=True, slots=True)
class Layout:
    """All that a report needs to know of a collection's tree.

    Attributes:
        collection_id: the root's identifier.
        name: the root's human name; empty where the tree has no text for it.
        channel: the root's channel; empty where it has none.
        leaves: distinct ids of the root's mandatory leaves, in tree order.
        nested: nested collections in tree order (two columns each).
        assessments: assessments in tree order (one column each, after all of `nested`).
        warnings: how many nodes were left out and how many levels are cut, by reason.
    """

    collection_id: str
    name: str
    channel: str
    leaves: tuple[str, ...]
    nested: tuple[NestedCollection, ...]
    assessments: tuple[Assessment, ...]
    warnings: Mapping[TreeWarning, int] = field(default_factory=dict)
