"""A database of its own for one test of the queue."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

from psycopg2 import sql
from psycopg2.extras import RealDictCursor

from progress_exhaust.settings.sections import QueueSettings
from progress_exhaust.stack.postgres import PostgresServer
from tests.support.ddl import Shape

JOB_ID = "progress-exhaust"
_NUMBERS = itertools.count(1)


@dataclass(frozen=True)
class QueueDatabase:
    """A database with one table of requests.

    Attributes:
        server: it stands in.
        name: its name.
        table: name of the table.
    """

    server: PostgresServer
    name: str
    table: str = "job_request"

    @classmethod
    @contextmanager
    def make(cls, server: PostgresServer, shape: Shape) -> Iterator[Self]:
        """Make a database, and drop it at the end with all sessions in it."""
        made = cls(server, f"queue_{next(_NUMBERS)}")
        with server.connect() as session, session.cursor() as cursor:
            cursor.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(made.name)))
        made.execute(shape.ddl.format(table=made.table))
        yield made
        with server.connect() as session, session.cursor() as cursor:
            cursor.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(made.name)))

    def settings(self, *, port: int | None = None, **keys: Any) -> QueueSettings:
        """Settings of a queue in this database, as its superuser; through `port` where it is given."""
        dsn = f"{self.server.dsn(self.name)} {f'port={port}' if port else ''}"
        return QueueSettings.model_validate(
            {"dsn": dsn, "password": self.server.password, "table": self.table, **keys}, strict=False
        )

    def execute(self, statement: str, parameters: Sequence[Any] | Mapping[str, Any] | None = None) -> list[Any]:
        """Run one statement as the superuser, and return its rows."""
        with self.server.connect(self.name) as session, session.cursor(cursor_factory=RealDictCursor) as cursor:
            cursor.execute(statement, parameters)
            return [dict(row) for row in cursor.fetchall()] if cursor.description else []

    def insert(self, request_id: str = "r-1", **columns: Any) -> None:
        """Put in a row as the portal's API does; `columns` win."""
        self.insert_many([{"request_id": request_id, **columns}])

    def insert_many(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Put in several rows."""
        usual: dict[str, Any] = {
            "tag": "t",
            "job_id": JOB_ID,
            "status": "SUBMITTED",
            "request_data": '{"batchId": "b-1"}',
            "requested_by": "someone",
            "requested_channel": "channel",
            "dt_job_submitted": datetime(2024, 1, 1, 10),
            "iteration": 0,
        }
        with self.server.connect(self.name) as session, session.cursor() as cursor:
            for row in rows:
                columns = {**usual, **row}
                names = sql.SQL(", ").join(map(sql.Identifier, columns))
                values = sql.SQL(", ").join(map(sql.Placeholder, columns))
                cursor.execute(
                    sql.SQL("INSERT INTO {} ({}) VALUES ({})").format(sql.Identifier(self.table), names, values),
                    columns,
                )

    def rows(self, where: str = "true") -> list[dict[str, Any]]:
        """Return rows with all their columns, in the order of their keys."""
        return self.execute(f"SELECT * FROM {self.table} WHERE {where} ORDER BY tag, request_id")

    def row(self, request_id: str = "r-1") -> dict[str, Any]:
        """Return the one row with this id."""
        [row] = self.execute(f"SELECT * FROM {self.table} WHERE request_id = %s", [request_id])
        return dict(row)

    def set_default(self, setting: str, value: str) -> None:
        """Change a setting of all sessions that come later."""
        with self.server.connect() as session, session.cursor() as cursor:
            cursor.execute(
                sql.SQL("ALTER DATABASE {} SET {} = {}").format(
                    sql.Identifier(self.name), sql.Identifier(setting), sql.Literal(value)
                )
            )

    def cut_sessions(self, application: str = "progress-exhaust") -> int:
        """End the sessions of an application as an administrator would, wait until they are gone; return how many."""
        cut = self.execute(
            "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity "
            "WHERE application_name = %s AND datname = current_database() AND pid <> pg_backend_pid()",
            [application],
        )
        return len(cut)
