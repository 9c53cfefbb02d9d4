"""Cassandra at fault: one sentence, soon, whatever was published stays, and the next run does the work."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cassandra.cluster import Session
from pyspark.sql import DataFrame, SparkSession

from progress_exhaust.catalogue.files import FilesCatalogue
from progress_exhaust.errors import SourceError
from progress_exhaust.export.export import export
from progress_exhaust.export.run import Event, Outcome, Ports, Run
from progress_exhaust.export.selection import ReportQuery
from progress_exhaust.output.stores.open import open_store
from progress_exhaust.settings.sections import Settings
from progress_exhaust.stack.cassandra import CassandraNode
from progress_exhaust.stack.ports import free_ports
from progress_exhaust.stack.snapshot_loader import load_snapshot
from progress_exhaust.tables.cached import CachedFrames
from progress_exhaust.tables.cassandra.tables import CassandraTables
from progress_exhaust.tables.port import FoundTable, Tables
from progress_exhaust.tables.schemas import ORGANISATION, USER_ENROLMENTS, Table
from progress_exhaust.tables.strategy import LookupKeyCount, ReadStrategy
from tests.support.builders import batches_world
from tests.support.cassandra_runs import KeptWorld, reading_with, run_on_cassandra
from tests.support.tcp_proxy import TcpProxy
from tests.support.whole_runs import DAY, differences

READ_TIMEOUT_S = 3.0
BROKEN = ("no node answers", "the connection broke")
SILENT = ("no answer in 3 s (cassandra.read_timeout_s)", "no node answers")
"""What a run may say of a connection that breaks, and of a node that is silent."""
TRIES = 4
"""Of a task, before its job fails."""
SLACK_S = 45.0
"""For a busy machine."""
BOUND_S = TRIES * READ_TIMEOUT_S + SLACK_S
DELETED_ROWS = 40
BIG_PARTITION_ROWS = 40_000


@dataclass
class ActingTables:
    """Does something once a table has been looked at: `ORGANISATION` is the last, and the rows follow."""

    tables: Tables
    at: Table | None
    action: Callable[[], None]
    acted_at: float = 0.0

    def frame(self, table: Table) -> DataFrame:
        return self._looked_at(table, self.tables.frame(table))

    def read(self, table: Table, keys: DataFrame, key_count: LookupKeyCount, cached: CachedFrames) -> DataFrame:
        return self._looked_at(table, self.tables.read(table, keys, key_count, cached))

    def reading(self, table: Table, key_count: LookupKeyCount) -> ReadStrategy:
        return self.tables.reading(table, key_count)

    def _looked_at(self, table: Table, frame: DataFrame) -> DataFrame:
        if table is self.at and not self.acted_at:
            self.action()
            self.acted_at = time.monotonic()
        return frame

    def exists(self, table: Table) -> bool:
        return self.tables.exists(table)

    def look_at(self, table: Table) -> FoundTable | None:
        return self.tables.look_at(table)

    def check(self) -> None:
        self.tables.check()


@dataclass
class Failed:
    """A run that came to nothing.

    Attributes:
        sentence: what it said.
        is_transient: whether it said that waiting may help.
        reads: how many times it began to read enrolments.
        seconds: from the fault to the end.
        files: what it left at the output place.
    """

    sentence: str
    is_transient: bool
    reads: int
    seconds: float
    files: dict[str, bytes]


def failing_run(
    spark: SparkSession, settings: Settings, action: Callable[[], None] = lambda: None, at: Table | None = None
) -> Failed:
    """Run the export, which has to fail by Cassandra's fault; where `at` is given, after the action."""
    events: list[Event] = []
    run = Run("failing", DAY, lambda: datetime.now(UTC), events.append)
    catalogue = FilesCatalogue(settings.catalogue.directory, settings.catalogue.max_tree_bytes)
    begin = time.monotonic()
    with reading_with(spark, settings), pytest.raises(SourceError) as raised:
        tables = ActingTables(CassandraTables(spark, settings), at, action)
        ports = Ports(spark, tables, catalogue, open_store(settings.output.url, spark))
        export(ReportQuery(everything=True), ports, settings, run, Outcome())
    return Failed(
        sentence=str(raised.value),
        is_transient=raised.value.transient,
        reads=sum(event.sentence.startswith("reading enrolments") for event in events),
        seconds=time.monotonic() - (tables.acted_at or begin),
        files=files_below(settings),
    )


