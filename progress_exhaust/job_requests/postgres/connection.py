"""One session of PostgreSQL: the only module of the job that connects by the driver."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Mapping
from typing import Any

import psycopg2
from psycopg2.extensions import make_dsn

from progress_exhaust.deadlines import Watchdog
from progress_exhaust.errors import QueueError, RowLockedError, SettingsError
from progress_exhaust.job_requests.postgres.sql import queries
from progress_exhaust.log_actions import Action
from progress_exhaust.settings.sections import QueueSettings

_LOG = logging.getLogger(__name__)

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

    A statement that is not answered in time ends the connection. Keepalive notices a dead machine, but neither a stuck
    server nor a dead one behind a proxy that is alive: the driver would wait for ever. A socket that is shut down ends
    its wait.

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
            raise QueueError(
                "connecting to", object=self._place, got=reason, remedy="check queue.dsn and its password"
            ) from None
        self._raw.autocommit = True
        # A descriptor of our own stays valid, and ours, when the driver closes its one.
        self._socket = socket.socket(fileno=os.dup(self._raw.fileno()))
        self._watchdog = Watchdog(self._cut, "queue-watchdog")
        own = queries(settings.table, ())
        try:
            [(self.pid, self.started, is_standby)] = self.run(own["identify"])
            if is_standby:
                raise QueueError(
                    "connecting to", object=self._place, got="it is a standby", remedy="name the primary in queue.dsn"
                )
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
                    "asking", object=self._place, got="a value can not be written as text of the database"
                ) from None

    def close(self) -> None:
        """End the session, which frees its locks."""
        self._watchdog.stop()
        self._socket.close()
        self._raw.close()

    def _cut(self) -> None:
        _LOG.debug("%s has not answered in time: the connection is cut", self._place, extra={"action": Action.CUT})
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            return  # the other side has ended it first

    def _fault(self, error: psycopg2.Error) -> QueueError:
        code = error.pgcode or ""
        if self._raw.closed or isinstance(error, psycopg2.InterfaceError) or code.startswith(("08", "57P")):
            return ConnectionLostError(
                "asking", object=self._place, got="the connection was lost", remedy="is the server up?"
            )
        if code == "23505":
            return RowExistsError("asking", object=self._place, got="there is such a row already")
        if code.startswith("22"):
            return ValueRefusedError("asking", object=self._place, got="a value does not fit its column")
        if code == "55P03":
            return RowLockedError(
                "asking", object=self._place, got="someone else has the row or its table locked", remedy=WHO_LOCKS
            )
        # What the server says of these names tables and columns, and no row's data.
        told = _one_line(error.diag.message_primary or "")
        known = {
            "42P01": (told, "check queue.table"),
            "42501": (told, f"grant it to the role {self._role}: progress-exhaust doctor lists all rights"),
            "42703": (told, "was the table altered?"),
            "25006": ("it takes no writes now", "is it a standby, or default_transaction_read_only on?"),
            "57014": (
                f"no end in {self._timeout_s} s",
                "is the table locked, or queue.statement_timeout_s too short?",
            ),
        }
        got, remedy = known.get(code, (f"refused with code {code}", "see its log"))
        return QueueError("asking", object=self._place, got=got, remedy=remedy)


def _arguments(settings: QueueSettings) -> tuple[str, dict[str, Any]]:
    """Return what the place is called in sentences, and libpq's arguments but for the password."""
    if not settings.dsn:
        raise SettingsError("queue.dsn", got="it is not set", remedy="give the connection string of PostgreSQL")
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
