"""Which enrolments are kept, what each of them tells, and how the others are counted."""

from __future__ import annotations

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from progress_exhaust.report import inputs
from progress_exhaust.report.enrolments import counts_per_batch, wanted_enrolments
from progress_exhaust.tables import schemas
from tests.support.builders import LONG_AGO, enrolment, rows_frame, table_frame
from tests.support.transform_frames import LATER, same

LEGACY = "2020-08-25 13:45:54:150+0000"


@pytest.fixture(scope="module")
def leaves(spark: SparkSession) -> DataFrame:
    return rows_frame(
        spark,
        inputs.LEAVES,
        {
            "collection_id": "do_1",
            "leaves": ["a", "b", "c"],
            "nested_groups": [(["a", "b", "c"], [["a"], ["b", "c"]]), ([], [[]])],
        },
        {"collection_id": "do_2", "leaves": [], "nested_groups": [(None, [])]},
    )


@pytest.mark.rule("R1", "R2", "R3")
def test_enrolments_of_wanted_batches_are_kept_or_dropped_for_a_reason(
    spark: SparkSession, batches: DataFrame, leaves: DataFrame
) -> None:
    table = table_frame(
        spark,
        schemas.USER_ENROLMENTS,
        enrolment("kept"),
        enrolment("kept", "b-2"),
        enrolment("kept", "b-3", "do_2"),
        enrolment("ended", active=False),
        enrolment("unclear", active=None),
        enrolment(""),
        enrolment(None),  # type: ignore[arg-type]
        enrolment("no course", collection_id=""),
        enrolment("no course", collection_id=None, active=False),  # type: ignore[arg-type]
        enrolment("twice"),
        enrolment("twice"),
        enrolment("other course", collection_id="do_2"),
        enrolment("other case", collection_id="DO_1"),
        enrolment("other batch", "b-12"),
        enrolment("other case", "B-1"),
        enrolment("no batch", ""),
        enrolment("no batch", None),  # type: ignore[arg-type]
    )

    fates = wanted_enrolments(table, batches, leaves).select("batch_no", "user_id", "dropped")

    expected = [
        (0, "kept", None),
        (1, "kept", None),
        (2, "kept", None),
        (0, "ended", "inactive"),
        (0, "unclear", "inactive"),
        (0, "", "no_key"),
        (0, None, "no_key"),
        (0, "no course", "no_key"),
        (0, "no course", "no_key"),
        (0, "twice", None),
        (0, "twice", None),
    ]
    same(fates, spark.createDataFrame(expected, "batch_no int, user_id string, dropped string"))


CONTENT_STATUSES: list[tuple[dict[str, int | None] | None, list[int] | None]] = [
    # contentstatus, completed leaves: of the collection, then of each nested one
    (None, None),
    ({}, None),
    ({"a": 2, "b": 2, "c": 2}, [3, 1, 2, 0]),
    ({"a": 2, "b": 1, "c": 0}, [1, 1, 0, 0]),
    ({"a": 3, "b": -1, "c": None}, [0, 0, 0, 0]),
    ({"removed": 2, "A": 2, "": 2, "c": 2}, [1, 0, 1, 0]),
    ({"removed": 1}, [0, 0, 0, 0]),
]


@pytest.mark.rule("R17")
def test_completed_leaves_are_those_with_status_2_that_are_in_the_tree(
    spark: SparkSession, batches: DataFrame, leaves: DataFrame
) -> None:
    rows = [enrolment(f"u-{number}", contentstatus=status) for number, (status, _) in enumerate(CONTENT_STATUSES)]
    table = table_frame(spark, schemas.USER_ENROLMENTS, *rows)

    found = wanted_enrolments(table, batches, leaves).sort("user_id").collect()

    assert [(row.user_id, row.completed) for row in found] == [
        (f"u-{number}", completed) for number, (_, completed) in enumerate(CONTENT_STATUSES)
    ]


@pytest.mark.rule("R9", "R10", "R12")
def test_dates_and_certificates_of_enrolments(spark: SparkSession, batches: DataFrame, leaves: DataFrame) -> None:
    table = table_frame(
        spark,
        schemas.USER_ENROLMENTS,
        enrolment("timestamp wins", enrolleddate="unreadable", certificates=[None, {"name": "first"}]),
        enrolment("legacy", enrolled_date=None, enrolleddate=LEGACY, issued_certificates=[{"name": None}]),
        enrolment("unreadable", enrolled_date=None, enrolleddate="yesterday", certificates=[], issued_certificates=[]),
        enrolment("empty", enrolled_date=None, enrolleddate="", completedon=LATER, certificates=[{}, None]),
        enrolment("none", enrolled_date=None, certificates=[None], issued_certificates=[{}]),
    )

    frame = wanted_enrolments(table, batches, leaves)
    told = frame.select(
        "user_id",
        "enrolled_at",
        F.col("completed_at").isNotNull().alias("has_ended"),
        "date_unreadable",
        "has_certificate",
    )

    expected = [
        ("timestamp wins", LONG_AGO, False, False, True),
        ("legacy", LONG_AGO, False, False, True),
        ("unreadable", None, False, True, False),
        ("empty", None, True, False, False),
        ("none", None, False, False, False),
    ]
    same(
        told,
        spark.createDataFrame(
            expected,
            "user_id string, enrolled_at timestamp, has_ended boolean, date_unreadable boolean, "
            "has_certificate boolean",
        ),
    )


@pytest.mark.rule("R2")
def test_fates_are_counted_per_batch(spark: SparkSession) -> None:
    fates = spark.createDataFrame(
        [
            (0, None, False, 2, [0]),
            (0, None, True, 1, None),
            (0, "inactive", True, 1, None),
            (0, "no_key", True, 1, None),
            (0, "no_key", False, 0, [1]),
            (1, "inactive", False, 1, None),
        ],
        "batch_no int, dropped string, date_unreadable boolean, out_of_range int, completed array<int>",
    )

    same(
        counts_per_batch(fates),
        spark.createDataFrame(
            [(0, 2, 2, 1, 1, 3, 1), (1, 0, 0, 1, 0, 0, 0)],
            "batch_no int, retained long, no_key long, inactive long, enrolment_date_unreadable long, "
            "instant_out_of_range long, without_content_status long",
        ),
    )
