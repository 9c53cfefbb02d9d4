"""Rows of a table from lines of JSON: each line one object, parsed by expressions.

Spark's own JSON source takes a number for a text, a list for a row, and whatever follows the first value of a line. Its
parser is used on lines read as text, and what it is too easy with is looked at beside it. A line that does not fit
stops the read with an error that names the file; which line and which column it is, is then looked for in that file
alone, by the same rules, so that good files do not pay for it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from operator import or_

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T

from progress_exhaust.errors import DataShapeError
from progress_exhaust.paths import as_glob
from progress_exhaust.tables.blame import blame_column
from progress_exhaust.tables.json_text import is_one_value, without_halves
from progress_exhaust.tables.schemas import COUNTS, MEND, TEXTS, Table

_ISO_INSTANT = r"\A[+-]?\d{4,6}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?\s?(Z|[+-]\d{2}(:?\d{2})?)\z"
_WITHOUT_SECONDS = r"\A([^:]*:\d{2})(\s?[Z+-])"
_TEXT = r'\A"'
_TEXT_OR_NUMBER = r'\A("|-?\d+(\.0+)?\z)'
_WHOLE_NUMBER = r"\A-?\d+\.0+\z"
_TEXTS = r'\A\[(("[^"\\]*+(\\.[^"\\]*+)*+"|null),?+)*+\]\z'
_BLANK = r"\A[ \t\r]*+\z"
_MISFIT = "_misfit"


@dataclass(frozen=True, slots=True)
class MisfitLine:
    """A line that does not fit.

    Attributes:
        number: its number in the file, from 1.
        column: the first column, in the order of the schema, that its value does not fit; empty where the line is not a
            JSON object.
    """

    number: int
    column: str


def lines_in(spark: SparkSession, folder: str, pattern: str) -> DataFrame:
    """Return the lines of the files in a folder whose names match, as the column `value`."""
    read = spark.read.option("pathGlobFilter", pattern).option("lineSep", "\n").text(as_glob(folder))
    return read.select(without_halves(F.col("value")).alias("value"))


def rows_of_lines(table: Table, name: str, lines: DataFrame) -> DataFrame:
    """Return the table's rows; empty lines, and lines of blanks and tabs, are none.

    Args:
        table: the schema.
        name: `<keyspace>.<table>`.
        lines: as given by `lines_in`.
    """
    parsed = lines.select("value", _parsed(table).alias("row"))
    fault = blame_column(name, F.input_file_name())
    is_row = (
        F.when(_fits(table), F.lit(True))
        .when(F.col("value").rlike(_BLANK), F.lit(False))
        .otherwise(F.raise_error(fault).cast(T.BooleanType()))
    )
    return parsed.filter(is_row).select([_value(table, field).alias(field.name) for field in table.columns])


def first_misfit(table: Table, lines: DataFrame) -> MisfitLine | None:
    """Find the first line of one file that does not fit, or None; one job, in which each task reads its own part.

    Args:
        table: the schema.
        lines: those of the file, as given by `lines_in`.
    """
    parsed = lines.select(
        F.input_file_block_start().alias("part"),
        F.monotonically_increasing_id().alias("place"),
        "value",
        _parsed(table).alias("row"),
    )
    is_misfit = ~_fits(table) & ~F.col("value").rlike(_BLANK)
    misfit = F.when(is_misfit, F.struct("place", _misfit_column(table).alias("column")))
    by_part = parsed.groupBy("part").agg(
        F.count(F.lit(1)).alias("lines"), F.min("place").alias("first"), F.min(misfit).alias("misfit")
    )
    lines_before = 0
    for part in sorted(by_part.collect(), key=lambda row: int(row["part"])):
        if part["misfit"] is not None:
            return MisfitLine(lines_before + part["misfit"]["place"] - part["first"] + 1, part["misfit"]["column"])
        lines_before += part["lines"]
    return None


def misfit_error(table: Table, file: str, misfit: MisfitLine | None) -> DataShapeError:
    """Return the error for a file with a line that does not fit; None for the line where it has not been found."""
    if misfit is None:
        got = "a line is not a JSON object, or has a value that does not fit its column"
        return DataShapeError("reading", object=f"file {file}", got=got, remedy=MEND)
    place = f"file {file}, line {misfit.number}"
    if not misfit.column:
        return DataShapeError("reading", object=place, got="it is not a JSON object", remedy=MEND)
    data_type = table.columns[misfit.column].dataType
    expected = "timestamp, in ISO 8601 with its zone" if data_type == T.TimestampType() else data_type.simpleString()
    got = f"column {misfit.column} has a value that does not fit"
    return DataShapeError("reading", object=place, got=got, expected=expected, remedy=MEND)


def _parsed(table: Table) -> Column:
    return _parsed_as([_as_parsed(field) for field in table.columns])


def _parsed_as(fields: list[T.StructField]) -> Column:
    return F.from_json(
        F.col("value"),
        T.StructType([*fields, T.StructField(_MISFIT, T.StringType())]),
        {"mode": "PERMISSIVE", "columnNameOfCorruptRecord": _MISFIT, "allowSingleQuotes": "false"},
    )


def _as_parsed(field: T.StructField) -> T.StructField:
    """Return the field as the parser is to take it.

    Instants are taken as text, for we judge their form ourselves, and integers as doubles, since tools that have no
    integers, or none beside nulls, write 2.0 for 2.
    """
    if field.dataType == T.TimestampType():
        return T.StructField(field.name, T.StringType())
    if field.dataType == T.IntegerType():
        return T.StructField(field.name, T.DoubleType())
    if field.dataType == COUNTS:
        return T.StructField(field.name, T.MapType(T.StringType(), T.DoubleType()))
    return field


def _value(table: Table, field: T.StructField) -> Column:
    parsed = F.col(f"row.{field.name}")
    if field.dataType == T.TimestampType():
        parsed = _with_seconds(parsed)
    if field.name in table.also_numeric:
        is_number = F.coalesce(_raw(field.name).rlike(_WHOLE_NUMBER), F.lit(False))
        parsed = F.when(is_number, F.substring_index(parsed, ".", 1)).otherwise(parsed)
    return parsed.cast(field.dataType)


def _fits(table: Table) -> Column:
    """Whether a line is one JSON object, and every value of it that we read fits its column."""
    judged = [misfit for field in table.columns for misfit in _misfits(table, field)]
    misfit = reduce(or_, judged, F.col(f"row.{_MISFIT}").isNotNull())
    return F.coalesce(_is_one_object(F.col("value")) & ~misfit, F.lit(False))


def _misfit_column(table: Table) -> Column:
    """The first column that a line's value does not fit; empty where the line is not a JSON object."""
    any_field = T.StructField("", T.StringType())
    is_object = _is_one_object(F.col("value")) & _parsed_as([any_field])[_MISFIT].isNull()
    columns = []
    for field in table.columns:
        parser_refuses = _parsed_as([_as_parsed(field)])[_MISFIT].isNotNull()
        is_misfit = reduce(or_, _misfits(table, field), parser_refuses)
        columns.append(F.when(is_misfit, F.lit(field.name)))
    return F.when(is_object, F.coalesce(*columns, F.lit(""))).otherwise(F.lit(""))


