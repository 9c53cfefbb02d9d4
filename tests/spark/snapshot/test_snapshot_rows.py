"""The snapshot folder: Parquet and JSON lines give the same frame."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import Row, SparkSession
from pyspark.sql import functions as F

from progress_exhaust.settings.sections import Settings
from progress_exhaust.tables import schemas
from progress_exhaust.tables.snapshot import SnapshotTables
from tests.support.snapshot_folder import ENROLMENT, folder_of, read, write_lines

ENROLMENT_ROW = Row(
    userid="u-1",
    courseid="do_1",
    batchid="b-1",
    active=True,
    enrolled_date=datetime(2020, 8, 25, 13, 45, 54, 150_000, UTC),
    enrolleddate="2020-08-25 13:45:54:150+0000",
    completedon=datetime(2020, 8, 27, 13, 45, 54, 150_999, UTC),
    contentstatus={"do_a": 2, "do_b": None},
    progress=2,
    completionpercentage=67,
    certificates=[{"name": "Course", "id": None}],
    issued_certificates=[],
)


@pytest.mark.rule("D1")
def test_parquet_and_json_lines_give_the_same_frame(
    spark: SparkSession, tables: SnapshotTables, tmp_path: Path, settings: Settings
) -> None:
    keyless = {"userid": "u-2", "courseid": "", "batchid": None}
    write_lines(tmp_path, schemas.USER_ENROLMENTS, ENROLMENT, {**keyless, "question": [1], "more": {"a": 1}})
    from_lines = tables.frame(schemas.USER_ENROLMENTS)
    parquet = tmp_path / "as parquet"
    wider = from_lines.withColumn("question", F.lit("never read"))
    wider.select("question", *reversed(from_lines.columns)).write.parquet(
        f"file://{folder_of(parquet, schemas.USER_ENROLMENTS)}"
    )
    other = settings.model_copy(update={"source": settings.source.model_copy(update={"snapshot_dir": str(parquet)})})

    from_parquet = SnapshotTables(spark, other).frame(schemas.USER_ENROLMENTS)

    assert from_lines.dtypes == from_parquet.dtypes
    assert [field.name for field in from_lines.schema] == schemas.USER_ENROLMENTS.columns.fieldNames()
    assert read(from_lines) == read(from_parquet)
    assert read(from_lines)[0] == ENROLMENT_ROW
    empty_row = dict.fromkeys(ENROLMENT_ROW.asDict()) | keyless
    assert read(from_lines)[1] == Row(**empty_row)


@pytest.mark.rule("D5")
@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2020-08-25T13:45:54.150Z", datetime(2020, 8, 25, 13, 45, 54, 150_000, UTC)),
        ("2020-08-25T13:45:54Z", datetime(2020, 8, 25, 13, 45, 54, 0, UTC)),
        ("2020-08-25T13:45:54.150999+05:30", datetime(2020, 8, 25, 8, 15, 54, 150_999, UTC)),
        ("2020-08-25 13:45:54-08:00", datetime(2020, 8, 25, 21, 45, 54, 0, UTC)),
        ("2020-08-25T13:45Z", datetime(2020, 8, 25, 13, 45, 0, 0, UTC)),
        ("2020-08-25 13:45+05:30", datetime(2020, 8, 25, 8, 15, 0, 0, UTC)),
        ("2020-08-25T13:45 -0800", datetime(2020, 8, 25, 21, 45, 0, 0, UTC)),
        ("1850-03-01T04:05:06.123Z", datetime(1850, 3, 1, 4, 5, 6, 123_000, UTC)),
        ("0001-01-01T00:00Z", datetime(1, 1, 1, tzinfo=UTC)),
        ("1969-12-31T23:59:59.999Z", datetime(1969, 12, 31, 23, 59, 59, 999_000, UTC)),
    ],
)
def test_instant_with_a_zone_is_read(tables: SnapshotTables, tmp_path: Path, text: str, instant: datetime) -> None:
    write_lines(tmp_path, schemas.USER_ENROLMENTS, {**ENROLMENT, "completedon": text})

    (row,) = read(tables.frame(schemas.USER_ENROLMENTS))

    assert row.completedon == instant


@pytest.mark.rule("D5")
@pytest.mark.parametrize("number", ["2", "2.0", "2.00", "2e0", "20e-1"])
def test_whole_number_may_be_written_as_any_tool_does(tables: SnapshotTables, tmp_path: Path, number: str) -> None:
    write_lines(tmp_path, schemas.USER_ENROLMENTS, f'{{"contentstatus":{{"do_a":{number},"do_b":null,"do_c":-0.0}}}}')

    (row,) = read(tables.frame(schemas.USER_ENROLMENTS))

    assert row.contentstatus == {"do_a": 2, "do_b": None, "do_c": 0}
    assert {type(count) for count in row.contentstatus.values()} == {int, type(None)}


def test_whole_numbers_up_to_the_bounds_of_an_int_are_read(tables: SnapshotTables, tmp_path: Path) -> None:
    counts = {"least": -(2**31), "most": 2**31 - 1}
    write_lines(tmp_path, schemas.USER_ENROLMENTS, {"contentstatus": counts}, '{"contentstatus":{"most":2147483647.0}}')

    rows = read(tables.frame(schemas.USER_ENROLMENTS))

    assert [row.contentstatus for row in rows] == [counts, {"most": 2**31 - 1}]


@pytest.mark.rule("D5")
def test_lines_that_are_empty_or_of_blanks_and_tabs_are_no_rows(tables: SnapshotTables, tmp_path: Path) -> None:
    lines = ["", '{"id":"s-1"}', " ", "\t \t", "\r", ' {"id":"s-2"} \r', ""]
    write_lines(tmp_path, schemas.LOCATION, *lines)
    write_lines(tmp_path, schemas.LOCATION, "", name="blank.jsonl")

    assert sorted(row.id for row in read(tables.frame(schemas.LOCATION))) == ["s-1", "s-2"]


@pytest.mark.rule("D2")
def test_missing_column_is_null_in_both_formats(spark: SparkSession, tables: SnapshotTables, tmp_path: Path) -> None:
    write_lines(tmp_path, schemas.LOCATION, {"id": "s-1"})
    spark.range(1).selectExpr("'b-1' AS batchid", "'do_1' AS courseid").write.parquet(
        f"file://{folder_of(tmp_path, schemas.COURSE_BATCH)}"
    )

    assert read(tables.frame(schemas.LOCATION)) == [Row(id="s-1", type=None, name=None, parentid=None)]
    assert read(tables.frame(schemas.COURSE_BATCH)) == [Row(courseid="do_1", batchid="b-1", name=None)]


def test_numbers_that_json_can_not_hold_are_taken_from_texts(tables: SnapshotTables, tmp_path: Path) -> None:
    key = {"user_id": "u", "course_id": "c", "batch_id": "b", "content_id": "d"}
    scores = ["NaN", "Infinity", "-Infinity", -0.0, 1e300, 7]
    lines = [{**key, "attempt_id": str(number), "total_score": score} for number, score in enumerate(scores)]
    write_lines(tmp_path, schemas.ASSESSMENT_AGGREGATOR, *lines)

    rows = read(tables.frame(schemas.ASSESSMENT_AGGREGATOR))

    assert [repr(row.total_score) for row in rows] == ["nan", "inf", "-inf", "-0.0", "1e+300", "7.0"]


@pytest.mark.parametrize(
    ("written", "as_parquet"),
    [("2", False), (2, False), (2.0, False), ("2", True), (2, True), (2**40, True)],
    ids=["text in JSON", "number in JSON", "whole float in JSON", "text", "number", "long number"],
)
def test_organisation_type_may_be_text_or_number(
    spark: SparkSession, tables: SnapshotTables, tmp_path: Path, written: Any, as_parquet: bool
) -> None:
    if as_parquet:
        frame = spark.range(1).select(F.lit("school-1").alias("id"), F.lit(written).alias("organisationtype"))
        frame.write.parquet(f"file://{folder_of(tmp_path, schemas.ORGANISATION)}")
    else:
        write_lines(tmp_path, schemas.ORGANISATION, {"id": "school-1", "organisationtype": written})

    (row,) = read(tables.frame(schemas.ORGANISATION))

    assert row.organisationtype == str(int(written))


def test_text_that_looks_like_a_number_stays_as_it_is(tables: SnapshotTables, tmp_path: Path) -> None:
    write_lines(tmp_path, schemas.ORGANISATION, {"id": "school-1", "organisationtype": "2.0"})

    (row,) = read(tables.frame(schemas.ORGANISATION))

    assert row.organisationtype == "2.0"


def test_lists_of_texts_hold_any_text_and_nulls(tables: SnapshotTables, tmp_path: Path) -> None:
    lists: list[list[str | None]] = [
        [],
        [None],
        ['a"b', "\\", '\\"', "[7]", "null", ""],
        ["x" * 100_000] * 20,
        ["a"] * 50_000,
    ]
    write_lines(
        tmp_path, schemas.USER, *({"id": f"u-{number}", "locationids": ids} for number, ids in enumerate(lists))
    )

    rows = sorted(read(tables.frame(schemas.USER)))

    assert [row.locationids for row in rows] == lists
