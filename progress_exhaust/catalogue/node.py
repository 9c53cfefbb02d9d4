"""What one node of a course tree says of itself: which kind it is, and what its marks mean.

Nodes come from outside: any field may be absent, null or of another type. Source of the rules: the data contract,
"From the tree to the columns".
"""

from __future__ import annotations

from typing import Any

from progress_exhaust.catalogue.mime_types import COLLECTION_MIME_TYPE, QUESTION_SET_MIME_TYPE
from progress_exhaust.strict_json import StrictJsonError, parse_json
from progress_exhaust.text import clean

Node = dict[str, Any]


def text_in(node: Node, key: str) -> str:
    """Return a field that is text, or an empty text where the node has none."""
    return text_or_nothing(node.get(key))


def text_or_nothing(value: object) -> str:
    """Return a value that is text, fit to be stored, or an empty text in place of any other."""
    return clean(value) if isinstance(value, str) else ""


def list_in(node: Node, key: str) -> list[Any]:
    """Return a field that is a list, or an empty list where the node has none."""
    value = node.get(key)
    return value if isinstance(value, list) else []


def object_in(node: Node, key: str) -> Node:
    """Return a field that is an object or strict JSON text of one, or an empty object where the node has none.

    >>> object_in({"trackable": '{"enabled": "Yes"}'}, "trackable")
    {'enabled': 'Yes'}
    >>> object_in({"trackable": '{"enabled": "Yes"'}, "trackable")
    {}
    """
    value = node.get(key)
    if isinstance(value, str):
        try:
            value = parse_json(value)
        except StrictJsonError:
            return {}
    return value if isinstance(value, dict) else {}


def is_number(value: object) -> bool:
    """Tell whether a value is a number."""
    # In Python a bool is an int; in JSON it is not a number.
    return isinstance(value, int | float) and not isinstance(value, bool)


def is_collection(node: Node) -> bool:
    """Tell whether a node below the root is a collection node; any other is a leaf."""
    mime_type = node.get("mimeType")
    if mime_type is None:
        return isinstance(node.get("children"), list) and not is_question_set(node)
    return bool(mime_type == COLLECTION_MIME_TYPE)


def is_trackable(node: Node) -> bool:
    """Tell whether a collection node is trackable: by its own word, else by its type and visibility."""
    enabled = object_in(node, "trackable").get("enabled")
    if isinstance(enabled, bool):
        return enabled
    if isinstance(enabled, str):
        return enabled.lower() == "yes"
    return node.get("contentType") == "Course" and node.get("visibility") != "Parent"


def is_optional(node: Node) -> bool:
    """Tell whether a node carries the optional mark itself."""
    mark = object_in(node, "relationalMetadata").get("optional")
    return mark is True or (isinstance(mark, str) and mark.lower() == "true")


def is_self_assess(leaf: Node) -> bool:
    """Tell whether a leaf gives a score that counts towards Total Score."""
    return leaf.get("contentType") == "SelfAssess" or leaf.get("primaryCategory") == "Course Assessment"


def is_question_set(node: Node) -> bool:
    """Tell whether a node is a question set, by either of the two ways to say so."""
    return node.get("objectType") == "QuestionSet" or node.get("mimeType") == QUESTION_SET_MIME_TYPE