def files_below(settings: Settings) -> dict[str, bytes]:
    folder = Path(settings.output.url)
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def kept(
    cassandra_node: CassandraNode, cassandra_session: Session, tmp_path_factory: pytest.TempPathFactory
) -> KeptWorld:
    folder = tmp_path_factory.mktemp("faults")
    return KeptWorld.load(cassandra_session, cassandra_node, batches_world(4, 2, learners=30), folder, "faults")


@pytest.fixture(scope="module")
def published(cassandra_spark: SparkSession, kept: KeptWorld) -> dict[str, bytes]:
    """The files of an earlier run, which stand where those of the failing runs would go."""
    settings = kept.settings()
    assert differences(kept.world, run_on_cassandra(cassandra_spark, settings)) == []
    return files_below(settings)


def through(proxy: TcpProxy) -> dict[str, Any]:
    return {"port": proxy.port, "read_timeout_s": READ_TIMEOUT_S}


def assert_nothing_is_half_done(failed: Failed, published: dict[str, bytes], *, is_of_some_rows: bool = False) -> None:
    assert failed.files == published
    if is_of_some_rows:
        assert failed.reads > 1, "other batches may be read, so they are tried without those at fault"
    else:
        assert failed.reads <= 1, "no batch is at fault, so nothing is tried with fewer of them"
    assert failed.is_transient
    assert failed.sentence.count("\n") == 0
    assert failed.seconds < BOUND_S


# What happens on the way to the node.


def test_node_that_does_not_listen_is_told_at_once(
    cassandra_spark: SparkSession, kept: KeptWorld, published: dict[str, bytes]
) -> None:
    [port] = free_ports(1)
    failed = failing_run(cassandra_spark, kept.settings(cassandra={"port": port}))
    assert_nothing_is_half_done(failed, published)
    assert failed.sentence == (
        f"connecting to Cassandra at 127.0.0.1 port {port}: no node answers; check that it runs, and cassandra.hosts, "
        "port and tls"
    )


def test_node_that_says_nothing_is_told_after_the_timeout(
    cassandra_spark: SparkSession, kept: KeptWorld, published: dict[str, bytes], cassandra_proxy: TcpProxy
) -> None:
    cassandra_proxy.black_hole()
    failed = failing_run(cassandra_spark, kept.settings(cassandra=through(cassandra_proxy)))
    assert_nothing_is_half_done(failed, published)
    assert failed.sentence.startswith(
        f"connecting to Cassandra at 127.0.0.1 port {cassandra_proxy.port}: no node answers; "
    )


@pytest.mark.parametrize(
    "at", [USER_ENROLMENTS, ORGANISATION], ids=["when few tables are read", "when all are looked at"]
)
@pytest.mark.parametrize(
    ("fault", "told"),
    [
        pytest.param(TcpProxy.reset, BROKEN, id="connections reset", marks=pytest.mark.long),
        pytest.param(lambda proxy: proxy.cut_after(2000), BROKEN, id="cut in the middle of a scan"),
        pytest.param(TcpProxy.black_hole, SILENT, id="no more answers"),
        pytest.param(lambda proxy: proxy.delay(2 * READ_TIMEOUT_S), SILENT, id="slow answers", marks=pytest.mark.long),
    ],
)
def test_fault_in_the_middle_of_a_run_ends_it_soon(
    cassandra_spark: SparkSession,
    kept: KeptWorld,
    published: dict[str, bytes],
    cassandra_proxy: TcpProxy,
    fault: Callable[[TcpProxy], None],
    told: tuple[str, ...],
    at: Table,
) -> None:
    settings = kept.settings(cassandra=through(cassandra_proxy))
    failed = failing_run(cassandra_spark, settings, lambda: fault(cassandra_proxy), at)
    assert_nothing_is_half_done(failed, published)
    assert any(f": {meaning}" in failed.sentence for meaning in told)
    assert f"127.0.0.1 port {cassandra_proxy.port}" in failed.sentence


# What happens in the node.


@pytest.fixture(scope="module")
def own_node(make_node: Callable[..., CassandraNode]) -> Iterator[CassandraNode]:
    node = make_node(settings={"tombstone_warn_threshold": 5, "tombstone_failure_threshold": 10})
    node.start()
    yield node
    node.kill()


