"""A snapshot folder for a test: how its files are written, and how its tables are read."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
from pyspark.sql import DataFrame, Row, SparkSession
from pyspark.sql import functions as F

from progress_exhaust.settings.sections import Settings
from progress_exhaust.tables.schemas import Table, table_names
from progress_exhaust.tables.snapshot import SnapshotTables

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


def folder_of(snapshot: Path, table: Table) -> Path:
    return snapshot / NAMES[table.setting]


def write_lines(snapshot: Path, table: Table, *lines: str | dict[str, Any], name: str = "part-0.jsonl") -> None:
    folder = folder_of(snapshot, table)
    folder.mkdir(exist_ok=True)
    texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
    (folder / name).write_text("".join(f"{text}\n" for text in texts), encoding="utf-8")


def absent_columns(tables: SnapshotTables, table: Table) -> tuple[str, ...]:
    found = tables.look_at(table)
    assert found is not None
    return found.absent_columns


def read(frame: DataFrame) -> list[Row]:
    """Collect a frame, its instants as what they are whatever the zone of this process."""
    rows = []
    instants = [name for name, kind in frame.dtypes if kind == "timestamp"]
    with_micros = frame.withColumns({name: F.unix_micros(name) for name in instants})
    for row in with_micros.collect():
        moments = {name: None if row[name] is None else EPOCH + timedelta(microseconds=row[name]) for name in instants}
        rows.append(Row(**(row.asDict() | moments)))
    return rows


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


def write_with_duckdb(snapshot: Path, table: Table, query: str, name: str = "duckdb.parquet") -> None:
    folder_of(snapshot, table).mkdir(exist_ok=True)
    with duckdb.connect() as session:
        session.execute("SET TimeZone = 'UTC'")
        session.execute(f"COPY ({query}) TO '{folder_of(snapshot, table)}/{name}' (FORMAT parquet)")
