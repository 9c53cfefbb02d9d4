"""Instants of long ago come from Cassandra as they are, whatever the zones of the machine and of the reports."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from cassandra.cluster import Session

from progress_exhaust.stack.cassandra import CassandraNode
from tests.acceptance.test_time_zones import old_world
from tests.reference.report import expected_reports
from tests.support.cassandra_runs import KeptWorld
from tests.support.command_line import DAY, reports_below, run
from tests.worlds import WorldSettings


@pytest.fixture(scope="module")
def kept(
    cassandra_node: CassandraNode, cassandra_session: Session, tmp_path_factory: pytest.TempPathFactory
) -> KeptWorld:
    return KeptWorld.load(cassandra_session, cassandra_node, old_world(), tmp_path_factory.mktemp("zones"), "zones")


@pytest.mark.parametrize(
    ("machine", "reports"),
    [
        pytest.param("Asia/Kolkata", "Asia/Kolkata", marks=pytest.mark.long),
        ("America/New_York", "Asia/Kolkata"),
        pytest.param("America/New_York", "UTC", marks=pytest.mark.long),
    ],
)
def test_old_instants_are_those_that_cassandra_holds(
    kept: KeptWorld, connector_jar_folder: Path, java: Path, tmp_path: Path, machine: str, reports: str
) -> None:
    assert kept.node.login is not None
    variables = {
        "SPARK__CONNECTOR_JARS": str(connector_jar_folder),
        "CASSANDRA__HOSTS": kept.node.host,
        "CASSANDRA__PORT": str(kept.node.port),
        "CASSANDRA__USERNAME": kept.node.login.username,
        "CASSANDRA__PASSWORD": kept.node.login.password,
        "CATALOGUE__KIND": "files",
        "CATALOGUE__DIRECTORY": str(kept.folder / "catalogue"),
        "CERTIFICATES__FAILURES_TABLE": kept.name("certificate_failures"),
        "OUTPUT__URL": str(tmp_path),
        "REPORT__TIME_ZONE": reports,
        **{f"TABLES__{table.upper()}": kept.name(table) for table in kept.settings().tables.model_dump()},
    }
    settings = {f"PROGRESS_EXHAUST__{name}": value for name, value in variables.items()}

    ended = run(["export", "--all", "--date", DAY, "--json"], JAVA_HOME=str(java), TZ=machine, **settings)

    assert ended.code == 0, ended.err
    expected = expected_reports(replace(kept.world, settings=WorldSettings(time_zone=reports)))["b-1"]
    assert reports_below(tmp_path)["b-1"].decode().split("\n") == expected.content.decode().split("\n")
