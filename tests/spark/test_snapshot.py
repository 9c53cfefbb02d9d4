"""The snapshot folder: Parquet and JSON lines give the same frame, and what does not fit names its file."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
from pyspark.sql import DataFrame, Row, SparkSession
from pyspark.sql import functions as F

from progress_exhaust.errors import DataShapeError, SourceError
from progress_exhaust.export.spark_errors import SPARK_FAILURES, classify
from progress_exhaust.settings.load import load
from progress_exhaust.settings.sections import ReadBy, Settings
from progress_exhaust.tables import schemas
from progress_exhaust.tables.schemas import USER, Table, table_names
from progress_exhaust.tables.snapshot import SnapshotTables
from progress_exhaust.tables.strategy import ReadStrategy, WantedKeys
from tests.support.tables_contract import rows_of_keys

NAMES = table_names(Settings())
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
ENROLMENT = {
    "userid": "u-1",
    "courseid": "do_1",
    "batchid": "b-1",
    "active": True,
    "enrolled_date": "2020-08-25T13:45:54.150Z",
    "enrolleddate": "2020-08-25 13:45:54:150+0000",
    "completedon": "2020-08-27T19:15:54.150999+05:30",
    "contentstatus": {"do_a": 2, "do_b": None},
    "progress": 2,
    "completionpercentage": 67,
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
    progress=2,
    completionpercentage=67,
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


def read(frame: DataFrame) -> list[Row]:
    """Collect a frame, its instants as what they are whatever the zone of this process."""
    rows = []
    instants = [name for name, kind in frame.dtypes if kind == "timestamp"]
    with_micros = frame.withColumns({name: F.unix_micros(name) for name in instants})
    for row in with_micros.collect():
        moments = {name: None if row[name] is None else EPOCH + timedelta(microseconds=row[name]) for name in instants}
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
    assert read(from_lines) == read(from_parquet)
    assert read(from_lines)[0] == ENROLMENT_ROW
    empty_row = dict.fromkeys(ENROLMENT_ROW.asDict()) | keyless
    assert read(from_lines)[1] == Row(**empty_row)


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


def test_lines_that_are_empty_or_of_blanks_and_tabs_are_no_rows(tables: SnapshotTables, tmp_path: Path) -> None:
    lines = ["", '{"id":"s-1"}', " ", "\t \t", "\r", ' {"id":"s-2"} \r', ""]
    write_lines(tmp_path, schemas.LOCATION, *lines)
    write_lines(tmp_path, schemas.LOCATION, "", name="blank.jsonl")

    assert sorted(row.id for row in read(tables.frame(schemas.LOCATION))) == ["s-1", "s-2"]


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
    assert tables.reading(USER, WantedKeys(2)) == ReadStrategy(ReadBy.SCAN, "files have no keys to read by")


def test_snapshot_that_is_missing_is_named(tables: SnapshotTables, tmp_path: Path) -> None:
    tables.check()
    tmp_path.rmdir()

    with pytest.raises(SourceError, match=f"reading the snapshot {tmp_path}: no such folder"):
        tables.check()


@pytest.mark.parametrize(
    ("others", "named"),
    [
        pytest.param(["rows.jsonl.gz"], "rows.jsonl.gz", id="packed"),
        pytest.param(["rows.JSONL"], "rows.JSONL", id="other case"),
        pytest.param(["rows.jsonl._COPYING_"], "rows.jsonl._COPYING_", id="being copied"),
        pytest.param(["b.csv", "a.csv", "c.csv"], "a.csv and 2 more", id="several"),
        pytest.param(["batchid=b/"], "batchid=b", id="folder"),
        pytest.param(["rows.jsonl/"], "rows.jsonl", id="folder named like lines"),
        pytest.param(["rows.parquet/"], "rows.parquet", id="folder named like Parquet"),
    ],
)
@pytest.mark.parametrize("beside", [None, "part-0.jsonl", "part-0.parquet"])
def test_what_would_not_be_read_is_refused_by_name(
    spark: SparkSession, tables: SnapshotTables, tmp_path: Path, beside: str | None, others: list[str], named: str
) -> None:
    folder = folder_of(tmp_path, schemas.LOCATION)
    if beside == "part-0.jsonl":
        write_lines(tmp_path, schemas.LOCATION, {"id": "s-1"})
    elif beside:
        write_parquet(spark, tmp_path, schemas.LOCATION, beside, {})
    for other in others:
        place = folder / other
        if other.endswith("/"):
            place.mkdir(parents=True)
            (place / "part-0.jsonl").write_text('{"id":"s-2"}\n', encoding="utf-8")
        else:
            folder.mkdir(exist_ok=True)
            place.write_text('{"id":"s-2"}\n', encoding="utf-8")

    with pytest.raises(DataShapeError) as refused:
        tables.frame(schemas.LOCATION)

    assert str(refused.value) == (
        f"reading folder {folder}: it holds {named}, and only files *.parquet or *.jsonl are read; export the table as "
        "one of these, or take away what is none of its rows"
    )


def test_hidden_names_beside_the_rows_do_not_matter(tables: SnapshotTables, tmp_path: Path) -> None:
    write_lines(tmp_path, schemas.LOCATION, {"id": "s-1"})
    for hidden in ("_SUCCESS", ".part-0.jsonl.crc", "_old.jsonl", ".new.jsonl"):
        (folder_of(tmp_path, schemas.LOCATION) / hidden).write_text("nothing\n", encoding="utf-8")
    (folder_of(tmp_path, schemas.LOCATION) / "_temporary").mkdir()

    assert [row.id for row in read(tables.frame(schemas.LOCATION))] == ["s-1"]


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        (
            "s3a://bucket/snapshot",
            "Spark lacks the classes for s3a://; submit with --packages or --jars that bring org.",
        ),
        ("abfss://c@a.example/snapshot", "Spark lacks the classes for abfss://; submit with --packages or --jars that"),
        ("gs://bucket/snapshot", "Spark lacks the classes for gs://; submit with --packages or --jars that bring com."),
        (
            "gopher://host/snapshot",
            "Hadoop 3.3.4 has no file system for gopher://; check the URL, or submit with --jars",
        ),
    ],
)
def test_file_system_without_its_jar_is_told_with_the_jar(spark: SparkSession, url: str, sentence: str) -> None:
    chosen = load(None, {}, {"source": {"kind": "snapshot", "snapshot_dir": url}})

    with pytest.raises(SourceError) as refused:
        SnapshotTables(spark, chosen).check()

    assert str(refused.value).startswith(f"reading folder {url}: {sentence}")
    assert not refused.value.transient


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

    assert [row.id for row in read(tables.frame(schemas.LOCATION))] == [None, "s-1"]


# What does not fit.


def fault_in(frame: Callable[[], DataFrame]) -> str:
    """Return what an operator is told when the frame is read."""
    try:
        frame().collect()
    except DataShapeError as error:
        return str(error)
    except SPARK_FAILURES as error:
        fault = classify(error, Settings())
        assert isinstance(fault, DataShapeError)
        return str(fault)
    raise AssertionError("nothing was found at fault")


@pytest.mark.parametrize(
    "line",
    [
        "\u00a0",
        "\ufeff",
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

    file = f"file://{folder_of(tmp_path, schemas.USER_ENROLMENTS)}/bad.jsonl"
    assert fault == f"reading file {file}, line 2: it is not a JSON object; mend the file"


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
    ("completedon", "2020-08-27T13:45"),
    ("completedon", "2020-08-27T13Z"),
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
    ("contentstatus", {"do_a": 2, "do_b": 2**31}),
    ("contentstatus", {"do_a": 2**31 - 0.5}),
    ("contentstatus", {"do_a": 1e300}),
    ("contentstatus", {"do_a": "NaN"}),
    ("contentstatus", {"do_a": "-Infinity"}),
    ("contentstatus", {"do_a": {}}),
    ("certificates", {"name": "Course"}),
    ("certificates", "[]"),
    ("certificates", ["Course"]),
]


EXPECTED = {
    **dict.fromkeys(("userid", "enrolleddate"), "string"),
    "active": "boolean",
    "completedon": "timestamp, in ISO 8601 with its zone",
    "contentstatus": "map<string,int>",
    "certificates": "array<map<string,string>>",
}


@pytest.mark.parametrize(("column", "value"), MISFITS, ids=[f"{column} {value!r}" for column, value in MISFITS])
def test_value_of_another_type_is_told_by_file_line_and_column(
    tables: SnapshotTables, tmp_path: Path, column: str, value: object
) -> None:
    good: list[str | dict[str, Any]] = [ENROLMENT, "", {"userid": None}]
    write_lines(tmp_path, schemas.USER_ENROLMENTS, *good, {**ENROLMENT, column: value}, ENROLMENT, name="bad.jsonl")

    fault = fault_in(lambda: tables.frame(schemas.USER_ENROLMENTS))

    file = f"file://{folder_of(tmp_path, schemas.USER_ENROLMENTS)}/bad.jsonl"
    assert fault == (
        f"reading file {file}, line 4: column {column} has a value that does not fit, expected {EXPECTED[column]}; "
        "mend the file"
    )


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
            column = list(line)[-1]
            assert f"/part-0.jsonl, line 1: column {column} has a value that does not" in str(
                classify(error, Settings())
            )

    assert sound == []


@pytest.mark.parametrize("bad", [1, 2, 700, 1500, 2000])
def test_first_line_that_does_not_fit_is_told_wherever_the_file_is_cut(
    spark: SparkSession, tables: SnapshotTables, tmp_path: Path, bad: int
) -> None:
    """Parts of two kilobytes are read by different tasks, in any order; a later line does not fit either."""
    lines: list[str | dict[str, Any]] = [{"id": f"s-{number}", "name": "x" * (number % 90)} for number in range(2000)]
    lines[bad - 1] = {"id": "s-0", "name": 7}
    write_lines(tmp_path, schemas.LOCATION, *lines, "not JSON", name="odd [name] 100%.jsonl")
    spark.conf.set("spark.sql.files.maxPartitionBytes", "2000")
    try:
        fault = fault_in(lambda: tables.frame(schemas.LOCATION))
    finally:
        spark.conf.unset("spark.sql.files.maxPartitionBytes")

    file = f"file://{folder_of(tmp_path, schemas.LOCATION)}/odd [name] 100%.jsonl"
    assert fault == (
        f"reading file {file}, line {bad}: column name has a value that does not fit, expected string; mend the file"
    )


@pytest.mark.parametrize("name", ["may reports #1 50%20 é?", "tables[1]", "tables{a,b}*", "tables:1"])
def test_snapshot_is_read_from_a_folder_of_any_name(spark: SparkSession, tmp_path: Path, name: str) -> None:
    """Others stand beside it that the name would mean, were it a pattern."""
    for folder in ("tables1", "tablesa", "tables", name):
        (tmp_path / folder).mkdir()
        write_lines(tmp_path / folder, schemas.LOCATION, {"id": folder})
        for file, copies in (("a.parquet", "2"), ("b.parquet", "3")):
            write_parquet(spark, tmp_path / folder, schemas.ORGANISATION, file, {"id": f"'{folder} {copies}'"})
        write_lines(tmp_path / folder, schemas.USER, "not JSON")
    tables = SnapshotTables(
        spark, load(None, {}, {"source": {"kind": "snapshot", "snapshot_dir": f"{tmp_path}/{name}"}})
    )

    assert [row.id for row in tables.frame(schemas.LOCATION).collect()] == [name]
    assert {row.id for row in tables.frame(schemas.ORGANISATION).collect()} == {f"{name} 2", f"{name} 3"}
    fault = fault_in(lambda: tables.frame(schemas.USER))
    file = f"file://{folder_of(tmp_path / name, schemas.USER)}/part-0.jsonl"
    assert fault == f"reading file {file}, line 1: it is not a JSON object; mend the file"


def test_line_that_is_mended_before_it_is_looked_for_is_told_by_its_file(
    tables: SnapshotTables, tmp_path: Path
) -> None:
    write_lines(tmp_path, schemas.LOCATION, "not JSON")
    with pytest.raises(SPARK_FAILURES) as raised:
        tables.frame(schemas.LOCATION).collect()
    write_lines(tmp_path, schemas.LOCATION, {"id": "s-1"})

    fault = str(classify(raised.value, Settings()))

    assert "/part-0.jsonl: a line is not a JSON object, or has a value that does not fit its column; mend" in fault


def test_fault_tells_nothing_of_the_row(tables: SnapshotTables, tmp_path: Path) -> None:
    write_lines(tmp_path, schemas.USER, {"id": "u", "firstname": "Canary", "isdeleted": "Canary"})

    assert "Canary" not in fault_in(lambda: tables.frame(schemas.USER))


@pytest.mark.parametrize(
    ("table", "column", "expression", "found"),
    [
        (schemas.USER_ENROLMENTS, "userid", "7", "int"),
        (schemas.USER_ENROLMENTS, "active", "'true'", "string"),
        (schemas.USER_ENROLMENTS, "enrolleddate", "7L", "bigint"),
        (schemas.USER_ENROLMENTS, "completedon", "'2020-08-27'", "string"),
        (schemas.USER_ENROLMENTS, "completedon", "DATE'2020-08-27'", "date"),
        (schemas.USER_ENROLMENTS, "completedon", "1598363154150L", "bigint"),
        (schemas.USER_ENROLMENTS, "contentstatus", "named_struct('do_canary', 2)", "struct"),
        (schemas.USER_ENROLMENTS, "contentstatus", "map('do_a', 2L)", "map<string,bigint>"),
        (schemas.USER_ENROLMENTS, "contentstatus", "map('do_a', DATE'2020-08-27')", "map<string,date>"),
        (schemas.USER_ENROLMENTS, "contentstatus", "map(1, 2)", "map<int,int>"),
        (schemas.USER_ENROLMENTS, "contentstatus", "array(named_struct('key', 'do_a', 'value', 2))", "array<struct>"),
        (schemas.USER_ENROLMENTS, "contentstatus", "'{}'", "string"),
        (schemas.USER_ENROLMENTS, "certificates", "array('a')", "array<string>"),
        (schemas.USER_ENROLMENTS, "certificates", "array(named_struct('canary', 'a'))", "array<struct>"),
        (schemas.USER_ENROLMENTS, "certificates", "map('name', 'Course')", "map<string,string>"),
        (schemas.USER_ACTIVITY_AGG, "aggregates", "map('completedCount', 2)", "map<string,int>"),
        (schemas.ASSESSMENT_AGGREGATOR, "total_score", "'7'", "string"),
        (schemas.ASSESSMENT_AGGREGATOR, "total_score", "CAST(7 AS DECIMAL(10, 2))", "decimal(10,2)"),
        (schemas.ASSESSMENT_AGGREGATOR, "last_attempted_on", "map('a', 2)", "map<string,int>"),
        (schemas.USER, "locationids", "array(7)", "array<int>"),
        (schemas.USER, "locationids", "named_struct('list', 's-1')", "struct"),
        (schemas.USER, "firstname", "CAST('a' AS BINARY)", None),
        (schemas.ORGANISATION, "organisationtype", "2.5D", "double"),
        (schemas.ORGANISATION, "organisationtype", "DATE'2020-08-27'", "date"),
    ],
)
@pytest.mark.parametrize("is_in_first", [True, False], ids=["the first file", "another file"])
def test_parquet_column_of_another_type_names_file_and_column(
    spark: SparkSession,
    tables: SnapshotTables,
    tmp_path: Path,
    table: Table,
    column: str,
    expression: str,
    found: str | None,
    is_in_first: bool,
) -> None:
    """Before a job runs, and whichever file of the folder it is in. Bytes without a mark are text, as ever."""
    bad, good = ("a.parquet", "b.parquet") if is_in_first else ("b.parquet", "a.parquet")
    write_parquet(spark, tmp_path, table, good, {})
    write_parquet(spark, tmp_path, table, bad, {column: expression})
    if found is None:
        assert tables.frame(table).count() == 2
        return

    with pytest.raises(DataShapeError) as refused:
        tables.frame(table)

    expected = table.columns[column].dataType.simpleString()
    file = f"{folder_of(tmp_path, table)}/{bad}"
    assert str(refused.value) == f"reading file {file}: column {column} is {found}, expected {expected}; mend the file"


def write_parquet(
    spark: SparkSession, snapshot: Path, table: Table, name: str, expressions: dict[str, str], *, drop: str = ""
) -> None:
    """Write one file with one row: a key, nulls of the right type, and what the expressions say."""
    columns = {
        field.name: "'k'" if field.name in table.key else f"CAST(NULL AS {field.dataType.simpleString()})"
        for field in table.columns
        if field.name != drop
    } | expressions
    scratch = snapshot / "scratch"
    frame = spark.range(1).selectExpr(*(f"{expression} AS {column}" for column, expression in columns.items()))
    frame.coalesce(1).write.mode("overwrite").parquet(f"file://{scratch}")
    (part,) = scratch.glob("*.parquet")
    folder_of(snapshot, table).mkdir(exist_ok=True)
    part.rename(folder_of(snapshot, table) / name)
    shutil.rmtree(scratch)


def test_all_columns_of_a_file_that_do_not_fit_are_told_at_once(
    spark: SparkSession, tables: SnapshotTables, tmp_path: Path
) -> None:
    write_parquet(spark, tmp_path, schemas.LOCATION, "a.parquet", {"type": "7", "parentid": "true"})

    with pytest.raises(DataShapeError, match="column type is int, expected string, column parentid is boolean, exp"):
        tables.frame(schemas.LOCATION)


def test_type_that_spark_does_not_know_is_told_by_its_column(tables: SnapshotTables, tmp_path: Path) -> None:
    write_with_duckdb(tmp_path, schemas.LOCATION, "SELECT uuid() AS id, 'state' AS type")

    with pytest.raises(DataShapeError, match="column id is of a type that Spark does not read, expected string; mend"):
        tables.frame(schemas.LOCATION)


@pytest.mark.parametrize(
    ("table", "column"),
    [(table, column) for table in schemas.INPUT_TABLES for column in (*table.key, *table.required)],
    ids=lambda value: value if isinstance(value, str) else value.setting,
)
def test_column_that_must_be_there_is_missed_in_any_file(
    spark: SparkSession, tables: SnapshotTables, tmp_path: Path, table: Table, column: str
) -> None:
    write_parquet(spark, tmp_path, table, "a.parquet", {})
    write_parquet(spark, tmp_path, table, "b.parquet", {}, drop=column)

    with pytest.raises(DataShapeError) as refused:
        tables.frame(table)

    file = f"{folder_of(tmp_path, table)}/b.parquet"
    follows = {"active": ", so no row is kept", "contentstatus": ", so Progress comes from counters alone"}
    assert str(refused.value) == (
        f'reading table {NAMES[table.setting]}: columns missing: ["{column}"] in {file}{follows.get(column, "")}; '
        "was the table altered?"
    )


def test_columns_that_some_file_lacks_are_told_and_read_as_null(
    spark: SparkSession, tables: SnapshotTables, tmp_path: Path
) -> None:
    write_parquet(spark, tmp_path, schemas.LOCATION, "a.parquet", {"type": "'state'", "name": "'One'"}, drop="parentid")
    write_parquet(spark, tmp_path, schemas.LOCATION, "b.parquet", {"type": "'state'"}, drop="name")
    write_lines(tmp_path, schemas.COURSE_BATCH, {"courseid": "c", "batchid": "b"})

    assert tables.absent_columns(schemas.LOCATION) == ("name", "parentid")
    assert tables.absent_columns(schemas.COURSE_BATCH) == ()
    assert tables.absent_columns(schemas.ORGANISATION) == ()
    assert sorted(row.name or "" for row in read(tables.frame(schemas.LOCATION))) == ["", "One"]


def test_every_absent_column_and_table_says_what_follows() -> None:
    for table in schemas.INPUT_TABLES:
        assert table.if_absent.keys() == set(table.columns.fieldNames()) - set(table.key)
    assert {table.setting for table in schemas.INPUT_TABLES if not table.may_be_missing} == {
        *("user_enrolments", "course_batch", "user", "location")
    }


def test_file_that_is_replaced_is_looked_at_anew(spark: SparkSession, tables: SnapshotTables, tmp_path: Path) -> None:
    write_parquet(spark, tmp_path, schemas.LOCATION, "a.parquet", {})
    tables.frame(schemas.LOCATION)
    write_parquet(spark, tmp_path, schemas.LOCATION, "a.parquet", {"name": "array('a', 'b', 'c')"})

    with pytest.raises(DataShapeError, match="column name is array<string>"):
        tables.frame(schemas.LOCATION)


# Instants in Parquet.

MOMENTS = (
    datetime(2020, 8, 25, 13, 45, 54, 150_999, UTC),
    datetime(1969, 12, 31, 23, 59, 59, 999_999, UTC),
    datetime(1899, 12, 31, 18, 29, 59, 1, UTC),
    datetime(1677, 9, 22, 0, 0, 0, 1, UTC),
)
ANCIENT = (
    *MOMENTS,
    datetime(1582, 10, 15, tzinfo=UTC),
    datetime(1582, 10, 14, 23, 59, 59, 999_999, UTC),
    datetime(1500, 2, 28, 1, 2, 3, 4, UTC),
    datetime(1, 1, 1, tzinfo=UTC),
)

IN_MILLISECONDS = tuple(moment.replace(microsecond=moment.microsecond // 1000 * 1000) for moment in ANCIENT)


def write_with_duckdb(snapshot: Path, table: Table, query: str, name: str = "duckdb.parquet") -> None:
    folder_of(snapshot, table).mkdir(exist_ok=True)
    with duckdb.connect() as session:
        session.execute("SET TimeZone = 'UTC'")
        session.execute(f"COPY ({query}) TO '{folder_of(snapshot, table)}/{name}' (FORMAT parquet)")


def attempts_at(moments: Sequence[datetime], kind: str, more: str = "") -> str:
    """A query of DuckDB: one attempt a moment."""
    ids = "'u' AS user_id, 'c' AS course_id, 'b' AS batch_id, 'd' AS content_id"
    rows = ", ".join(f"('{place}', '{moment.isoformat()[:26]}{more}')" for place, moment in enumerate(moments))
    return f"SELECT {ids}, attempt_id, text::{kind} AS last_attempted_on FROM (VALUES {rows}) AS t (attempt_id, text)"


def moments_of(tables: SnapshotTables) -> list[datetime]:
    rows = read(tables.frame(schemas.ASSESSMENT_AGGREGATOR))
    return [row.last_attempted_on for row in sorted(rows, key=lambda row: str(row.attempt_id))]


@pytest.mark.parametrize(
    ("kind", "moments"),
    [
        pytest.param("TIMESTAMP", ANCIENT, id="microseconds without a zone"),
        pytest.param("TIMESTAMPTZ", ANCIENT, id="microseconds in UTC"),
        pytest.param("TIMESTAMP_MS", IN_MILLISECONDS, id="milliseconds"),
        pytest.param("TIMESTAMP_NS", MOMENTS, id="nanoseconds"),
    ],
)
@pytest.mark.parametrize("zone", ["UTC", "Asia/Kolkata"])
def test_instant_in_parquet_of_another_tool_is_read_as_it_is(
    spark: SparkSession,
    tables: SnapshotTables,
    tmp_path: Path,
    kind: str,
    moments: Sequence[datetime],
    zone: str,
) -> None:
    """Without a zone it is UTC, whatever the zone of the reports."""
    offset = "+00" if kind == "TIMESTAMPTZ" else ""
    write_with_duckdb(
        tmp_path, schemas.ASSESSMENT_AGGREGATOR, attempts_at([m.replace(tzinfo=None) for m in moments], kind, offset)
    )
    spark.conf.set("spark.sql.session.timeZone", zone)
    assert moments_of(tables) == list(moments)


def test_nanoseconds_are_cut_to_microseconds(tables: SnapshotTables, tmp_path: Path) -> None:
    texts = ["2020-08-25 13:45:54.150000999", "1969-12-31 23:59:59.999999999", "1900-01-01 00:00:00.000001001"]
    rows = ", ".join(f"('{place}', TIMESTAMP_NS '{text}')" for place, text in enumerate(texts))
    ids = "'u' AS user_id, 'c' AS course_id, 'b' AS batch_id, 'd' AS content_id"
    query = f"SELECT {ids}, * FROM (VALUES {rows}, ('9', NULL)) AS t (attempt_id, last_attempted_on)"
    write_with_duckdb(tmp_path, schemas.ASSESSMENT_AGGREGATOR, query)

    assert moments_of(tables) == [
        datetime(2020, 8, 25, 13, 45, 54, 150_000, UTC),
        datetime(1969, 12, 31, 23, 59, 59, 999_999, UTC),
        datetime(1900, 1, 1, 0, 0, 0, 1, UTC),
        None,
    ]


def test_files_of_one_folder_may_hold_instants_in_different_units(
    spark: SparkSession, tables: SnapshotTables, tmp_path: Path
) -> None:
    table = schemas.ASSESSMENT_AGGREGATOR
    moment = datetime(2020, 8, 25, 13, 45, 54, 150_000)
    for kind in ("TIMESTAMP", "TIMESTAMP_NS", "TIMESTAMP_MS"):
        write_with_duckdb(tmp_path, table, attempts_at([moment], kind), f"{kind} [1], {{2}}.parquet")
    write_parquet(spark, tmp_path, table, "spark.parquet", {"last_attempted_on": "TIMESTAMP'2020-08-25 13:45:54.15Z'"})

    assert moments_of(tables) == [moment.replace(tzinfo=UTC)] * 4


@pytest.mark.parametrize("mode", ["CORRECTED", "LEGACY"])
@pytest.mark.parametrize("unit", ["INT96", "TIMESTAMP_MICROS", "TIMESTAMP_MILLIS"])
def test_instant_that_spark_has_written_is_read_as_it_was_meant(
    spark: SparkSession, tables: SnapshotTables, tmp_path: Path, unit: str, mode: str
) -> None:
    """Spark notes in a file where it has moved instants to the calendar of old, which lacks ten days of 1582."""
    moments = [moment for moment in IN_MILLISECONDS if mode == "CORRECTED" or (moment.year, moment.day) != (1582, 14)]
    texts = [f"TIMESTAMP'{moment.replace(tzinfo=None).isoformat()}Z'" for moment in moments]
    options = {
        "spark.sql.parquet.outputTimestampType": unit,
        "spark.sql.parquet.int96RebaseModeInWrite": mode,
        "spark.sql.parquet.datetimeRebaseModeInWrite": mode,
    }
    before = {name: str(spark.conf.get(name)) for name in options}
    for name, value in options.items():
        spark.conf.set(name, value)
    try:
        for place, text in enumerate(texts):
            values = {"attempt_id": f"'{place}'", "last_attempted_on": text}
            write_parquet(spark, tmp_path, schemas.ASSESSMENT_AGGREGATOR, f"{place}.parquet", values)
    finally:
        for name, value in before.items():
            spark.conf.set(name, value)

    assert moments_of(tables) == moments


def test_damaged_parquet_file_is_an_error(tables: SnapshotTables, tmp_path: Path) -> None:
    folder = folder_of(tmp_path, schemas.LOCATION)
    folder.mkdir()
    (folder / "part-0.parquet").write_bytes(b"PAR1 no footer")

    with pytest.raises(DataShapeError, match=r"part-0.parquet: it is no whole Parquet file; mend the file"):
        tables.frame(schemas.LOCATION)
