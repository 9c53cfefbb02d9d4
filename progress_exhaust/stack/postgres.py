"""One real PostgreSQL server on loopback, from the binaries that a wheel brings.

Any user of this machine can reach a port of loopback, and a superuser's session can run programs as the server's own
user: so each server has a random password, and asks for it. It has no socket in the file system at all.
"""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from importlib import resources
from pathlib import Path

import psycopg2
from psycopg2.extensions import connection as Connection

from progress_exhaust.errors import OperatorError
from progress_exhaust.stack import processes
from progress_exhaust.stack.ports import HOST, free_ports
from progress_exhaust.stack.postgres_install import (
    ENVIRONMENT,
    MAJOR,
    binaries,
    is_open_to_all,
    make_cluster,
    user_of_server,
)

SUPERUSER = "stack"

_START_S = 60.0
_STOP_S = 20.0
_POLL_S = 0.02
_STATUS_LINE = 7
_SETTINGS = {
    "listen_addresses": HOST,
    "unix_socket_directories": "",
    # A demo's or a test's data need not outlive the machine's power.
    "fsync": "off",
    "max_connections": "60",
    "shared_buffers": "32MB",
}


class PostgresServer:
    """A server with its log and process id in one folder, and its data too where the server's user can reach it.

    PostgreSQL refuses to run as root. Started by root, it runs as the user `nobody`, who may not be able to enter the
    folder, or the Python environment: what that user must reach stands then in a temporary folder of its own.

    Attributes:
        host: where it listens.
        port: the same after a restart.
        user: its superuser.
        password: that of the superuser.
        log: what the server prints.
        pid_file: who the running server is, for `processes.running_process`.
    """

    def __init__(
        self,
        folder: Path,
        *,
        settings: Mapping[str, str] | None = None,
        major: int = MAJOR,
        die_with_parent: bool = True,
    ) -> None:
        """Describe the server; nothing is written or started yet.

        Args:
            folder: the server's folder, made where it is missing.
            settings: more of the server's own settings, over those that one on loopback needs.
            major: its version; the wheel brings 16 and 18.
            die_with_parent: the server does not outlive the thread that starts it.
        """
        self.host = HOST
        [self.port] = free_ports(1)
        self.user = SUPERUSER
        self.log = folder.absolute() / "server.log"
        self.pid_file = folder.absolute() / "server.pid"
        self._folder = folder.absolute()
        self._settings = dict(settings or {})
        self._major = major
        self._die_with_parent = die_with_parent
        self._owner = user_of_server()

    @property
    def process(self) -> processes.Process | None:
        """The running process, or None."""
        return processes.running_process(self.pid_file)

    @property
    def password(self) -> str:
        """The superuser's password; made at the first start, and kept in the folder for its owner alone."""
        file = self._folder / "password"
        if not file.exists():
            file.touch(mode=0o600)
            file.write_text(secrets.token_urlsafe(18), encoding="ascii")
        return file.read_text(encoding="ascii")

    def dsn(self, database: str = "postgres", user: str = SUPERUSER) -> str:
        """Return libpq's connection string, without a password."""
        return f"host={self.host} port={self.port} dbname={database} user={user} sslmode=disable"

    def start(self) -> None:
        """Start the server, and return when it takes connections; one that runs is left as it is.

        Raises:
            OperatorError: it ended, or was not ready in time; the text quotes the end of its log.
        """
        if self.process:
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        home = self._home()
        install = binaries(self._major, home, self._owner)
        data = home / "data"
        if not (data / "PG_VERSION").exists():
            self._make_cluster(install, home, data)
        settings = {**_SETTINGS, "port": str(self.port), **self._settings}
        with ExitStack() as undo:
            process = processes.start(
                [
                    *(str(install / "bin" / "postgres"), "-D", str(data)),
                    *(argument for name, value in settings.items() for argument in ("-c", f"{name}={value}")),
                ],
                log=self.log,
                pid_file=self.pid_file,
                environment=ENVIRONMENT,
                die_with_parent=self._die_with_parent,
                user=self._owner,
            )
            undo.callback(process.kill)
            processes.wait_until_ready(
                process,
                lambda: _is_ready(data / "postmaster.pid", process.pid),
                what=f"PostgreSQL in {self._folder}",
                within_s=_START_S,
                log=self.log,
                poll_s=_POLL_S,
            )
            undo.pop_all()

    def stop(self) -> None:
        """End the server and all its sessions cleanly; one that does not run is left as it is."""
        if process := self.process:
            process.stop(_STOP_S, signal.SIGINT)

    def kill(self) -> None:
        """End the server at once, as a fault would: it has to recover at the next start."""
        if process := self.process:
            process.stop(_STOP_S, signal.SIGQUIT)

    def restart(self, settings: Mapping[str, str] | None = None, *, at_once: bool = False) -> None:
        """End the server and start it again on its data and port.

        Args:
            settings: these replace the `settings` of the constructor; None keeps them.
            at_once: end it as `kill` does.
        """
        if at_once:
            self.kill()
        else:
            self.stop()
        if settings is not None:
            self._settings = dict(settings)
        self.start()

    def remove(self) -> None:
        """End the server, and remove its data."""
        self.kill()
        if home := self._home_if_made():
            shutil.rmtree(home)
        for name in ("home", "password"):
            (self._folder / name).unlink(missing_ok=True)

    @contextmanager
    def connect(self, database: str = "postgres") -> Iterator[Connection]:
        """Open a superuser's session; each statement is a transaction.

        Raises:
            OperatorError: the server does not take it.
        """
        try:
            opened = psycopg2.connect(self.dsn(database), password=self.password, connect_timeout=10)
        except psycopg2.Error as error:
            raise OperatorError("connecting to", object=self.dsn(database), got=str(error).strip()) from None
        opened.autocommit = True
        with closing(opened) as session:
            yield session

    def create_queue(self, database: str = "postgres") -> None:
        """Make the table of requests where it is missing."""
        schema = resources.files("progress_exhaust.stack").joinpath("queue_schema.sql").read_text(encoding="utf-8")
        with self.connect(database) as session, session.cursor() as cursor:
            cursor.execute(schema)

    def _home_if_made(self) -> Path | None:
        note = self._folder / "home"
        home = Path(note.read_text(encoding="utf-8")) if note.exists() else None
        return home if home and home.is_dir() else None

    def _home(self) -> Path:
        """Return the folder that belongs to the server's user, made where it is missing."""
        if home := self._home_if_made():
            return home
        if self._owner and not is_open_to_all(self._folder):
            home = Path(tempfile.mkdtemp(prefix="progress-exhaust-postgres-"))
        else:
            home = self._folder / "server"
            home.mkdir(mode=0o700, exist_ok=True)
        self._give_to_server(home)
        (self._folder / "home").write_text(str(home), encoding="utf-8")
        return home

    def _make_cluster(self, install: Path, home: Path, data: Path) -> None:
        password_file = home / "password"
        password_file.touch(mode=0o600)
        password_file.write_text(self.password, encoding="ascii")
        self._give_to_server(password_file)
        try:
            make_cluster(install, data, superuser=self.user, password_file=password_file, runs_as=self._owner)
        finally:
            password_file.unlink()

    def _give_to_server(self, path: Path) -> None:
        if self._owner:
            os.chown(path, self._owner.uid, self._owner.gid)


def _is_ready(postmaster_file: Path, pid: int) -> bool:
    """Return whether the server has written into its own file that it takes connections."""
    try:
        lines = postmaster_file.read_text(encoding="utf-8").splitlines()
    except OSError:
        return False
    return lines[:1] == [str(pid)] and len(lines) > _STATUS_LINE and lines[_STATUS_LINE].strip() == "ready"
