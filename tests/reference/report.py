"""What a run must deliver for every batch of a world: the whole file, or why there is none."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from tests.reference.csv_text import csv_bytes, guarded, has_control_character, readable
from tests.reference.rows import Lookups, has_unreadable_date, instants_out_of_range, learner_cells
from tests.reference.tree import Layout, TreeTooLargeError, Walk, layout_of, read_tree
from tests.worlds.model import Row, World

STATIC_COLUMNS = (
    "Collection Id",
    "Collection Name",
    "Batch Id",
    "Batch Name",
    "User UUID",
    "User Name",
    "State",
    "District",
    "Enrolment Date",
    "Completion Date",
    "Progress",
    "Certificate Status",
    "Total Score",
)
GUARDED_COLUMNS = 8
ID_PATTERN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")
STATUSES_FOUND = ("Live", "Unlisted", "Flagged", "Retired")


@dataclass(frozen=True)
class ExpectedReport:
    """One report as the contract wants it.

    Attributes:
        content: the bytes of the whole file.
        header: the header cells, before guard and quoting.
        cells: the cells of the rows in their order, before guard and quoting.
        dropped: rows not kept by reason, `no_key`, `inactive` and `other_organisation`, each there even if 0.
        guarded_cells: cells that the formula guard changed, those of the header too.
        warnings: `unreadable_enrolment_date` (kept rows), `instant_out_of_range` (cells of kept rows),
            `control_characters` (cells, those of the header too), `cycle` and `unusable_child` (places of the tree),
            `level_cut` (nested collections), each there even if 0.
        not_made: why there is no file, else nothing: `bad_id`, `unknown_batch`, `ambiguous_batch`,
            `unknown_collection`, `bad_tree`, `retired_collection`, `tree_too_large` or `doubled_key`; where several
            hold, the first in this order.
    """

    content: bytes = b""
    header: tuple[str, ...] = ()
    cells: tuple[tuple[str, ...], ...] = ()
    dropped: dict[str, int] = field(default_factory=dict)
    guarded_cells: int = 0
    warnings: dict[str, int] = field(default_factory=dict)
    not_made: str = ""

    @property
    def rows(self) -> int:
        """Return how many learners the file has."""
        return len(self.cells)


class NotMadeError(Exception):
    """A report can not be made; the text is the reason word."""


def expected_reports(world: World, audience: str | None = None) -> dict[str, ExpectedReport]:
    """Work out the reports of all batches of a world, for everyone or one root organisation, in the profile `seed`."""
    lookups = Lookups(world)
    enrolments_by_batch: dict[Any, list[Row]] = {}
    for enrolment in world.rows("user_enrolments"):
        enrolments_by_batch.setdefault(enrolment.get("batchid"), []).append(enrolment)
    reports = {}
    for batch_id in world.batch_ids():
        try:
            enrolments = enrolments_by_batch.get(batch_id, [])
            reports[batch_id] = expected_report(world, lookups, batch_id, enrolments, audience)
        except NotMadeError as reason:
            reports[batch_id] = ExpectedReport(not_made=str(reason))
    return reports


def expected_report(
    world: World, lookups: Lookups, batch_id: str, enrolments: list[Row], audience: str | None = None
) -> ExpectedReport:
    """Work out one report.

    Raises:
        NotMadeError: there is none.
    """
    batch = batch_row(world, batch_id)
    walk = Walk(world.settings.max_depth, world.settings.max_nodes)
    layout = collection_layout(world, batch["courseid"], walk)
    no_key = [row for row in enrolments if not row.get("userid") or not row.get("courseid")]
    own = [row for row in enrolments if row.get("userid") and row.get("courseid") == batch["courseid"]]
    active = [row for row in own if row.get("active") is True]
    kept = [row for row in active if audience is None or belongs_to(row["userid"], audience, lookups)]
    if audience is not None and not kept:
        raise NotMadeError("unknown_batch")
    refuse_doubled_keys(kept, batch, layout, lookups, world)

    found = [header_cells(layout)]
    found += [
        learner_cells(row, batch, layout, lookups, world) for row in sorted(kept, key=lambda row: str(row["userid"]))
    ]
    header, *cells = [[readable(cell) for cell in line] for line in found]
    guarded_lines, guarded_cells = [list(header)], 0
    guarded_lines += [list(line) for line in cells]
    if world.settings.formula_guard:
        for number, line in enumerate(guarded_lines):
            for column in range(len(line) if number == 0 else GUARDED_COLUMNS):
                inert = guarded(line[column])
                guarded_cells += inert != line[column]
                line[column] = inert
    return ExpectedReport(
        content=csv_bytes(guarded_lines),
        header=tuple(header),
        cells=tuple(tuple(line) for line in cells),
        dropped={
            "no_key": len(no_key),
            "inactive": len(own) - len(active),
            "other_organisation": len(active) - len(kept),
        },
        guarded_cells=guarded_cells,
        warnings={
            "unreadable_enrolment_date": sum(has_unreadable_date(row) for row in kept),
            "instant_out_of_range": sum(instants_out_of_range(row, world.settings.time_zone) for row in kept),
            "control_characters": sum(has_control_character(cell) for line in found for cell in line),
            "cycle": walk.cycles,
            "unusable_child": walk.unusable_children,
            "level_cut": layout.levels_cut,
        },
    )


def belongs_to(user_id: str, organisation_id: str, lookups: Lookups) -> bool:
    """Tell whether a learner's root organisation is this one; of a doubled learner any row counts."""
    return any(user.get("rootorgid") == organisation_id for user in lookups.users[user_id])


