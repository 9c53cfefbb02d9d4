"""The cells of one learner in one batch."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any

from tests.reference.csv_text import legacy_moment, number_text, rounded, timestamp_text
from tests.reference.tree import Layout
from tests.worlds.model import CUSTODIAN_SETTING_ID, KEY_COLUMNS, Row, World

TOO_HIGH_A_SCORE = 10**15


class Lookups:
    """Rows of the tables with a whole key, by what they are looked up with."""

    def __init__(self, world: World) -> None:
        rows = {
            table: [row for row in world.rows(table) if all(row.get(part) for part in key)]
            for table, key in KEY_COLUMNS.items()
        }
        self.users = grouped(rows["user"], "id")
        self.activities = grouped(rows["user_activity_agg"], *KEY_COLUMNS["user_activity_agg"])
        self.attempts = grouped(rows["assessment_aggregator"], "user_id", "course_id", "batch_id", "content_id")
        self.memberships = grouped(rows["user_organisation"], "userid")
        self.failures = grouped(rows["certificate_failures"], "batchid", "userid")
        self.locations = {row["id"]: row for row in rows["location"]}
        self.organisations = {row["id"]: row for row in rows["organisation"]}
        custodian = [row for row in rows["system_settings"] if row["id"] == CUSTODIAN_SETTING_ID]
        self.custodian = custodian[0].get("value") if custodian else None

    def activity(self, activity_id: str, user_id: str, batch_id: str) -> Row:
        """Return what is known of a learner's activity in a collection under a batch; nothing is an empty row."""
        found = self.activities[("Course", activity_id, user_id, f"cb:{batch_id}")]
        return found[0] if found else {}


def grouped(rows: list[Row], *columns: str) -> defaultdict[Any, list[Row]]:
    """Group rows by the values of columns."""
    groups: defaultdict[Any, list[Row]] = defaultdict(list)
    for row in rows:
        key = tuple(row[column] for column in columns)
        groups[key if len(columns) > 1 else key[0]].append(row)
    return groups


def first_number(activity: Row, key: str) -> float | None:
    """Return the value under a key in `aggregates`, else in `agg`: the first that is a number."""
    for column in ("aggregates", "agg"):
        value = (activity.get(column) or {}).get(key)
        if value is not None and math.isfinite(value):
            return float(value)
    return None


def percent(completed: float, leaves: int) -> str:
    """Return 100 × completed / leaves, rounded half up, at most 100; a double counts as its shortest decimal text."""
    share = Fraction(repr(completed)) * 100 / leaves
    return str(min(100, math.floor(share + Fraction(1, 2))))


def progress(enrolment: Row, activity: Row, leaves: set[str]) -> str:
    """Return how much of the leaves is completed, blank where there are none."""
    if not leaves:
        return ""
    content_status = enrolment.get("contentstatus")
    if content_status:
        return percent(sum(1 for leaf in leaves if content_status.get(leaf) == 2), len(leaves))
    return percent(max(0, first_number(activity, "completedCount") or 0), len(leaves))


def own_progress(enrolment: Row, activity: Row, leaves: set[str]) -> str:
    """Return how much of the collection itself is completed: what the enrolment notes where nothing else tells it."""
    is_told = bool(enrolment.get("contentstatus")) or first_number(activity, "completedCount") is not None
    if is_told or not leaves:
        return progress(enrolment, activity, leaves)
    noted = enrolment.get("completionpercentage")
    if noted is not None:
        return str(min(100, max(0, noted)))
    return percent(max(0, enrolment.get("progress") or 0), len(leaves))


def score(attempts: list[Row], activity: Row, content_id: str) -> Decimal | None:
    """Return the best usable score as it is shown, else the one of the activity row."""
    totals = [row.get("total_score") for row in attempts]
    usable = [float(total) for total in totals if total is not None and math.isfinite(total)]
    usable = [total for total in usable if total < TOO_HIGH_A_SCORE]
    best = max(usable) if usable else first_number(activity, f"score:{content_id}")
    return None if best is None else rounded(best)


def has_certificate(value: object) -> bool:
    """Tell whether a certificate column, a list of maps or the text of one, holds a map with an entry."""
    if isinstance(value, str):
        try:
            value = json.loads(value or "null")
        except ValueError:
            return True
    return any(value) if isinstance(value, list) else bool(value)


def certificate_status(enrolment: Row, has_failed: bool) -> str:
    """Return the word for a learner's certificate."""
    if has_certificate(enrolment.get("certificates")) or has_certificate(enrolment.get("issued_certificates")):
        return "Issued"
    return "Failed" if has_failed else ""


def full_name(user: Row) -> str:
    """Return first and last name, trimmed of U+0020, joined by one blank."""
    parts = [(user.get(column) or "").strip(" ") for column in ("firstname", "lastname")]
    return " ".join(part for part in parts if part)


