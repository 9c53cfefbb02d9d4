"""Course trees of the synthetic world, as bodies of hierarchy answers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

from progress_exhaust.catalogue.mime_types import COLLECTION_MIME_TYPE, QUESTION_SET_MIME_TYPE
from progress_exhaust.sample.ids import LEAF, NESTED, ROOT, UNIT, NestedShape, assessment_leaf, nested_shapes, node_id

Node = dict[str, Any]

_SUBJECTS = (
    "Fractions",
    "Reading, Writing and Listening",
    "Environmental Studies",
    "Foundations of Pedagogy",
    'Learning "by Doing"',
    "गणित",
    "Early Numeracy",
    "Inclusive Classrooms",
    "மொழி",
    "School Leadership",
)
_LEAF_TYPES = (
    "application/pdf",
    "video/mp4",
    "application/vnd.ekstep.ecml-archive",
    "application/vnd.ekstep.h5p-archive",
)


def collection_name(seed: int, collection: int) -> str:
    """Return the title of a course."""
    subject = _SUBJECTS[(seed + collection) % len(_SUBJECTS)]
    return f"{subject} {collection // len(_SUBJECTS) + 1}"


def answer(tree: Node) -> Node:
    """Wrap a tree as the content service does."""
    return {"responseCode": "OK", "result": {"content": tree}}


def write_answer(directory: Path, tree: Node) -> None:
    """Write a tree's answer as `<collection_id>.json`."""
    text = json.dumps(answer(tree), ensure_ascii=False, indent=1)
    (directory / f"{tree['identifier']}.json").write_text(text + "\n", encoding="utf-8")


def collection_node(identifier: str, name: str, children: list[Node], *, trackable: bool) -> Node:
    """Return a collection node: a course where it is trackable, else a unit."""
    return {
        "identifier": identifier,
        "name": name,
        "mimeType": COLLECTION_MIME_TYPE,
        "contentType": "Course" if trackable else "CourseUnit",
        "primaryCategory": "Course" if trackable else "Course Unit",
        "objectType": "Content" if trackable else "Collection",
        "visibility": "Default" if trackable else "Parent",
        "trackable": {"enabled": "Yes" if trackable else "No"},
        "status": "Live",
        "leafNodesCount": sum(child.get("leafNodesCount", 1) for child in children),
        "children": [{**child, "index": index} for index, child in enumerate(children, start=1)],
    }


def content_node(identifier: str, name: str, mime_type: str) -> Node:
    """Return a leaf that gives no score."""
    return {
        "identifier": identifier,
        "name": name,
        "mimeType": mime_type,
        "contentType": "Resource",
        "primaryCategory": "Learning Resource",
        "objectType": "Content",
        "visibility": "Default",
        "status": "Live",
    }


def self_assessment_node(identifier: str, name: str) -> Node:
    """Return a leaf whose score counts towards the Total Score."""
    node = content_node(identifier, name, "application/vnd.ekstep.ecml-archive")
    return node | {"contentType": "SelfAssess", "primaryCategory": "Course Assessment"}


def question_set_node(identifier: str, name: str) -> Node:
    """Return a practice question set: it has a score, which does not count towards the Total Score."""
    node = content_node(identifier, name, QUESTION_SET_MIME_TYPE)
    return node | {
        "contentType": "QuestionSet",
        "primaryCategory": "Practice Question Set",
        "objectType": "QuestionSet",
    }


class TreeMaker:
    """Makes the trees of a world; all have the same leaves, at places that differ from tree to tree."""

    def __init__(self, seed: int, leaves: int, nested: int, depth: int, assessments: int) -> None:
        self._seed = seed
        self._leaves = leaves
        self._depth = depth
        self._shapes = nested_shapes(leaves, nested, depth)
        self._assessments = {assessment_leaf(number, assessments, leaves): number for number in range(assessments)}

    def tree(self, collection: int, channel: str) -> Node:
        """Return the tree of a collection."""
        units = iter(range(1, 1_000_000))
        name = collection_name(self._seed, collection)
        if not self._shapes:
            leaves = self._leaf_nodes(collection, 0, self._leaves)
            children = [collection_node(node_id(collection, UNIT, next(units)), "Unit 1", leaves, trackable=False)]
        else:
            children = list(self._below_root(collection, units))
        root = collection_node(node_id(collection, ROOT, 0), name, children, trackable=True)
        return root | {"channel": channel}

    def _below_root(self, collection: int, units: Iterator[int]) -> Iterator[Node]:
        """Stand nested collections two by two below the root, in a unit, in a unit of a unit, and so on."""
        heads = [number for number, shape in enumerate(self._shapes) if shape.inside is None]
        for pair, first in enumerate(range(0, len(heads), 2)):
            numbers = heads[first : first + 2]
            deepest = 2 if any(self._inner(number) is not None for number in numbers) else 1
            siblings = [self._nested_node(collection, number) for number in numbers]
            for _ in range((pair + collection + 1) % (self._depth - deepest + 1)):
                unit = next(units)
                siblings = [collection_node(node_id(collection, UNIT, unit), f"Unit {unit}", siblings, trackable=False)]
            yield from siblings

    def _nested_node(self, collection: int, number: int) -> Node:
        shape = self._shapes[number]
        inner = self._inner(number)
        end = shape.end_leaf if inner is None else self._shapes[inner].first_leaf
        children = self._leaf_nodes(collection, shape.first_leaf, end)
        if inner is not None:
            children.append(self._nested_node(collection, inner))
        return collection_node(node_id(collection, NESTED, number), f"Module {number + 1}", children, trackable=True)

    def _inner(self, number: int) -> int | None:
        following: NestedShape | None = self._shapes[number + 1] if number + 1 < len(self._shapes) else None
        return number + 1 if following is not None and following.inside == number else None

    def _leaf_nodes(self, collection: int, first: int, end: int) -> list[Node]:
        rng = Random(f"{self._seed}:{collection}:{first}")
        nodes = []
        for leaf in range(first, end):
            identifier = node_id(collection, LEAF, leaf)
            assessment = self._assessments.get(leaf)
            if assessment is None:
                nodes.append(content_node(identifier, f"Lesson {leaf + 1}", rng.choice(_LEAF_TYPES)))
            elif assessment % 4 == 3:
                nodes.append(question_set_node(identifier, f"Practice {assessment + 1}"))
            else:
                nodes.append(self_assessment_node(identifier, f"Assessment {assessment + 1}"))
        return nodes
