"""One session of PostgreSQL: the only module of the job that connects by the driver."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import psycopg2
from psycopg2.extensions import make_dsn

from progress_exhaust.errors import QueueError, RowLockedError, SettingsError
from progress_exhaust.job_requests.postgres.sql import queries
from progress_exhaust.settings.sections import QueueSettings

APPLICATION = "progress-exhaust"

_GRACE_S = 5.0
"""What a statement may take beyond the time after which the server ends it, before the connection counts as dead."""

_LOCK_TIMEOUT_MS = 2000
"""How long a statement may wait for a row or a table that someone else has locked. Whoever waits keeps the session,
and with it all other requests, waiting; half of `queue.statement_timeout_s` where that is less."""

_KEEPALIVE = {
    "keepalives": 1,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 60_000,
}
_REASON_CHARACTERS = 300

WHO_LOCKS = "try again, or see in pg_locks and pg_stat_activity who it is"

Row = tuple[Any, ...]
Parameters = Mapping[str, Any]


class ConnectionLostError(QueueError):
    """The connection is gone; what was asked last may have been done or not."""


class RowExistsError(QueueError):
    """There is such a row already."""


class ValueRefusedError(QueueError):
    """A value does not fit its column."""


class Session:
    """A connection on which each statement is a transaction, used by one thread at a time.

    Attributes:
        pid: of the process that serves it.
        started: when that process began, as the server writes it; with the pid it is like no other's.
    """

    def __init__(self, settings: QueueSettings) -> None:
        """Connect.

        Raises:
            SettingsError: no connection string is set.
            QueueError: the server does not take us, or is a standby, whose locks nobody else sees.
        """
        self._place, arguments = _arguments(settings)
        self._role = arguments.get("user", "")
        self._table = settings.table
        self._timeout_s = settings.statement_timeout_s
        password = settings.password.get_secret_value() if settings.password else None
        try:
            self._raw = psycopg2.connect(make_dsn(**arguments), password=password)
        except psycopg2.Error as error:
            reason = _one_line(str(error))
            if password and password in reason:
                reason = "it was refused"
            raise QueueError(f"connecting to {self._place}: {reason}; check queue.dsn and its password") from None
        self._raw.autocommit = True
        self._watchdog = _Watchdog(self._raw.fileno())
        own = queries(settings.table, ())
        try:
            [(self.pid, self.started, is_standby)] = self.run(own["identify"])
            if is_standby:
                raise QueueError(f"connecting to {self._place}: it is a standby; name the primary in queue.dsn")
        except QueueError:
            self.close()
            raise

    def prepare(self) -> None:
        """Set zone, formats, isolation and timeouts of the session."""
        timeout_ms = self._timeout_s * 1000
        timeouts = {"statement_timeout_ms": timeout_ms, "lock_timeout_ms": min(_LOCK_TIMEOUT_MS, timeout_ms // 2)}
        self.run(queries(self._table, ())["prepare"], timeouts)

    def run(self, statement: str, parameters: Parameters | None = None, *, within_s: float | None = None) -> list[Row]:
        """Run one statement, and return its rows.

        Args:
            statement: SQL with named parameters.
            parameters: their values.
            within_s: the connection counts as dead without an answer in this time.

        Raises:
            ConnectionLostError: the connection is gone, or did not answer in time.
            RowExistsError: a key is there already.
            RowLockedError: someone else has a row, or the table, locked for longer than we wait.
            ValueRefusedError: a value does not fit its column.
            QueueError: the server refused.
        """
        with self._watchdog.watching(within_s or self._timeout_s + _GRACE_S):
            try:
                with self._raw.cursor() as cursor:
                    cursor.execute(statement, parameters)
                    return cursor.fetchall() if cursor.description else []
            except psycopg2.Error as error:
                raise self._fault(error) from None
            except ValueError:
                raise ValueRefusedError(
                    f"asking {self._place}: a value can not be written as text of the database"
                ) from None

    def close(self) -> None:
        """End the session, which frees its locks."""
        self._watchdog.stop()
        self._raw.close()

    def _fault(self, error: psycopg2.Error) -> QueueError:
        code = error.pgcode or ""
        if self._raw.closed or isinstance(error, psycopg2.InterfaceError) or code.startswith(("08", "57P")):
            return ConnectionLostError(f"asking {self._place}: the connection was lost; is the server up?")
        if code == "23505":
            return RowExistsError(f"asking {self._place}: there is such a row already")
        if code.startswith("22"):
            return ValueRefusedError(f"asking {self._place}: a value does not fit its column")
        if code == "55P03":
            return RowLockedError(f"asking {self._place}: someone else has the row or its table locked; {WHO_LOCKS}")
        # What the server says of these names tables and columns, and no row's data.
        told = _one_line(error.diag.message_primary or "")
        known = {
            "42P01": f"{told}; check queue.table",
            "42501": f"{told}; grant it to the role {self._role}: progress-exhaust doctor lists all rights",
            "42703": f"{told}; was the table altered?",
            "25006": "it takes no writes now; is it a standby, or default_transaction_read_only on?",
            "57014": f"no end in {self._timeout_s} s; is the table locked, or queue.statement_timeout_s too short?",
        }
        return QueueError(f"asking {self._place}: {known.get(code, f'refused with code {code}; see its log')}")


class _Watchdog:
    """Cuts a connection that has not answered in time.

    Keepalive notices a dead machine, but neither a stuck server nor a dead one behind a proxy that is alive: the driver
    would wait for ever. A socket that is shut down ends its wait.
    """

    def __init__(self, descriptor: int) -> None:
        # A descriptor of our own stays valid, and ours, when the driver closes its one.
        self._socket = socket.socket(fileno=os.dup(descriptor))
        self._guard = threading.Lock()
        self._deadline: float | None = None
        self._wake = threading.Event()
        self._is_over = False
        self._thread = threading.Thread(target=self._watch, name="queue-watchdog", daemon=True)
        self._thread.start()

    @contextmanager
    def watching(self, seconds: float) -> Iterator[None]:
        with self._guard:
            self._deadline = time.monotonic() + seconds
        self._wake.set()
        try:
            yield
        finally:
            with self._guard:
                self._deadline = None

    def stop(self) -> None:
        with self._guard:
            self._is_over = True
        self._wake.set()
        self._thread.join()
        self._socket.close()

    def _watch(self) -> None:
        while True:
            with self._guard:
                if self._is_over:
                    return
                left = None if self._deadline is None else self._deadline - time.monotonic()
                if left is not None and left <= 0:
                    self._cut()
                    self._deadline = left = None
                self._wake.clear()
            # A statement that ends early leaves its deadline to be looked at in vain, once.
            self._wake.wait(left)

    def _cut(self) -> None:
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            return


def _arguments(settings: QueueSettings) -> tuple[str, dict[str, Any]]:
    """Return what the place is called in sentences, and libpq's arguments but for the password."""
    if not settings.dsn:
        raise SettingsError("queue.dsn: it is not set; give the connection string of PostgreSQL")
    given = settings.connection_values
    named = [
        f"{word} {given[key]}"
        for key, word in (("host", "at"), ("port", "port"), ("dbname", "database"))
        if key in given
    ]
    place = " ".join(["PostgreSQL", *named])
    ours = {"application_name": APPLICATION, "connect_timeout": settings.connect_timeout_s, **_KEEPALIVE}
    return place, {**ours, **given, "client_encoding": "UTF8"}


def _one_line(text: str) -> str:
    return " ".join(text.split())[:_REASON_CHARACTERS]
