"""What the failures of Cassandra and of its connector mean, in sentences for an operator; none holds a secret."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from py4j.protocol import Py4JError
from pyspark import SparkContext
from pyspark.sql import SparkSession

from progress_exhaust.errors import SourceError
from progress_exhaust.settings.sections import CassandraSettings
from progress_exhaust.tables.cassandra.direct_join import DIRECT_JOIN_PLAN
from progress_exhaust.tables.cassandra.phrases import ANSWERS, LOGIN_REFUSED, OF_THE_DRIVER, REFUSALS, first_meaning

FORMAT = "org.apache.spark.sql.cassandra"

_MOST_CAUSES = 20


def causes(error: BaseException) -> list[str]:
    """Return what a failure and each of its causes in the JVM say of themselves, without stack traces."""
    java_error = getattr(error, "java_exception", None) or getattr(error, "_origin", None)
    texts: list[str] = []
    while java_error is not None and len(texts) < _MOST_CAUSES:
        texts.append(str(java_error.toString()))
        java_error = java_error.getCause()
    return texts or [str(error)]


def connection_fault(error: BaseException, settings: CassandraSettings) -> SourceError:
    """Return what it means that no session could be opened, or that the tables could not be looked at."""
    refusal = first_meaning("\n".join(causes(error)), REFUSALS)
    if refusal is None:
        return no_answer(settings)
    told = refusal.with_settings(settings)
    return SourceError(
        "connecting to",
        object=_place(settings),
        got=told.meaning,
        remedy=told.remedy,
        transient=told.is_transient,
    )


def no_answer(settings: CassandraSettings) -> SourceError:
    """Return the error for tables that could not be looked at in time."""
    return SourceError(
        "connecting to",
        object=_place(settings),
        got="no node answers",
        remedy="check that it runs, and cassandra.hosts, port and tls",
    )


def read_fault(
    error: BaseException, text: str, settings: CassandraSettings, names: Sequence[str]
) -> SourceError | None:
    """Return what a failed job means, or None where Cassandra is not at fault.

    Args:
        error: what the job failed with.
        text: what it says, with its causes and their stack traces.
        settings: how Cassandra is reached.
        names: `<keyspace>.<table>` of each input table.
    """
    if not any(word in text for word in OF_THE_DRIVER):
        return None
    if any(word in text for word in LOGIN_REFUSED):
        return connection_fault(error, settings)
    answer = first_meaning(text, ANSWERS)
    if answer is None:
        return None
    scan = _failed_read(text, names)
    what = f"{'table' if len(scan.tables) == 1 else 'tables'} {', '.join(scan.tables)}".rstrip()
    if scan.tokens and answer.is_local_to_tokens:
        what += f" at tokens {scan.tokens}"
    told = answer.with_settings(settings)
    return SourceError(
        "reading",
        object=f"{what} from {_place(settings)} with consistency {settings.consistency}",
        got=f"{told.meaning}, nothing unfinished was published",
        remedy=f"{told.remedy}, and run again",
        transient=told.is_transient,
        is_local=told.is_local_to_tokens,
    )


@dataclass(frozen=True)
class _FailedRead:
    tables: list[str]
    tokens: str = ""


_TASK = re.compile(r"Task (\d+) in stage (\d+)\.")
_SCAN = "BatchScan "
_TOKENS = re.compile(r"TokenRange\((-?\d+),(-?\d+),")
_MOST_RANGES = 3


def _failed_read(text: str, names: Sequence[str]) -> _FailedRead:
    """Find out what the failed task was reading: its error does not tell, but Spark's books of its stage do."""
    context = SparkContext._active_spark_context
    task = _TASK.search(text)
    if context is None or task is None:
        return _FailedRead([])
    try:
        graph = context._jsc.sc().statusStore().operationGraphForStage(int(task.group(2)))
        operations = list(_operations(graph.rootCluster()))
        scanned = {name.removeprefix(_SCAN) for name in operations if name.startswith(_SCAN)}
        looked_up = {plan[2] for name in operations if (plan := DIRECT_JOIN_PLAN.match(name))}
        tables = sorted(name for name in names if name.rpartition(".")[2] in scanned or name in looked_up)
        tokens = _tokens_of(tables[0], int(task.group(1))) if len(tables) == 1 and not looked_up else ""
    except (Py4JError, LookupError):
        return _FailedRead([])
    return _FailedRead(tables, tokens)


def _operations(cluster: Any) -> Iterator[str]:
    """Give the names of a stage's operators, and of what is kept: those are the texts of their plans."""
    yield cluster.name()
    nodes = cluster.childNodes()
    yield from (nodes.apply(number).name() for number in range(nodes.size()))
    children = cluster.childClusters()
    for number in range(children.size()):
        yield from _operations(children.apply(number))


def _tokens_of(table: str, task: int) -> str:
    """Return the token ranges of one task of a table's scan; the same cut as then, unless the table has grown since."""
    keyspace, name = table.split(".")
    frame = SparkSession.builder.getOrCreate().read.format(FORMAT).options(keyspace=keyspace, table=name).load()
    plan: Any = frame._jdf.queryExecution()
    partition = plan.executedPlan().collectLeaves().head().inputPartitions().apply(task)
    ranges = [f"{start} to {end}" for start, end in _TOKENS.findall(partition.toString())]
    return ", ".join(ranges[:_MOST_RANGES]) + (" …" if len(ranges) > _MOST_RANGES else "")


def _place(settings: CassandraSettings) -> str:
    return f"Cassandra at {', '.join(settings.hosts)} port {settings.port}"
