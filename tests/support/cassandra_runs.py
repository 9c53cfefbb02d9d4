"""Runs the real export over a world in a real Cassandra, in the session that all tests share."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Self

from cassandra.cluster import Session
from pyspark.sql import SparkSession

from progress_exhaust.export.selection import ReportQuery
from progress_exhaust.settings.sections import Settings, TableSettings
from progress_exhaust.stack.cassandra import CassandraNode
from progress_exhaust.stack.driver import Login
from progress_exhaust.stack.schema import KEYSPACES, create_schema
from progress_exhaust.stack.snapshot_loader import load_snapshot
from progress_exhaust.tables.cassandra.tables import CassandraTables, connector_options, connector_secrets
from tests.support.whole_runs import Exported, run_export, settings_for, write_world
from tests.worlds import World
from tests.worlds.files import without_halves
from tests.worlds.model import KEY_COLUMNS
from tests.worlds.model import KEYSPACES as KEYSPACE_OF

_CONNECT_S = itertools.count(5.001, 0.001)
"""Runs of the command are processes of their own. In this one, a timeout like no other's gives a run connections of
its own, which know of no table that an earlier run has seen."""


def as_cassandra_keeps(world: World) -> World:
    """Leave out of a world what no Cassandra can hold, so that it is the same world as files.

    It has no row without a whole key, one row a key, no null inside a collection, no half of a surrogate pair, and
    instants in milliseconds.
    """
    tables = {}
    for table, rows in world.tables.items():
        key = KEY_COLUMNS[table]
        whole = [row for row in rows if all(row.get(name) for name in key)]
        tables[table] = list({tuple(row[name] for name in key): _kept(row) for row in whole}.values())
    return World(tables, world.trees, world.settings, world.asked, organisation_type_as_int=False)


@dataclass(frozen=True)
class KeptWorld:
    """A world that a node keeps, under keyspaces of its own.

    Attributes:
        world: as Cassandra keeps it.
        folder: holds its catalogue, and its snapshot.
        node: the node.
        keyspaces: theirs, by the names that the schema gives them.
    """

    world: World
    folder: Path
    node: CassandraNode
    keyspaces: Mapping[str, str]

    @classmethod
    def load(cls, session: Session, node: CassandraNode, world: World, folder: Path, prefix: str) -> Self:
        """Make the tables, and fill them."""
        kept = cls(as_cassandra_keeps(world), folder, node, {name: f"{prefix}_{name}" for name in KEYSPACES})
        write_world(kept.world, folder)
        create_schema(session, kept.keyspaces)
        kept.fill(session)
        return kept

    def fill(self, session: Session) -> None:
        """Write all rows, over those that are there."""
        load_snapshot(session, self.folder / "snapshot", keyspaces=self.keyspaces)

    def name(self, table: str) -> str:
        """Return `<keyspace>.<table>`."""
        return f"{self.keyspaces[KEYSPACE_OF[table]]}.{table}"

    def settings(self, *, output: Path | None = None, login: Login | None = None, **sections: Any) -> Settings:
        """Settings of a run over the world; `sections` win."""
        tables = {table: self.name(table) for table in TableSettings.model_fields}
        failures = {"failures_table": self.name("certificate_failures")}
        return settings_on(
            self.node,
            self.world,
            self.folder,
            login=login,
            **{
                **sections,
                "tables": tables | sections.get("tables", {}),
                "certificates": failures,
                "output": {"url": str(output or self.folder / "from-cassandra")},
            },
        )


def settings_on(
    node: CassandraNode, world: World, folder: Path, *, login: Login | None = None, **sections: dict[str, Any]
) -> Settings:
    """Settings of a run over a world that the node holds; its catalogue is in the folder."""
    role = login or node.login
    cassandra: dict[str, Any] = {"hosts": (node.host,), "port": node.port, "connect_timeout_s": next(_CONNECT_S)}
    if role:
        cassandra |= {"username": role.username, "password": role.password}
    others = {section: keys for section, keys in sections.items() if section not in {"cassandra", "output"}}
    return settings_for(
        world,
        folder,
        source={"kind": "cassandra"},
        cassandra=cassandra | sections.get("cassandra", {}),
        output={"url": str(folder / "from-cassandra")} | sections.get("output", {}),
        **others,
    )


def run_on_cassandra(
    spark: SparkSession, settings: Settings, asked: ReportQuery | None = None, **ports: Any
) -> Exported:
    """Run the export on the Cassandra of the settings."""
    with reading_with(spark, settings):
        return run_export(spark, settings, asked, **{"tables": CassandraTables(spark, settings), **ports})


@contextmanager
def reading_with(spark: SparkSession, settings: Settings) -> Iterator[None]:
    """Let the session's connector have the settings of one run."""
    options = connector_options(settings.cassandra) | connector_secrets(settings.cassandra)
    for name, value in options.items():
        spark.conf.set(name, value)
    try:
        yield
    finally:
        for name in options:
            spark.conf.unset(name)


def _kept(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _kept(inner) for key, inner in value.items() if inner is not None}
    if isinstance(value, list):
        return [_kept(inner) for inner in value if inner is not None]
    if isinstance(value, str):
        return without_halves(value)
    if isinstance(value, datetime):
        return value.replace(microsecond=value.microsecond // 1000 * 1000)
    return value
