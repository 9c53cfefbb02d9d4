"""Which batches the floor reports on, and the layouts of their collections: plain Python, by the package's tree walk.

They become small tables, given to the engine as JSON.
"""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from progress_exhaust.catalogue.files import FilesCatalogue
from progress_exhaust.catalogue.layout import Layout
from progress_exhaust.catalogue.port import layouts
from progress_exhaust.catalogue.tree import TreeRules
from progress_exhaust.identifiers import is_safe_id
from progress_exhaust.report.profiles import columns_of
from progress_exhaust.settings.sections import Settings

BatchRow = tuple[str, str, str | None]
"""Batch id, collection id, name; as `course_batch` has them."""


@dataclass(frozen=True)
class RequestedReports:
    """What is reported on.

    Attributes:
        batches: rows of `course_batch` that become reports, each batch id once.
        layouts: of their collections; a layout's place is its `collection_no`.
    """

    batches: list[BatchRow]
    layouts: list[Layout]

    @property
    def nested(self) -> int:
        """The most nested collections that a collection has."""
        return max((len(layout.nested) for layout in self.layouts), default=0)

    @property
    def most_leaves(self) -> int:
        """The most mandatory leaves that a collection has, or a nested one of it."""
        counted = [
            leaves for layout in self.layouts for leaves in (layout.leaves, *(one.leaves for one in layout.nested))
        ]
        return max(map(len, counted), default=0)

    @property
    def assessments(self) -> int:
        """The most assessments that a collection has."""
        return max((len(layout.assessments) for layout in self.layouts), default=0)


def select(rows: list[BatchRow], catalogue: Path) -> RequestedReports:
    """Choose the batches that can be made: safe ids, one collection, one row, a tree that can be walked.

    Args:
        rows: all of `course_batch`.
        catalogue: folder of `<collection_id>.json`.
    """
    settings = Settings()
    by_batch: dict[str, list[BatchRow]] = defaultdict(list)
    for row in rows:
        if row[0] and row[1]:
            by_batch[row[0]].append(row)
    single = [same[0] for same in by_batch.values() if len(same) == 1]
    safe = sorted(row for row in single if is_safe_id(row[0]) and is_safe_id(row[1]))
    rules = TreeRules.of(settings.catalogue, settings.assessment)
    walked = layouts(FilesCatalogue(catalogue), sorted({row[1] for row in safe}), rules, 1)
    known = {collection: layout for collection, layout in walked.items() if isinstance(layout, Layout)}
    return RequestedReports([row for row in safe if row[1] in known], list(known.values()))


def small_tables(wanted: RequestedReports) -> dict[str, tuple[str, list[dict[str, Any]]]]:
    """Return the small tables: by name, the types of their columns as the engine has them in JSON, and their rows.

    `layout` has lists over the collection itself, then its nested ones (`leaf_counts`), over the nested ones (`glue`:
    what stands in front of each Progress cell) or over the assessments.
    """
    number_of = {layout.collection_id: number for number, layout in enumerate(wanted.layouts)}
    batches = [
        {
            "batch_no": number,
            "collection_no": number_of[collection_id],
            "batch_id": batch_id,
            "collection_id": collection_id,
            "first_cells": [collection_id, wanted.layouts[number_of[collection_id]].name, batch_id, name or ""],
        }
        for number, (batch_id, collection_id, name) in enumerate(wanted.batches)
    ]
    return {
        "batch": (
            '{"batch_no":"INTEGER","collection_no":"INTEGER","batch_id":"VARCHAR","collection_id":"VARCHAR",'
            '"first_cells":["VARCHAR"]}',
            batches,
        ),
        "layout": (
            '{"collection_no":"INTEGER","leaf_counts":["DOUBLE"],"glue":["VARCHAR"],"after_nested":"VARCHAR",'
            '"assessment_ids":["VARCHAR"],"are_self_assess":["BOOLEAN"],"header":["VARCHAR"]}',
            [_layout_row(number, layout) for number, layout in enumerate(wanted.layouts)],
        ),
        "leaf": (
            '{"collection_no":"INTEGER","leaf_id":"VARCHAR","positions":["INTEGER"]}',
            [row for number, layout in enumerate(wanted.layouts) for row in _leaf_rows(number, layout)],
        ),
        "activity": (
            '{"collection_no":"INTEGER","activity_id":"VARCHAR","position":"INTEGER"}',
            [
                {"collection_no": number, "activity_id": identifier, "position": position}
                for number, layout in enumerate(wanted.layouts)
                for position, identifier in enumerate(
                    [layout.collection_id, *(one.identifier for one in layout.nested)]
                )
            ],
        ),
    }


def _layout_row(number: int, layout: Layout) -> dict[str, Any]:
    levels = [nested.level for nested in layout.nested]
    return {
        "collection_no": number,
        "leaf_counts": [len(layout.leaves), *(len(nested.leaves) for nested in layout.nested)],
        "glue": [",", *(f",{level}," for level in levels[:-1])] if levels else [],
        "after_nested": f",{levels[-1]}" if levels else "",
        "assessment_ids": [assessment.identifier for assessment in layout.assessments],
        "are_self_assess": [assessment.is_self_assess for assessment in layout.assessments],
        "header": [column.header for column in columns_of(layout)],
    }


def _leaf_rows(number: int, layout: Layout) -> list[dict[str, Any]]:
    positions: dict[str, list[int]] = defaultdict(list)
    for position, leaves in enumerate([layout.leaves, *(nested.leaves for nested in layout.nested)]):
        for leaf in leaves:
            positions[leaf].append(position)
    return [{"collection_no": number, "leaf_id": leaf, "positions": of} for leaf, of in positions.items()]


def as_json(rows: list[dict[str, Any]]) -> str:
    """Return rows as the engine takes them."""
    return json.dumps(rows, ensure_ascii=False)
