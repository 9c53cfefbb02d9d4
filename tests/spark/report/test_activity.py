"""Which activity rows are kept, and what the counters in them tell."""

from __future__ import annotations

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from progress_exhaust.report import inputs
from progress_exhaust.report.activity import activity_per_learner, wanted_activity
from progress_exhaust.tables import schemas
from tests.support.builders import activity, rows_frame, table_frame
from tests.support.transform_frames import NAN, same


@pytest.fixture(scope="module")
def activities(spark: SparkSession) -> DataFrame:
    return rows_frame(
        spark,
        inputs.ACTIVITIES,
        {"collection_id": "do_1", "activity_id": "do_1", "position": 0, "score_keys": ["score:q1", "score:q1.2"]},
        {"collection_id": "do_1", "activity_id": "do_n", "position": 1},
        {"collection_id": "do_2", "activity_id": "do_2", "position": 0, "score_keys": []},
    )


def test_activity_rows_of_wanted_collections_and_batches_are_kept(
    spark: SparkSession, batches: DataFrame, activities: DataFrame
) -> None:
    table = table_frame(
        spark,
        schemas.USER_ACTIVITY_AGG,
        activity("own", counters={"completedCount": 2.0, "score:q1": 7.5}),
        activity("nested", "b-2", "do_n", {"completedCount": 1.0, "score:q1": 9.0}),
        activity("of do_2", "b-3", "do_2", {"completedCount": 3.0}),
        activity("nested elsewhere", "b-3", "do_n", {"completedCount": 3.0}),
        activity("other batch", "b-12"),
        activity(""),
        {**activity("other type"), "activity_type": "course"},
        {**activity("other context"), "context_id": "b-1"},
        {**activity("other context"), "context_id": "CB:b-1"},
        {**activity("other context"), "context_id": "cb:b-1 "},
        {**activity("other context"), "context_id": None},
        {**activity("other context"), "context_id": "cb:b-1" + "x" * 2000},
    )

    same(
        wanted_activity(table, batches, activities),
        spark.createDataFrame(
            [
                (0, 0, "own", 0, 2.0, [7.5, None]),
                (1, 1, "nested", 1, 1.0, None),
                (2, 0, "of do_2", 0, 3.0, []),
            ],
            "batch_no int, wave_no int, user_id string, position int, completed double, scores array<double>",
        ),
    )


def test_counters_of_nested_collections_are_kept_for_the_learners_who_need_them(
    spark: SparkSession, batches: DataFrame, activities: DataFrame
) -> None:
    learners = ("counted", "without status", "without status elsewhere")
    table = table_frame(
        spark,
        schemas.USER_ACTIVITY_AGG,
        *(activity(learner, "b-1", of) for learner in learners for of in ("do_1", "do_n")),
    )
    without_content_status = spark.createDataFrame(
        [("without status", 0), ("without status elsewhere", 1)], "user_id string, batch_no int"
    )

    found = wanted_activity(table, batches, activities, without_content_status).select("user_id", "position")

    same(
        found,
        spark.createDataFrame(
            [("counted", 0), ("without status", 0), ("without status", 1), ("without status elsewhere", 0)],
            "user_id string, position int",
        ),
    )


COUNTERS: list[tuple[dict[str, float | None] | None, dict[str, int] | None, float | None]] = [
    # aggregates, agg, the counter score:q1
    (None, None, None),
    ({}, {}, None),
    ({"score:q1": 7.5}, {"score:q1": 3}, 7.5),
    ({"score:q1": None}, {"score:q1": 3}, 3.0),
    ({"score:q1": NAN}, {"score:q1": 3}, 3.0),
    ({"score:q1": float("inf")}, None, None),
    ({"score:q1": 1e15}, {"score:q1": 0}, 1e15),
    ({"score:q1": -0.0}, {"score:q1": 3}, -0.0),
    ({"score:q": 7.5, "score:q1.2": 1.0, "max_score:q1": 9.0, "SCORE:q1": 2.0}, None, None),
    (None, {"score:q1": 3}, 3.0),
]


@pytest.mark.rule("R17")
def test_counter_is_the_first_that_is_a_number(spark: SparkSession, batches: DataFrame, activities: DataFrame) -> None:
    rows = [
        {**activity(f"u-{number}"), "aggregates": aggregates, "agg": agg}
        for number, (aggregates, agg, _) in enumerate(COUNTERS)
    ]
    table = table_frame(spark, schemas.USER_ACTIVITY_AGG, *rows)

    found = wanted_activity(table, batches, activities).sort("user_id").collect()

    assert [repr(row.scores[0]) for row in found] == [repr(counter) for _, _, counter in COUNTERS]


@pytest.mark.rule("D6")
def test_activity_rows_of_a_learner_become_one_and_tell_doubled_keys(spark: SparkSession) -> None:
    schema = "user_id string, batch_no int, position int, completed double, scores array<double>"
    rows = [
        ("u-1", 0, 0, 2.0, [7.5, None]),
        ("u-1", 0, 1, None, None),
        ("u-1", 1, 0, 1.0, [None, None]),
        ("u-2", 0, 2, 4.0, None),
        ("u-3", 0, 1, 1.0, None),
        ("u-3", 0, 1, 2.0, None),
        ("u-4", 0, 0, 1.0, None),
        ("u-4", 0, 0, 1.0, None),
    ]

    frame = activity_per_learner(spark.createDataFrame(rows, schema))
    in_order = frame.withColumn("activity_completed", F.array_sort("activity_completed"))

    same(
        in_order,
        spark.createDataFrame(
            [
                ("u-1", 0, [(0, 2.0), (1, None)], [7.5, None], False, False),
                ("u-1", 1, [(0, 1.0)], [None, None], False, False),
                ("u-2", 0, [(2, 4.0)], None, False, False),
                ("u-3", 0, [(1, 1.0), (1, 2.0)], None, False, True),
                ("u-4", 0, [(0, 1.0), (0, 1.0)], None, True, True),
            ],
            "user_id string, batch_no int, activity_completed array<struct<position: int, completed: double>>, "
            "activity_scores array<double>, own_duplicate boolean, activity_duplicate boolean",
        ),
    )
