"""JSON lines that do not fit name their file, line and column."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession

from progress_exhaust.errors import DataShapeError
from progress_exhaust.export.spark_errors import SPARK_FAILURES, classify
from progress_exhaust.settings.load import load
from progress_exhaust.settings.sections import Settings
from progress_exhaust.tables import schemas
from progress_exhaust.tables.schemas import Table
from progress_exhaust.tables.snapshot import SnapshotTables
from tests.support.snapshot_folder import ENROLMENT, folder_of, write_lines, write_parquet


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


@pytest.mark.rule("D5")
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
