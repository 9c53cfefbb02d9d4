"""What the doctor says of the request queue, on a real PostgreSQL; it writes nothing there."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn

import pytest
from psycopg2 import sql

from progress_exhaust.commands.checks import Check, Openers, State, check_everything
from progress_exhaust.errors import CatalogueError, ComputeError, QueueError
from progress_exhaust.job_requests.memory import MemoryQueue, MemoryTable
from progress_exhaust.job_requests.model import Right
from progress_exhaust.job_requests.port import Queue
from progress_exhaust.job_requests.postgres.queue import PostgresQueue
from progress_exhaust.settings.sections import QueueSettings, Settings
from progress_exhaust.stack.ports import free_ports
from tests.support.ddl import OLD
from tests.support.queue_database import QueueDatabase

README = Path(__file__).parents[2] / "README.md"
PASSWORD = "canary-of-the-doctor"
RUN_WRITES = (
    "status, iteration, dt_job_completed, err_message, dt_file_created, execution_time, download_urls, "
    "processed_batches"
)
PUT_IN = "tag, request_id, job_id, status, request_data, requested_by, requested_channel, dt_job_submitted"


def without_spark() -> NoReturn:
    raise ComputeError("starting Spark: not here; look elsewhere")


def without_catalogue() -> NoReturn:
    raise CatalogueError("opening the catalogue: not here; look elsewhere")


def checks_of(queue: QueueSettings | None, opened: Queue | None = None) -> dict[str, Check]:
    """Ask the doctor, who finds neither Spark nor a catalogue, and return what it says of the queue."""
    settings = Settings(queue=queue) if queue else Settings()
    openers = Openers(
        java=lambda: Path("/usr"),
        session=without_spark,
        tables=without_spark,
        catalogue=without_catalogue,
        store=without_spark,
        queue=lambda: opened or PostgresQueue(settings.queue, settings.requests, now=lambda: datetime.now(UTC)),
    )
    checks: list[Check] = []
    check_everything(settings, openers, checks.append)
    return {check.what: check for check in checks if check.what.startswith("queue")}


def states(checks: dict[str, Check]) -> dict[str, str]:
    return {what: check.state.value for what, check in checks.items()}


def role_with(database: QueueDatabase, name: str, *grants: str) -> QueueSettings:
    """Make a role with some rights, and return the settings of a queue that it uses."""
    with database.server.connect(database.name) as session, session.cursor() as cursor:
        cursor.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(sql.Identifier(name), sql.Literal(PASSWORD)))
    for grant in grants:
        database.execute(f'GRANT {grant} ON job_request TO "{name}"')
    dsn = database.server.dsn(database.name, user=name)
    return QueueSettings.model_validate({"dsn": dsn, "password": PASSWORD})


@pytest.fixture
def forgotten(queue_database: QueueDatabase) -> Any:
    """Removes the roles of a test, for the server serves others too."""
    yield
    for row in queue_database.execute("SELECT rolname FROM pg_roles WHERE rolname LIKE 'doctor%'"):
        queue_database.execute(f'DROP OWNED BY "{row["rolname"]}"')
        queue_database.execute(f'DROP ROLE "{row["rolname"]}"')


def test_all_is_well_and_nothing_is_written(queue_database: QueueDatabase) -> None:
    queue_database.insert("r-1")
    before = queue_database.rows()
    checks = checks_of(queue_database.settings())
    assert states(checks) == {
        "queue": "ok",
        "queue rights of run": "ok",
        "queue rights of submit": "ok",
        "queue rights of status": "ok",
        "queue rights of cancel": "ok",
    }
    assert checks["queue"].found == "table job_request has all columns, and no pooler is in between"
    assert checks["queue rights of cancel"].found == (
        "SELECT (tag, request_id, job_id, status, err_message, dt_job_completed); "
        "UPDATE (status, err_message, dt_job_completed)"
    )
    assert {check.remedy for check in checks.values()} == {""}
    assert queue_database.rows() == before
    assert queue_database.cut_sessions() == 0, "the doctor leaves no connection open"


def test_queue_that_is_not_set_is_noted() -> None:
    assert checks_of(None) == {
        "queue": Check(
            "queue", State.NOTE, "not set: there are no requests", "set queue.dsn to use run, submit, status, cancel"
        )
    }


@pytest.mark.usefixtures("forgotten")
def test_least_rights_of_a_driver_are_enough_for_it(queue_database: QueueDatabase) -> None:
    checks = checks_of(role_with(queue_database, "doctor_driver", "SELECT", f"UPDATE ({RUN_WRITES})"))
    assert states(checks) == {
        "queue": "ok",
        "queue rights of run": "ok",
        "queue rights of submit": "note",
        "queue rights of status": "ok",
        "queue rights of cancel": "ok",
    }
    assert checks["queue rights of submit"].remedy == f"GRANT INSERT ({PUT_IN}) ON job_request TO doctor_driver;"


@pytest.mark.usefixtures("forgotten")
def test_rights_that_the_readme_names_are_enough(queue_database: QueueDatabase) -> None:
    [statements] = re.findall(r"```sql\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    driver, portal = role_with(queue_database, "doctor_reports"), role_with(queue_database, "doctor_portal")
    queue_database.execute(
        statements.replace("TO reports", "TO doctor_reports").replace("TO portal", "TO doctor_portal")
    )
    commands = states(checks_of(driver))
    assert {what for what, state in commands.items() if state != "ok"} == {"queue rights of submit"}
    assert states(checks_of(portal))["queue rights of submit"] == "ok"


@pytest.mark.usefixtures("forgotten")
def test_right_that_is_missing_comes_with_the_statement_that_mends_it(queue_database: QueueDatabase) -> None:
    settings = role_with(queue_database, "doctor-X", "SELECT", "UPDATE (status, err_message, dt_job_completed)")
    before = checks_of(settings)
    run = before["queue rights of run"]
    assert run.failed
    missing = [
        column for column in RUN_WRITES.split(", ") if column not in ("status", "err_message", "dt_job_completed")
    ]
    assert run.found == f"not granted: {', '.join(f'UPDATE ({column})' for column in missing)}"
    assert run.remedy == f'GRANT UPDATE ({", ".join(missing)}) ON job_request TO "doctor-X";'
    assert states(before)["queue rights of cancel"] == "ok"

    queue_database.execute(run.remedy)
    queue_database.execute(before["queue rights of submit"].remedy)

    assert set(states(checks_of(settings)).values()) == {"ok"}


@pytest.mark.usefixtures("forgotten")
def test_role_without_any_right_is_told_so_for_every_command(queue_database: QueueDatabase) -> None:
    checks = checks_of(role_with(queue_database, "doctor_nobody"))
    assert states(checks) == {
        "queue": "ok",
        "queue rights of run": "FAIL",
        "queue rights of submit": "note",
        "queue rights of status": "note",
        "queue rights of cancel": "note",
    }
    for check in list(checks.values())[1:]:
        queue_database.execute(check.remedy)
    role = checks_of(queue_database.settings())
    assert set(states(role).values()) == {"ok"}


def test_table_of_an_older_shape_is_well_and_told_apart(queue_database: QueueDatabase) -> None:
    queue_database.execute("DROP TABLE job_request")
    queue_database.execute(OLD.ddl.format(table="job_request"))
    checks = checks_of(queue_database.settings())
    assert set(states(checks).values()) == {"ok"}
    assert checks["queue"].found.endswith("; it lacks processed_batches, so manifests tell what is finished")
    assert "processed_batches" not in checks["queue rights of run"].found


def test_column_that_is_missing_is_named(queue_database: QueueDatabase) -> None:
    queue_database.execute("ALTER TABLE job_request DROP COLUMN iteration, DROP COLUMN err_message")
    checks = checks_of(queue_database.settings())
    assert states(checks) == {"queue": "FAIL"}
    assert checks["queue"].found.startswith(
        "looking at the table job_request: columns missing: err_message, iteration; got batch_number, "
    )
    assert checks["queue"].remedy == "is it the table of requests?"


def test_table_that_is_not_there_is_named(queue_database: QueueDatabase) -> None:
    checks = checks_of(queue_database.settings(table="elsewhere.requests"))
    assert states(checks) == {"queue": "FAIL"}
    assert checks["queue"].remedy == "check queue.table"


def test_server_that_can_not_be_reached_is_told_without_its_password(queue_database: QueueDatabase) -> None:
    [port] = free_ports(1)
    checks = checks_of(queue_database.settings(port=port))
    assert states(checks) == {"queue": "FAIL"}
    assert checks["queue"].found.startswith("connecting to PostgreSQL at 127.0.0.1")
    assert checks["queue"].remedy
    assert queue_database.server.password not in f"{checks['queue'].found} {checks['queue'].remedy}"


class LostAfterTheCheck(MemoryQueue):
    def rights(self) -> list[Right]:
        raise QueueError("asking PostgreSQL: the connection was lost; is the server up?")


def test_server_that_is_lost_between_two_looks_is_a_failed_check() -> None:
    settings = Settings(queue=QueueSettings(dsn="host=db"))
    lost = LostAfterTheCheck(MemoryTable(), settings.requests, now=lambda: datetime.now(UTC))
    assert checks_of(settings.queue, lost)["queue rights"] == Check(
        "queue rights", State.FAIL, "asking PostgreSQL: the connection was lost", "is the server up?"
    )
