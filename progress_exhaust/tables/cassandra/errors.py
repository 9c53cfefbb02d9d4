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
    refusal = _first("\n".join(causes(error)), _REFUSALS)
    if refusal is None:
        return no_answer(settings)
    fault = SourceError(f"connecting to Cassandra at {_place(settings)}: {refusal.sentence(settings)}")
    fault.transient = refusal.is_transient
    return fault


def no_answer(settings: CassandraSettings) -> SourceError:
    """Return the error for tables that could not be looked at in time."""
    return SourceError(f"connecting to Cassandra at {_place(settings)}: no node answers; {_NO_ANSWER_REMEDY}")


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
    if not any(word in text for word in ("com.datastax", "java-driver")):
        return None
    if any(word in text for word in _LOGIN_REFUSED):
        return connection_fault(error, settings)
    answer = _first(text, _ANSWERS)
    if answer is None:
        return None
    scan = _failed_read(text, names)
    what = f"{'table' if len(scan.tables) == 1 else 'tables'} {', '.join(scan.tables)}".rstrip()
    if scan.tokens and answer.is_local_to_tokens:
        what += f" at tokens {scan.tokens}"
    fault = SourceError(
        f"reading {what} from Cassandra at {_place(settings)} with consistency {settings.consistency}: "
        f"{answer.sentence(settings, ', nothing unfinished was published')}, and run again"
    )
    fault.transient = answer.is_transient
    fault.is_local = answer.is_local_to_tokens
    return fault


@dataclass(frozen=True)
class _Meaning:
    """What some words in a failure's text mean.

    Attributes:
        words: any of them is in the text.
        meaning: what is wrong.
        remedy: the next step.
        is_transient: whether waiting may help.
        is_local_to_tokens: whether the place within the table matters.
    """

    words: tuple[str, ...]
    meaning: str
    remedy: str
    is_transient: bool = True
    is_local_to_tokens: bool = False

    def sentence(self, settings: CassandraSettings, before_remedy: str = "") -> str:
        """Return meaning and remedy with the settings they name."""
        text = f"{self.meaning}{before_remedy}; {self.remedy}"
        return text.format(
            datacenter=settings.local_datacenter, role=settings.username, timeout_s=settings.read_timeout_s
        )


def _first(text: str, meanings: Sequence[_Meaning]) -> _Meaning | None:
    return next((meaning for meaning in meanings if any(word in text for word in meaning.words)), None)


_NO_ANSWER_REMEDY = "check that it runs, and cassandra.hosts, port and tls"
_LOGIN_REFUSED = ("AuthenticationException", "Authentication error", "Provided username")

# The telling words come first: an error of a node often stands within one of the connection.
_REFUSALS = (
    _Meaning(
        _LOGIN_REFUSED,
        "the role or its password was refused",
        "check cassandra.username and cassandra.password",
        is_transient=False,
    ),
    _Meaning(
        ("suitable nodes in local DC",),
        'no node that answers is in the data centre "{datacenter}"',
        "set cassandra.local_datacenter to a name that nodetool status shows, or leave it empty",
        is_transient=False,
    ),
    _Meaning(
        ("Cannot initialize SSL Context",),
        "the trust store or the key store can not be opened",
        "check cassandra.trust_store, key_store and their passwords",
        is_transient=False,
    ),
    _Meaning(
        ("PKIX path", "CertificateException", "No subject alternative"),
        "its certificate is not trusted",
        "put the authority that signed it into cassandra.trust_store",
        is_transient=False,
    ),
    _Meaning(
        ("SSLHandshakeException", "NotSslRecordException", "SSLException"),
        "the TLS handshake failed",
        "check cassandra.tls, trust_store, and key_store where the cluster asks for our certificate",
        is_transient=False,
    ),
)
_ANSWERS = (
    _Meaning(
        ("servererrors.UnauthorizedException",),
        "the role may not read it",
        "grant SELECT on it to {role}",
        is_transient=False,
    ),
    _Meaning(
        ("servererrors.ReadFailureException",),
        "a replica failed the read, of too many deleted rows or a damaged file",
        "look into that node's log, compact or repair the table",
        is_local_to_tokens=True,
    ),
    _Meaning(
        ("servererrors.UnavailableException",),
        "too few replicas are up for the consistency level",
        "start the missing nodes or choose another cassandra.consistency",
    ),
    _Meaning(
        ("servererrors.ReadTimeoutException",),
        "replicas did not answer in time",
        "look at the load of the cluster, lower cassandra.fetch_rows",
    ),
    _Meaning(
        ("servererrors.OverloadedException", "BusyPoolException", "BusyConnectionException"),
        "its nodes do not keep up",
        "lower cassandra.concurrent_reads or set cassandra.reads_per_s",
    ),
    _Meaning(
        ("ClosedConnectionException", "HeartbeatException", "Connection reset"),
        "the connection broke",
        "check that its nodes run",
    ),
    _Meaning(
        ("DriverTimeoutException",),
        "no answer in {timeout_s:g} s (cassandra.read_timeout_s)",
        "look at the network and the load of the cluster",
    ),
    _Meaning(
        ("AllNodesFailedException", "NoNodeAvailableException", "Failed to open native connection"),
        "no node answers",
        "check that its nodes run",
    ),
    _Meaning(
        ("driver.api.core.servererrors.", "driver.api.core.connection."),
        "it answered with an error",
        "look into the logs of its nodes",
    ),
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
    return f"{', '.join(settings.hosts)} port {settings.port}"
