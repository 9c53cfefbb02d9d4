"""Who may read, over which connection, and under which names: each refusal is one sentence, and comes at once."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cassandra.cluster import Session
from pyspark.sql import SparkSession

from progress_exhaust.catalogue.files import FilesCatalogue
from progress_exhaust.commands.checks import Check, Openers, check_everything
from progress_exhaust.errors import SourceError
from progress_exhaust.job_requests.memory import MemoryQueue, MemoryTable
from progress_exhaust.output.stores.local import LocalStore
from progress_exhaust.settings.load import load
from progress_exhaust.stack.cassandra import CassandraNode, Tls
from progress_exhaust.stack.driver import Login
from progress_exhaust.stack.schema import create_schema
from progress_exhaust.tables.cassandra.tables import CassandraTables, connector_secrets
from tests.support.cassandra_runs import KeptWorld, reading_with, run_on_cassandra
from tests.support.sample_world import BATCH_ID, spec_sample_world

AT_ONCE_S = 45.0
"""Far from the minutes that tries would add up to, also on a busy machine."""
GOLDEN = Path(__file__).parents[1] / "golden" / "spec_sample.csv"


@pytest.fixture(scope="module")
def kept(
    cassandra_node: CassandraNode, cassandra_session: Session, tmp_path_factory: pytest.TempPathFactory
) -> KeptWorld:
    folder = tmp_path_factory.mktemp("access")
    return KeptWorld.load(cassandra_session, cassandra_node, spec_sample_world(), folder, "access")


def with_trust(node: CassandraNode, **others: Any) -> dict[str, Any]:
    assert node.certificate
    return {
        "tls": True,
        "trust_store": str(node.certificate.trust_store),
        "trust_store_password": node.certificate.password,
    } | others


def test_names_of_keyspaces_and_tables_are_settings(
    cassandra_spark: SparkSession, kept: KeptWorld, tmp_path: Path
) -> None:
    exported = run_on_cassandra(cassandra_spark, kept.settings(output=tmp_path))
    assert exported.file(BATCH_ID) == GOLDEN.read_bytes()
    settings = exported.manifest()["settings"]
    assert settings["tables.user"] == "access_sunbird.user"
    assert settings["cassandra.consistency"] == "LOCAL_QUORUM"


def test_encrypted_connection_and_a_weak_consistency_give_the_same_file(
    cassandra_spark: SparkSession, kept: KeptWorld, tmp_path: Path
) -> None:
    settings = kept.settings(output=tmp_path, cassandra=with_trust(kept.node, consistency="LOCAL_ONE"))
    exported = run_on_cassandra(cassandra_spark, settings)
    assert exported.file(BATCH_ID) == GOLDEN.read_bytes()
    assert exported.manifest()["settings"]["cassandra.consistency"] == "LOCAL_ONE"


def test_passwords_come_from_the_environment_or_from_a_file(cassandra_node: CassandraNode, tmp_path: Path) -> None:
    assert cassandra_node.login
    file = tmp_path / "password"
    file.write_text(f"{cassandra_node.login.password}\n", encoding="utf-8")
    of_file = load(None, {"PROGRESS_EXHAUST__CASSANDRA__PASSWORD_FILE": str(file)}, {})
    of_environment = load(None, {"PROGRESS_EXHAUST__CASSANDRA__PASSWORD": cassandra_node.login.password}, {})
    expected = {"spark.cassandra.auth.password": cassandra_node.login.password}
    assert connector_secrets(of_file.cassandra) == connector_secrets(of_environment.cassandra) == expected


@pytest.mark.parametrize(
    ("cassandra", "sentence"),
    [
        (
            {"password": "guessed"},
            "the role or its password was refused; check cassandra.username and cassandra.password",
        ),
        (
            {"username": "", "password": None},
            "the role or its password was refused; check cassandra.username and cassandra.password",
        ),
        (
            {"local_datacenter": "elsewhere"},
            'no node that answers is in the data centre "elsewhere"; set cassandra.local_datacenter to a name that '
            "nodetool status shows, or leave it empty",
        ),
        ({"tls": True}, "its certificate is not trusted; put the authority that signed it into cassandra.trust_store"),
        (
            {"tls": True, "trust_store": "no-such-file.p12", "trust_store_password": "guessed"},
            "the trust store or the key store can not be opened; check cassandra.trust_store, key_store and their "
            "passwords",
        ),
    ],
    ids=["wrong password", "no login", "unknown data centre", "certificate not trusted", "no such trust store"],
)
def test_refused_connection_is_one_sentence_at_once(
    cassandra_spark: SparkSession, kept: KeptWorld, tmp_path: Path, cassandra: dict[str, Any], sentence: str
) -> None:
    settings = kept.settings(output=tmp_path, cassandra=cassandra)
    begin = time.monotonic()
    with pytest.raises(SourceError) as refused:
        run_on_cassandra(cassandra_spark, settings)
    assert time.monotonic() - begin < AT_ONCE_S
    assert str(refused.value) == f"connecting to Cassandra at 127.0.0.1 port {kept.node.port}: {sentence}"
    assert not refused.value.transient
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_trust_store_that_does_not_open_is_told(cassandra_spark: SparkSession, kept: KeptWorld, tmp_path: Path) -> None:
    settings = kept.settings(output=tmp_path, cassandra=with_trust(kept.node, trust_store_password="guessed"))
    with pytest.raises(SourceError, match="the trust store or the key store can not be opened"):
        run_on_cassandra(cassandra_spark, settings)


def test_node_that_wants_encryption_gets_it_and_nothing_else(
    cassandra_spark: SparkSession, make_node: Callable[..., CassandraNode], kept: KeptWorld, tmp_path: Path
) -> None:
    node = make_node(tls=Tls.REQUIRED)
    node.start()
    with node.session() as session:
        strict = KeptWorld.load(session, node, kept.world, tmp_path, "strict")
    try:
        with pytest.raises(SourceError, match=r"no node answers; check .* port and tls"):
            run_on_cassandra(cassandra_spark, strict.settings())
        encrypted = strict.settings(cassandra=with_trust(node))
        assert run_on_cassandra(cassandra_spark, encrypted).file(BATCH_ID) == GOLDEN.read_bytes()
        stranger = strict.settings(cassandra=with_trust(kept.node))
        with pytest.raises(SourceError, match="its certificate is not trusted"):
            run_on_cassandra(cassandra_spark, stranger)
    finally:
        node.kill()


def test_too_few_replicas_for_the_consistency_are_named_with_the_table(
    cassandra_spark: SparkSession, kept: KeptWorld, tmp_path: Path
) -> None:
    settings = kept.settings(output=tmp_path, cassandra={"consistency": "TWO"})
    with pytest.raises(SourceError) as refused:
        run_on_cassandra(cassandra_spark, settings)
    assert str(refused.value) == (
        f"reading table access_sunbird_courses.course_batch from Cassandra at 127.0.0.1 port {kept.node.port} with "
        "consistency TWO: too few replicas are up for the consistency level, nothing unfinished was published; start "
        "the missing nodes or choose another cassandra.consistency, and run again"
    )
    assert refused.value.transient


@pytest.fixture(scope="module")
def reader(kept: KeptWorld, cassandra_session: Session) -> Login:
    """A role that may read every table but one."""
    login = Login("reader", "for-these-tests")
    cassandra_session.execute(f"CREATE ROLE reader WITH PASSWORD = '{login.password}' AND LOGIN = true")
    create_schema(cassandra_session, kept.keyspaces)
    for keyspace in kept.keyspaces.values():
        for table in cassandra_session.cluster.metadata.keyspaces[keyspace].tables:
            if table != "assessment_aggregator":
                cassandra_session.execute(f"GRANT SELECT ON {keyspace}.{table} TO reader")
    return login


def test_right_that_is_missing_is_told_with_table_and_role(
    cassandra_spark: SparkSession, kept: KeptWorld, reader: Login, tmp_path: Path
) -> None:
    with pytest.raises(SourceError) as refused:
        run_on_cassandra(cassandra_spark, kept.settings(output=tmp_path, login=reader))
    assert str(refused.value) == (
        f"reading table access_sunbird_courses.assessment_aggregator from Cassandra at 127.0.0.1 port {kept.node.port} "
        "with consistency LOCAL_QUORUM: the role may not read it, nothing unfinished was published; grant SELECT on it "
        "to reader, and run again"
    )
    assert not refused.value.transient
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_doctor_names_the_one_table_that_may_not_be_read(
    cassandra_spark: SparkSession, kept: KeptWorld, reader: Login, tmp_path: Path
) -> None:
    settings = kept.settings(output=tmp_path, login=reader)
    openers = Openers(
        java=lambda: None,
        session=lambda: cassandra_spark,
        tables=lambda: CassandraTables(cassandra_spark, settings),
        catalogue=lambda: FilesCatalogue(settings.catalogue.directory, settings.catalogue.max_tree_bytes),
        store=lambda: LocalStore(tmp_path),
        queue=lambda: MemoryQueue(MemoryTable(), settings.requests, now=lambda: datetime.now(UTC)),
    )
    checks: list[Check] = []
    with reading_with(cassandra_spark, settings):
        check_everything(settings, openers, checks.append)
    [failed] = [check for check in checks if check.failed]
    assert failed.what == "table access_sunbird_courses.assessment_aggregator"
    assert "the role may not read it" in failed.found
    assert failed.remedy == "grant SELECT on it to reader, and run again"
