"""The commands beside the queue, as subprocesses, on a real PostgreSQL; none of them starts Spark."""

from __future__ import annotations

import json
import os
import re
import resource
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from progress_exhaust.job_requests.model import Claim, RequestKey
from progress_exhaust.job_requests.postgres.queue import PostgresQueue
from progress_exhaust.job_requests.progress import PROGRESS_FOLDER, Progress, progress_name, progress_text
from progress_exhaust.paths import STAGING
from progress_exhaust.settings.sections import RequestSettings
from progress_exhaust.stack.postgres import PostgresServer
from tests.support.ddl import OLD
from tests.support.queue_database import QueueDatabase

SEARCH = {"request": {"filters": {"channel": "c", "primaryCategory": ["Course"]}}}
WORK_S = 1.0

# Runs the command line, then says on a last line of stderr which of these were imported.
WATCHED = """
import sys
from progress_exhaust.cli.app import run
code = run(sys.argv[1:])
print(sorted({name.split('.')[0] for name in sys.modules} & {'pyspark', 'py4j', 'requests'}), file=sys.stderr)
sys.exit(code)
"""


class Commands:
    """Runs commands on one database.

    Attributes:
        output: the output root.
    """

    def __init__(self, database: QueueDatabase, output: Path) -> None:
        self.output = output
        queue = database.settings()
        self._settings = {
            "PROGRESS_EXHAUST__QUEUE__DSN": queue.dsn,
            "PROGRESS_EXHAUST__QUEUE__PASSWORD": database.server.password,
            "PROGRESS_EXHAUST__OUTPUT__URL": str(output),
            "USER": "someone",
        }

    def run(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run a command, and see that it neither loads Spark nor shows a stack trace."""
        ours = {name: value for name, value in os.environ.items() if not name.upper().startswith("PROGRESS_EXHAUST")}
        ended = subprocess.run(
            [sys.executable, "-c", WATCHED, *arguments],
            env={**ours, **self._settings, **variables},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        *lines, imported = ended.stderr.splitlines()
        assert imported == "[]"
        assert "Traceback" not in ended.stderr
        ended.stderr = "\n".join(lines)
        return ended

    def document(self, *arguments: str) -> dict[str, Any]:
        """Run a command that goes well, and return its document."""
        ended = self.run(*arguments, "--json")
        assert ended.returncode == 0, ended.stderr
        document: dict[str, Any] = json.loads(ended.stdout)
        return document


@pytest.fixture
def commands(queue_database: QueueDatabase, tmp_path: Path) -> Commands:
    return Commands(queue_database, tmp_path / "output")


@pytest.fixture
def driver(queue_database: QueueDatabase) -> Iterator[PostgresQueue]:
    """The queue as a driver that is at work holds it."""
    queue = PostgresQueue(queue_database.settings(), RequestSettings(), now=lambda: datetime.now(UTC))
    yield queue
    queue.close_connections()


def claimed(driver: PostgresQueue, request_id: str) -> Claim:
    claim = driver.claim(RequestKey("t", request_id))
    assert isinstance(claim, Claim)
    return claim


# --- submit ----------------------------------------------------------------------------------------------------------


def test_request_is_put_in_as_the_portal_does_it(commands: Commands, queue_database: QueueDatabase) -> None:
    ended = commands.run("submit", "--batch", "b-2", "b-1", "--channel", "c", "--tag", "of mine")
    assert (ended.returncode, ended.stderr) == (0, "")
    first, second, closing = ended.stdout.splitlines()
    [row] = queue_database.rows()
    assert re.fullmatch(r"[0-9A-F]{32}", row["request_id"])
    assert first == f"request id: {row['request_id']}"
    assert second == f"to look at it: progress-exhaust status {row['request_id']}"
    assert re.fullmatch(r"1 request submitted, [0-9.]+ s", closing)
    put_in = row.pop("dt_job_submitted")
    assert abs(datetime.now(UTC).replace(tzinfo=None) - put_in) < timedelta(minutes=1)
    assert {key: value for key, value in row.items() if key != "request_id" and value is not None} == {
        "tag": "of mine",
        "job_id": "progress-exhaust",
        "status": "SUBMITTED",
        "request_data": {"batchFilter": ["b-2", "b-1"]},
        "requested_by": "someone",
        "requested_channel": "c",
    }


def test_search_of_a_file_is_put_in(commands: Commands, queue_database: QueueDatabase, tmp_path: Path) -> None:
    file = tmp_path / "search.json"
    file.write_text(json.dumps(SEARCH))
    document = commands.document("submit", "--search", str(file), "--channel", "c", "--request-id", "R1")
    assert (document["request_id"], document["tag"], document["error"]) == ("R1", "progress-exhaust", None)
    assert queue_database.row("R1")["request_data"] == {"searchFilter": SEARCH}


def test_id_that_is_taken_is_refused_and_the_row_stays_as_it_was(
    commands: Commands, queue_database: QueueDatabase
) -> None:
    queue_database.insert("R1")
    before = queue_database.rows()
    ended = commands.run("submit", "--batch", "b-9", "--channel", "c", "--request-id", "R1", "--tag", "t")
    assert ended.returncode == 1
    assert len(ended.stderr.splitlines()) == 1
    assert "R1" in ended.stderr
    assert ended.stdout.startswith("0 requests submitted, ")
    assert queue_database.rows() == before


def test_text_too_long_for_its_column_is_told(commands: Commands, queue_database: QueueDatabase) -> None:
    ended = commands.run("submit", "--batch", "b", "--channel", "c" * 51, "--request-id", "R1")
    assert ended.returncode == 1
    assert ended.stderr == (
        "error: putting in request R1: the table can not hold a text of it; "
        "give shorter ones, without control characters"
    )
    assert queue_database.rows() == []


@pytest.mark.parametrize("text", ["'; DROP TABLE job_request; --", "%s {} \\", "línea", "a\nb", "\x1b[2J"], ids=repr)
def test_odd_texts_are_stored_as_they_are(commands: Commands, queue_database: QueueDatabase, text: str) -> None:
    document = commands.document("submit", "--batch", text, "--channel", text, "--tag", text, "--requested-by", text)
    [row] = queue_database.rows()
    assert (row["tag"], row["requested_channel"], row["requested_by"]) == (text, text, text)
    assert row["request_data"] == {"batchId": text}
    assert document["bad_ids"] == [text]
    assert [one["tag"] for one in commands.document("status", "--tag", text)["requests"]] == [text]
    cancelled = commands.document("cancel", row["request_id"], "--tag", text)["cancelled"]
    assert cancelled == [{"request_id": row["request_id"], "tag": text}]


# --- status ----------------------------------------------------------------------------------------------------------


def test_status_of_requests_in_every_state(
    commands: Commands, queue_database: QueueDatabase, driver: PostgresQueue
) -> None:
    queue_database.insert("waits", dt_job_submitted=datetime(2024, 1, 1, 10))
    queue_database.insert("busy", dt_job_submitted=datetime(2024, 1, 1, 11))
    queue_database.insert("left", status="PROCESSING", iteration=2, dt_job_submitted=datetime(2024, 1, 1, 12))
    queue_database.insert(
        "done",
        status="SUCCESS",
        dt_job_submitted=datetime(2024, 1, 1, 13),
        dt_job_completed=datetime(2024, 1, 1, 14),
        download_urls=["progress-exhaust/done/a.csv"],
        err_message="1 of 2 not made: b-9 (unknown)",
    )
    queue_database.insert("another-job", job_id="userinfo-exhaust")
    claim = claimed(driver, "busy")
    moment = datetime(2024, 1, 2, tzinfo=UTC)
    folder = commands.output / STAGING / "20240102T000000Z-0a1b2c" / PROGRESS_FOLDER
    folder.mkdir(parents=True)
    note = Progress(claim.key, "publishing", 3, 7, 1200, moment, moment, 12.5)
    (folder / progress_name(claim.key)).write_text(progress_text(note))
    requests = {one["request_id"]: one for one in commands.document("status")["requests"]}
    assert list(requests) == ["waits", "busy", "left", "done"]
    told = ("status", "alive", "phase", "files", "files_total", "rows", "seconds_left", "iteration")
    assert {request_id: tuple(one[key] for key in told) for request_id, one in requests.items()} == {
        "waits": ("SUBMITTED", False, "waiting", 0, None, None, None, 0),
        "busy": ("PROCESSING", True, "publishing", 3, 7, 1200, 12.5, 0),
        "left": ("PROCESSING", False, "driver gone", 0, None, None, None, 2),
        "done": ("SUCCESS", False, "ended", 1, None, None, None, 0),
    }
    assert requests["done"]["submitted_at"] == "2024-01-01T13:00:00+00:00"
    assert requests["done"]["completed_at"] == "2024-01-01T14:00:00+00:00"
    assert requests["done"]["urls"] == ["progress-exhaust/done/a.csv"]
    ended = commands.run("status")
    assert ended.stdout.splitlines()[-1].startswith("4 requests, 2 PROCESSING (1 alive), 1 SUBMITTED, 1 SUCCESS, ")
    driver.close_connections()
    [busy] = commands.document("status", "busy")["requests"]
    assert (busy["alive"], busy["phase"], busy["files"]) == (False, "driver gone", 0)


@pytest.mark.parametrize("arguments", [("status", "R2"), ("status", "R1", "--tag", "u"), ("cancel", "R2")], ids=repr)
def test_unknown_request_is_code_1(
    commands: Commands, queue_database: QueueDatabase, arguments: tuple[str, ...]
) -> None:
    queue_database.insert("R1")
    queue_database.insert("R2", job_id="userinfo-exhaust")
    before = queue_database.rows()
    ended = commands.run(*arguments)
    assert ended.returncode == 1
    [line] = ended.stderr.splitlines()
    assert line.endswith("the queue has no such request of ours; progress-exhaust status lists them")
    assert queue_database.rows() == before


# --- cancel ----------------------------------------------------------------------------------------------------------


def test_request_is_taken_back_once(commands: Commands, queue_database: QueueDatabase) -> None:
    queue_database.insert("R1")
    queue_database.insert("R2")
    ended = commands.run("cancel", "R1")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.splitlines()[-1].startswith("1 request cancelled, ")
    row = queue_database.row("R1")
    assert (row["status"], row["err_message"]) == ("FAILED", "Cancelled")
    assert abs(datetime.now(UTC).replace(tzinfo=None) - row["dt_job_completed"]) < timedelta(minutes=1)
    assert queue_database.row("R2")["status"] == "SUBMITTED"
    again = commands.run("cancel", "R1")
    assert again.returncode == 1
    assert again.stderr == (
        'error: cancelling request "R1": it has ended already (FAILED), expected one that has not; its files stay'
    )


def test_request_that_a_driver_is_at_work_on_is_taken_back(
    commands: Commands, queue_database: QueueDatabase, driver: PostgresQueue
) -> None:
    queue_database.insert("R1")
    claim = claimed(driver, "R1")
    assert driver.is_ours(claim)
    assert commands.run("cancel", "R1").returncode == 0
    assert not driver.is_ours(claim)
    assert queue_database.row("R1")["err_message"] == "Cancelled"


# --- what holds for all ----------------------------------------------------------------------------------------------


def test_commands_work_on_the_oldest_shape_of_the_table(postgres: PostgresServer, tmp_path: Path) -> None:
    with QueueDatabase.make(postgres, OLD) as database:
        commands = Commands(database, tmp_path)
        commands.document("submit", "--batch", "b-1", "--channel", "c", "--request-id", "R1")
        assert [one["request_id"] for one in commands.document("status")["requests"]] == ["R1"]
        commands.document("cancel", "R1")
        assert database.row("R1")["status"] == "FAILED"


@pytest.mark.parametrize(
    "arguments", [("submit", "--batch", "b", "--channel", "c"), ("status",), ("cancel", "R1")], ids=repr
)
def test_queue_that_can_not_be_used_is_code_1_and_a_sentence(
    commands: Commands, queue_database: QueueDatabase, arguments: tuple[str, ...]
) -> None:
    nobody_listens = f"{queue_database.server.dsn(queue_database.name)} port=1"
    for variables in (
        {"PROGRESS_EXHAUST__QUEUE__DSN": nobody_listens},
        {"PROGRESS_EXHAUST__QUEUE__PASSWORD": "s3cret-and-wrong"},
        {"PROGRESS_EXHAUST__QUEUE__TABLE": "no_such_table"},
    ):
        ended = commands.run(*arguments, **variables)
        assert ended.returncode == 1, variables
        assert ended.stderr.startswith("error: ")
        assert len(ended.stderr.splitlines()) <= 2
        assert "s3cret-and-wrong" not in ended.stderr + ended.stdout
        assert queue_database.server.password not in ended.stderr + ended.stdout


def test_commands_cost_little_to_start(commands: Commands) -> None:
    """In seconds of work, not of waiting, which on a busy machine says little."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    commands.document("status")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < WORK_S