def ids_of_json(text: str | None) -> list[str]:
    """Return the location ids of a JSON text; one that can not be read as such is empty."""
    try:
        value = json.loads(text or "null", parse_constant=refuse_constant)
    except ValueError:
        return []
    elements = [value] if isinstance(value, dict) else value
    if not isinstance(elements, list):
        return []
    ids: list[str] = []
    for element in elements:
        if element is None:
            continue
        if not isinstance(element, dict) or not isinstance(element.get("id"), str | None):
            return []
        if element.get("id") is not None:
            ids.append(element["id"])
    return ids


def refuse_constant(word: str) -> None:
    """Refuse NaN and the infinities, which are no JSON."""
    raise ValueError(word)


def location_ids(user: Row, lookups: Lookups) -> list[str]:
    """Return all location ids of a learner, in the order in which they count."""
    ids = ids_of_json(user.get("profilelocation")) + list(user.get("locationids") or [])
    root_organisation = user.get("rootorgid")
    if not root_organisation or root_organisation == lookups.custodian:
        return ids
    schools = [
        membership["organisationid"]
        for membership in lookups.memberships[user["id"]]
        if membership.get("isdeleted") is not True
        and lookups.organisations.get(membership["organisationid"], {}).get("organisationtype") == "2"
    ]
    for organisation_id in [*sorted(schools)[:1], root_organisation]:
        organisation = lookups.organisations.get(organisation_id, {})
        ids += ids_of_json(organisation.get("orglocation")) + list(organisation.get("locationids") or [])
    return ids


def state_and_district(ids: list[str], locations: dict[str, Row]) -> tuple[str, str]:
    """Return the names of the state and the district that a list of location ids stands for."""
    named = {key: row for key, row in locations.items() if row.get("name")}
    states = {key for key, row in named.items() if row.get("type") == "state"}
    districts = {key: row.get("parentid") for key, row in named.items() if row.get("type") == "district"}
    state = None
    for location in ids:
        if location in states:
            state = location
        elif districts.get(location) in states:
            state = districts[location]
        if state is not None:
            break
    district = None
    for location in ids:
        if location in districts and (districts[location] == state or districts[location] not in states):
            district = location
            break
    return named[state]["name"] if state else "", named[district]["name"] if district else ""


def enrolment_moment(enrolment: Row) -> datetime | None:
    """Return when a learner enrolled, from the timestamp, else from the legacy text."""
    if enrolment.get("enrolled_date") is not None:
        moment: datetime = enrolment["enrolled_date"]
        return moment
    return legacy_moment(enrolment.get("enrolleddate") or "")


def has_unreadable_date(enrolment: Row) -> bool:
    """Tell whether the legacy text was needed, was there and could not be read."""
    return bool(enrolment.get("enrolleddate")) and enrolment_moment(enrolment) is None


def instants_out_of_range(enrolment: Row, time_zone: str) -> int:
    """Count the instants of an enrolment that are there and can not be shown."""
    moments = (enrolment_moment(enrolment), enrolment.get("completedon"))
    return sum(moment is not None and not timestamp_text(moment, time_zone) for moment in moments)


def learner_cells(enrolment: Row, batch: Row, layout: Layout, lookups: Lookups, world: World) -> list[str]:
    """Return the cells of one row, static columns first, as the tables and the tree have their texts."""
    user_id, batch_id, zone = enrolment["userid"], batch["batchid"], world.settings.time_zone
    users = lookups.users[user_id]
    user = users[0] if users and users[0].get("isdeleted") is not True else None
    name, state, district = "", "", ""
    if user is not None:
        name = full_name(user) if world.settings.user_name else ""
        state, district = state_and_district(location_ids(user, lookups), lookups.locations)
    enrolled, completed = enrolment_moment(enrolment), enrolment.get("completedon")
    activity = lookups.activity(layout.collection_id, user_id, batch_id)
    scores = {
        assessment: score(lookups.attempts[(user_id, layout.collection_id, batch_id, assessment)], activity, assessment)
        for assessment in layout.assessments
    }
    counted = [shown for key, shown in scores.items() if key in layout.self_assessments and shown is not None]
    cells = [
        layout.collection_id,
        layout.collection_name,
        batch_id,
        batch.get("name") or "",
        user_id,
        name,
        state,
        district,
        timestamp_text(enrolled, zone) if enrolled else "",
        timestamp_text(completed, zone) if completed else "",
        "100" if completed else own_progress(enrolment, activity, layout.leaves),
        certificate_status(enrolment, bool(lookups.failures[(batch_id, user_id)])),
        number_text(sum(counted, Decimal(0))) if counted else "",
    ]
    for nested, leaves in layout.leaves_by_nested.items():
        cells.append(progress(enrolment, lookups.activity(nested, user_id, batch_id), leaves))
        cells.append(layout.level_by_nested[nested])
    return cells + ["" if shown is None else number_text(shown) for shown in scores.values()]
