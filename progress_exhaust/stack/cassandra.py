"""One real Cassandra node on loopback, started from its jars: a cluster of its own."""

from __future__ import annotations

import json
import secrets
import socket
import ssl
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Any

from cassandra.cluster import Session

from progress_exhaust.deadlines import Deadline
from progress_exhaust.errors import OperatorError, SourceError
from progress_exhaust.stack import processes
from progress_exhaust.stack.driver import Login, cql_session
from progress_exhaust.stack.node_config import java_command, node_settings
from progress_exhaust.stack.ports import HOST, free_ports
from progress_exhaust.stack.tls import Certificate, make_certificate

_START_S = 120.0
_STOP_S = 30.0
_ESTIMATES_S = 90.0
_POLL_S = 0.1
_FLUSH_PERIOD_MS = 100
_DEFAULT_LOGIN = Login("cassandra", "cassandra")
_REQUEST_OPTIONS = bytes((4, 0, 0, 0, 5, 0, 0, 0, 0))
_ANSWER_SUPPORTED = 6


class Tls(StrEnum):
    """Whether clients encrypt their connections; all of them use the same port."""

    OFF = "off"
    OPTIONAL = "optional"
    REQUIRED = "required"


class CassandraNode:
    """A node with its data, log and certificate in one folder.

    Attributes:
        host: where it listens.
        port: of the native transport; the same after a restart.
        login: that of a superuser, where the node asks for passwords.
        certificate: that of the node, where it speaks TLS; made at the first start.
        log: what the node prints.
        pid_file: who the running node is, for `processes.running_process`.
    """

    def __init__(
        self,
        folder: Path,
        *,
        jars: Path,
        java: Path,
        environment: Mapping[str, str],
        with_login: bool = False,
        tls: Tls = Tls.OFF,
        settings: Mapping[str, Any] | None = None,
        heap: str = "512m",
        die_with_parent: bool = True,
    ) -> None:
        """Describe the node; nothing is written or started yet.

        Args:
            folder: the node's folder, made where it is missing.
            jars: folder with Cassandra's jars.
            java: home of a Java 17.
            environment: the node's variables.
            with_login: ask clients for role and password, and check their rights.
            tls: whether clients encrypt.
            settings: more lines of `cassandra.yaml`, over those that a node on loopback needs.
            heap: most memory for objects; the process takes about 400 MB more.
            die_with_parent: the node does not outlive the thread that starts it.
        """
        self.host = HOST
        self.port, self._storage_port = free_ports(2)
        self.login = Login("stack", secrets.token_urlsafe(16)) if with_login else None
        self.certificate: Certificate | None = None
        self.log = folder / "node.log"
        self.pid_file = folder / "node.pid"
        self._folder = folder.absolute()
        self._jars = jars
        self._java = java
        self._environment = environment
        self._tls = tls
        self._settings = dict(settings or {})
        self._heap = heap
        self._die_with_parent = die_with_parent

    @property
    def process(self) -> processes.Process | None:
        """The running process, or None."""
        return processes.running_process(self.pid_file)

    def start(self) -> None:
        """Start the node, and return when it answers CQL and knows its role; one that runs is left as it is.

        Raises:
            OperatorError: it ended, or did not answer in time; the text quotes the end of its log.
        """
        if self.process:
            return
        (self._folder / "tmp").mkdir(parents=True, exist_ok=True)
        config = self._folder / "cassandra.yaml"
        # JSON is YAML.
        config.write_text(json.dumps(self._config(), indent=1), encoding="utf-8")
        with ExitStack() as undo:
            process = processes.start(
                java_command(self._java, self._jars, self._folder, config, self._heap),
                log=self.log,
                pid_file=self.pid_file,
                environment=self._environment,
                die_with_parent=self._die_with_parent,
            )
            undo.callback(process.kill)
            what = f"Cassandra in {self._folder}"
            processes.wait_until_ready(process, self._answers, what=what, within_s=_START_S, log=self.log)
            self._make_role()
            undo.pop_all()

    def stop(self) -> None:
        """End the node cleanly, which writes all rows to its tables; one that does not run is left as it is."""
        if process := self.process:
            process.stop(_STOP_S)

    def kill(self) -> None:
        """Kill the node, as a fault would; what it took in the last second may be lost."""
        if process := self.process:
            process.kill()

    def restart(self, settings: Mapping[str, Any] | None = None) -> None:
        """End the node and start it again on its data and ports.

        Args:
            settings: these replace the `settings` of the constructor; None keeps them.
        """
        self.stop()
        if settings is not None:
            self._settings = dict(settings)
        self.start()

    @contextmanager
    def session(self, login: Login | None = None) -> Iterator[Session]:
        """Open a CQL session, as `login` or as the node's own superuser, over TLS where that is required."""
        tls = self.certificate.client_context() if self.certificate and self._tls is Tls.REQUIRED else None
        with cql_session(self.host, self.port, login=login or self.login, tls=tls) as session:
            yield session

    def flush(self, keyspaces: Iterable[str]) -> None:
        """Write all rows of some keyspaces from memory to sstables.

        CQL has no word for it, but a table can be told to flush itself every so many milliseconds: each is, for a
        moment. (A clean restart flushes too, and takes fifteen seconds.)
        """
        with self.session() as session:
            tables = [
                f'"{keyspace}"."{table}"'
                for keyspace in keyspaces
                for table in session.cluster.metadata.keyspaces[keyspace].tables
            ]
            for table in tables:
                session.execute(f"ALTER TABLE {table} WITH memtable_flush_period_in_ms = {_FLUSH_PERIOD_MS}")
            time.sleep(3 * _FLUSH_PERIOD_MS / 1000)
            for table in tables:
                session.execute(f"ALTER TABLE {table} WITH memtable_flush_period_in_ms = 0")
            while any(
                row.active_tasks or row.pending_tasks
                for row in session.execute("SELECT name, active_tasks, pending_tasks FROM system_views.thread_pools")
                if row.name.startswith("Memtable")
            ):
                time.sleep(_POLL_S)

    def wait_for_estimates(self, keyspace: str, table: str) -> int:
        """Wait until the node knows the size of a flushed table, and return its number of partitions.

        It looks for the first time half a minute after its start, then each ten seconds.

        Raises:
            OperatorError: it does not; a table without a flushed row never gets a size.
        """
        question = "SELECT partitions_count FROM system.size_estimates WHERE keyspace_name = %s AND table_name = %s"
        deadline = Deadline.after(_ESTIMATES_S)
        with self.session() as session:
            while not (partitions := sum(row.partitions_count for row in session.execute(question, (keyspace, table)))):
                if deadline.is_over:
                    raise OperatorError(
                        "waiting for",
                        object=f"the size of {keyspace}.{table}",
                        got="none",
                        remedy="was the table flushed?",
                    )
                time.sleep(1.0)
        return int(partitions)

    def _config(self) -> dict[str, Any]:
        client_tls = None
        if self._tls is not Tls.OFF:
            self.certificate = self.certificate or make_certificate(self._folder / "tls", java=self._java)
            client_tls = {
                "enabled": True,
                "optional": self._tls is Tls.OPTIONAL,
                "keystore": str(self.certificate.key_store),
                "keystore_password": self.certificate.password,
                "require_client_auth": False,
            }
        return node_settings(
            self.port, self._storage_port, with_login=self.login is not None, client_tls=client_tls, more=self._settings
        )

    def _answers(self) -> bool:
        """Return whether CQL answers the one question that needs no login."""
        try:
            with ExitStack() as stack:
                link = stack.enter_context(socket.create_connection((self.host, self.port), timeout=5.0))
                if self._tls is Tls.REQUIRED and self.certificate:
                    context = self.certificate.client_context()
                    link = stack.enter_context(context.wrap_socket(link, server_hostname=self.host))
                link.sendall(_REQUEST_OPTIONS)
                answer = link.recv(9)
        except (OSError, ssl.SSLError):
            return False
        return len(answer) > 4 and answer[4] == _ANSWER_SUPPORTED

    def _make_role(self) -> None:
        """Put a role of our own in the place of the one that every Cassandra is delivered with."""
        made = self._folder / "role-is-made"
        if self.login is None or made.exists():
            return
        with self._session_with_default_role() as session:
            # Role statements take no parameters; the password is URL-safe base64.
            session.execute(
                f"CREATE ROLE {self.login.username} "
                f"WITH PASSWORD = '{self.login.password}' AND LOGIN = true AND SUPERUSER = true"
            )
        with self.session() as session:
            session.execute(f"ALTER ROLE {_DEFAULT_LOGIN.username} WITH LOGIN = false AND SUPERUSER = false")
        made.touch()

    @contextmanager
    def _session_with_default_role(self) -> Iterator[Session]:
        # The role is made by the node itself, some moments after CQL answers.
        deadline = Deadline.after(_START_S)
        while True:
            with ExitStack() as stack:
                try:
                    session = stack.enter_context(self.session(_DEFAULT_LOGIN))
                except SourceError:
                    if deadline.is_over:
                        raise
                    time.sleep(_POLL_S)
                    continue
                yield session
                return