@pytest.fixture
def on_own_node(own_node: CassandraNode, kept: KeptWorld, tmp_path: Path) -> KeptWorld:
    with own_node.session() as session:
        return KeptWorld.load(session, own_node, kept.world, tmp_path, "own")


def test_run_after_a_killed_node_is_back_does_the_work(
    cassandra_spark: SparkSession, own_node: CassandraNode, on_own_node: KeptWorld
) -> None:
    settings = on_own_node.settings(cassandra={"read_timeout_s": READ_TIMEOUT_S})
    failed = failing_run(cassandra_spark, settings, own_node.kill, ORGANISATION)
    assert_nothing_is_half_done(failed, {})
    assert any(f": {meaning}" in failed.sentence for meaning in BROKEN)

    own_node.start()

    assert differences(on_own_node.world, run_on_cassandra(cassandra_spark, on_own_node.settings())) == []


def test_read_that_a_replica_fails_is_told_with_table_and_tokens(
    cassandra_spark: SparkSession, own_node: CassandraNode, on_own_node: KeptWorld
) -> None:
    enrolments = on_own_node.name("user_enrolments")
    with own_node.session() as session:
        for number in range(DELETED_ROWS):
            session.execute(
                f"DELETE FROM {enrolments} WHERE userid = 'u-left' AND courseid = 'do_0' AND batchid = %s",
                (f"b-{number}",),
            )
    failed = failing_run(cassandra_spark, on_own_node.settings())
    with own_node.session() as session:
        session.execute(f"TRUNCATE {enrolments}")
    assert_nothing_is_half_done(failed, {}, is_of_some_rows=True)
    assert re.fullmatch(
        rf"reading table {re.escape(enrolments)} at tokens -?\d+ to -?\d+( …)? from Cassandra at 127\.0\.0\.1 port "
        rf"{own_node.port} with consistency LOCAL_QUORUM: a replica failed the read, of too many deleted rows or a "
        r"damaged file, nothing unfinished was published; look into that node's log, compact or repair the table, and "
        r"run again",
        failed.sentence,
    )


def test_replicas_that_are_too_slow_are_told_with_the_table(
    cassandra_spark: SparkSession, own_node: CassandraNode, on_own_node: KeptWorld, tmp_path: Path
) -> None:
    enrolments = on_own_node.name("user_enrolments")
    write_big_partition(tmp_path / "big" / enrolments)
    with own_node.session() as session:
        load_snapshot(session, tmp_path / "big")
    own_node.restart({"range_request_timeout": "100ms"})
    try:
        let_it_warm_up(own_node)
        cassandra = {"read_timeout_s": 4 * READ_TIMEOUT_S, "retries": 0, "fetch_rows": BIG_PARTITION_ROWS}
        failed = failing_run(cassandra_spark, on_own_node.settings(cassandra=cassandra))
        for _ in range(4):
            if f"reading table {enrolments} " in failed.sentence:
                break
            # On a machine with other work, the node is too slow for small tables and its own, too.
            let_it_warm_up(own_node)
            failed = failing_run(cassandra_spark, on_own_node.settings(cassandra=cassandra))
    finally:
        own_node.restart({})
        with own_node.session() as session:
            session.execute(f"TRUNCATE {enrolments}")
    assert_nothing_is_half_done(failed, {})
    assert failed.sentence == (
        f"reading table {enrolments} from Cassandra at 127.0.0.1 port {own_node.port} with consistency LOCAL_QUORUM: "
        "replicas did not answer in time, nothing unfinished was published; look at the load of the cluster, lower "
        "cassandra.fetch_rows, and run again"
    )


def let_it_warm_up(node: CassandraNode) -> None:
    """Have a node that was just started read its own small tables until it does so in time."""
    in_time = 0
    deadline = time.monotonic() + SLACK_S
    while in_time < 5:
        try:
            with node.session():
                in_time += 1
        except SourceError:
            in_time = 0
            assert time.monotonic() < deadline


def write_big_partition(folder: Path) -> None:
    """Write the enrolments of one learner in so many batches that no node reads them in 100 ms."""
    statuses = {f"do_{number}": 2 for number in range(40)}
    rows = (
        {"userid": "u-big", "courseid": "do_x", "batchid": f"x-{number:06d}", "contentstatus": statuses}
        for number in range(BIG_PARTITION_ROWS)
    )
    folder.mkdir(parents=True)
    (folder / "rows.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
