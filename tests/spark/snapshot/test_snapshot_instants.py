"""Instants in Parquet of any writer are read as what they are; a damaged file is an error."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from progress_exhaust.errors import DataShapeError
from progress_exhaust.tables import schemas
from progress_exhaust.tables.snapshot import SnapshotTables
from tests.support.snapshot_folder import folder_of, read, write_parquet, write_with_duckdb

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


def attempts_at(moments: Sequence[datetime], kind: str, more: str = "") -> str:
    """A query of DuckDB: one attempt a moment."""
    ids = "'u' AS user_id, 'c' AS course_id, 'b' AS batch_id, 'd' AS content_id"
    rows = ", ".join(f"('{place}', '{moment.isoformat()[:26]}{more}')" for place, moment in enumerate(moments))
    return f"SELECT {ids}, attempt_id, text::{kind} AS last_attempted_on FROM (VALUES {rows}) AS t (attempt_id, text)"


def moments_of(tables: SnapshotTables) -> list[datetime]:
    rows = read(tables.frame(schemas.ASSESSMENT_AGGREGATOR))
    return [row.last_attempted_on for row in sorted(rows, key=lambda row: str(row.attempt_id))]


@pytest.mark.rule("D4")
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


@pytest.mark.rule("D4")
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


@pytest.mark.rule("D4")
def test_files_of_one_folder_may_hold_instants_in_different_units(
    spark: SparkSession, tables: SnapshotTables, tmp_path: Path
) -> None:
    table = schemas.ASSESSMENT_AGGREGATOR
    moment = datetime(2020, 8, 25, 13, 45, 54, 150_000)
    for kind in ("TIMESTAMP", "TIMESTAMP_NS", "TIMESTAMP_MS"):
        write_with_duckdb(tmp_path, table, attempts_at([moment], kind), f"{kind} [1], {{2}}.parquet")
    write_parquet(spark, tmp_path, table, "spark.parquet", {"last_attempted_on": "TIMESTAMP'2020-08-25 13:45:54.15Z'"})

    assert moments_of(tables) == [moment.replace(tzinfo=UTC)] * 4


@pytest.mark.rule("D4")
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
