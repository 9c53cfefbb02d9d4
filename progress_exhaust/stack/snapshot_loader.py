"""Loads a snapshot folder into the tables of a node that `CassandraNode` has started.

Rows go in unlogged batches across partitions. On one node that costs nothing, since all partitions are its own, and is
about seven times as fast as row by row (10,000 rows a second on two cores); the node's settings allow such batches.
"""

from __future__ import annotations

import json
import struct
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cassandra import DriverException
from cassandra.cluster import ResponseFuture, Session
from cassandra.query import UNSET_VALUE, BatchStatement, BatchType, PreparedStatement
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from progress_exhaust.errors import DataShapeError, SourceError
from progress_exhaust.stack.cql_values import ConversionError, Converter, converter

_BATCH_ROWS = 100
_BATCH_CHARACTERS = 512 * 1024
_BATCHES_UNDER_WAY = 8
_INSTANT = "yyyy-MM-dd'T'HH:mm:ss.SSSSSSXXX"


@dataclass(frozen=True)
class _Line:
    """One row as JSON text, and the file it stands in."""

    text: str
    file: Path


@dataclass(frozen=True)
class _Target:
    """One table to fill: its INSERT, and the conversion of each of its columns in the INSERT's order."""

    insert: PreparedStatement
    columns: dict[str, Converter]
    key: frozenset[str]

    def values(self, line: _Line) -> list[Any] | None:
        """Return what to bind, or None for a row with a key part that is null or empty: Cassandra has no such row."""
        row = _json_object(line)
        if any(row.get(name) in (None, "") for name in self.key):
            return None
        values = []
        for name, convert in self.columns.items():
            try:
                value = convert(row.get(name))
            except ConversionError as misfit:
                raise DataShapeError("loading", object=str(line.file), got=f"column {name}: {misfit}") from None
            # A bound null would leave a tombstone.
            values.append(UNSET_VALUE if value is None else value)
        return values


def load_snapshot(
    session: Session,
    snapshot_dir: Path,
    *,
    spark: SparkSession | None = None,
    keyspaces: Mapping[str, str] | None = None,
) -> dict[str, int]:
    """Write all tables of a snapshot to Cassandra, over the rows that are there.

    Columns that a table does not have are left out, as are rows without a whole key.

    Args:
        session: that of a role that may write.
        snapshot_dir: folder with one sub-folder `<keyspace>.<table>` for each table.
        spark: reads Parquet files; not needed for JSON lines.
        keyspaces: the keyspace to write to for a keyspace of the snapshot; those not named keep their name.

    Returns:
        The rows written by `<keyspace>.<table>`, as the snapshot names it.

    Raises:
        DataShapeError: the snapshot has a table that Cassandra lacks, or a value that does not fit its column.
        SourceError: the snapshot can not be read, or Cassandra does not take a row.
    """
    if not snapshot_dir.is_dir():
        raise SourceError("loading", object=f"the snapshot {snapshot_dir}", got="no such folder")
    folders = sorted(folder for folder in snapshot_dir.iterdir() if folder.is_dir() and "." in folder.name.strip("."))
    return {folder.name: _load_table(session, folder, spark, keyspaces or {}) for folder in folders}


def holds_parquet(snapshot_dir: Path) -> bool:
    """Return whether a snapshot has to be read by Spark."""
    return next(snapshot_dir.glob("*/**/*.parquet"), None) is not None


def _load_table(session: Session, folder: Path, spark: SparkSession | None, keyspaces: Mapping[str, str]) -> int:
    keyspace, table = folder.name.split(".", 1)
    target = _target(session, keyspaces.get(keyspace, keyspace), table)
    under_way: deque[ResponseFuture] = deque()
    rows = 0
    try:
        for batch in _batches(target, _lines(folder, spark)):
            rows += len(batch)
            under_way.append(session.execute_async(batch))
            if len(under_way) >= _BATCHES_UNDER_WAY:
                under_way.popleft().result()
        for future in under_way:
            future.result()
    except DriverException as error:
        raise SourceError("loading", object=f"{folder.name} into Cassandra", got=str(error)[:300]) from None
    return rows


def _target(session: Session, keyspace: str, table: str) -> _Target:
    known = session.cluster.metadata.keyspaces.get(keyspace)
    if known is None or table not in known.tables:
        raise DataShapeError(
            "loading",
            object=f"table {keyspace}.{table}",
            got="Cassandra has no such table",
            remedy="expected one of the schema",
        )
    names = list(known.tables[table].columns)
    columns = ", ".join(f'"{name}"' for name in names)
    insert = session.prepare(f'INSERT INTO "{keyspace}"."{table}" ({columns}) VALUES ({", ".join("?" for _ in names)})')
    return _Target(
        insert,
        {column.name: converter(column.type) for column in insert.column_metadata},
        frozenset(column.name for column in known.tables[table].primary_key),
    )


def _batches(target: _Target, lines: Iterator[_Line]) -> Iterator[BatchStatement]:
    batch = BatchStatement(BatchType.UNLOGGED)
    characters = 0
    for line in lines:
        values = target.values(line)
        if values is None:
            continue
        try:
            batch.add(target.insert, values)
        except (TypeError, ValueError, struct.error) as error:
            raise DataShapeError(
                "loading", object=str(line.file), got=f"a value can not be written: {type(error).__name__}"
            ) from None
        characters += len(line.text)
        if len(batch) >= _BATCH_ROWS or characters > _BATCH_CHARACTERS:
            yield batch
            batch, characters = BatchStatement(BatchType.UNLOGGED), 0
    if len(batch):
        yield batch


def _lines(folder: Path, spark: SparkSession | None) -> Iterator[_Line]:
    for file in sorted(folder.glob("*.jsonl")):
        try:
            with file.open(encoding="utf-8", newline="\n") as lines:
                yield from (_Line(text, file) for text in lines if text.strip())
        except (OSError, UnicodeDecodeError) as error:
            raise SourceError("loading", object=str(file), got=str(error)) from None
    if next(folder.glob("**/*.parquet"), None) is None:
        return
    if spark is None:
        raise SourceError(
            "loading",
            object=str(folder),
            got="it holds Parquet, which Spark has to read",
            remedy="give a Spark session",
        )
    frame = spark.read.option("recursiveFileLookup", "true").option("pathGlobFilter", "*.parquet").parquet(str(folder))
    # As JSON lines, rows of both kinds of file take one way, and no session's time zone gets into the timestamps.
    as_text = frame.select(F.to_json(F.struct("*"), {"timestampFormat": _INSTANT}).alias("line"))
    yield from (_Line(row.line, folder) for row in as_text.toLocalIterator(prefetchPartitions=True))


def _json_object(line: _Line) -> dict[str, Any]:
    try:
        row = json.loads(line.text)
    except ValueError:
        row = None
    if not isinstance(row, dict):
        raise DataShapeError("loading", object=str(line.file), got="a line is not a JSON object")
    return row
