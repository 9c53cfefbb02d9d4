"""What the queue may do, what it needs, and what it leaves alone."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from progress_exhaust.errors import QueueError
from progress_exhaust.job_requests.model import Claim, NewRequest, NotClaimed, RequestKey, Right
from progress_exhaust.job_requests.postgres.table import NEEDS
from tests.support.queue_database import QueueDatabase
from tests.support.queue_drivers import FILES, KEY, NOON, NOTHING, claimed, driver, failure, success

_NUMBERS = itertools.count(1)
PASSWORD = "canary-role-password"


@dataclass(frozen=True)
class Role:
    """A role that may connect, and what it is granted."""

    name: str
    database: QueueDatabase

    def grant(self, command: str, *, but: str = "") -> None:
        """Grant exactly what a command needs, less one column of one privilege: `UPDATE status`."""
        for needed_by, privilege, columns in NEEDS:
            granted = [column for column in columns if f"{privilege} {column}" != but]
            if needed_by == command:
                self.database.execute(f"GRANT {privilege} ({', '.join(granted)}) ON job_request TO {self.name}")

    def settings(self) -> dict[str, Any]:
        return {"dsn": self.database.server.dsn(self.database.name, self.name), "password": PASSWORD}


@contextmanager
def role_in(database: QueueDatabase) -> Iterator[Role]:
    role = Role(f"driver_{next(_NUMBERS)}", database)
    database.execute(f"CREATE ROLE {role.name} LOGIN PASSWORD '{PASSWORD}'")
    yield role
    database.execute(f"DROP OWNED BY {role.name}")
    database.execute(f"DROP ROLE {role.name}")


@pytest.fixture
def role(queue_database: QueueDatabase) -> Iterator[Role]:
    with role_in(queue_database) as role:
        yield role


def granted(rights: list[Right]) -> dict[str, bool]:
    commands = sorted({right.command for right in rights})
    return {name: all(right.is_granted for right in rights if right.command == name) for name in commands}


def test_select_and_update_of_named_columns_are_enough_to_run(queue_database: QueueDatabase, role: Role) -> None:
    role.grant("run")
    queue_database.insert()
    queue_database.insert("r-2", status="PROCESSING", iteration=2)
    with driver(queue_database, **role.settings()) as queue:
        queue.check()
        assert granted(queue.rights()) == {"run": True, "submit": False, "status": True, "cancel": True}
        claim = claimed(queue)
        queue.checkpoint({KEY: FILES})
        queue_database.cut_sessions()
        assert queue.is_ours(claim), "also on a session that was made anew"
        assert queue.release(claim, FILES)
        assert queue.close(claimed(queue), success())
        assert queue.claim(RequestKey("t", "r-2")) is NotClaimed.GAVE_UP


def test_insert_is_enough_to_submit_and_select_to_look(queue_database: QueueDatabase, role: Role) -> None:
    role.grant("submit")
    with driver(queue_database, **role.settings()) as queue:
        queue.submit(NewRequest(KEY, "{}", "someone", "c", NOON))
        assert granted(queue.rights()) == {"run": False, "submit": True, "status": False, "cancel": False}
    role.grant("status")
    with driver(queue_database, **role.settings()) as queue:
        assert [row.key for row in queue.listed()] == [KEY]
        assert granted(queue.rights())["status"]
        with pytest.raises(QueueError, match=f"permission denied for table .*; grant it to the role {role.name}"):
            queue.cancel(request_id="r-1", tag=None, now=NOON)
    role.grant("cancel")
    with driver(queue_database, **role.settings()) as queue:
        assert queue.cancel(request_id="r-1", tag=None, now=NOON) == [KEY]


@pytest.mark.parametrize(
    ("command", "lacking"),
    [("run", "UPDATE iteration"), ("run", "UPDATE processed_batches"), ("submit", "INSERT request_data"),
     ("cancel", "UPDATE err_message"), ("status", "SELECT download_urls")],
)  # fmt: skip
def test_column_that_is_not_granted_is_named(
    queue_database: QueueDatabase, role: Role, command: str, lacking: str
) -> None:
    role.grant(command, but=lacking)
    with driver(queue_database, **role.settings()) as queue:
        privilege, column = lacking.split()
        rights = [right for right in queue.rights() if right.command == command]
    assert [right.what for right in rights if not right.is_granted] == [f"{privilege} ({column})"]
    assert len([right for right in rights if right.is_granted]) == len({p for c, p, _ in NEEDS if c == command})


def test_password_column_is_asked_for_only_where_there_is_one(queue_database: QueueDatabase, role: Role) -> None:
    role.grant("run", but="SELECT encryption_key")
    queue_database.insert()
    with driver(queue_database, **role.settings()) as queue:
        assert not granted(queue.rights())["run"]
        with pytest.raises(QueueError, match="permission denied"):
            queue.claim(KEY)
    queue_database.execute("ALTER TABLE job_request DROP encryption_key")
    with driver(queue_database, **role.settings()) as queue:
        assert granted(queue.rights())["run"]
        claim = claimed(queue)
        assert not claim.has_key
        queue.checkpoint({KEY: FILES})
        assert queue.close(claim, success())


def test_role_without_any_right_is_told_so(queue_database: QueueDatabase, role: Role) -> None:
    queue_database.insert()
    with driver(queue_database, **role.settings()) as queue:
        queue.check()
        assert granted(queue.rights()) == {"run": False, "submit": False, "status": False, "cancel": False}
        with pytest.raises(QueueError, match=f"permission denied for table .*; grant it to the role {role.name}"):
            queue.due()
        with pytest.raises(QueueError, match="permission denied"):
            queue.claim(KEY)
    assert queue_database.row()["status"] == "SUBMITTED"


def test_claim_that_is_refused_leaves_no_lock(queue_database: QueueDatabase, role: Role) -> None:
    role.grant("status")
    queue_database.insert()
    with driver(queue_database, **role.settings()) as queue, driver(queue_database) as other:
        with pytest.raises(QueueError, match="permission denied"):
            queue.claim(KEY)
        assert isinstance(other.claim(KEY), Claim)


def test_rights_on_the_whole_table_count_too(queue_database: QueueDatabase, role: Role) -> None:
    queue_database.execute(f"GRANT SELECT, UPDATE, INSERT ON job_request TO {role.name}")
    with driver(queue_database, **role.settings()) as queue:
        assert all(granted(queue.rights()).values())


def test_rows_of_other_jobs_are_never_touched(queue_database: QueueDatabase) -> None:
    others = ["response-exhaust", "userinfo-exhaust", "Progress-Exhaust", "progress-exhaust ", "", None]
    for number, job_id in enumerate(others):
        for status in ("SUBMITTED", "PROCESSING", "FAILED"):
            # Everything else is like a row of ours, down to the key's other half.
            row = {"tag": f"t-{number}-{status}", "job_id": job_id, "status": status, "iteration": 0}
            queue_database.insert("r-1", **row)
    where = "job_id IS DISTINCT FROM 'progress-exhaust'"
    before = queue_database.rows(where)
    keys = [RequestKey(row["tag"], row["request_id"]) for row in before]
    assert len(keys) == 18
    queue_database.insert()
    with driver(queue_database) as queue:
        queue.check()
        assert [due.key for due in queue.due()] == [KEY]
        assert [due.key for due in queue.due(request_id="r-1")] == [KEY]
        assert {queue.claim(key) for key in keys} == {NotClaimed.NOT_DUE}
        claim = claimed(queue)
        assert not claim.shares_request_id
        # Even claims of them, which there can not be, reach no row.
        queue.checkpoint(dict.fromkeys([KEY, *keys], FILES))
        assert [row.key for row in queue.listed()] == [KEY]
        assert queue.cancel(request_id="r-1", tag="t-0-SUBMITTED", now=NOON) == []
        assert queue.release(claim, NOTHING)
        assert queue.close(claimed(queue), failure("x"))
        queue_database.execute("UPDATE job_request SET status = 'SUBMITTED' WHERE job_id = 'progress-exhaust'")
        assert queue.cancel(request_id="r-1", tag=None, now=NOON) == [KEY]
    assert queue_database.rows(where) == before


def test_row_that_becomes_another_jobs_is_not_written(queue_database: QueueDatabase) -> None:
    queue_database.insert()
    with driver(queue_database) as queue:
        claim = claimed(queue)
        queue_database.execute("UPDATE job_request SET job_id = 'response-exhaust'")
        before = queue_database.rows()
        assert not queue.is_ours(claim)
        assert not queue.close(claim, success())
    assert queue_database.rows() == before


def test_statements_touch_no_other_table_and_change_no_schema(queue_database: QueueDatabase) -> None:
    catalogue = "SELECT relname, relkind, relnatts FROM pg_class WHERE relnamespace = 'public'::regnamespace ORDER BY 1"
    before = queue_database.execute(catalogue)
    queue_database.insert()
    with driver(queue_database) as queue:
        queue.check()
        queue.close(claimed(queue), success())
        temporary = queue_database.execute("SELECT 1 FROM pg_namespace WHERE nspname LIKE 'pg_temp%'")
    assert queue_database.execute(catalogue) == before
    assert temporary == []


def test_password_is_in_no_sentence(queue_database: QueueDatabase, role: Role) -> None:
    dsn = queue_database.server.dsn(queue_database.name, role.name)
    with (
        driver(queue_database, dsn=dsn, password="canary-wrong-password") as queue,
        pytest.raises(QueueError, match="password authentication failed for user") as refused,
    ):
        queue.check()
    assert "canary" not in str(refused.value)
    assert refused.value.__suppress_context__
    with (
        driver(queue_database, dsn=dsn) as queue,
        pytest.raises(QueueError, match="connecting to PostgreSQL at"),
    ):
        queue.check()
