"""The reference of the acceptance tests, itself checked against cases worked out by hand."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from tests.reference import ExpectedReport, expected_reports
from tests.reference.rows import ids_of_json, state_and_district
from tests.support import sample_world
from tests.support.builders import answer, assessment, collection, leaf
from tests.support.sample_world import (
    BATCH_ID,
    COLLECTION_ID,
    KRISHNA,
    LEAVES_OF_A,
    MATHEW,
    NESTED_A,
    spec_sample_world,
)
from tests.worlds import World, WorldSettings
from tests.worlds.trees import chain_tree

GOLDEN = Path(__file__).parents[1] / "golden"
LATER = datetime(2021, 1, 1, tzinfo=UTC)
YEAR_0 = datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=5)))
"""In UTC."""


def report(world: World) -> ExpectedReport:
    return expected_reports(world)[BATCH_ID]


def cell(world: World, user_id: str, column: str) -> str:
    made = report(world)
    line = next(line for line in made.cells if line[4] == user_id)
    return line[made.header.index(column)]


def changed(table: str, user_id: str, **columns: Any) -> World:
    """Give the sample world with other columns in the rows of one learner."""
    world = spec_sample_world()
    for row in world.tables[table]:
        if user_id in (row.get("userid"), row.get("user_id"), row.get("id")):
            row.update(columns)
    return world


def test_sample_of_the_specification_comes_out() -> None:
    assert report(spec_sample_world()).content == (GOLDEN / "spec_sample.csv").read_bytes()


def test_sample_is_made_whole_without_guard_warnings_or_dropped_rows() -> None:
    made = report(spec_sample_world())
    assert (made.rows, made.not_made, made.guarded_cells) == (2, "", 0)
    assert set(made.dropped.values()) | set(made.warnings.values()) == {0}


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        (None, []),
        ("", []),
        ("[]", []),
        ('[{"id":"a","type":"state"},{"id":"b"}]', ["a", "b"]),
        (' {"id":"a"}\n', ["a"]),
        ('[null,{"id":"a"},{"id":null},{}]', ["a"]),
        ('[{"id":"a"},]', []),
        ("[{'id':'a'}]", []),
        ('[{"id":"a"},{"x":NaN}]', []),
        ('[{"id":"a"}] x', []),
        ('[{"id":"a"},5]', []),
        ('[{"id":"a"},{"id":5}]', []),
        ('"a"', []),
        ('\ufeff[{"id":"a"}]', []),
    ],
)
def test_location_texts_are_read_strictly(text: str | None, ids: list[str]) -> None:
    assert ids_of_json(text) == ids


LOCATIONS = {
    "kl": {"type": "state", "name": "Kerala"},
    "ap": {"type": "state", "name": "Andhra"},
    "nameless": {"type": "state", "name": ""},
    "thr": {"type": "district", "name": "Thrissur", "parentid": "kl"},
    "viz": {"type": "district", "name": "Vizag", "parentid": "ap"},
    "lost": {"type": "district", "name": "Lost", "parentid": "gone"},
    "odd": {"type": "district", "name": "Odd", "parentid": "nameless"},
    "block": {"type": "block", "name": "Block", "parentid": "thr"},
}


@pytest.mark.parametrize(
    ("ids", "state", "district"),
    [
        ([], "", ""),
        (["kl", "thr"], "Kerala", "Thrissur"),
        (["thr"], "Kerala", "Thrissur"),
        (["viz", "kl", "thr"], "Andhra", "Vizag"),
        (["kl", "viz", "thr"], "Kerala", "Thrissur"),
        (["kl", "viz"], "Kerala", ""),
        (["kl", "viz", "lost"], "Kerala", "Lost"),
        (["lost", "kl", "thr"], "Kerala", "Lost"),
        (["odd"], "", "Odd"),
        (["block", "nameless", None, "unknown"], "", ""),
    ],
)
def test_state_and_district_of_a_list(ids: list[str], state: str, district: str) -> None:
    assert state_and_district(ids, LOCATIONS) == (state, district)


@pytest.mark.parametrize(
    ("columns", "place"),
    [
        ({"rootorgid": "root"}, "Andhra Pradesh"),
        ({"rootorgid": "gone"}, "Andhra Pradesh"),
        ({"rootorgid": "custodian"}, ""),
        ({"rootorgid": ""}, ""),
    ],
)
def test_only_validated_learners_get_the_place_of_their_school(columns: dict[str, str], place: str) -> None:
    world = changed("user", MATHEW, profilelocation=None, **columns)
    world.tables["system_settings"] = [{"id": "custodianOrgId", "value": "custodian"}]
    world.tables["user_organisation"] = [
        {"userid": MATHEW, "organisationid": organisation, "isdeleted": organisation == "a"}
        for organisation in ("c", "b", "a", "B")
    ]
    world.tables["organisation"] = [
        {"id": "a", "organisationtype": "2", "locationids": ["state-kl"]},
        {"id": "b", "organisationtype": "2", "orglocation": '[{"id":"state-ap"}]', "locationids": ["state-kl"]},
        {"id": "c", "organisationtype": "2", "locationids": ["state-kl"]},
        {"id": "B", "organisationtype": "1", "locationids": ["state-kl"]},
        {"id": "root", "locationids": ["state-kl"]},
        {"id": "custodian", "locationids": ["state-kl"]},
    ]
    assert cell(world, MATHEW, "State") == place


@pytest.mark.parametrize(
    ("columns", "progress"),
    [
        ({"contentstatus": {LEAVES_OF_A[0]: 1, LEAVES_OF_A[1]: None, "gone": 2}}, "0"),
        ({"contentstatus": {LEAVES_OF_A[0]: None}}, "0"),
        ({"contentstatus": {}}, "43"),
        ({"contentstatus": None}, "43"),
        ({"contentstatus": None, "completedon": datetime(2020, 1, 1, tzinfo=UTC)}, "100"),
    ],
)
def test_progress_of_the_collection(columns: dict[str, Any], progress: str) -> None:
    world = changed("user_enrolments", KRISHNA, **columns)
    world.tables["user_activity_agg"] = [activity(COLLECTION_ID, {"completedCount": float("nan")}, completedCount=3)]
    assert cell(world, KRISHNA, "Progress") == progress


def activity(activity_id: str, aggregates: dict[str, float] | None, **agg: int) -> dict[str, Any]:
    key = {"activity_type": "Course", "activity_id": activity_id, "user_id": KRISHNA, "context_id": f"cb:{BATCH_ID}"}
    return {**key, "aggregates": aggregates, "agg": agg}


@pytest.mark.parametrize(("completed", "progress"), [(0.99, "50"), (1.0, "50"), (-1.0, "0"), (9.0, "100")])
def test_progress_of_a_nested_collection_without_statuses(completed: float, progress: str) -> None:
    world = changed("user_enrolments", KRISHNA, contentstatus=None, completedon=datetime(2020, 1, 1, tzinfo=UTC))
    world.tables["user_activity_agg"] = [activity(NESTED_A, {"completedCount": completed}, completedCount=1)]
    assert cell(world, KRISHNA, f"{NESTED_A} - Progress") == progress


@pytest.mark.parametrize(
    ("totals", "aggregates", "agg", "shown"),
    [
        ([2.0, 6.0, None], {}, {}, "6"),
        ([float("nan"), float("inf"), 1e15, None], {}, {}, ""),
        ([float("nan")], {f"score:{sample_world.ASSESSMENT}": 2.675}, {}, "2.68"),
        ([], {f"score:{sample_world.ASSESSMENT}": float("nan")}, {f"score:{sample_world.ASSESSMENT}": 0}, "0"),
        ([-3.0], {f"score:{sample_world.ASSESSMENT}": 5.0}, {}, "-3"),
        ([999999999999999.0], {}, {}, "999999999999999"),
    ],
)
def test_score_is_the_best_usable_attempt_else_that_of_the_activity_row(
    totals: list[float | None], aggregates: dict[str, float], agg: dict[str, int], shown: str
) -> None:
    world = spec_sample_world()
    world.tables["assessment_aggregator"] = [
        {**sample_world.attempt(KRISHNA, f"attempt-{number}", 0.0), "total_score": total}
        for number, total in enumerate(totals)
    ] + [{**sample_world.attempt(KRISHNA, "", 9.0)}, {**sample_world.attempt(KRISHNA, "x", 9.0), "batch_id": "other"}]
    world.tables["user_activity_agg"] = [activity(COLLECTION_ID, aggregates, **agg)]
    assert cell(world, KRISHNA, f"{sample_world.ASSESSMENT} - Score") == shown
    assert cell(world, KRISHNA, "Total Score") == shown


@pytest.mark.parametrize(
    ("columns", "status"),
    [
        ({"certificates": [{}], "issued_certificates": [None, {}]}, "Failed"),
        ({"certificates": [{"a": None}]}, "Issued"),
        ({"issued_certificates": [{"a": "b"}]}, "Issued"),
        ({"issued_certificates": [None, {"a": "b"}]}, "Issued"),
        ({"certificates": [], "issued_certificates": None}, "Failed"),
        ({"certificates": "[]", "issued_certificates": "null"}, "Failed"),
        ({"certificates": " [ {}, null ] "}, "Failed"),
        ({"certificates": '[{"a":"b"}]'}, "Issued"),
    ],
)
def test_certificate_status(columns: dict[str, Any], status: str) -> None:
    world = changed("user_enrolments", KRISHNA, **columns)
    world.tables["certificate_failures"] = [{"batchid": BATCH_ID, "userid": KRISHNA}]
    assert cell(world, KRISHNA, "Certificate Status") == status


@pytest.mark.parametrize(
    ("columns", "counters", "progress"),
    [
        ({"contentstatus": None, "completionpercentage": 40, "progress": 1}, None, "40"),
        ({"contentstatus": {}, "completionpercentage": 140}, None, "100"),
        ({"contentstatus": {}, "completionpercentage": -1, "progress": 1}, None, "0"),
        ({"contentstatus": {}, "completionpercentage": 0, "progress": 1}, None, "0"),
        ({"contentstatus": None, "progress": 1}, None, "50"),
        ({"contentstatus": None, "progress": 9}, None, "100"),
        ({"contentstatus": None, "progress": -1}, None, "0"),
        ({"contentstatus": None}, None, "0"),
        ({"contentstatus": None, "completionpercentage": 40}, {"completedCount": 1.0}, "50"),
        ({"contentstatus": None, "completionpercentage": 40}, {"completedCount": -1.0}, "0"),
        ({"contentstatus": None, "completionpercentage": 40}, {"completedCount": math.nan}, "40"),
        ({"contentstatus": None, "completionpercentage": 40}, {}, "40"),
        ({"contentstatus": {"other": 1}, "completionpercentage": 40, "progress": 1}, None, "0"),
        ({"contentstatus": None, "completionpercentage": 40, "completedon": LATER}, None, "100"),
    ],
)
def test_progress_is_what_the_enrolment_notes_where_nothing_else_tells_it(
    columns: dict[str, Any], counters: dict[str, float] | None, progress: str
) -> None:
    world = changed("user_enrolments", KRISHNA, **{"completedon": None, **columns})
    world.trees[COLLECTION_ID] = answer(collection(COLLECTION_ID, [leaf("a"), leaf("b")]))
    world.tables["user_activity_agg"] = [] if counters is None else [activity(COLLECTION_ID, counters)]
    assert cell(world, KRISHNA, "Progress") == progress


def test_progress_without_a_mandatory_leaf_is_blank_whatever_the_enrolment_notes() -> None:
    columns = {"contentstatus": None, "completedon": None, "completionpercentage": 40, "progress": 1}
    world = changed("user_enrolments", KRISHNA, **columns)
    world.trees[COLLECTION_ID] = answer(collection(COLLECTION_ID, []))
    world.tables["user_activity_agg"] = []
    assert cell(world, KRISHNA, "Progress") == ""


def test_progress_of_a_nested_collection_is_none_that_the_enrolment_notes() -> None:
    columns = {"contentstatus": None, "completedon": None, "completionpercentage": 40, "progress": 1}
    world = changed("user_enrolments", KRISHNA, **columns)
    world.trees[COLLECTION_ID] = answer(collection(COLLECTION_ID, [collection("nested", [leaf("a"), leaf("b")])]))
    world.tables["user_activity_agg"] = []
    assert (cell(world, KRISHNA, "Progress"), cell(world, KRISHNA, "nested - Progress")) == ("40", "0")


def test_control_characters_and_halves_of_pairs_are_replaced_and_only_the_first_counted() -> None:
    world = changed("user", KRISHNA, firstname=" \x00=1\t\x7f\r", lastname="a\ud800")
    assert cell(world, KRISHNA, "User Name") == "\ufffd=1\t\ufffd\r a\ufffd"
    assert (report(world).warnings["control_characters"], report(world).guarded_cells) == (1, 0)
    assert '"\ufffd=1\t\ufffd\r a\ufffd"'.encode() in report(world).content


def test_control_character_of_a_header_counts_once_and_of_the_collection_in_each_row() -> None:
    world = spec_sample_world()
    world.trees[COLLECTION_ID] = answer(collection(COLLECTION_ID, [assessment("quiz\x01")], name="A\x02\x02"))
    made = report(world)
    assert (made.header[-1], made.cells[0][1]) == ("quiz\ufffd - Score", "A\ufffd\ufffd")
    assert made.warnings["control_characters"] == 1 + 2


def test_instant_beyond_the_years_is_blank_without_fall_back_and_still_completes() -> None:
    columns = {"enrolled_date": YEAR_0, "enrolleddate": "2020-08-25 13:45:54:150+0000", "completedon": YEAR_0}
    world = changed("user_enrolments", KRISHNA, **columns)
    names = ("Enrolment Date", "Completion Date", "Progress")
    assert [cell(world, KRISHNA, name) for name in names] == ["", "", "100"]
    assert report(world).warnings["instant_out_of_range"] == 2
    assert report(world).warnings["unreadable_enrolment_date"] == 0


def test_names_are_trimmed_of_blanks_alone_and_hidden_if_so_set() -> None:
    world = changed("user", KRISHNA, firstname="  =a ", lastname=" \t")
    assert cell(world, KRISHNA, "User Name") == "=a \t"
    assert b",'=a \t," in report(world).content
    assert report(world).guarded_cells == 1
    hidden = replace(world, settings=WorldSettings(user_name=False))
    assert cell(hidden, KRISHNA, "User Name") == ""
    open_to_formulas = replace(world, settings=WorldSettings(formula_guard=False))
    assert b",=a \t," in report(open_to_formulas).content


def test_learner_deleted_or_unknown_keeps_the_row_with_blank_name_and_place() -> None:
    world = changed("user", KRISHNA, isdeleted=True)
    world.tables["user"] = [row for row in world.tables["user"] if row["id"] != MATHEW]
    assert [line[5:8] for line in report(world).cells] == [("", "", "")] * 2


def test_rows_not_kept_are_counted_and_dates_not_readable_warned_of() -> None:
    world = changed("user_enrolments", KRISHNA, enrolled_date=None, enrolleddate="soon")
    sample = world.tables["user_enrolments"][0]
    world.tables["user_enrolments"] += [
        {**sample, "userid": "x", "active": None},
        {**sample, "userid": "y", "active": False},
        {**sample, "userid": ""},
        {**sample, "courseid": None},
        {**sample, "batchid": None},
        {**sample, "courseid": "other"},
    ]
    made = report(world)
    assert made.rows == 2
    assert made.dropped == {"inactive": 2, "no_key": 2, "other_organisation": 0}
    assert made.warnings["unreadable_enrolment_date"] == 1
    assert cell(world, KRISHNA, "Enrolment Date") == ""


def test_rows_stand_by_code_point_of_the_user_id() -> None:
    world = spec_sample_world()
    sample = world.tables["user_enrolments"][0]
    ids = ["b", "\U0001f600", "B", "\uff61", "_", "10", "9", "é"]
    world.tables["user_enrolments"] = [{**sample, "userid": identifier} for identifier in ids]
    assert [line[4] for line in report(world).cells] == ["10", "9", "B", "_", "b", "é", "\uff61", "\U0001f600"]


def test_batch_without_learners_gives_the_header_alone() -> None:
    world = spec_sample_world()
    world.tables["user_enrolments"] = []
    assert report(world).content == (GOLDEN / "spec_sample.csv").read_bytes().splitlines(keepends=True)[0]


BODY = spec_sample_world().trees[COLLECTION_ID]
ROOT = BODY["result"]["content"]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (None, "bad_tree"),
        ({"result": {"content": None}}, "bad_tree"),
        ({"result": {"content": {**ROOT, "status": "Draft"}}}, "unknown_collection"),
        ({"result": {"content": {**ROOT, "status": "Retired"}}}, "retired_collection"),
        ({"result": {"content": [ROOT]}}, "bad_tree"),
        ({"result": {"content": {**ROOT, "identifier": "other"}}}, "bad_tree"),
        ({"result": {"content": chain_tree(COLLECTION_ID, 65)}}, "tree_too_large"),
        ({"result": {"content": {**ROOT, "status": "Unlisted"}}}, ""),
    ],
)
def test_collection_that_can_not_be_used(body: Any, reason: str) -> None:
    world = replace(spec_sample_world(), trees={COLLECTION_ID: body})
    assert report(world).not_made == reason


def test_batch_that_can_not_be_made() -> None:
    world = replace(spec_sample_world(), asked=("unknown",))
    batch = world.tables["course_batch"][0]
    world.tables["course_batch"] += [
        {**batch, "batchid": "../x"},
        {**batch, "batchid": "two"},
        {**batch, "batchid": "two", "courseid": "other"},
        {**batch, "batchid": "no course", "courseid": ""},
    ]
    reasons = {key: made.not_made for key, made in expected_reports(world).items()}
    assert reasons == {BATCH_ID: "", "unknown": "unknown_batch", "../x": "bad_id", "two": "ambiguous_batch"}


def test_doubled_key_that_would_show_refuses_the_report() -> None:
    for table in ("user_enrolments", "user", "course_batch"):
        world = spec_sample_world()
        world.tables[table].append(dict(world.tables[table][0]))
        assert report(world).not_made == "doubled_key", table


@pytest.mark.parametrize(
    ("activity_id", "changes", "reason"),
    [
        pytest.param(COLLECTION_ID, {}, "doubled_key", id="the collection's own"),
        pytest.param(NESTED_A, {"contentstatus": {}}, "doubled_key", id="a nested one's, which tells the progress"),
        pytest.param(NESTED_A, {}, "", id="a nested one's, which does not show"),
    ],
)
def test_doubled_activity_refuses_the_report_where_it_shows(
    activity_id: str, changes: dict[str, Any], reason: str
) -> None:
    world = changed("user_enrolments", KRISHNA, **changes)
    world.tables["user_activity_agg"] = [activity(activity_id, None)] * 2
    assert report(world).not_made == reason


def test_doubled_key_that_does_not_show_is_borne() -> None:
    world = spec_sample_world()
    world.tables["user"] += [{"id": "nobody"}, {"id": "nobody"}]
    world.tables["user_enrolments"].append({**world.tables["user_enrolments"][0], "active": False})
    world.tables["assessment_aggregator"] *= 2
    world.tables["user_activity_agg"] = [activity("other", None)] * 2
    made = report(world)
    assert made.content == (GOLDEN / "spec_sample.csv").read_bytes()
    assert made.dropped["inactive"] == 1
