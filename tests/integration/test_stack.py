"""The services that demo, tests and benchmarks stand on."""

from __future__ import annotations

import json
import os
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from cassandra import Unauthorized
from cassandra.cluster import Session

from progress_exhaust.errors import DataShapeError, OperatorError, SourceError
from progress_exhaust.stack.cassandra import CassandraNode
from progress_exhaust.stack.driver import Login, cql_session
from progress_exhaust.stack.snapshot_loader import load_snapshot
from tests.support.tcp_proxy import TcpProxy

ENROLMENT: dict[str, Any] = {
    "userid": "u-1",
    "courseid": "do_1",
    "batchid": "b-1",
    "active": True,
    "enrolled_date": "2020-08-25T19:15:54.150+05:30",
    "completedon": "1969-12-31T23:59:59.9999Z",
    "contentstatus": {"do_11": 2, "do_12": None},
    "issued_certificates": [{"name": "Merit — é", "identifier": "1-0f"}],
    "status": -1,
    "not_a_column": 5,
}
ATTEMPT: dict[str, Any] = {
    "user_id": "u-1",
    "course_id": "do_1",
    "batch_id": "b-1",
    "content_id": "do_11",
    "attempt_id": "a-1",
    "total_score": 5,
    "total_max_score": 7.5,
    "question": [
        {
            "id": "q-1",
            "assess_ts": "2021-01-01T00:00:00Z",
            "score": 1.5,
            "params": [{"a": "b"}],
            "duration": 2.50,
        }
    ],
}
USER: dict[str, Any] = {"id": "u-1", "firstname": "", "framework": {"board": ["State", "CBSE"]}, "isdeleted": False}


def _write_snapshot(folder: Path, **rows_by_table: list[Any]) -> Path:
    for table, rows in rows_by_table.items():
        place = folder / table.replace("__", ".")
        place.mkdir(parents=True)
        text = "".join(f"{row if isinstance(row, str) else json.dumps(row)}\n" for row in rows)
        (place / "part.jsonl").write_text(text, encoding="utf-8")
    return folder


def test_snapshot_comes_back_with_its_types(sunbird_tables: Session, tmp_path: Path) -> None:
    without_key = [{**ENROLMENT, "batchid": None}, {**ENROLMENT, "userid": ""}, {"userid": "u-1"}]
    snapshot = _write_snapshot(
        tmp_path,
        sunbird_courses__user_enrolments=[ENROLMENT, *without_key],
        sunbird_courses__assessment_aggregator=[ATTEMPT],
        sunbird__user=[USER],
        sunbird__location=[],
    )
    assert load_snapshot(sunbird_tables, snapshot) == {
        "sunbird.location": 0,
        "sunbird.user": 1,
        "sunbird_courses.assessment_aggregator": 1,
        "sunbird_courses.user_enrolments": 1,
    }
    [enrolment] = sunbird_tables.execute("SELECT * FROM sunbird_courses.user_enrolments")
    assert enrolment.active is True
    assert enrolment.enrolled_date == datetime(2020, 8, 25, 13, 45, 54, 150_000)
    assert enrolment.completedon == datetime(1969, 12, 31, 23, 59, 59, 999_000)
    assert dict(enrolment.contentstatus) == {"do_11": 2}
    assert [dict(one) for one in enrolment.issued_certificates] == [{"name": "Merit — é", "identifier": "1-0f"}]
    assert (enrolment.certificates, enrolment.enrolleddate, enrolment.status) == (None, None, -1)
    [attempt] = sunbird_tables.execute("SELECT * FROM sunbird_courses.assessment_aggregator")
    assert (attempt.total_score, attempt.total_max_score) == (5.0, 7.5)
    [question] = attempt.question
    assert (question.assess_ts, question.duration) == (datetime(2021, 1, 1), Decimal("2.5"))
    assert ([dict(one) for one in question.params], question.title) == ([{"a": "b"}], None)
    [user] = sunbird_tables.execute("SELECT * FROM sunbird.user")
    assert (user.firstname, dict(user.framework), user.isdeleted) == ("", {"board": ["State", "CBSE"]}, False)


@pytest.mark.parametrize(
    ("table", "row", "told"),
    [
        ("sunbird__user", {**USER, "firstname": 5}, "column firstname: expected text, got a JSON int"),
        ("sunbird__user", {**USER, "isdeleted": 1}, "column isdeleted: expected boolean, got a JSON int"),
        ("sunbird__user", {**USER, "status": True}, "column status: expected a whole number of 32 bits"),
        ("sunbird__user", {**USER, "status": 2**31}, "column status: expected a whole number of 32 bits"),
        ("sunbird__user", {**USER, "locationids": {"a": "b"}}, "column locationids: expected list, got a JSON dict"),
        ("sunbird__user", "[1]", "a line is not a JSON object"),
        ("sunbird__user", '{"id": "u-1"', "a line is not a JSON object"),
        (
            "sunbird_courses__user_enrolments",
            {**ENROLMENT, "completedon": "2020-08-25T13:45:54"},
            "column completedon: expected a timestamp with a zone",
        ),
        ("sunbird__nobody", USER, "Cassandra has no such table"),
    ],
)
def test_value_that_does_not_fit_names_file_and_column(
    sunbird_tables: Session, tmp_path: Path, table: str, row: Any, told: str
) -> None:
    snapshot = _write_snapshot(tmp_path, **{table: [row]})
    with pytest.raises(DataShapeError, match=told) as raised:
        load_snapshot(sunbird_tables, snapshot)
    assert table.replace("__", ".") in str(raised.value)


