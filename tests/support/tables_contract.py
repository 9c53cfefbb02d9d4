"""What every source of tables makes of keys: one contract, run against each source."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from progress_exhaust.tables.port import Tables
from progress_exhaust.tables.schemas import Table
from progress_exhaust.tables.strategy import WantedKeys


@dataclass(frozen=True)
class RowsOf:
    """What came of asking for the rows of some keys.

    Attributes:
        wanted: the rows of the whole table that have one of them.
        got: the rows that the source gave.
        plan: how Spark gets them.
    """

    wanted: Counter[str]
    got: Counter[str]
    plan: str


def rows_of_keys(tables: Tables, table: Table, whole: DataFrame, wanted: DataFrame) -> RowsOf:
    """Ask for the rows of keys, each of them twice, beside keys that no row has, null and empty ones.

    Args:
        tables: the source.
        table: one that can be read by key.
        whole: all of its rows.
        wanted: the keys, with the columns `table.known`.
    """
    names = list(table.known)
    one = wanted.sparkSession.range(1)
    others = [F.lit("nobody's"), F.lit(""), F.lit(None).cast("string")]
    keys = wanted.unionByName(wanted)
    for other in others:
        keys = keys.unionByName(one.select([other.alias(name) for name in names]))
    found = tables.read(table, keys, WantedKeys(1))
    of_keys = whole.join(wanted.distinct(), on=names, how="left_semi").select(whole.columns)
    result = RowsOf(_rows(of_keys), _rows(found), str(found._jdf.queryExecution().executedPlan().toString()))
    wanted.sparkSession.catalog.clearCache()
    assert found.schema == whole.schema
    assert result.wanted <= result.got <= _rows(whole)
    return result


def _rows(frame: DataFrame) -> Counter[str]:
    """Return how often each row is there, as JSON text."""
    return Counter(row[0] for row in frame.select(F.to_json(F.struct("*"))).collect())
