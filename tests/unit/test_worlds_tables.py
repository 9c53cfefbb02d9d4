"""Random rows stay wild: each oddity that the contract names must really occur in them, often enough."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest

from tests.reference.csv_text import FORMULA_STARTS, guarded, has_control_character, legacy_moment
from tests.reference.rows import Lookups, first_number, ids_of_json, instants_out_of_range
from tests.worlds.census import ENOUGH, SEEDS, Seen, seen
from tests.worlds.model import CUSTODIAN_ORGANISATION_ID, KEY_COLUMNS
from tests.worlds.texts import INVALID_LEGACY_DATES


def maps(one: Seen, table: str, column: str) -> list[dict[str, Any]]:
    return [value for value in one.column(table, column) if value is not None]


def texts(one: Seen, table: str, column: str) -> list[str]:
    return [value for value in one.column(table, column) if value is not None]


def moments(one: Seen) -> list[datetime]:
    both = one.column("user_enrolments", "enrolled_date") + one.column("user_enrolments", "completedon")
    return [moment for moment in both if moment]


def total_scores(one: Seen) -> list[float]:
    return [value for value in one.column("assessment_aggregator", "total_score") if value is not None]


def status_keys(one: Seen) -> set[str]:
    return {key for value in maps(one, "user_enrolments", "contentstatus") for key in value}


def breaks_as_json(text: str) -> bool:
    try:
        json.loads(text, parse_constant=lambda word: 1 / 0)
    except (ValueError, ZeroDivisionError):
        return bool(text.strip())
    return False


def aggregate(one: Seen, prefix: str) -> list[float]:
    every = [v for m in maps(one, "user_activity_agg", "aggregates") for k, v in m.items() if k.startswith(prefix)]
    return [value for value in every if value is not None]


def untold(one: Seen) -> list[dict[str, Any]]:
    """Give the enrolments that are kept, and whose own numbers are all that tells how far they are."""
    lookups = Lookups(one.world)
    return [
        row
        for row in one.world.rows("user_enrolments")
        if row.get("active") and not row.get("contentstatus")
        if all(row.get(name) for name in KEY_COLUMNS["user_enrolments"])
        if not row.get("completedon")
        if first_number(lookups.activity(row["courseid"], row["userid"], row["batchid"]), "completedCount") is None
    ]


def has_half(text: str) -> bool:
    return any("\ud800" <= character <= "\udfff" for character in text)


def no_states(one: Seen) -> int:
    states = {row["id"] for row in one.world.rows("location") if row.get("type") == "state" and row.get("name")}
    districts = [row for row in one.world.rows("location") if row.get("type") == "district"]
    return sum(row.get("parentid") not in states for row in districts)


TABLES: dict[str, Callable[[Seen], int]] = {
    "enrolment inactive": lambda s: s.column("user_enrolments", "active").count(False),
    "enrolment of no activity": lambda s: s.column("user_enrolments", "active").count(None),
    "no row of a learner": lambda s: len(
        set(filter(None, s.column("user_enrolments", "userid"))) - set(s.column("user", "id"))
    ),
    "learner deleted": lambda s: s.column("user", "isdeleted").count(True),
    "enrolment without a date": lambda s: s.cells("Enrolment Date").count(""),
    "legacy date read": lambda s: sum(
        not row.get("enrolled_date") and legacy_moment(row.get("enrolleddate") or "") is not None
        for row in s.world.rows("user_enrolments")
    ),
    "legacy date unreadable": lambda s: sum(r.warnings["unreadable_enrolment_date"] for r in s.made()),
    "legacy date beside a good one": lambda s: sum(
        bool(row.get("enrolled_date")) and row.get("enrolleddate") in INVALID_LEGACY_DATES
        for row in s.world.rows("user_enrolments")
    ),
    "microseconds": lambda s: sum(m.microsecond % 1000 > 0 for m in moments(s)),
    "before 1970": lambda s: sum(m.year < 1970 for m in moments(s)),
    "year 1": lambda s: sum(m.year == 1 for m in moments(s)),
    "year 9999": lambda s: sum(m.year == 9999 for m in moments(s)),
    "instant out of range": lambda s: sum(r.warnings["instant_out_of_range"] for r in s.made()),
    "completed beyond the years": lambda s: sum(
        dict(zip(r.header, line, strict=True))["Completion Date"] == ""
        and instants_out_of_range({"completedon": row.get("completedon")}, "UTC") == 1
        for r in s.made()
        for line in r.cells
        for row in s.world.rows("user_enrolments")
        if row.get("userid") == line[4] and row.get("batchid") == line[2] and row.get("active")
    ),
    "percent noted by the enrolment alone": lambda s: sum(
        row.get("completionpercentage") is not None for row in untold(s)
    ),
    "percent noted beyond its bounds": lambda s: sum(row.get("completionpercentage") in {-5, 101} for row in untold(s)),
    "leaves noted by the enrolment alone": lambda s: sum(
        row.get("completionpercentage") is None and row.get("progress") in {1, 2, 3} for row in untold(s)
    ),
    "leaves noted less than none": lambda s: sum(
        row.get("completionpercentage") is None and row.get("progress") == -1 for row in untold(s)
    ),
    "completed": lambda s: sum(bool(v) for v in s.column("user_enrolments", "completedon")),
    "statuses null": lambda s: s.column("user_enrolments", "contentstatus").count(None),
    "statuses empty": lambda s: maps(s, "user_enrolments", "contentstatus").count({}),
    "statuses of nulls alone": lambda s: sum(
        bool(m) and set(m.values()) == {None} for m in maps(s, "user_enrolments", "contentstatus")
    ),
    "odd statuses": lambda s: sum(
        v in {3, -1, 2**31 - 1} for m in maps(s, "user_enrolments", "contentstatus") for v in m.values()
    ),
    "status of a leaf removed": lambda s: "do_removed" in status_keys(s),
    "status of a nested collection": lambda s: sum(key in s.world.trees for key in status_keys(s)),
    "key null": lambda s: sum(r.dropped["no_key"] for r in s.made()),
    "batch of no key": lambda s: sum(not v for c in ("batchid", "courseid") for v in s.column("course_batch", c)),
    "certificate issued": lambda s: s.cells("Certificate Status").count("Issued"),
    "certificate failed": lambda s: s.cells("Certificate Status").count("Failed"),
    "certificate list of nulls and empty maps": lambda s: sum(
        bool(v) and not any(v) for c in ("certificates", "issued_certificates") for v in s.column("user_enrolments", c)
    ),
    "certificate beside a null": lambda s: sum(
        bool(v) and None in v and any(v)
        for c in ("certificates", "issued_certificates")
        for v in s.column("user_enrolments", c)
    ),
    "certificate blank": lambda s: s.cells("Certificate Status").count(""),
    "certificate in the first column alone": lambda s: sum(
        bool(row.get("certificates")) and not row.get("issued_certificates") for row in s.world.rows("user_enrolments")
    ),
    "certificate in the second column alone": lambda s: sum(
        bool(row.get("issued_certificates")) and not row.get("certificates") for row in s.world.rows("user_enrolments")
    ),
    "no failures table": lambda s: "certificate_failures" not in s.world.tables,
    "other optional table missing": lambda s: (
        "organisation" not in s.world.tables
        or "user_activity_agg" not in s.world.tables
        or "assessment_aggregator" not in s.world.tables
        or "user_organisation" not in s.world.tables
    ),
    "aggregates null": lambda s: s.column("user_activity_agg", "aggregates").count(None),
    "agg null": lambda s: s.column("user_activity_agg", "agg").count(None),
    "count no number": lambda s: sum(math.isnan(v) for v in aggregate(s, "completedCount")),
    "count infinite": lambda s: sum(math.isinf(v) for v in aggregate(s, "completedCount")),
    "count negative": lambda s: sum(v < 0 for v in aggregate(s, "completedCount")),
    "count fractional": lambda s: sum(v in {0.5, 1.5} for v in aggregate(s, "completedCount")),
    "count beyond the leaves": lambda s: sum(v == 1e9 for v in aggregate(s, "completedCount")),
    "count absent": lambda s: sum("completedCount" not in m for m in maps(s, "user_activity_agg", "aggregates")),
    "count negative in whole numbers": lambda s: sum(
        (m.get("completedCount") or 0) < 0 for m in maps(s, "user_activity_agg", "agg")
    ),
    "score no number in aggregates": lambda s: sum(not math.isfinite(v) for v in aggregate(s, "score:")),
    "activity of another type": lambda s: sum(v != "Course" for v in s.column("user_activity_agg", "activity_type")),
    "activity of another context": lambda s: sum(
        not str(v).startswith("cb:") for v in s.column("user_activity_agg", "context_id")
    ),
    "activity of a nested collection": lambda s: sum(
        str(v).startswith(("nc_", "@nc_")) for v in s.column("user_activity_agg", "activity_id")
    ),
    "attempts tied": lambda s: sum(
        n > 1
        for n in Counter(
            (row.get("user_id"), row.get("batch_id"), row.get("content_id"), row.get("total_score"))
            for row in s.world.rows("assessment_aggregator")
            if row.get("total_score") is not None
        ).values()
    ),
    "attempt of no number": lambda s: sum(math.isnan(v) for v in total_scores(s)),
    "attempt infinite": lambda s: sum(math.isinf(v) for v in total_scores(s)),
    "attempt too high": lambda s: sum(v == 1e15 for v in total_scores(s)),
    "attempt without a score": lambda s: s.column("assessment_aggregator", "total_score").count(None),
    "attempt of no key": lambda s: sum(not v for v in s.column("assessment_aggregator", "attempt_id")),
    "attempt of an unknown content": lambda s: s.column("assessment_aggregator", "content_id").count("do_unknown"),
    "score shown negative": lambda s: sum(c.startswith("-") for c in s.cells(" - Score")),
    "score shown fractional": lambda s: sum("." in c for c in s.cells(" - Score")),
    "score shown 2.68": lambda s: s.cells(" - Score").count("2.68"),
    "score shown 123456789.13": lambda s: s.cells(" - Score").count("123456789.13"),
    "score shown 0": lambda s: s.cells(" - Score").count("0"),
    "score blank": lambda s: s.cells(" - Score").count(""),
    "total of several": lambda s: sum(
        c not in {"", *line[13:]} for r in s.made() for line in r.cells for c in line[12:13]
    ),
    "progress between 0 and 100": lambda s: sum(c not in {"", "0", "100"} for c in s.cells("Progress")),
    "progress blank": lambda s: s.cells("Progress").count(""),
    "level of several places": lambda s: sum("; " in c for c in s.cells(" - Level")),
    "level of three parts": lambda s: sum(c.count(".") >= 2 for c in s.cells(" - Level")),
    "name blank": lambda s: s.cells("User Name").count(""),
    "name with comma": lambda s: sum("," in c for c in s.cells("User Name")),
    "name with quote": lambda s: sum('"' in c for c in s.cells("User Name")),
    "name with LF": lambda s: sum("\n" in c for c in s.cells("User Name")),
    "name with CR": lambda s: sum("\r" in c for c in s.cells("User Name")),
    "name with blanks inside": lambda s: sum("  " in c for c in s.cells("User Name")),
    "name beyond the basic plane": lambda s: sum(max(c, default="") > "\uffff" for c in s.cells("User Name")),
    "name with a control character": lambda s: sum(map(has_control_character, texts(s, "user", "firstname"))),
    "name with half of a surrogate pair": lambda s: sum(map(has_half, texts(s, "user", "firstname"))),
    "batch name with a control character": lambda s: sum(map(has_control_character, texts(s, "course_batch", "name"))),
    "batch name with half of a surrogate pair": lambda s: sum(map(has_half, texts(s, "course_batch", "name"))),
    "place with a control character": lambda s: sum("\ufffd" in c for c in s.cells("State", "District")),
    "user id with a control character": lambda s: sum("\ufffd" in c for c in s.cells("User UUID")),
    "id in a header with a control character": lambda s: sum("\ufffd" in h for r in s.made() for h in r.header),
    "control character in front of a formula": lambda s: sum(
        c[:1] == "\ufffd" and c.lstrip("\ufffd")[:1] in FORMULA_STARTS for c in s.cells("User Name", "Batch Name")
    ),
    "name padded": lambda s: sum(v != v.strip(" ") for v in texts(s, "user", "firstname")),
    "name null": lambda s: s.column("user", "lastname").count(None),
    "batch name a formula": lambda s: sum(guarded(c) != c for c in s.cells("Batch Name")),
    "batch name null": lambda s: s.column("course_batch", "name").count(None),
    "place a formula": lambda s: sum(guarded(c) != c for c in s.cells("State", "District")),
    "user id a formula": lambda s: sum(guarded(c) != c for c in s.cells("User UUID")),
    "user ids whose UTF-16 order is another": lambda s: sum(
        ids != sorted(ids, key=lambda one: one.encode("utf-16-be"))
        for ids in ([line[4] for line in r.cells] for r in s.made())
    ),
    "user ids whose order without case is another": lambda s: sum(
        ids != sorted(ids, key=str.casefold) for ids in ([line[4] for line in r.cells] for r in s.made())
    ),
    "learner in many batches": lambda s: sum(
        n > 1 for n in Counter(line[4] for r in s.made() for line in r.cells).values()
    ),
    "state and district": lambda s: sum(bool(line[6] and line[7]) for r in s.made() for line in r.cells),
    "state alone": lambda s: sum(bool(line[6] and not line[7]) for r in s.made() for line in r.cells),
    "district alone": lambda s: sum(bool(line[7] and not line[6]) for r in s.made() for line in r.cells),
    "district of no known state": no_states,
    "location nameless": lambda s: sum(not v for v in s.column("location", "name")),
    "location of another type": lambda s: sum(v not in {"state", "district"} for v in s.column("location", "type")),
    "location text broken": lambda s: sum(map(breaks_as_json, texts(s, "user", "profilelocation"))),
    "location text of a wrong shape": lambda s: sum(
        not breaks_as_json(t) and not ids_of_json(t) and '"id"' in t for t in texts(s, "user", "profilelocation")
    ),
    "location text a bare object": lambda s: sum(
        t.startswith('{"id"') and bool(ids_of_json(t)) for t in texts(s, "user", "profilelocation")
    ),
    "location text with a null": lambda s: sum(
        "null" in t and bool(ids_of_json(t)) for t in texts(s, "user", "profilelocation")
    ),
    "location text of an organisation": lambda s: sum(
        bool(ids_of_json(t)) for t in texts(s, "organisation", "orglocation")
    ),
    "root organisation null": lambda s: s.column("user", "rootorgid").count(None),
    "root organisation empty": lambda s: s.column("user", "rootorgid").count(""),
    "root organisation the custodian": lambda s: s.column("user", "rootorgid").count(CUSTODIAN_ORGANISATION_ID),
    "custodian known": lambda s: CUSTODIAN_ORGANISATION_ID in s.column("system_settings", "value"),
    "custodian without a row": lambda s: "custodianOrgId" not in s.column("system_settings", "id"),
    "custodian table missing": lambda s: "system_settings" not in s.world.tables,
    "several schools": lambda s: sum(n > 1 for n in Counter(s.column("user_organisation", "userid")).values()),
    "school left": lambda s: s.column("user_organisation", "isdeleted").count(True),
    "organisation type no school": lambda s: sum(v != "2" for v in s.column("organisation", "organisationtype")),
    "organisation type as a number": lambda s: s.world.organisation_type_as_int,
    "empty batch": lambda s: sum(r.rows == 0 for r in s.made()),
    "big batch": lambda s: sum(r.rows >= 15 for r in s.made()),
    "columns left out": lambda s: sum("firstname" not in row for row in s.world.rows("user")),
}


@pytest.mark.parametrize("oddity", TABLES)
def test_oddity_occurs_in_random_worlds(oddity: str) -> None:
    assert sum(TABLES[oddity](seen(seed)) for seed in SEEDS) >= ENOUGH
