"""The PostgreSQL server that the demo and the tests start."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import psycopg2
import pytest

from progress_exhaust.errors import OperatorError
from progress_exhaust.stack import processes
from progress_exhaust.stack.postgres import PostgresServer
from tests.integration.conftest import MakeServer


def value(server: PostgresServer, question: str) -> object:
    with server.connect() as session, session.cursor() as cursor:
        cursor.execute(question)
        [row] = cursor.fetchall()
        return row[0]


@pytest.fixture(scope="module")
def own_server(make_postgres: MakeServer) -> PostgresServer:
    server = make_postgres()
    server.start()
    return server


def test_server_asks_for_its_password(own_server: PostgresServer) -> None:
    with pytest.raises(psycopg2.OperationalError, match="no password supplied"):
        psycopg2.connect(own_server.dsn())
    with pytest.raises(psycopg2.OperationalError, match="password authentication failed"):
        psycopg2.connect(own_server.dsn(), password="another")
    assert own_server.password not in own_server.log.read_text(encoding="utf-8")


def test_server_listens_on_loopback_alone_and_has_no_socket_file(own_server: PostgresServer) -> None:
    assert value(own_server, "SHOW listen_addresses") == "127.0.0.1"
    assert value(own_server, "SHOW unix_socket_directories") == ""


def test_server_never_runs_as_root(own_server: PostgresServer) -> None:
    assert own_server.process
    assert Path(f"/proc/{own_server.process.pid}").stat().st_uid != 0


def test_rows_survive_a_clean_restart_and_one_after_a_crash(own_server: PostgresServer) -> None:
    with own_server.connect() as session, session.cursor() as cursor:
        cursor.execute("CREATE TABLE kept AS SELECT 1 AS n")
    port = own_server.port
    own_server.restart()
    with own_server.connect() as session, session.cursor() as cursor:
        cursor.execute("INSERT INTO kept VALUES (2)")
    own_server.restart(at_once=True)
    assert value(own_server, "SELECT sum(n) FROM kept") == 3
    assert own_server.port == port


def test_settings_are_replaced_at_a_restart(own_server: PostgresServer) -> None:
    own_server.restart({"default_transaction_read_only": "on"})
    assert value(own_server, "SHOW default_transaction_read_only") == "on"
    own_server.restart({})
    assert value(own_server, "SHOW default_transaction_read_only") == "off"


def test_queue_is_made_once(own_server: PostgresServer) -> None:
    own_server.create_queue()
    own_server.create_queue()
    assert value(own_server, "SELECT count(*) FROM job_request") == 0


def test_setting_that_the_server_refuses_is_told_from_its_log(make_postgres: MakeServer) -> None:
    server = make_postgres(settings={"max_connections": "none"})
    with pytest.raises(OperatorError, match=r"(?s)it ended; its log .*max_connections"):
        server.start()
    assert server.process is None


def test_version_that_the_wheel_lacks_is_refused(make_postgres: MakeServer) -> None:
    with pytest.raises(OperatorError, match=r"looking for PostgreSQL 9: the wheel in .* has no pginstall9"):
        make_postgres(major=9).start()


def test_server_ends_with_the_process_that_started_it(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from progress_exhaust.stack.postgres import PostgresServer; "
        "server = PostgresServer(Path(sys.argv[1])); server.start(); print(server.process.pid, flush=True); input()"
    )
    starter = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=os.environ
    )
    assert starter.stdout and starter.stdin
    try:
        assert starter.stdout.readline().strip().isdigit()
        running = processes.running_process(tmp_path / "server.pid")
        assert running
        starter.kill()
        starter.wait()
        deadline = time.monotonic() + 10
        while running.is_running():
            assert time.monotonic() < deadline
            time.sleep(0.02)
    finally:
        starter.kill()
        starter.wait()
        starter.stdin.close()
        starter.stdout.close()
        PostgresServer(tmp_path).remove()
