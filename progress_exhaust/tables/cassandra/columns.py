"""From the columns that the connector gives to those that our schemas declare."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from progress_exhaust.tables.schemas import CERTIFICATES, Table

_NO_ENTRY = r"\A([\[\]{},\s]|null)*+\z"
"""The text of a list of which no map has an entry, such as `[]`, `[{}]` and `[null]`."""
_MICROS_A_DAY = 86_400_000_000
_GREGORIAN_SINCE = "1582-10-10T00:00:00Z"
"""The calendar of `java.sql.Timestamp` has no day from 5 to 14 October 1582 in any zone."""


def as_declared(table: Table, found: DataFrame) -> DataFrame:
    """Return exactly the columns of the table's schema; one that Cassandra does not have is null.

    Args:
        table: the schema.
        found: rows of the table as the connector has them, with columns of types that can be cast.
    """
    types = {field.name: field.dataType for field in found.schema}
    return found.select(
        [
            _as_declared(field, types[field.name])
            if field.name in types
            else F.lit(None).cast(field.dataType).alias(field.name)
            for field in table.columns
        ]
    )


def _as_declared(field: T.StructField, found: T.DataType) -> Column:
    column = F.col(field.name)
    if field.dataType == CERTIFICATES and found == T.StringType():
        column = F.when(~column.rlike(_NO_ENTRY), F.array(F.create_map(F.lit("text"), column)))
    if found == T.TimestampType():
        column = _instant(column)
    return column.cast(field.dataType).alias(field.name)


def _instant(column: Column) -> Column:
    """Return the instant that Cassandra holds, of the one that the connector gives.

    The connector hands instants on as `java.sql.Timestamp`. Spark takes one from before 15 October 1582 for a date of
    the Julian calendar, and so moves it: by ten days then, by two in year 1. The days stand in the year and month that
    it comes with: those in UTC, which is the zone of the JVM, and not those in the zone of the reports.
    """
    day = F.date_from_unix_date(F.floor(F.unix_micros(column) / _MICROS_A_DAY).cast("int"))
    year = F.year(day) - F.when(F.month(day) < 3, 1).otherwise(0)
    days = F.floor(year / 100) - F.floor(year / 400) - 2
    moved = F.timestamp_micros(F.unix_micros(column) + days * _MICROS_A_DAY)
    return F.when(column < F.lit(_GREGORIAN_SINCE).cast("timestamp"), moved).otherwise(column)
