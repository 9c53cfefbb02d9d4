"""Real services, started once for the whole run; they die with it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cassandra.cluster import Session

from progress_exhaust.java import java_home
from progress_exhaust.settings.sections import SparkSettings
from progress_exhaust.stack.cassandra import CassandraNode, Tls
from progress_exhaust.stack.jars import cache_folder, cassandra_jars, connector_jars
from progress_exhaust.stack.postgres import PostgresServer
from progress_exhaust.stack.schema import KEYSPACES, create_schema
from tests.support.ddl import NEW
from tests.support.queue_database import QueueDatabase
from tests.support.services import pgbouncer_binary, require_or_skip
from tests.support.tcp_proxy import TcpProxy

MakeNode = Callable[..., CassandraNode]
MakeServer = Callable[..., PostgresServer]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what needs pgbouncer where that is not installed."""
    if pgbouncer_binary() is None:
        left_out = [item for item in items if item.get_closest_marker("pgbouncer")]
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]


@pytest.fixture(scope="session")
def java() -> Path:
    """The home of a Java 17."""
    with require_or_skip("Java 17"):
        return java_home(os.environ)


@pytest.fixture(scope="session")
def connector_jar_folder(java: Path) -> Path:
    """The folder for the setting `spark.connector_jars`."""
    with require_or_skip("the Spark Cassandra connector"):
        return connector_jars(
            SparkSettings().connector_package, cache=cache_folder(os.environ), java=java, environment=os.environ
        )


@pytest.fixture(scope="session")
def make_node(java: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[MakeNode]:
    """Makes nodes, not started yet, and kills those that run at the end; arguments are those of CassandraNode."""
    with require_or_skip("Cassandra"):
        jars = cassandra_jars(cache=cache_folder(os.environ), java=java, environment=os.environ)
    nodes: list[CassandraNode] = []

    def make(**options: Any) -> CassandraNode:
        folder = tmp_path_factory.mktemp("cassandra")
        nodes.append(CassandraNode(folder, jars=jars, java=java, environment=os.environ, **options))
        return nodes[-1]

    yield make
    for node in nodes:
        node.kill()


@pytest.fixture(scope="session")
def cassandra_node(make_node: MakeNode) -> CassandraNode:
    """One node for all tests. It asks for a login (`login` is a superuser's), and speaks TLS to whoever wants it.

    One node serves tests of both kinds, since a second one would take its memory again. A test that stops or damages
    a node makes its own.
    """
    node = make_node(with_login=True, tls=Tls.OPTIONAL)
    with require_or_skip("a Cassandra node"):
        node.start()
    return node


@pytest.fixture(scope="session")
def cassandra_session(cassandra_node: CassandraNode) -> Iterator[Session]:
    """A superuser's CQL session on `cassandra_node`, with all input tables."""
    with cassandra_node.session() as session:
        create_schema(session)
        yield session


@pytest.fixture
def sunbird_tables(cassandra_session: Session) -> Iterator[Session]:
    """The same session, for a test that fills the input tables: they are empty before and after it."""
    _empty_tables(cassandra_session)
    yield cassandra_session
    _empty_tables(cassandra_session)


@pytest.fixture
def cassandra_proxy(cassandra_node: CassandraNode) -> Iterator[TcpProxy]:
    """A proxy in front of `cassandra_node`."""
    with TcpProxy(cassandra_node.port) as proxy:
        yield proxy


@pytest.fixture(scope="session")
def make_postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MakeServer]:
    """Makes PostgreSQL servers, not started yet, and removes them at the end; arguments are those of PostgresServer."""
    servers: list[PostgresServer] = []

    def make(**options: Any) -> PostgresServer:
        servers.append(PostgresServer(tmp_path_factory.mktemp("postgres"), **options))
        return servers[-1]

    yield make
    for server in servers:
        server.remove()


@pytest.fixture(scope="session")
def postgres(make_postgres: MakeServer) -> PostgresServer:
    """One server for all tests; a test that stops or damages a server makes its own."""
    with require_or_skip("PostgreSQL"):
        server = make_postgres()
        server.start()
    return server


@pytest.fixture
def queue_database(postgres: PostgresServer) -> Iterator[QueueDatabase]:
    """A database of the test's own, with an empty table of requests in its newest shape."""
    with QueueDatabase.make(postgres, NEW) as database:
        yield database


def _empty_tables(session: Session) -> None:
    for keyspace in KEYSPACES:
        for table in session.cluster.metadata.keyspaces[keyspace].tables:
            if session.execute(f'SELECT * FROM "{keyspace}"."{table}" LIMIT 1').one():
                session.execute(f'TRUNCATE "{keyspace}"."{table}"')
