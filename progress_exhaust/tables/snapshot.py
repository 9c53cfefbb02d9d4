"""The input tables as a folder of files: one sub-folder a table, holding Parquet or JSON lines.

JSON lines are read as text and parsed by expressions, because Spark's own JSON source takes a number for a text, a
list for a row, and whatever follows the first value of a line.
"""

from __future__ import annotations

import json
from typing import Any

from py4j.protocol import Py4JJavaError
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T

from progress_exhaust.errors import DataShapeError, SourceError
from progress_exhaust.json_text import is_one_value
from progress_exhaust.settings import ReadBy, Settings
from progress_exhaust.tables.reading import Reading, WantedKeys
from progress_exhaust.tables.schemas import TEXTS, Table, empty, table_names

_ISO_INSTANT = r"\A[+-]?\d{4,6}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?\s?(Z|[+-]\d{2}(:?\d{2})?)\z"
_TEXT = r'\A"'
_TEXT_OR_NUMBER = r'\A("|-?\d+\z)'
_TEXTS = r'\A\[(("[^"\\]*+(\\.[^"\\]*+)*+"|null),?+)*+\]\z'
_MISFIT = "_misfit"
_NUMERIC_TYPES: dict[str, T.DataType] = {"INT32": T.IntegerType(), "INT64": T.LongType()}


class SnapshotTables:
    """Reads tables from a folder, local or at any Hadoop URL."""

    def __init__(self, spark: SparkSession, settings: Settings) -> None:
        self._spark = spark
        self._folder = settings.source.snapshot_dir.rstrip("/")
        self._names = table_names(settings)

    def frame(self, table: Table) -> DataFrame:
        """Return the table; see `port.Tables`."""
        folder = self._table_folder(table)
        names = self._names_in(folder)
        if names is None:
            if table.may_be_missing:
                return empty(self._spark, table)
            self.check()
            raise DataShapeError(
                f"reading table {self._names[table.setting]}: the snapshot has no folder {folder}; "
                "was it exported whole, and does the setting tables.* name it right?"
            )
        endings = {ending for ending in ("parquet", "jsonl") for name in names if name.endswith(f".{ending}")}
        if len(endings) > 1:
            raise DataShapeError(f"reading folder {folder}: it holds Parquet and JSON lines; keep one of them")
        if endings == {"jsonl"}:
            return self._json_lines(table, folder)
        if endings == {"parquet"}:
            return self._parquet(table, folder, next(name for name in names if name.endswith(".parquet")))
        if names:
            raise DataShapeError(
                f"reading folder {folder}: it holds neither *.parquet nor *.jsonl, but {names[0]}; "
                "was the table exported as one of these?"
            )
        return empty(self._spark, table)

    def rows_of(self, table: Table, keys: DataFrame, wanted: WantedKeys) -> DataFrame:
        """Return the whole table; see `port.Tables`."""
        return self.frame(table)

    def reading(self, table: Table, wanted: WantedKeys) -> Reading:
        """Return that the table is scanned."""
        return Reading(ReadBy.SCAN, "files have no keys to read by")

    def exists(self, table: Table) -> bool:
        """Return whether the snapshot has a folder for the table."""
        return self._names_in(self._table_folder(table)) is not None

    def check(self) -> None:
        """See that the snapshot's folder is there."""
        if self._names_in(self._folder) is None:
            raise SourceError(f"reading the snapshot {self._folder}: no such folder; give --snapshot an existing one")

    def _table_folder(self, table: Table) -> str:
        return f"{self._folder}/{self._names[table.setting]}"

    def _names_in(self, folder: str) -> list[str] | None:
        """Return what the folder holds but what Spark takes for hidden, or None where there is no such folder."""
        jvm: Any = self._spark._jvm
        path = jvm.org.apache.hadoop.fs.Path(folder)
        try:
            file_system = path.getFileSystem(self._spark._jsc.hadoopConfiguration())
            if not file_system.exists(path):
                return None
            names = sorted(status.getPath().getName() for status in file_system.listStatus(path))
            return [name for name in names if not name.startswith((".", "_"))]
        except Py4JJavaError as error:
            raise SourceError(f"reading folder {folder}: {_first_line(error)}") from None

    def _parquet(self, table: Table, folder: str, one_file: str) -> DataFrame:
        found = self._parquet_schema(f"{folder}/{one_file}")
        missing = [name for name in table.key if not found.containsField(name)]
        if missing:
            raise DataShapeError(
                f"reading table {self._names[table.setting]}: columns missing: {json.dumps(missing)} in "
                f"{folder}/{one_file}; was the table altered?"
            )
        numbers = {name: numeric for name in table.also_numeric if (numeric := _numeric_type(found, name))}
        fields = [T.StructField(field.name, numbers.get(field.name, field.dataType)) for field in table.columns]
        frame = self._spark.read.schema(T.StructType(fields)).option("pathGlobFilter", "*.parquet").parquet(folder)
        casts = {name: F.col(name).cast(table.columns[name].dataType) for name in numbers}
        return frame.withColumns(casts) if casts else frame

    def _parquet_schema(self, file: str) -> Any:
        """Return the schema that a Parquet file has in its footer. Spark would start a job to look."""
        jvm: Any = self._spark._jvm
        path, configuration = jvm.org.apache.hadoop.fs.Path(file), self._spark._jsc.hadoopConfiguration()
        try:
            source = jvm.org.apache.parquet.hadoop.util.HadoopInputFile.fromPath(path, configuration)
            reader = jvm.org.apache.parquet.hadoop.ParquetFileReader.open(source)
            try:
                return reader.getFooter().getFileMetaData().getSchema()
            finally:
                reader.close()
        except Py4JJavaError as error:
            if "is not a Parquet file" in str(error.java_exception):
                raise DataShapeError(f"reading file {file}: it is no whole Parquet file; mend the file") from None
            raise SourceError(f"reading file {file}: {_first_line(error)}; make it readable and try again") from None

    def _json_lines(self, table: Table, folder: str) -> DataFrame:
        lines = self._spark.read.option("pathGlobFilter", "*.jsonl").option("lineSep", "\n").text(folder)
        parsed = F.from_json(
            F.col("value"),
            T.StructType([*(_as_parsed(field) for field in table.columns), T.StructField(_MISFIT, T.StringType())]),
            {"mode": "PERMISSIVE", "columnNameOfCorruptRecord": _MISFIT, "allowSingleQuotes": "false"},
        )
        misfits = [
            _json_misfit(field.name, form) for field in table.columns if (form := _json_form(table, field)) is not None
        ]
        misfits += [_instant_misfit(field.name) for field in table.columns if field.dataType == T.TimestampType()]
        misfit = F.col(f"row.{_MISFIT}").isNotNull()
        for condition in misfits:
            misfit = misfit | condition
        fault = F.concat(
            F.lit(f"reading table {self._names[table.setting]}: file "),
            F.input_file_name(),
            F.when(~_is_one_object(F.col("value")), F.lit(" has a line that is not a JSON object")).otherwise(
                F.lit(" has a value that does not fit its column's type")
            ),
        )
        checked = lines.select("value", parsed.alias("row")).filter(
            F.when(_is_one_object(F.col("value")) & ~misfit, F.lit(True)).otherwise(
                F.raise_error(fault).cast(T.BooleanType())
            )
        )
        return checked.select(
            [F.col(f"row.{field.name}").cast(field.dataType).alias(field.name) for field in table.columns]
        )