@pytest.mark.parametrize(
    "login",
    [None, Login("stack", "guessed"), Login("cassandra", "cassandra")],
    ids=["no login", "wrong password", "the role of every delivery"],
)
def test_login_is_refused(cassandra_node: CassandraNode, login: Login | None) -> None:
    refused = pytest.raises(SourceError, match="password was refused")
    with refused as raised, cql_session(cassandra_node.host, cassandra_node.port, login=login):
        pass
    assert not raised.value.transient


def test_rights_are_checked(cassandra_node: CassandraNode, cassandra_session: Session) -> None:
    cassandra_session.execute("CREATE ROLE IF NOT EXISTS nobody WITH PASSWORD = 'for-this-test' AND LOGIN = true")
    with cassandra_node.session(Login("nobody", "for-this-test")) as session, pytest.raises(Unauthorized):
        session.execute("SELECT * FROM sunbird.user")


def test_tls_is_spoken_to_whoever_trusts_the_certificate(cassandra_node: CassandraNode) -> None:
    assert cassandra_node.certificate
    assert cassandra_node.login
    trusting = cassandra_node.certificate.client_context()
    with cql_session(cassandra_node.host, cassandra_node.port, login=cassandra_node.login, tls=trusting) as session:
        clients = session.execute("SELECT username, ssl_enabled FROM system_views.clients").all()
        assert any(client.ssl_enabled for client in clients if client.username == cassandra_node.login.username)
    stranger = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    address = (cassandra_node.host, cassandra_node.port)
    with pytest.raises(SourceError), cql_session(*address, login=cassandra_node.login, tls=stranger):
        pass


def test_flushed_table_gets_its_size(cassandra_node: CassandraNode, sunbird_tables: Session, tmp_path: Path) -> None:
    load_snapshot(
        sunbird_tables, _write_snapshot(tmp_path, sunbird__user=[{"id": f"u-{number}"} for number in range(1000)])
    )
    cassandra_node.flush(["sunbird"])
    assert 500 < cassandra_node.wait_for_estimates("sunbird", "user") < 2000


READ_BY_SPARK = """
import json, sys
from pyspark.sql import SparkSession
builder = SparkSession.builder.master("local[2]")
for key, value in json.load(sys.stdin).items():
    builder = builder.config(key, value)
spark = builder.getOrCreate()
users = spark.read.format("org.apache.spark.sql.cassandra").options(keyspace="sunbird", table="user").load()
print(users.selectExpr("count(*)", "sum(length(firstname))").first())
spark.stop()
"""


def test_spark_reads_through_the_proxy_with_login_and_tls(
    cassandra_node: CassandraNode,
    cassandra_proxy: TcpProxy,
    sunbird_tables: Session,
    connector_jar_folder: Path,
    java: Path,
    tmp_path: Path,
) -> None:
    assert cassandra_node.certificate
    assert cassandra_node.login
    users = [{"id": f"u-{number}", "firstname": "x" * 2000} for number in range(500)]
    load_snapshot(sunbird_tables, _write_snapshot(tmp_path, sunbird__user=users))
    options = {
        "spark.ui.enabled": "false",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.jars": ",".join(map(str, sorted(connector_jar_folder.glob("*.jar")))),
        "spark.cassandra.connection.host": "127.0.0.1",
        "spark.cassandra.connection.port": str(cassandra_proxy.port),
        "spark.cassandra.auth.username": cassandra_node.login.username,
        "spark.cassandra.auth.password": cassandra_node.login.password,
        "spark.cassandra.connection.ssl.enabled": "true",
        "spark.cassandra.connection.ssl.trustStore.path": str(cassandra_node.certificate.trust_store),
        "spark.cassandra.connection.ssl.trustStore.password": cassandra_node.certificate.password,
    }
    read = subprocess.run(
        [sys.executable, "-c", READ_BY_SPARK],
        input=json.dumps(options),
        env={**os.environ, "JAVA_HOME": str(java)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert "Row(count(1)=500, sum(length(firstname))=1000000)" in read.stdout, read.stderr[-2000:]
    # Encrypted bytes do not shrink: the whole table went through the proxy, and not past it.
    assert cassandra_proxy.bytes_down > 1_000_000


def test_node_keeps_its_data_and_leaves_no_process(make_node: Callable[..., CassandraNode]) -> None:
    node = make_node(settings={"range_request_timeout": "7s"})
    node.start()
    first = node.process
    assert first
    node.start()
    assert node.process == first, "a node that runs is left as it is"
    with node.session() as session:
        session.execute("CREATE KEYSPACE k WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}")
        session.execute("CREATE TABLE k.t (id int PRIMARY KEY)")
        session.execute("INSERT INTO k.t (id) VALUES (1)")
        assert _setting(session, "range_request_timeout") == "7s"
    node.restart({"range_request_timeout": "9s"})
    with node.session() as session:
        session.execute("INSERT INTO k.t (id) VALUES (2)")
        assert _setting(session, "range_request_timeout") == "9s"
    time.sleep(2)  # ten times the period after which a write is safe from a kill
    node.kill()
    node.start()
    with node.session() as session:
        assert {row.id for row in session.execute("SELECT id FROM k.t")} == {1, 2}
    last = node.process
    assert last
    node.stop()
    assert not last.is_running()
    assert node.process is None
    with pytest.raises(ConnectionRefusedError), socket.create_connection((node.host, node.port), timeout=5):
        pass


def _setting(session: Session, name: str) -> str:
    return str(session.execute("SELECT value FROM system_views.settings WHERE name = %s", (name,)).one().value)


def test_node_that_can_not_start_quotes_its_log(make_node: Callable[..., CassandraNode]) -> None:
    node = make_node(settings={"no_such_setting": 1})
    with pytest.raises(OperatorError, match=r"it ended; its log .*node\.log ends with:\n(.*\n)*.*no_such_setting"):
        node.start()
    assert node.process is None
