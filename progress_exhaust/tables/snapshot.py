"""The input tables as a folder of files: one sub-folder a table, holding Parquet or JSON lines."""

from __future__ import annotations

import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any
from urllib.parse import unquote

from py4j.protocol import Py4JError, Py4JJavaError
from pyspark import SparkContext
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession

from progress_exhaust.errors import DataShapeError, SourceError
from progress_exhaust.file_systems import first_line
from progress_exhaust.paths import name_pattern
from progress_exhaust.settings.sections import ReadBy, Settings
from progress_exhaust.tables.blame import Blame
from progress_exhaust.tables.cached import CachedFrames
from progress_exhaust.tables.folders import Entry, FolderReader
from progress_exhaust.tables.json_lines import first_misfit, lines_in, misfit_error, rows_of_lines
from progress_exhaust.tables.parquet_files import FileSchema, FooterReader, rows_of_files
from progress_exhaust.tables.port import FoundTable
from progress_exhaust.tables.schemas import ALTERED, INPUT_TABLES, MEND, Table, empty, table_names
from progress_exhaust.tables.strategy import LookupKeyCount, ReadStrategy

_FOOTERS_AT_ONCE = 8
_PARQUET, _JSON_LINES = ".parquet", ".jsonl"
_NOT_PARQUET = "is not a Parquet file"
"""What Parquet's own reader says, in an exception that has no class of its own."""


class SnapshotTables:
    """Reads tables from a folder, local or at any Hadoop URL."""

    def __init__(self, spark: SparkSession, settings: Settings, folders: FolderReader | None = None) -> None:
        self._spark = spark
        self._folders = folders or FolderReader(spark)
        self._folder = settings.source.snapshot_dir.rstrip("/")
        self._names = table_names(settings)
        self._judged: dict[tuple[str, Entry], FileSchema] = {}

    def frame(self, table: Table) -> DataFrame:
        """Return the table; see `port.Tables`."""
        found = self.look_at(table)
        return empty(self._spark, table) if found is None else found.frame

    def look_at(self, table: Table) -> FoundTable | None:
        """List the table's folder once, and judge its files; a line of JSON lacks no column, it has nulls."""
        folder = self._table_folder(table)
        entries = self._rows_in(table, folder)
        if entries is None:
            return None
        if not entries:
            return FoundTable(empty(self._spark, table))
        if entries[0].name.endswith(_JSON_LINES):
            lines = lines_in(self._spark, folder, f"*{_JSON_LINES}")
            return FoundTable(rows_of_lines(table, self._names[table.setting], lines))
        schemas = self._schemas(table, folder, entries)
        for name, schema in schemas.items():
            self._refuse_misfits(table, f"{folder}/{name}", schema)
        absent = {name for schema in schemas.values() for name in schema.absent}
        return FoundTable(
            rows_of_files(self._spark, table, folder, schemas, pattern=f"*{_PARQUET}"),
            tuple(name for name in table.columns.fieldNames() if name in absent),
        )

    def read(self, table: Table, keys: DataFrame, key_count: LookupKeyCount, cached: CachedFrames) -> DataFrame:
        """Return the whole table; see `port.Tables`."""
        return self.frame(table)

    def reading(self, table: Table, key_count: LookupKeyCount) -> ReadStrategy:
        """Return that the table is scanned."""
        return ReadStrategy(ReadBy.SCAN, "files have no keys to read by")

    def exists(self, table: Table) -> bool:
        """Return whether the snapshot has a folder for the table."""
        return self._folders.entries(self._table_folder(table)) is not None

    def check(self) -> None:
        """See that the snapshot's folder is there."""
        if self._folders.entries(self._folder) is None:
            raise SourceError(
                "reading",
                object=f"the snapshot {self._folder}",
                got="no such folder",
                remedy="give --snapshot an existing one",
            )

    def _table_folder(self, table: Table) -> str:
        return f"{self._folder}/{self._names[table.setting]}"

    def _rows_in(self, table: Table, folder: str) -> Sequence[Entry] | None:
        """Return the files of a table's folder, after seeing that it holds nothing else, and that all are alike.

        None where there is no folder, and need not be one.
        """
        entries = self._folders.entries(folder)
        if entries is None:
            if table.may_be_missing:
                return None
            self.check()
            raise DataShapeError(
                "reading",
                object=f"table {self._names[table.setting]}",
                got=f"the snapshot has no folder {folder}",
                remedy="was it exported whole, and does the setting tables.* name it right?",
            )
        others = [entry for entry in entries if entry.is_folder or not entry.name.endswith((_PARQUET, _JSON_LINES))]
        if others:
            names = f"{others[0].name}{f' and {len(others) - 1} more' if len(others) > 1 else ''}"
            raise DataShapeError(
                "reading",
                object=f"folder {folder}",
                got=f"it holds {names}, and only files *.parquet or *.jsonl are read",
                remedy="export the table as one of these, or take away what is none of its rows",
            )
        if len({entry.name.endswith(_PARQUET) for entry in entries}) > 1:
            raise DataShapeError(
                "reading", object=f"folder {folder}", got="it holds Parquet and JSON lines", remedy="keep one of them"
            )
        return entries

    def _schemas(self, table: Table, folder: str, entries: Sequence[Entry]) -> dict[str, FileSchema]:
        """Return what the footers of all files say, by name; a file that has not changed is not asked again."""
        asked = [entry for entry in entries if (folder, entry) not in self._judged]
        footers = FooterReader(self._spark)
        with ThreadPoolExecutor(_FOOTERS_AT_ONCE) as pool:
            found = list(pool.map(lambda entry: _footer(footers, f"{folder}/{entry.name}"), asked))
        alike: dict[str, FileSchema] = {}
        for entry, schema in zip(asked, found, strict=True):
            text = str(schema.toString())
            alike[text] = alike.get(text) or footers.judged(table, schema)
            self._judged[folder, entry] = alike[text]
        return {entry.name: self._judged[folder, entry] for entry in entries}

    def _refuse_misfits(self, table: Table, file: str, schema: FileSchema) -> None:
        if refused := table.refused(schema.absent):
            raise DataShapeError(
                "reading",
                object=f"table {self._names[table.setting]}",
                got=f"columns missing: {json.dumps(refused)} in {file}{table.so(refused)}",
                remedy=ALTERED,
            )
        if schema.misfits:
            misfits = ", ".join(map(str, schema.misfits))
            raise DataShapeError("reading", object=f"file {file}", got=misfits, remedy=MEND)


def misfit_line(blame: Blame, settings: Settings) -> DataShapeError:
    """Return the error for a file of JSON lines with one that does not fit, which is looked for while Spark runs.

    Args:
        blame: its table and its URL.
        settings: all settings.
    """
    table = next(table for table in INPUT_TABLES if table_names(settings)[table.setting] == blame.table)
    file = unquote(blame.file)
    folder, _, file_name = file.rpartition("/")
    misfit = None
    if SparkContext._active_spark_context is not None:
        with suppress(Py4JError, PySparkException):
            spark = SparkSession.builder.getOrCreate()
            misfit = first_misfit(table, lines_in(spark, folder, name_pattern(file_name)))
    return misfit_error(table, file, misfit)


def _footer(footers: FooterReader, file: str) -> Any:
    try:
        return footers.schema(file)
    except Py4JJavaError as error:
        if _NOT_PARQUET in str(error.java_exception):
            raise DataShapeError(
                "reading", object=f"file {file}", got="it is no whole Parquet file", remedy=MEND
            ) from None
        raise SourceError(
            "reading", object=f"file {file}", got=first_line(error), remedy="make it readable and try again"
        ) from None
