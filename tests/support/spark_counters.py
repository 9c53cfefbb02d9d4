"""What Spark did, as its own books have it: jobs, scans and the nodes of the plans that ran."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from pyspark.sql import SparkSession

_TABLE = re.compile(r"Location: [^\[]*\[[^\]]*?([^/\],]+)\]")
_LONGEST_LOCATION = "spark.sql.maxMetadataStringLength"


@dataclass(frozen=True)
class RanPlan:
    """One query that Spark ran.

    Attributes:
        nodes: the names of its physical operators.
        exchanges: how many different exchanges it has, those below what it keeps in memory too.
        rows_scanned: rows put out by scans, by the last part of the place scanned.
    """

    nodes: list[str]
    exchanges: int
    rows_scanned: Counter[str]


def jobs_so_far(spark: SparkSession) -> int:
    """How many jobs the session has begun."""
    return int(_context(spark).dagScheduler().numTotalJobs())


@contextmanager
def plans_of(spark: SparkSession) -> Iterator[list[RanPlan]]:
    """Fill the list, at the end of the block, with the queries that ran in it."""
    spark.conf.set(_LONGEST_LOCATION, "1000")
    store = _sql_store(spark)
    before = {store.executionsList().apply(number).executionId() for number in range(store.executionsList().size())}
    plans: list[RanPlan] = []
    try:
        yield plans
    finally:
        spark.conf.unset(_LONGEST_LOCATION)
        _context(spark).listenerBus().waitUntilEmpty()
        executions = store.executionsList()
        identifiers = [executions.apply(number).executionId() for number in range(executions.size())]
        plans += [_plan(store, identifier) for identifier in identifiers if identifier not in before]


def _plan(store: Any, execution_id: int) -> RanPlan:
    """Read a plan; what stands in it several times, and ran once, has the same accumulators each time."""
    nodes = store.planGraph(execution_id).allNodes()
    values = store.executionMetrics(execution_id)
    names = []
    exchanges: set[int] = set()
    rows_of_scan: dict[int, tuple[str, int]] = {}
    for number in range(nodes.size()):
        node = nodes.apply(number)
        name = node.name()
        names.append(name)
        if name == "Exchange":
            exchanges.add(min(_accumulators(node).values()))
        if name.startswith("Scan") and (table := _TABLE.search(node.desc())):
            accumulator = _accumulators(node)["number of output rows"]
            if values.contains(accumulator):
                rows_of_scan[accumulator] = (table.group(1), int(values.apply(accumulator).replace(",", "")))
    rows_scanned: Counter[str] = Counter()
    for table_name, rows in rows_of_scan.values():
        rows_scanned[table_name] += rows
    return RanPlan(names, len(exchanges), rows_scanned)


def _accumulators(node: Any) -> dict[str, int]:
    metrics = [node.metrics().apply(place) for place in range(node.metrics().size())]
    return {metric.name(): metric.accumulatorId() for metric in metrics}


def _context(spark: SparkSession) -> Any:
    return spark._jsc.sc()


def _sql_store(spark: SparkSession) -> Any:
    _context(spark).listenerBus().waitUntilEmpty()
    return spark._jsparkSession.sharedState().statusStore()