def _numeric_type(schema: Any, column: str) -> T.DataType | None:
    """Return the type of a column that Parquet files hold as a number, else None."""
    primitive = schema.getType(column).asPrimitiveType() if schema.containsField(column) else None
    return _NUMERIC_TYPES.get(str(primitive.getPrimitiveTypeName())) if primitive else None


def _as_parsed(field: T.StructField) -> T.StructField:
    """Return the field as the parser is to take it: instants as text, for we judge their form ourselves."""
    return T.StructField(field.name, T.StringType()) if field.dataType == T.TimestampType() else field


def _json_form(table: Table, field: T.StructField) -> str | None:
    """Return the pattern of a column's JSON where the parser would make a text of anything."""
    if field.name in table.also_numeric:
        return _TEXT_OR_NUMBER
    if field.dataType in (T.StringType(), T.TimestampType()):
        return _TEXT
    return _TEXTS if field.dataType == TEXTS else None


def _is_one_object(line: Column) -> Column:
    return is_one_value(line) & F.coalesce(line.rlike(r"\A[ \t\r]*\{"), F.lit(False))


def _json_misfit(name: str, form: str) -> Column:
    """Whether the line has something else than JSON of this form, or null, under this key.

    `get_json_object` keeps the quotes of a text only when it looks into a list, so the line is put into one.
    """
    raw = F.get_json_object(F.concat(F.lit("["), F.col("value"), F.lit("]")), f"$[*].{name}")
    return F.coalesce(~raw.rlike(form), F.lit(False))


def _instant_misfit(name: str) -> Column:
    text = F.col(f"row.{name}")
    is_instant = text.rlike(_ISO_INSTANT) & text.cast(T.TimestampType()).isNotNull()
    return text.isNotNull() & ~is_instant


def _first_line(error: Py4JJavaError) -> str:
    return str(error.java_exception).splitlines()[0]
