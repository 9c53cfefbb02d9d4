"""Rows of a table from Parquet files: what a file's own schema must be like, and how its columns are read.

Spark takes the schema that it is given for that of all files. Where a file's differs it fails in the middle of a job,
or takes a date for a number of days and a group for a fault of its own. So every file is looked at first, in its
footer, where its schema stands.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pyspark.errors import AnalysisException
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T

from progress_exhaust.paths import as_glob, name_pattern
from progress_exhaust.tables.schemas import Table

_SMALLER = {"int": ("smallint", "tinyint")}
_NUMBERS = (T.LongType, T.IntegerType, T.ShortType, T.ByteType)
_NANOSECONDS = "TIMESTAMP(NANOS"


@dataclass(frozen=True, slots=True)
class Misfit:
    """A column of a file that is of another type than it is to be, in words."""

    column: str
    found: str
    expected: str

    def __str__(self) -> str:
        return f"column {self.column} is {self.found}, expected {self.expected}"


@dataclass(frozen=True)
class FileSchema:
    """What a file's footer says of the columns that are read.

    Attributes:
        absent: those that the file does not have.
        read_as: types to read columns as where they are not the declared ones, by column.
        misfits: columns that can not be read as what they are to be.
    """

    absent: tuple[str, ...]
    read_as: tuple[tuple[str, T.DataType], ...]
    misfits: tuple[Misfit, ...]


class FooterReader:
    """Reads footers of Parquet files. Spark would start a job to look."""

    def __init__(self, spark: SparkSession) -> None:
        jvm: Any = spark._jvm
        self._jvm = jvm
        self._configuration: Any = spark._jsc.hadoopConfiguration()
        # Each is asked for once: Java is asked for every dot of such a name.
        self._path = jvm.org.apache.hadoop.fs.Path
        self._reader = jvm.org.apache.parquet.hadoop.ParquetFileReader
        self._without_rows = jvm.org.apache.parquet.format.converter.ParquetMetadataConverter.SKIP_ROW_GROUPS
        self._message = jvm.org.apache.parquet.schema.MessageType
        columns = jvm.org.apache.spark.sql.execution.datasources.parquet.ParquetToSparkSchemaConverter
        # Plain bytes are text, INT96 is an instant, names are compared as they are, no zone is UTC, nanoseconds are
        # numbers.
        self._converter = columns(True, True, True, False, True)

    def schema(self, file: str) -> Any:
        """Return the schema of a file, as Parquet has it.

        Raises:
            Py4JJavaError: the file can not be read, or is no whole Parquet file.
        """
        footer = self._reader.readFooter(self._configuration, self._path(file), self._without_rows)
        return footer.getFileMetaData().getSchema()

    def judged(self, table: Table, schema: Any) -> FileSchema:
        """Compare the schema of a file with that of its table."""
        found = {name: schema.getType(name) for name in table.columns.fieldNames() if schema.containsField(name)}
        types = self._types(found)
        read_as: list[tuple[str, T.DataType]] = []
        misfits = []
        for field in table.columns:
            if field.name not in found:
                continue
            data_type = types[field.name]
            is_nanoseconds = data_type == T.LongType() and _NANOSECONDS in str(found[field.name])
            is_read = is_nanoseconds if field.dataType == T.TimestampType() else field.name in table.also_numeric
            if is_read and isinstance(data_type, _NUMBERS):
                read_as.append((field.name, data_type))
            elif not _fits(data_type, field.dataType):
                named = "nanoseconds" if is_nanoseconds else _name(data_type)
                misfits.append(Misfit(field.name, named, field.dataType.simpleString()))
        return FileSchema(table.absent(found), tuple(read_as), tuple(misfits))

    def _types(self, columns: Mapping[str, Any]) -> dict[str, T.DataType | str]:
        """Return the types that Spark has for columns; in words where it has none for them."""
        try:
            return dict(self._converted(list(columns.values())))
        except AnalysisException:
            types: dict[str, T.DataType | str] = {}
            for name, column in columns.items():
                try:
                    types |= self._converted([column])
                except AnalysisException:
                    types[name] = "of a type that Spark does not read"
            return types

    def _converted(self, columns: Sequence[Any]) -> dict[str, T.DataType]:
        fields = self._jvm.java.util.ArrayList()
        for column in columns:
            fields.add(column)
        converted = self._converter.convert(self._message("columns", fields))
        return {field.name: field.dataType for field in T.StructType.fromJson(json.loads(converted.json()))}


def rows_of_files(
    spark: SparkSession, table: Table, folder: str, schemas: Mapping[str, FileSchema], *, pattern: str
) -> DataFrame:
    """Return the table's rows.

    Args:
        spark: the session.
        table: its schema.
        folder: holds the files.
        schemas: what was found in each file, by name; none has misfits.
        pattern: what all names look like.
    """
    alike: dict[tuple[tuple[str, T.DataType], ...], list[str]] = {}
    for name, schema in schemas.items():
        alike.setdefault(schema.read_as, []).append(name)
    if len(alike) == 1:
        [read_as] = alike
        return _read(spark, table, folder, dict(read_as), pattern)
    parts = [
        _read(spark, table, folder, dict(read_as), "{" + ",".join(map(name_pattern, names)) + "}")
        for read_as, names in alike.items()
    ]
    whole = parts[0]
    for part in parts[1:]:
        whole = whole.unionByName(part)
    return whole


def _read(spark: SparkSession, table: Table, folder: str, read_as: Mapping[str, T.DataType], pattern: str) -> DataFrame:
    fields = [T.StructField(field.name, read_as.get(field.name, field.dataType)) for field in table.columns]
    frame = spark.read.schema(T.StructType(fields)).option("pathGlobFilter", pattern).parquet(as_glob(folder))
    changed = {name: _as_declared(name, table.columns[name].dataType) for name in read_as}
    return frame.withColumns(changed) if changed else frame


def _as_declared(name: str, declared: T.DataType) -> Column:
    if declared == T.TimestampType():
        # By whole numbers: as a double, nanoseconds would lose their last digits.
        return F.expr(f"timestamp_micros(({name} - pmod({name}, 1000)) div 1000)")
    return F.col(name).cast(declared)


def _fits(found: T.DataType | str, declared: T.DataType) -> bool:
    if isinstance(found, T.ArrayType) and isinstance(declared, T.ArrayType):
        return _fits(found.elementType, declared.elementType)
    if isinstance(found, T.MapType) and isinstance(declared, T.MapType):
        return _fits(found.keyType, declared.keyType) and _fits(found.valueType, declared.valueType)
    expected = declared.simpleString()
    return not isinstance(found, str) and found.simpleString() in (expected, *_SMALLER.get(expected, ()))


def _name(found: T.DataType | str) -> str:
    """Return the name of a type, without the names of what is in a group: they may be data."""
    if isinstance(found, str):
        return found
    if isinstance(found, T.StructType):
        return "struct"
    if isinstance(found, T.ArrayType):
        return f"array<{_name(found.elementType)}>"
    if isinstance(found, T.MapType):
        return f"map<{_name(found.keyType)},{_name(found.valueType)}>"
    return found.simpleString()
