"""A pooler that changes sessions between transactions is refused; one that does not is fine."""

from __future__ import annotations

import os
import pwd
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg2
import pytest

from progress_exhaust.errors import QueueError
from progress_exhaust.stack.ports import free_ports
from tests.support.queue_database import QueueDatabase
from tests.support.queue_drivers import claimed, driver, success
from tests.support.services import pgbouncer_binary
from tests.support.transaction_pooler import TransactionPooler

REFUSAL = "a pooler in between changes sessions between transactions, .* connect directly, or use session pooling"


@pytest.mark.parametrize("is_round_robin", [False, True], ids=["last used first", "round robin"])
@pytest.mark.parametrize("sessions", [1, 2, 3, 5])
def test_transaction_pooler_is_refused(queue_database: QueueDatabase, sessions: int, is_round_robin: bool) -> None:
    server = queue_database.server
    with (
        TransactionPooler(
            server.dsn(queue_database.name), server.password, sessions=sessions, is_round_robin=is_round_robin
        ) as pooler,
        driver(queue_database, port=pooler.port, statement_timeout_s=3) as queue,
        pytest.raises(QueueError, match=REFUSAL),
    ):
        queue.check()


def test_fake_pooler_really_shares_its_sessions(queue_database: QueueDatabase) -> None:
    server = queue_database.server
    with TransactionPooler(server.dsn(queue_database.name), server.password, sessions=2) as pooler:
        links = [psycopg2.connect(f"{server.dsn(queue_database.name)} port={pooler.port}") for _ in range(3)]
        pids = set()
        for link in links:
            link.autocommit = True
            with link.cursor() as cursor:
                cursor.execute("SELECT pg_backend_pid()")
                pids.add(cursor.fetchone())
            link.close()
    assert len(pids) == 1


def test_direct_connection_is_accepted_again_and_again(queue_database: QueueDatabase) -> None:
    queue_database.insert()
    with driver(queue_database) as queue:
        for _ in range(3):
            queue.check()
        assert queue.close(claimed(queue), success())


@contextmanager
def pgbouncer(queue_database: QueueDatabase, folder: Path, mode: str) -> Iterator[int]:
    """Run pgbouncer in front of the database; give its port."""
    binary = pgbouncer_binary()
    assert binary is not None
    server = queue_database.server
    [port] = free_ports(1)
    users = folder / "users.txt"
    users.write_text(f'"{server.user}" "{server.password}"\n', encoding="utf-8")
    config = folder / "pgbouncer.ini"
    config.write_text(
        f"[databases]\n* = host={server.host} port={server.port}\n"
        f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\npool_mode = {mode}\n"
        f"auth_type = scram-sha-256\nauth_file = {users}\n",
        encoding="utf-8",
    )
    as_nobody = os.geteuid() == 0
    if as_nobody:
        nobody = pwd.getpwnam("nobody")
        for path in (folder, users, config):
            os.chown(path, nobody.pw_uid, nobody.pw_gid)
    with (folder / "pgbouncer.log").open("wb") as log:
        running = subprocess.Popen(
            [binary, *(["-u", "nobody"] if as_nobody else []), str(config)], stdout=log, stderr=log
        )
    try:
        deadline = time.monotonic() + 10
        while True:
            try:
                psycopg2.connect(f"{server.dsn(queue_database.name)} port={port}", password=server.password).close()
                break
            except psycopg2.OperationalError:
                assert time.monotonic() < deadline, (folder / "pgbouncer.log").read_text(encoding="utf-8")
                assert running.poll() is None, (folder / "pgbouncer.log").read_text(encoding="utf-8")
                time.sleep(0.05)
        yield port
    finally:
        running.terminate()
        running.wait()


@pytest.mark.long
@pytest.mark.pgbouncer
@pytest.mark.parametrize("mode", ["transaction", "statement"])
def test_pgbouncer_that_shares_sessions_is_refused(queue_database: QueueDatabase, tmp_path: Path, mode: str) -> None:
    with (
        pgbouncer(queue_database, tmp_path, mode) as port,
        driver(queue_database, port=port) as queue,
        pytest.raises(QueueError, match="pool"),
    ):
        queue.check()


@pytest.mark.long
@pytest.mark.pgbouncer
def test_pgbouncer_with_session_pooling_is_accepted(queue_database: QueueDatabase, tmp_path: Path) -> None:
    queue_database.insert()
    with pgbouncer(queue_database, tmp_path, "session") as port, driver(queue_database, port=port) as queue:
        queue.check()
        assert queue.close(claimed(queue), success())
