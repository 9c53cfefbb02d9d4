"""The input tables as a folder of files: one sub-folder a table, holding Parquet or JSON lines."""

from __future__ import annotations

import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from py4j.protocol import Py4JError, Py4JJavaError
from pyspark import SparkContext
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession

from progress_exhaust.errors import DataShapeError, SourceError
from progress_exhaust.file_systems import first_line, missing_in
from progress_exhaust.paths import name_pattern
from progress_exhaust.settings.sections import ReadBy, Settings
from progress_exhaust.tables.json_lines import first_misfit, in_words, lines_in, rows_of_lines
from progress_exhaust.tables.parquet_files import FileSchema, FooterReader, rows_of_files
from progress_exhaust.tables.schemas import INPUT_TABLES, Table, empty, table_names
from progress_exhaust.tables.strategy import ReadStrategy, WantedKeys

_FOOTERS_AT_ONCE = 8
_PARQUET, _JSON_LINES = ".parquet", ".jsonl"


@dataclass(frozen=True, slots=True)
class _Entry:
    """What stands in a folder under a name; of a file, when it was written and how long it is."""

    name: str
    is_folder: bool
    written_ms: int
    size_bytes: int


class SnapshotTables:
    """Reads tables from a folder, local or at any Hadoop URL."""

    def __init__(self, spark: SparkSession, settings: Settings) -> None:
        self._spark = spark
        self._folder = settings.source.snapshot_dir.rstrip("/")
        self._names = table_names(settings)
        self._judged: dict[tuple[str, _Entry], FileSchema] = {}

    def frame(self, table: Table) -> DataFrame:
        """Return the table; see `port.Tables`."""
        folder = self._table_folder(table)
        entries = self._rows_in(table, folder)
        if not entries:
            return empty(self._spark, table)
        if entries[0].name.endswith(_JSON_LINES):
            return rows_of_lines(table, self._names[table.setting], lines_in(self._spark, folder, f"*{_JSON_LINES}"))
        schemas = self._schemas(table, folder, entries)
        for name, schema in schemas.items():
            self._refuse_misfits(table, f"{folder}/{name}", schema)
        return rows_of_files(self._spark, table, folder, schemas, pattern=f"*{_PARQUET}")

    def read(self, table: Table, keys: DataFrame, wanted: WantedKeys) -> DataFrame:
        """Return the whole table; see `port.Tables`."""
        return self.frame(table)

    def reading(self, table: Table, wanted: WantedKeys) -> ReadStrategy:
        """Return that the table is scanned."""
        return ReadStrategy(ReadBy.SCAN, "files have no keys to read by")

    def exists(self, table: Table) -> bool:
        """Return whether the snapshot has a folder for the table."""
        return self._entries_in(self._table_folder(table)) is not None

    def absent_columns(self, table: Table) -> tuple[str, ...]:
        """Return the columns that a Parquet file of the table lacks; a line lacks none, it has nulls."""
        folder = self._table_folder(table)
        entries = self._rows_in(table, folder)
        if not entries or entries[0].name.endswith(_JSON_LINES):
            return ()
        absent = {name for schema in self._schemas(table, folder, entries).values() for name in schema.absent}
        return tuple(name for name in table.columns.fieldNames() if name in absent)

    def check(self) -> None:
        """See that the snapshot's folder is there."""
        if self._entries_in(self._folder) is None:
            raise SourceError(f"reading the snapshot {self._folder}: no such folder; give --snapshot an existing one")

    def _table_folder(self, table: Table) -> str:
        return f"{self._folder}/{self._names[table.setting]}"

    def _rows_in(self, table: Table, folder: str) -> list[_Entry]:
        """Return the files of a table's folder, after seeing that it holds nothing else, and that all are alike."""
        entries = self._entries_in(folder)
        if entries is None:
            if table.may_be_missing:
                return []
            self.check()
            raise DataShapeError(
                f"reading table {self._names[table.setting]}: the snapshot has no folder {folder}; "
                "was it exported whole, and does the setting tables.* name it right?"
            )
        others = [entry for entry in entries if entry.is_folder or not entry.name.endswith((_PARQUET, _JSON_LINES))]
        if others:
            names = f"{others[0].name}{f' and {len(others) - 1} more' if len(others) > 1 else ''}"
            raise DataShapeError(
                f"reading folder {folder}: it holds {names}, and only files *.parquet or *.jsonl are read; export the "
                "table as one of these, or take away what is none of its rows"
            )
        if len({entry.name.endswith(_PARQUET) for entry in entries}) > 1:
            raise DataShapeError(f"reading folder {folder}: it holds Parquet and JSON lines; keep one of them")
        return entries

    def _entries_in(self, folder: str) -> list[_Entry] | None:
        """Return what the folder holds but what Spark takes for hidden, or None where there is no such folder."""
        jvm: Any = self._spark._jvm
        path = jvm.org.apache.hadoop.fs.Path(folder)
        try:
            file_system = path.getFileSystem(self._spark._jsc.hadoopConfiguration())
            if not file_system.exists(path):
                return None
            found = [(status.getPath().getName(), status) for status in file_system.listStatus(path)]
        except Py4JJavaError as error:
            raise self._unreadable_folder(folder, error) from None
        return [
            _Entry(name, bool(status.isDirectory()), int(status.getModificationTime()), int(status.getLen()))
            for name, status in sorted(found, key=lambda one: str(one[0]))
            if not name.startswith((".", "_"))
        ]

    def _unreadable_folder(self, folder: str, error: Py4JJavaError) -> SourceError:
        missing = missing_in(self._spark._jvm, error, folder)
        fault = SourceError(f"reading folder {folder}: {missing or first_line(error)}")
        fault.transient = not missing
        return fault

    def _schemas(self, table: Table, folder: str, entries: Sequence[_Entry]) -> dict[str, FileSchema]:
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
                f"reading table {self._names[table.setting]}: columns missing: {json.dumps(refused)} in {file}"
                f"{table.so(refused)}; was the table altered?"
            )
        if schema.misfits:
            misfits = ", ".join(map(str, schema.misfits))
            raise DataShapeError(f"reading file {file}: {misfits}; mend the file")


def misfit_line(name: str, url: str, settings: Settings) -> DataShapeError:
    """Return the error for a file of JSON lines with one that does not fit, which is looked for while Spark runs.

    Args:
        name: `<keyspace>.<table>`.
        url: that of the file.
        settings: all settings.
    """
    table = next(table for table in INPUT_TABLES if table_names(settings)[table.setting] == name)
    file = unquote(url)
    folder, _, file_name = file.rpartition("/")
    misfit = None
    if SparkContext._active_spark_context is not None:
        with suppress(Py4JError, PySparkException):
            spark = SparkSession.builder.getOrCreate()
            misfit = first_misfit(table, lines_in(spark, folder, name_pattern(file_name)))
    return DataShapeError(f"reading file {file}{in_words(table, misfit)}; mend the file")


def _footer(footers: FooterReader, file: str) -> Any:
    try:
        return footers.schema(file)
    except Py4JJavaError as error:
        if "is not a Parquet file" in str(error.java_exception):
            raise DataShapeError(f"reading file {file}: it is no whole Parquet file; mend the file") from None
        raise SourceError(f"reading file {file}: {first_line(error)}; make it readable and try again") from None
