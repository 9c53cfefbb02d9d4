"""A small world: everything one run reads, held as plain Python values."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

Row = dict[str, Any]

KEYSPACES = {
    "user_enrolments": "sunbird_courses",
    "user_activity_agg": "sunbird_courses",
    "assessment_aggregator": "sunbird_courses",
    "course_batch": "sunbird_courses",
    "certificate_failures": "sunbird_courses",
    "user": "sunbird",
    "location": "sunbird",
    "organisation": "sunbird",
    "user_organisation": "sunbird",
    "system_settings": "sunbird",
}
KEY_COLUMNS = {
    "user_enrolments": ("userid", "courseid", "batchid"),
    "user_activity_agg": ("activity_type", "activity_id", "user_id", "context_id"),
    "assessment_aggregator": ("user_id", "course_id", "batch_id", "content_id", "attempt_id"),
    "course_batch": ("courseid", "batchid"),
    "certificate_failures": ("batchid", "userid"),
    "user": ("id",),
    "location": ("id",),
    "organisation": ("id",),
    "user_organisation": ("userid", "organisationid"),
    "system_settings": ("id",),
}
REQUIRED_TABLES = ("user_enrolments", "course_batch", "user", "location")


@dataclass(frozen=True)
class WorldSettings:
    """The settings that change the text of a report, and the caps of the tree.

    The fields carry the package's own setting names in their comments, so that a test can pass them on.
    """

    time_zone: str = "UTC"  # report.time_zone
    formula_guard: bool = True  # output.formula_guard
    user_name: bool = True  # privacy.user_name
    question_set_categories: tuple[str, ...] = ("Practice Question Set",)  # assessment.question_set_categories
    max_depth: int = 64
    max_nodes: int = 100_000


@dataclass(frozen=True)
class World:
    """Tables, trees and settings of one run.

    Attributes:
        tables: rows by table name without its keyspace; a column that a row lacks is null, a table that is not there
            does not exist. Timestamps are aware datetimes. `organisationtype` is text here, whatever is written.
        trees: the body of the hierarchy answer by collection id; an id that is not there is unknown to the catalogue.
        settings: what the run is configured with.
        asked: batch ids to ask for besides those of `course_batch`.
        organisation_type_as_int: whether files hold `organisationtype` as a number.
    """

    tables: dict[str, list[Row]]
    trees: dict[str, Any]
    settings: WorldSettings = field(default_factory=WorldSettings)
    asked: tuple[str, ...] = ()
    organisation_type_as_int: bool = False

    def rows(self, table: str) -> list[Row]:
        """Return the rows of a table, none where it does not exist."""
        return self.tables.get(table, [])

    def batch_ids(self) -> list[str]:
        """Return the ids of all batches with a whole key, and those asked for besides, in order."""
        known = {row["batchid"] for row in self.rows("course_batch") if row.get("batchid") and row.get("courseid")}
        return sorted(known | set(self.asked))


def merge(worlds: Iterable[World]) -> World:
    """Put many worlds into one, so that a single run reports on all of them.

    Of rows that worlds share by their id (the custodian organisation, its place and its setting) the first is kept.
    The worlds must have the same settings. The first one says how `organisationtype` is written.
    """
    together = list(worlds)
    if len({world.settings for world in together}) != 1:
        raise ValueError("worlds to merge need the same settings; got " + repr({w.settings for w in together}))
    tables: dict[str, list[Row]] = {}
    trees: dict[str, Any] = {}
    for world in together:
        for table, rows in world.tables.items():
            kept = tables.setdefault(table, [])
            there = {row.get("id") for row in kept} & SHARED_IDS
            kept.extend(row for row in rows if row.get("id") not in there)
        if twins := trees.keys() & world.trees.keys():
            raise ValueError(f"worlds to merge must not share collections; got {sorted(twins)}")
        trees.update(world.trees)
    asked = tuple(batch for world in together for batch in world.asked)
    return World(tables, trees, together[0].settings, asked, together[0].organisation_type_as_int)


CUSTODIAN_SETTING_ID = "custodianOrgId"
CUSTODIAN_ORGANISATION_ID = "custodian-organisation"
CUSTODIAN_STATE_ID = "custodian-state"
SHARED_IDS = frozenset(
    {CUSTODIAN_SETTING_ID, CUSTODIAN_SETTING_ID.lower(), CUSTODIAN_ORGANISATION_ID, CUSTODIAN_STATE_ID}
)
