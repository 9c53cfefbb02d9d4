"""Which attempts count, and which of a learner's is the best."""

from __future__ import annotations

from datetime import datetime

import pytest
from pyspark.sql import DataFrame, SparkSession

from progress_exhaust.report import inputs
from progress_exhaust.report.inputs import SLOTS
from progress_exhaust.report.scores import best_attempts, scores_per_learner, wanted_attempts
from progress_exhaust.tables import schemas
from tests.support.builders import LONG_AGO, attempt, rows_frame, table_frame
from tests.support.transform_frames import LATER, NAN, same


@pytest.mark.rule("R3", "R19")
def test_attempts_with_a_usable_score_at_a_wanted_assessment_are_kept(spark: SparkSession, batches: DataFrame) -> None:
    assessments = rows_frame(
        spark,
        inputs.ASSESSMENTS,
        {"collection_id": "do_1", "content_id": "do_1-quiz", "block": 0, "slot": 1},
        {"collection_id": "do_2", "content_id": "do_1-quiz", "block": 2, "slot": 0},
    )
    unusable = [None, NAN, float("inf"), -float("inf"), 1e15]
    table = table_frame(
        spark,
        schemas.ASSESSMENT_AGGREGATOR,
        attempt("kept"),
        attempt("kept", total_score=-1.0, attempt_id="attempt-2", last_attempted_on=None),
        attempt("kept", "b-3", "do_2", total_score=999_999_999_999_999.0),
        *(attempt("unusable", attempt_id=str(number), total_score=score) for number, score in enumerate(unusable)),
        attempt("other content", content_id="do_1-quiz2"),
        attempt("other course", collection_id="do_2"),
        attempt("other batch", "b-12"),
        attempt(""),
        attempt("no attempt", attempt_id=""),
        attempt("no attempt", attempt_id=None),  # type: ignore[arg-type]
    )

    frame = wanted_attempts(table, batches, assessments).drop("last_attempted_on")

    same(
        frame,
        spark.createDataFrame(
            [
                (0, 0, "kept", 0, 1, 5.0, "attempt-1"),
                (0, 0, "kept", 0, 1, -1.0, "attempt-2"),
                (2, 0, "kept", 2, 0, 999_999_999_999_999.0, "attempt-1"),
            ],
            "batch_no int, wave_no int, user_id string, block int, slot int, total_score double, attempt_id string",
        ),
    )


ATTEMPTS: dict[str, tuple[list[tuple[float, datetime | None, str]], str]] = {
    "highest": ([(5.0, LATER, "a"), (6.0, LONG_AGO, "b"), (5.5, None, "c")], "b"),
    "latest": ([(5.0, LONG_AGO, "a"), (5.0, LATER, "b")], "b"),
    "a date before none": ([(5.0, None, "a"), (5.0, LONG_AGO, "b")], "b"),
    "smallest id": ([(5.0, LATER, "b"), (5.0, LATER, "a"), (5.0, LATER, "c")], "a"),
    "smallest id, no dates": ([(5.0, None, "b"), (5.0, None, "a")], "a"),
    "ids are texts": ([(5.0, LATER, "attempt-9"), (5.0, LATER, "attempt-10")], "attempt-10"),
    "capitals first": ([(5.0, LATER, "b"), (5.0, LATER, "B")], "B"),
    "zeros are equal": ([(0.0, LONG_AGO, "a"), (-0.0, LATER, "b")], "b"),
    "below zero": ([(-2.0, LONG_AGO, "a"), (-1.0, LONG_AGO, "b")], "b"),
}


@pytest.mark.rule("R19")
def test_best_attempt_is_the_highest_then_the_latest_then_the_one_with_the_smallest_id(spark: SparkSession) -> None:
    schema = (
        "user_id string, batch_no int, block int, slot int, total_score double, last_attempted_on timestamp, "
        "attempt_id string"
    )
    rows = [
        (name, batch_no, 0, 0, *values)
        for name, (attempts, _) in ATTEMPTS.items()
        for batch_no, in_some_order in enumerate((attempts, attempts[::-1]))
        for values in in_some_order
    ]

    best = best_attempts(spark.createDataFrame(rows, schema)).collect()

    assert {(row.user_id, row.batch_no): row.attempt_id for row in best} == {
        (name, batch_no): attempt_id for name, (_, attempt_id) in ATTEMPTS.items() for batch_no in (0, 1)
    }
    assert len(best) == 2 * len(ATTEMPTS)


def test_scores_of_any_number_of_assessments_stand_in_blocks_of_slots(spark: SparkSession) -> None:
    schema = "user_id string, batch_no int, block int, slot int, total_score double"
    many = {ordinal: float(ordinal) for ordinal in (0, 1, 15, 16, 31, 32, 40, 44, 499)}
    rows = [("many", 0, *divmod(ordinal, SLOTS), score) for ordinal, score in many.items()]
    rows += [("many", 1, 0, 3, 3.5), ("one", 0, 1, 1, 7.0)]

    per_learner = scores_per_learner(spark.createDataFrame(rows, schema)).collect()
    found = {(row.user_id, row.batch_no): row.score_blocks for row in per_learner}

    assert SLOTS == 16
    assert {key: flat(blocks) for key, blocks in found.items()} == {
        ("many", 0): many,
        ("many", 1): {3: 3.5},
        ("one", 0): {17: 7.0},
    }
    assert sorted(found["many", 0]) == [0, 1, 2, 31]
    assert {len(block) for block in found["many", 0].values()} == {SLOTS}


def flat(blocks: dict[int, list[float | None]]) -> dict[int, float]:
    return {
        16 * block + slot: score
        for block, scores in blocks.items()
        for slot, score in enumerate(scores)
        if score is not None
    }
