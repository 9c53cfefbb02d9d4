"""Nodes of course trees, and what the walk makes of a tree of them."""

from __future__ import annotations

from typing import Any

from progress_exhaust.catalogue.layout import Layout
from progress_exhaust.catalogue.tree import TreeRules, layout_of
from progress_exhaust.settings.sections import AssessmentSettings, CatalogueSettings

RULES = TreeRules.of(CatalogueSettings(), AssessmentSettings())
COLLECTION = "application/vnd.ekstep.content-collection"

Node = dict[str, Any]


def leaf(identifier: str, /, **fields: Any) -> Node:
    return {"identifier": identifier, "mimeType": "video/mp4", "contentType": "Resource", **fields}


def unit(identifier: str, /, *children: Any, **fields: Any) -> Node:
    return {
        "identifier": identifier,
        "mimeType": COLLECTION,
        "contentType": "TextBookUnit",
        "visibility": "Parent",
        "children": list(children),
        **fields,
    }


def course(identifier: str, /, *children: Any, **fields: Any) -> Node:
    return unit(
        identifier,
        *children,
        **{"contentType": "Course", "visibility": "Default", "trackable": {"enabled": "Yes"}} | fields,
    )


def optional(mark: Any = True) -> Node:
    return {"relationalMetadata": {"optional": mark}}


def root(*children: Any, **fields: Any) -> Node:
    return course("do_root", *children, **{"name": "Root", "channel": "ch"} | fields)


def walked(*children: Any, **fields: Any) -> Layout:
    return layout_of(root(*children, **fields), "do_root", RULES)


def levels(layout: Layout) -> dict[str, str]:
    return {nested.identifier: nested.level for nested in layout.nested}


def nested_leaves(layout: Layout) -> dict[str, tuple[str, ...]]:
    return {nested.identifier: nested.leaves for nested in layout.nested}


def scores(layout: Layout) -> list[str]:
    return [assessment.identifier for assessment in layout.assessments]
