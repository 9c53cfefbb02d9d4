"""Reading the rows of a Cassandra table by key: the connector's direct join, in the one form in which it is right.

Left to itself, the connector turns a join on a partition key into a lookup. Where the table is on the left and the join
has a further condition, it then evaluates that condition on the columns of another order: rows get lost without an
error. So lookups are switched off for every table, but for frames made here: the keys on the left, nothing but equal
partition keys as condition, nothing computed below the join.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from progress_exhaust.tables.cached import CachedFrames
from progress_exhaust.tables.strategy import TableSize

DIRECT_JOIN_OFF = {"directJoinSetting": "off"}
DIRECT_JOIN_ON = {"directJoinSetting": "on"}

DIRECT_JOIN_PLAN = re.compile(
    r"(?:(?:\*\(\d+\) )?Project \[[\w#, ]+\]\n\+- )?Cassandra Direct Join \[([^\]]*)\] (\S+) "
)
"""How the text of a plan begins that looks rows up, and computes nothing: the pairs of columns, and the table."""

_KEY = "key_of_"


def direct_join(
    raw: DataFrame, keys: DataFrame, partition_key: Sequence[str], cached: CachedFrames
) -> DataFrame | None:
    """Return the table's rows with one of these keys, or None where Spark would not look them up.

    Keys and rows are cached. For the keys that is a must: a constant among them, or in a filter below them, would find
    its way into the join, and make it a scan or fail. For the rows it fixes the plan: no optimization of a later step
    can reach into the join.

    Args:
        raw: the table as the connector has it, loaded with `DIRECT_JOIN_ON`.
        keys: has the columns of the partition key; not unique.
        partition_key: its columns.
        cached: owns what is cached.
    """
    wanted = keys.filter(_can_be_looked_up(partition_key)).select(
        [F.col(name).alias(_KEY + name) for name in partition_key]
    )
    # The exchange of `distinct` also spreads the keys over all tasks.
    wanted = cached.cache(wanted.distinct())
    same_key = [F.col(_KEY + name) == F.col(name) for name in partition_key]
    found = cached.cache(wanted.join(raw, on=same_key, how="inner").select(raw.columns))
    return found if _is_direct_join(found, partition_key) else None


def partition_key_of(raw: DataFrame) -> tuple[str, ...]:
    """Return the columns of a loaded table's partition key."""
    columns: Any = _scan(raw).tableDef().partitionKey()
    return tuple(str(columns.apply(place).columnName()) for place in range(columns.size()))


def size_of(spark: SparkSession, raw: DataFrame) -> TableSize | None:
    """Return the size of a loaded table; None where its nodes have no estimate: it is new, or they have just started.

    They estimate every few minutes, each for its own share, which is taken for the whole.
    """
    scan = _scan(raw)
    connector, table = scan.connector(), scan.tableDef()
    partitioner: Any = spark._jvm.com.datastax.spark.connector.rdd.partitioner  # type: ignore[union-attr]
    tokens = partitioner.dht.TokenFactory.forSystemLocalPartitioner(connector)
    estimates = partitioner.DataSizeEstimates(connector, table.keyspaceName(), table.tableName(), tokens)
    partitions = int(estimates.partitionCount())
    return TableSize(partitions, int(estimates.dataSizeInBytes())) if partitions > 0 else None


def _scan(raw: DataFrame) -> Any:
    return raw._jdf.queryExecution().optimizedPlan().collectLeaves().head().scan()


def _can_be_looked_up(partition_key: Sequence[str]) -> Column:
    """Whether Cassandra takes the key: no part of it is null, and a single one is not empty."""
    usable = F.lit(True)
    for name in partition_key:
        usable = usable & F.col(name).isNotNull()
    return usable & (F.col(partition_key[0]) != "") if len(partition_key) == 1 else usable


def _is_direct_join(cached: DataFrame, partition_key: Sequence[str]) -> bool:
    """Whether the plan of a cached frame looks up all parts of the key, and computes nothing beside."""
    relation: Any = cached._jdf.queryExecution().withCachedData()
    plan = DIRECT_JOIN_PLAN.match(str(relation.cacheBuilder().cachedPlan().toString()))
    pairs = ", ".join(f"{name} = {_KEY}{name}" for name in partition_key)
    return plan is not None and re.sub(r"#\d+", "", plan[1]) == pairs
