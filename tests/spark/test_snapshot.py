"""The snapshot folder: Parquet and JSON lines give the same frame, and what does not fit names its file."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import DataFrame, Row, SparkSession
from pyspark.sql import functions as F

from progress_exhaust.errors import DataShapeError, SourceError
from progress_exhaust.services.faults import SPARK_FAILURES, fault_of
from progress_exhaust.settings import ReadBy, Settings, load
from progress_exhaust.tables import schemas
from progress_exhaust.tables.reading import Reading, WantedKeys
from progress_exhaust.tables.schemas import USER, Table, table_names
from progress_exhaust.tables.snapshot import SnapshotTables
from tests.tables_contract import rows_of_keys

NAMES = table_names(Settings())
ENROLMENT = {
    "userid": "u-1",
    "courseid": "do_1",
    "batchid": "b-1",
    "active": True,
    "enrolled_date": "2020-08-25T13:45:54.150Z",
    "enrolleddate": "2020-08-25 13:45:54:150+0000",
    "completedon": "2020-08-27T19:15:54.150999+05:30",
    "contentstatus": {"do_a": 2, "do_b": None},
    "certificates": [{"name": "Course", "id": None}],
    "issued_certificates": [],
}
ENROLMENT_ROW = Row(
    userid="u-1",
    courseid="do_1",
    batchid="b-1",
    active=True,
    enrolled_date=datetime(2020, 8, 25, 13, 45, 54, 150_000, UTC),
    enrolleddate="2020-08-25 13:45:54:150+0000",
    completedon=datetime(2020, 8, 27, 13, 45, 54, 150_999, UTC),
    contentstatus={"do_a": 2, "do_b": None},
    certificates=[{"name": "Course", "id": None}],
    issued_certificates=[],
)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load(None, {}, {"source": {"kind": "snapshot", "snapshot_dir": str(tmp_path)}})


@pytest.fixture
def tables(spark: SparkSession, settings: Settings) -> SnapshotTables:
    spark.conf.set("spark.sql.session.timeZone", "UTC")
    return SnapshotTables(spark, settings)


def folder_of(snapshot: Path, table: Table) -> Path:
    return snapshot / NAMES[table.setting]


def write_lines(snapshot: Path, table: Table, *lines: str | dict[str, Any], name: str = "part-0.jsonl") -> None:
    folder = folder_of(snapshot, table)
    folder.mkdir(exist_ok=True)
    texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
    (folder / name).write_text("".join(f"{text}\n" for text in texts), encoding="utf-8")


def rows_of(frame: DataFrame) -> list[Row]:
    """Collect a frame, its instants as what they are whatever the zone of this process."""
    rows = []
    instants = [name for name, kind in frame.dtypes if kind == "timestamp"]
    with_micros = frame.withColumns({name: F.unix_micros(name) for name in instants})
    for row in with_micros.collect():
        moments = {
            name: None if row[name] is None else datetime.fromtimestamp(row[name] / 1_000_000, UTC) for name in instants
        }
        rows.append(Row(**(row.asDict() | moments)))
    return rows


# What both formats give.


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
    assert rows_of(from_lines) == rows_of(from_parquet)
    assert rows_of(from_lines)[0] == ENROLMENT_ROW
    empty_row = dict.fromkeys(ENROLMENT_ROW.asDict()) | keyless
    assert rows_of(from_lines)[1] == Row(**empty_row)


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2020-08-25T13:45:54.150Z", datetime(2020, 8, 25, 13, 45, 54, 150_000, UTC)),
        ("2020-08-25T13:45:54Z", datetime(2020, 8, 25, 13, 45, 54, 0, UTC)),
        ("2020-08-25T13:45:54.150999+05:30", datetime(2020, 8, 25, 8, 15, 54, 150_999, UTC)),
        ("2020-08-25 13:45:54-08:00", datetime(2020, 8, 25, 21, 45, 54, 0, UTC)),
        ("1969-12-31T23:59:59.999Z", datetime(1969, 12, 31, 23, 59, 59, 999_000, UTC)),
    ],
)
def test_instant_with_a_zone_is_read(tables: SnapshotTables, tmp_path: Path, text: str, instant: datetime) -> None:
    write_lines(tmp_path, schemas.USER_ENROLMENTS, {**ENROLMENT, "completedon": text})

    (row,) = rows_of(tables.frame(schemas.USER_ENROLMENTS))

    assert row.completedon == instant


def test_missing_column_is_null_in_both_formats(spark: SparkSession, tables: SnapshotTables, tmp_path: Path) -> None:
    write_lines(tmp_path, schemas.LOCATION, {"id": "s-1"})
    spark.range(1).selectExpr("'b-1' AS batchid", "'do_1' AS courseid").write.parquet(
        f"file://{folder_of(tmp_path, schemas.COURSE_BATCH)}"
    )

    assert rows_of(tables.frame(schemas.LOCATION)) == [Row(id="s-1", type=None, name=None, parentid=None)]
    assert rows_of(tables.frame(schemas.COURSE_BATCH)) == [Row(courseid="do_1", batchid="b-1", name=None)]


def test_numbers_that_json_can_not_hold_are_taken_from_texts(tables: SnapshotTables, tmp_path: Path) -> None:
    key = {"user_id": "u", "course_id": "c", "batch_id": "b", "content_id": "d"}
    scores = ["NaN", "Infinity", "-Infinity", -0.0, 1e300, 7]
    lines = [{**key, "attempt_id": str(number), "total_score": score} for number, score in enumerate(scores)]
    write_lines(tmp_path, schemas.ASSESSMENT_AGGREGATOR, *lines)

    rows = rows_of(tables.frame(schemas.ASSESSMENT_AGGREGATOR))

    assert [repr(row.total_score) for row in rows] == ["nan", "inf", "-inf", "-0.0", "1e+300", "7.0"]


@pytest.mark.parametrize("written", ["2", 2], ids=["text", "number"])
@pytest.mark.parametrize("as_parquet", [False, True], ids=["JSON lines", "Parquet"])
def test_organisation_type_may_be_text_or_number(
    spark: SparkSession, tables: SnapshotTables, tmp_path: Path, written: object, as_parquet: bool
) -> None:
    if as_parquet:
        frame = spark.range(1).select(F.lit("school-1").alias("id"), F.lit(written).alias("organisationtype"))
        frame.write.parquet(f"file://{folder_of(tmp_path, schemas.ORGANISATION)}")
    else:
        write_lines(tmp_path, schemas.ORGANISATION, {"id": "school-1", "organisationtype": written})

    (row,) = rows_of(tables.frame(schemas.ORGANISATION))

    assert row.organisationtype == "2"


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

    rows = sorted(rows_of(tables.frame(schemas.USER)))

    assert [row.locationids for row in rows] == lists


# What is missing.


@pytest.mark.parametrize(
    "table", [table for table in schemas.INPUT_TABLES if table.may_be_missing], ids=lambda t: t.setting
)
def test_optional_table_that_is_missing_counts_as_empty(tables: SnapshotTables, table: Table) -> None:
    frame = tables.frame(table)

    assert not tables.exists(table)
    assert frame.dtypes == [(field.name, field.dataType.simpleString()) for field in table.columns]
    assert frame.isEmpty()


@pytest.mark.parametrize(
    "table", [table for table in schemas.INPUT_TABLES if not table.may_be_missing], ids=lambda t: t.setting
)
def test_other_table_that_is_missing_is_named(tables: SnapshotTables, table: Table) -> None:
    with pytest.raises(DataShapeError, match=f"reading table {NAMES[table.setting]}: the snapshot has no folder"):
        tables.frame(table)


def test_folder_without_files_is_an_empty_table(tables: SnapshotTables, tmp_path: Path) -> None:
    folder_of(tmp_path, schemas.USER).mkdir()
    write_lines(tmp_path, schemas.LOCATION)

    assert tables.frame(schemas.USER).isEmpty()
    assert tables.frame(schemas.LOCATION).isEmpty()


def test_rows_of_keys_are_among_those_of_the_whole_table(tables: SnapshotTables, tmp_path: Path) -> None:
    write_lines(tmp_path, USER, *({"id": identifier, "firstname": "ऋषि"} for identifier in ("u-1", "u-2", "ऋ", "")))
    whole = tables.frame(USER)

    asked = rows_of_keys(tables, USER, whole, whole.select("id").filter(F.col("id").isin("u-1", "ऋ")))

    assert (sum(asked.wanted.values()), sum(asked.got.values())) == (2, 4)
    assert tables.reading(USER, WantedKeys(2)) == Reading(ReadBy.SCAN, "files have no keys to read by")


def test_snapshot_that_is_missing_is_named(tables: SnapshotTables, tmp_path: Path) -> None:
    tables.check()
    tmp_path.rmdir()

    with pytest.raises(SourceError, match=f"reading the snapshot {tmp_path}: no such folder"):
        tables.check()


def test_folder_with_both_formats_is_refused(spark: SparkSession, tables: SnapshotTables, tmp_path: Path) -> None:
    spark.range(1).selectExpr("'s-1' AS id").write.parquet(f"file://{folder_of(tmp_path, schemas.LOCATION)}")
    write_lines(tmp_path, schemas.LOCATION, {"id": "s-1"})

    with pytest.raises(DataShapeError, match="holds Parquet and JSON lines; keep one of them"):
        tables.frame(schemas.LOCATION)


def test_column_of_the_key_that_a_parquet_file_lacks_is_named(
    spark: SparkSession, tables: SnapshotTables, tmp_path: Path
) -> None:
    frame = spark.range(1).selectExpr("'s-1' AS identifier", "'state' AS type")
    frame.write.parquet(f"file://{folder_of(tmp_path, schemas.LOCATION)}")

    with pytest.raises(DataShapeError, match=r'reading table sunbird.location: columns missing: \["id"\]'):
        tables.frame(schemas.LOCATION)


def test_key_that_a_line_lacks_is_null(tables: SnapshotTables, tmp_path: Path) -> None:
    write_lines(tmp_path, schemas.LOCATION, {"type": "state"}, {"id": "s-1"})

    assert [row.id for row in rows_of(tables.frame(schemas.LOCATION))] == [None, "s-1"]


# What does not fit.


def fault_in(frame: Callable[[], DataFrame]) -> str:
    """Return what an operator is told when the frame is read."""
    try:
        frame().collect()
    except DataShapeError as error:
        return str(error)
    except SPARK_FAILURES as error:
        fault = fault_of(error, Settings())
        assert isinstance(fault, DataShapeError)
        return str(fault)
    raise AssertionError("nothing was found at fault")


@pytest.mark.parametrize(
    "line",
    [
        "",
        " ",
        "null",
        "7",
        '"text"',
        "[]",
        '[{"userid":"u-1"}]',
        '{"userid":"u-1"',
        '{"userid":"u-1"}}',
        '{"userid":"u-1"} {"userid":"u-2"}',
        '{"userid":"u-1"}, 1',
        '{"userid":"u-1"} x',
        "{'userid':'u-1'}",
        '{"userid":"u-1",}',
        '{userid:"u-1"}',
        '\ufeff{"userid":"u-1"}',
        "not JSON",
        '{"userid":"u-1","completedon":NaN}',
    ],
    ids=repr,
)
def test_line_that_is_not_one_object_names_its_file(tables: SnapshotTables, tmp_path: Path, line: str) -> None:
    write_lines(tmp_path, schemas.USER_ENROLMENTS, ENROLMENT, name="good.jsonl")
    write_lines(tmp_path, schemas.USER_ENROLMENTS, ENROLMENT, line, ENROLMENT, name="bad.jsonl")

    fault = fault_in(lambda: tables.frame(schemas.USER_ENROLMENTS))

    assert "reading table sunbird_courses.user_enrolments: file " in fault
    assert re.search(
        "/bad.jsonl has a (line that is not a JSON object|value that does not fit its column's type); ", fault
    )


MISFITS: list[tuple[str, object]] = [
    ("userid", 7),
    ("userid", True),
    ("userid", ["u-1"]),
    ("userid", {"id": "u-1"}),
    ("enrolleddate", 1598363154150),
    ("active", "true"),
    ("active", 1),
    ("active", []),
    ("completedon", "2020-08-27T13:45:54.150"),
    ("completedon", "2020-08-27"),
    ("completedon", "2020-02-30T13:45:54Z"),
    ("completedon", "2020-08-27T25:45:54Z"),
    ("completedon", "yesterday"),
    ("completedon", ""),
    ("completedon", 1598363154150),
    ("completedon", 1598363154.15),
    ("completedon", True),
    ("completedon", {"$date": "2020-08-27T13:45:54Z"}),
    ("contentstatus", []),
    ("contentstatus", "{}"),
    ("contentstatus", {"do_a": "2"}),
    ("contentstatus", {"do_a": 2.5}),
    ("contentstatus", {"do_a": 2**31}),
    ("contentstatus", {"do_a": {}}),
    ("certificates", {"name": "Course"}),
    ("certificates", "[]"),
    ("certificates", ["Course"]),
]


@pytest.mark.parametrize(("column", "value"), MISFITS, ids=[f"{column} {value!r}" for column, value in MISFITS])
def test_value_of_another_type_names_its_file(
    tables: SnapshotTables, tmp_path: Path, column: str, value: object
) -> None:
    write_lines(tmp_path, schemas.USER_ENROLMENTS, ENROLMENT, {**ENROLMENT, column: value}, name="bad.jsonl")

    fault = fault_in(lambda: tables.frame(schemas.USER_ENROLMENTS))

    assert "/bad.jsonl has a value that does not fit its column's type; mend the file" in fault


def test_wrong_types_of_the_other_kinds_of_column_name_their_file(tables: SnapshotTables, tmp_path: Path) -> None:
    attempt = {"user_id": "u", "course_id": "c", "batch_id": "b", "content_id": "d", "attempt_id": "1"}
    cases: list[tuple[Table, dict[str, Any]]] = [
        (schemas.ASSESSMENT_AGGREGATOR, {**attempt, "total_score": "7"}),
        (schemas.ASSESSMENT_AGGREGATOR, {**attempt, "total_score": True}),
        (schemas.ASSESSMENT_AGGREGATOR, {**attempt, "total_score": []}),
        (schemas.USER_ACTIVITY_AGG, {"activity_type": "Course", "aggregates": {"completedCount": "many"}}),
        (schemas.USER_ACTIVITY_AGG, {"activity_type": "Course", "aggregates": [1.0]}),
        (schemas.USER, {"id": "u", "locationids": "s-1"}),
        (schemas.USER, {"id": "u", "locationids": {"s": 1}}),
        (schemas.USER, {"id": "u", "locationids": [7]}),
        (schemas.USER, {"id": "u", "profilelocation": [{"id": "s-1"}]}),
        (schemas.USER, {"id": "u", "locationids": ["s-1", 7]}),
        (schemas.USER, {"id": "u", "locationids": [["s-1"]]}),
        (schemas.USER, {"id": "u", "locationids": [True]}),
        (schemas.USER, {"id": "u", "locationids": [{"id": "s-1"}]}),
        (schemas.ORGANISATION, {"id": "o", "organisationtype": {"type": 2}}),
        (schemas.ORGANISATION, {"id": "o", "organisationtype": True}),
        (schemas.ORGANISATION, {"id": "o", "organisationtype": 2.5}),
    ]
    sound = []
    for table, line in cases:
        write_lines(tmp_path, table, line)
        try:
            tables.frame(table).collect()
            sound.append(line)
        except SPARK_FAILURES as error:
            assert "/part-0.jsonl has a value that does not fit" in str(fault_of(error, Settings()))

    assert sound == []


def test_fault_tells_nothing_of_the_row(tables: SnapshotTables, tmp_path: Path) -> None:
    write_lines(tmp_path, schemas.USER, {"id": "u", "firstname": "Canary", "isdeleted": "Canary"})

    assert "Canary" not in fault_in(lambda: tables.frame(schemas.USER))


@pytest.mark.parametrize(
    ("table", "column", "expression", "found"),
    [
        (schemas.USER_ENROLMENTS, "active", "'true'", "BINARY"),
        (schemas.USER_ENROLMENTS, "enrolleddate", "7L", "INT64"),
        (schemas.USER_ENROLMENTS, "completedon", "'2020-08-27'", "BINARY"),
        (schemas.ASSESSMENT_AGGREGATOR, "total_score", "'7'", "BINARY"),
        (schemas.ORGANISATION, "organisationtype", "2.5D", "DOUBLE"),
    ],
)
def test_parquet_column_of_another_type_names_file_and_column(
    spark: SparkSession, tables: SnapshotTables, tmp_path: Path, table: Table, column: str, expression: str, found: str
) -> None:
    keys = [f"'k' AS {name}" for name in table.key]
    spark.range(1).selectExpr(*keys, f"{expression} AS {column}").write.parquet(f"file://{folder_of(tmp_path, table)}")

    fault = fault_in(lambda: tables.frame(table))

    assert str(folder_of(tmp_path, table)) in fault
    assert f"column {column} is {found}, expected" in fault


def test_damaged_parquet_file_is_an_error(tables: SnapshotTables, tmp_path: Path) -> None:
    folder = folder_of(tmp_path, schemas.LOCATION)
    folder.mkdir()
    (folder / "part-0.parquet").write_bytes(b"PAR1 no footer")

    with pytest.raises(DataShapeError, match=r"part-0.parquet: it is no whole Parquet file; mend the file"):
        tables.frame(schemas.LOCATION)
