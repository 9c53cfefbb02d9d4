"""What is known of a learner in a batch becomes one row of the report."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from pyspark.sql import SparkSession

from progress_exhaust.report import inputs
from progress_exhaust.report.inputs import SLOTS
from progress_exhaust.report.rows import LearnerFrames, learner_rows
from tests.support.builders import LONG_AGO, rows_frame
from tests.support.transform_frames import LATER, REPORT, block
from tests.worlds.model import Row

ENROLMENTS = (
    "batch_no int, collection_id string, user_id string, enrolled_at timestamp, completed_at timestamp, "
    "has_certificate boolean, completed array<int>, noted_percent int, noted_leaves int, rows_of_learner long"
)

LEARNERS = "user_id string, user_name string, root_org_id string, state string, district string, user_duplicate boolean"

ACTIVITY = (
    "user_id string, batch_no int, activity_completed array<struct<position: int, completed: double>>, "
    "activity_scores array<double>, own_duplicate boolean, activity_duplicate boolean"
)

SCORES = "user_id string, batch_no int, score_blocks map<int, array<double>>"


def enrolled(user_id: str = "u-1", **columns: Any) -> Row:
    defaults = {"batch_no": 0, "collection_id": "do_1", "has_certificate": False, "rows_of_learner": 1}
    return {**defaults, "user_id": user_id, **columns}


@pytest.fixture(scope="module")
def rows_for(spark: SparkSession) -> Callable[..., list[Any]]:
    """Return what makes report rows of a few given ones, in order of report and learner."""

    def rows(
        *enrolments: Row,
        learners: tuple[Row, ...] = (),
        activity: tuple[Row, ...] = (),
        scores: tuple[Row, ...] = (),
        failures: tuple[Row, ...] | None = (),
        reports: tuple[Row, ...] = (REPORT,),
    ) -> list[Any]:
        frames = LearnerFrames(
            enrolments=rows_frame(spark, ENROLMENTS, *enrolments),
            learners=rows_frame(spark, LEARNERS, *learners),
            activity=rows_frame(spark, ACTIVITY, *activity),
            scores=rows_frame(spark, SCORES, *scores),
            failures=None if failures is None else rows_frame(spark, "user_id string, batch_no int", *failures),
        )
        wanted_reports = rows_frame(spark, inputs.REPORTS, *reports)
        return learner_rows(frames, wanted_reports).sort("report_no", "user_id").collect()

    return rows


@pytest.mark.rule("R1")
def test_learner_of_whom_nothing_is_known_has_a_row_of_blanks_and_zeros(rows_for: Callable[..., list[Any]]) -> None:
    (row,) = rows_for(enrolled())

    assert row.asDict() == {
        "report_no": 0,
        "slice_starts": [],
        "first_cells": "do_1,Course,b-1,Batch",
        "user_id": "u-1",
        "user_name": None,
        "state": None,
        "district": None,
        "enrolment_date": None,
        "completion_date": None,
        "progress": "0",
        "certificate_status": None,
        "total_score": None,
        "dynamic_cells": ["0", "1", None, "2.1; 3", None, None, None],
        "duplicate": None,
    }


@pytest.mark.rule("R13", "R14", "R15", "R16")
def test_row_joins_what_is_known_of_the_learner_in_the_batch(rows_for: Callable[..., list[Any]]) -> None:
    (row,) = rows_for(
        enrolled(enrolled_at=LONG_AGO, completed=[3, 1, 0]),
        learners=({"user_id": "u-1", "user_name": "Asha", "state": "Kerala", "district": "Kollam"}, {"user_id": "u-2"}),
        activity=(
            {"user_id": "u-1", "batch_no": 0, "activity_scores": [1.0, 2.0, 3.255], "activity_completed": []},
            {"user_id": "u-1", "batch_no": 1, "activity_scores": [9.0, 9.0, 9.0], "activity_completed": []},
        ),
        scores=({"user_id": "u-1", "batch_no": 0, "score_blocks": block(s0=7.5, s1=-0.001)},),
        failures=({"user_id": "u-1", "batch_no": 0},),
    )

    assert (row.user_name, row.state, row.district) == ("Asha", "Kerala", "Kollam")
    assert row.enrolment_date == "2020-08-25 13:45:54:150+0000"
    assert (row.progress, row.certificate_status) == ("75", "Failed")
    assert row.dynamic_cells == ["50", "1", None, "2.1; 3", "7.5", "0", "3.26"]
    assert row.total_score == "10.76"  # of the cells shown that count: 7.5 and 3.26


@pytest.mark.rule("R11", "R17", "R18")
@pytest.mark.parametrize(
    ("columns", "recorded", "progress", "nested"),
    [
        pytest.param({"completed": [4, 2, 0]}, None, "100", "100", id="all"),
        pytest.param({"completed": [0, 0, 0]}, [(0, 3.0)], "0", "0", id="content status, though nothing is done"),
        pytest.param({}, [(0, 3.0), (1, 1.0), (2, 5.0)], "75", "50", id="as recorded"),
        pytest.param({}, [(0, None), (1, -1.0)], "0", "0", id="recorded as null and less than none"),
        pytest.param({}, [(0, 9.0), (1, 9.0)], "100", "100", id="recorded as more than there is"),
        pytest.param({"completed": [1, 0, 0], "completed_at": LATER}, None, "100", "0", id="completed"),
        pytest.param({"noted_percent": 40, "noted_leaves": 3}, None, "40", "0", id="percent noted"),
        pytest.param({"noted_percent": 0, "noted_leaves": 3}, [(1, 1.0)], "0", "50", id="none of percents noted"),
        pytest.param({"noted_percent": 101}, [(0, None)], "100", "0", id="more percents noted than there are"),
        pytest.param({"noted_percent": -(2**31)}, None, "0", "0", id="less percents noted than none"),
        pytest.param({"noted_leaves": 3}, [(0, None), (1, 2.0)], "75", "100", id="leaves noted"),
        pytest.param({"noted_leaves": 2**31 - 1}, None, "100", "0", id="more leaves noted than there are"),
        pytest.param({"noted_leaves": -1}, None, "0", "0", id="less leaves noted than none"),
        pytest.param({"noted_percent": 40, "noted_leaves": 3}, [(0, 1.0)], "25", "0", id="noted, and recorded"),
        pytest.param({"noted_percent": 40}, [(0, -1.0)], "0", "0", id="noted, and recorded as less than none"),
        pytest.param(
            {"noted_percent": 40, "noted_leaves": 3, "completed": [1, 0, 0]}, None, "25", "0", id="noted, and counted"
        ),
        pytest.param({"noted_percent": 40, "completed_at": LATER}, None, "100", "0", id="noted, and completed"),
    ],
)
def test_progress_comes_from_content_status_else_as_recorded(
    rows_for: Callable[..., list[Any]],
    columns: dict[str, Any],
    recorded: list[tuple[int, float | None]] | None,
    progress: str,
    nested: str,
) -> None:
    counters = () if recorded is None else ({"user_id": "u-1", "batch_no": 0, "activity_completed": recorded},)

    (row,) = rows_for(enrolled(**columns), activity=counters)

    assert (row.progress, row.dynamic_cells[0]) == (progress, nested)


@pytest.mark.rule("R18")
def test_noted_progress_shows_only_where_there_is_a_mandatory_leaf(rows_for: Callable[..., list[Any]]) -> None:
    report = {**REPORT, "leaf_counts": [0, 2, 0]}

    rows = rows_for(enrolled("u-1", noted_percent=40), enrolled("u-2", noted_leaves=1), reports=(report,))

    assert [(row.progress, row.dynamic_cells[0]) for row in rows] == [(None, "0"), (None, "0")]


@pytest.mark.rule("R12")
def test_certificate_is_issued_though_another_has_failed_and_blank_where_nobody_records(
    rows_for: Callable[..., list[Any]],
) -> None:
    failed = ({"user_id": "u-1", "batch_no": 0}, {"user_id": "u-2", "batch_no": 1})
    rows = rows_for(enrolled("u-1", has_certificate=True), enrolled("u-2"), failures=failed)
    (unrecorded,) = rows_for(enrolled("u-1"), failures=None)

    assert [row.certificate_status for row in rows] == ["Issued", None]
    assert unrecorded.certificate_status is None


@pytest.mark.rule("R16")
def test_fiftieth_assessment_gets_its_score_from_its_block(rows_for: Callable[..., list[Any]]) -> None:
    blocks = {0: [1.0] * SLOTS, 3: [None, 49.0] + [None] * (SLOTS - 2)}
    report = {**REPORT, "leaf_counts": [1], "levels": [], "are_self_assess": [True] * 50}

    (row,) = rows_for(
        enrolled(), scores=({"user_id": "u-1", "batch_no": 0, "score_blocks": blocks},), reports=(report,)
    )

    assert row.dynamic_cells == ["1"] * 16 + [None] * 33 + ["49"]
    assert row.total_score == "65"


@pytest.mark.rule("Q7")
def test_audience_sees_the_learners_of_its_root_organisation_alone(rows_for: Callable[..., list[Any]]) -> None:
    learners = ({"user_id": "u-1", "root_org_id": "north"}, {"user_id": "u-2", "root_org_id": "south"})
    reports = tuple(
        {**REPORT, "report_no": number, "audience": audience}
        for number, audience in enumerate((None, "north", "nowhere", ""))
    )

    rows = rows_for(enrolled("u-1"), enrolled("u-2"), enrolled("u-3"), learners=learners, reports=reports)

    assert [(row.report_no, row.user_id) for row in rows] == [(0, "u-1"), (0, "u-2"), (0, "u-3"), (1, "u-1")]


@pytest.mark.rule("D6")
def test_doubled_keys_are_told_by_table(rows_for: Callable[..., list[Any]]) -> None:
    rows = rows_for(
        enrolled("u-1", rows_of_learner=2),
        enrolled("u-2"),
        enrolled("u-3"),
        enrolled("u-4", completed=[1, 0, 0]),
        enrolled("u-5", completed=[1, 0, 0]),
        learners=({"user_id": "u-2", "user_duplicate": True}, {"user_id": "u-3", "user_duplicate": False}),
        activity=tuple(
            {
                "user_id": learner,
                "batch_no": 0,
                "activity_completed": [],
                "own_duplicate": own,
                "activity_duplicate": any_,
            }
            for learner, own, any_ in (
                ("u-2", False, True),
                ("u-3", False, False),
                ("u-4", False, True),  # a nested collection's, which does not show
                ("u-5", True, True),
            )
        ),
    )

    assert [row.duplicate for row in rows] == [
        "user_enrolments",
        "user user_activity_agg",
        None,
        None,
        "user_activity_agg",
    ]