def _is_one_object(line: Column) -> Column:
    return is_one_value(line) & F.coalesce(line.rlike(r"\A[ \t\r]*\{"), F.lit(False))


def _misfits(table: Table, field: T.StructField) -> list[Column]:
    """Whether the value is one that the parser takes, and that does not fit its column all the same."""
    misfits = []
    if form := _json_form(table, field):
        misfits.append(F.coalesce(~_raw(field.name).rlike(form), F.lit(False)))
    parsed = F.col(f"row.{field.name}")
    if field.dataType == T.TimestampType():
        is_instant = parsed.rlike(_ISO_INSTANT) & _with_seconds(parsed).cast(T.TimestampType()).isNotNull()
        misfits.append(parsed.isNotNull() & ~is_instant)
    if field.dataType == T.IntegerType():
        misfits.append(~parsed.cast(T.IntegerType()).cast(T.DoubleType()).eqNullSafe(parsed))
    if field.dataType == COUNTS:
        as_read = parsed.cast(COUNTS).cast(T.MapType(T.StringType(), T.DoubleType()))
        misfits.append(~F.map_values(as_read).eqNullSafe(F.map_values(parsed)))
    return misfits


def _json_form(table: Table, field: T.StructField) -> str | None:
    """Return the pattern of a column's JSON where the parser would make a text of anything."""
    if field.name in table.also_numeric:
        return _TEXT_OR_NUMBER
    if field.dataType in (T.StringType(), T.TimestampType()):
        return _TEXT
    return _TEXTS if field.dataType == TEXTS else None


def _raw(name: str) -> Column:
    """Return the JSON under a key of the line; null where there is none.

    `get_json_object` keeps the quotes of a text only when it looks into a list, so the line is put into one.
    """
    return F.get_json_object(F.concat(F.lit("["), F.col("value"), F.lit("]")), f"$[*].{name}")


def _with_seconds(instant: Column) -> Column:
    """Return the text of an instant as Spark reads it, which is only with seconds."""
    has_seconds = F.substring(instant, len("2020-08-25T13:45:"), 1) == ":"
    return F.when(has_seconds, instant).otherwise(F.regexp_replace(instant, _WITHOUT_SECONDS, "$1:00$2"))
