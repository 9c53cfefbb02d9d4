"""What is missing in the snapshot folder, and what would not be read there."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from progress_exhaust.errors import DataShapeError, SourceError
from progress_exhaust.settings.load import load
from progress_exhaust.settings.sections import ReadBy
from progress_exhaust.tables import schemas
from progress_exhaust.tables.schemas import USER, Table
from progress_exhaust.tables.snapshot import SnapshotTables
from progress_exhaust.tables.strategy import LookupKeyCount, ReadStrategy
from tests.support.snapshot_folder import NAMES, folder_of, read, write_lines, write_parquet
from tests.support.tables_contract import rows_of_keys


@pytest.mark.rule("D2")
@pytest.mark.parametrize(
    "table", [table for table in schemas.INPUT_TABLES if table.may_be_missing], ids=lambda t: t.setting
)
def test_optional_table_that_is_missing_counts_as_empty(tables: SnapshotTables, table: Table) -> None:
    frame = tables.frame(table)

    assert not tables.exists(table)
    assert frame.dtypes == [(field.name, field.dataType.simpleString()) for field in table.columns]
    assert frame.isEmpty()


@pytest.mark.rule("D2")
@pytest.mark.parametrize(
    "table", [table for table in schemas.INPUT_TABLES if not table.may_be_missing], ids=lambda t: t.setting
)
def test_other_table_that_is_missing_is_named(tables: SnapshotTables, table: Table) -> None:
    with pytest.raises(DataShapeError, match=f"reading table {NAMES[table.setting]}: the snapshot has no folder"):
        tables.frame(table)


@pytest.mark.rule("D3")
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
    assert tables.reading(USER, LookupKeyCount(2)) == ReadStrategy(ReadBy.SCAN, "files have no keys to read by")


def test_snapshot_that_is_missing_is_named(tables: SnapshotTables, tmp_path: Path) -> None:
    tables.check()
    tmp_path.rmdir()

    with pytest.raises(SourceError, match=f"reading the snapshot {tmp_path}: no such folder"):
        tables.check()


@pytest.mark.rule("D3")
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


@pytest.mark.rule("D3")
def test_hidden_names_beside_the_rows_do_not_matter(
    tables: SnapshotTables, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, logger="progress_exhaust.tables")
    write_lines(tmp_path, schemas.LOCATION, {"id": "s-1"})
    for hidden in ("_SUCCESS", ".part-0.jsonl.crc", "_old.jsonl", ".new.jsonl"):
        (folder_of(tmp_path, schemas.LOCATION) / hidden).write_text("nothing\n", encoding="utf-8")
    (folder_of(tmp_path, schemas.LOCATION) / "_temporary").mkdir()

    assert [row.id for row in read(tables.frame(schemas.LOCATION))] == ["s-1"]
    [told] = caplog.records
    assert (told.levelname, vars(told)["action"]) == ("DEBUG", "snapshot_files_skipped")
    # Hadoop's own local file system does not list the side file of a checksum.
    assert told.getMessage().endswith(": 4 hidden files are not read")


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


@pytest.mark.rule("D3")
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


@pytest.mark.rule("D5")
def test_key_that_a_line_lacks_is_null(tables: SnapshotTables, tmp_path: Path) -> None:
    write_lines(tmp_path, schemas.LOCATION, {"type": "state"}, {"id": "s-1"})

    assert [row.id for row in read(tables.frame(schemas.LOCATION))] == [None, "s-1"]
