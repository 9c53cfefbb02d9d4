"""Parquet files whose columns do not fit, or that lack one, are named."""

from __future__ import annotations

from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from progress_exhaust.errors import DataShapeError
from progress_exhaust.tables import schemas
from progress_exhaust.tables.schemas import Table
from progress_exhaust.tables.snapshot import SnapshotTables
from tests.support.snapshot_folder import (
    NAMES,
    absent_columns,
    folder_of,
    read,
    write_lines,
    write_parquet,
    write_with_duckdb,
)


@pytest.mark.rule("D1")
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


@pytest.mark.rule("D2", "D4")
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


@pytest.mark.rule("D2", "D4")
def test_columns_that_some_file_lacks_are_told_and_read_as_null(
    spark: SparkSession, tables: SnapshotTables, tmp_path: Path
) -> None:
    write_parquet(spark, tmp_path, schemas.LOCATION, "a.parquet", {"type": "'state'", "name": "'One'"}, drop="parentid")
    write_parquet(spark, tmp_path, schemas.LOCATION, "b.parquet", {"type": "'state'"}, drop="name")
    write_lines(tmp_path, schemas.COURSE_BATCH, {"courseid": "c", "batchid": "b"})

    assert absent_columns(tables, schemas.LOCATION) == ("name", "parentid")
    assert absent_columns(tables, schemas.COURSE_BATCH) == ()
    assert tables.look_at(schemas.ORGANISATION) is None
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