def batch_row(world: World, batch_id: str) -> Row:
    """Return the row of a batch; a doubled one is only refused later, so that other reasons come first."""
    if not is_path_safe(batch_id):
        raise NotMadeError("bad_id")
    found = [row for row in world.rows("course_batch") if row.get("batchid") == batch_id and row.get("courseid")]
    if not found:
        raise NotMadeError("unknown_batch")
    if len({row["courseid"] for row in found}) > 1:
        raise NotMadeError("ambiguous_batch")
    if not is_path_safe(found[0]["courseid"]):
        raise NotMadeError("bad_id")
    return found[0]


def is_path_safe(identifier: str) -> bool:
    """Tell whether an id may become part of a path."""
    return ID_PATTERN.fullmatch(identifier) is not None and ".." not in identifier


def collection_layout(world: World, collection_id: str, walk: Walk) -> Layout:
    """Return the layout of a collection as the catalogue has it today."""
    if collection_id not in world.trees:
        raise NotMadeError("unknown_collection")
    body = world.trees[collection_id]
    if isinstance(body, dict) and body.get("responseCode") == "RESOURCE_NOT_FOUND":
        raise NotMadeError("unknown_collection")
    result = body.get("result") if isinstance(body, dict) else None
    root = result.get("content") if isinstance(result, dict) else None
    if not isinstance(root, dict) or root.get("identifier") != collection_id:
        raise NotMadeError("bad_tree")
    status = root.get("status")
    if status is not None and status not in STATUSES_FOUND:
        raise NotMadeError("unknown_collection")
    if status == "Retired":
        raise NotMadeError("retired_collection")
    try:
        return layout_of(read_tree(root, walk), world.settings.question_set_categories)
    except TreeTooLargeError:
        raise NotMadeError("tree_too_large") from None


def refuse_doubled_keys(kept: list[Row], batch: Row, layout: Layout, lookups: Lookups, world: World) -> None:
    """Refuse a report that a doubled key would show in; nested activities do where there is no content status."""
    learners = [row["userid"] for row in kept]
    batches = [
        row
        for row in world.rows("course_batch")
        if (row.get("batchid"), row.get("courseid")) == (batch["batchid"], batch["courseid"])
    ]
    activities = [
        len(lookups.activities[("Course", activity, row["userid"], f"cb:{batch['batchid']}")])
        for row in kept
        for activity in [layout.collection_id, *(() if row.get("contentstatus") else layout.leaves_by_nested)]
    ]
    if (
        len(batches) > 1
        or is_doubled(learners)
        or any(len(lookups.users[learner]) > 1 for learner in learners)
        or any(number > 1 for number in activities)
    ):
        raise NotMadeError("doubled_key")


def is_doubled(values: Iterable[str]) -> bool:
    """Tell whether a value occurs more than once."""
    return any(number > 1 for number in Counter(values).values())


def header_cells(layout: Layout) -> list[str]:
    """Return the names of the columns in their order."""
    nested = [f"{key} - {kind}" for key in layout.leaves_by_nested for kind in ("Progress", "Level")]
    return [*STATIC_COLUMNS, *nested, *(f"{key} - Score" for key in layout.assessments)]
