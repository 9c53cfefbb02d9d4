"""The command `run` as its users meet it: exit codes, screen, log lines, metrics, and what it leaves in the table.

Most commands run in one process and one JVM, one after another; the rest have a terminal, a signal or a watcher.
"""

from __future__ import annotations

import json
import os
import pty
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from progress_exhaust.job_requests.progress import PROGRESS_FOLDER
from progress_exhaust.stack.content_service import ContentService
from progress_exhaust.stack.ports import free_ports
from progress_exhaust.stack.postgres import PostgresServer
from tests.reference.report import expected_reports
from tests.support.builders import batches_world
from tests.support.command_line import COMMAND, CommandLine, Ended, environment, started
from tests.support.ddl import NEW
from tests.support.queue_database import QueueDatabase
from tests.support.spark_submit import submit, submit_variables
from tests.support.watching import leaks, watched
from tests.support.whole_runs import write_world
from tests.worlds import World

NORTH, SOUTH = "channel-north", "channel-south"
FIRST_NAME = "Canaryzebulon"
PASSWORD = "canary-password-of-the-queue-Kd8Wq"
PUT_IN_AT = datetime(2026, 1, 2, 3, 4, 5)
WAIT_S = 120.0
AT_ONCE_S = 5.0
CLOSING = re.compile(r"(\d+) requests? made, (\d+) failed, (\d+) left, (\d+) files?, \d+\.\d s")
SAMPLE = re.compile(r'progress_exhaust_([a-z_]+)(?:\{([a-z]+)="([A-Za-z_]+)"\})? (\d+(?:\.\d+)?(?:e[+-]\d+)?)')
MALFORMED = {
    "bad-1": '{"batchFilter": "b-000"}',
    "bad-2": "[]",
    "bad-3": '{"batchId": "b-000", "searchFilter": {"request": {"filters": {"channel": "c"}}}}',
}
HOSTILE = (
    "'; DROP TABLE job_request; --",
    "line\r\nforged line",
    "\x1b[2J\x1b]0;title\x07",
    "%s %(tag)s {} {0} %n",
    '","level":"error',
)


@dataclass(frozen=True)
class Rig:
    """A queue, an output folder, and the world on files that all tests share.

    Attributes:
        line: runs commands in one process.
        world: the world's folder.
        events: folder of Spark's event logs, one a Spark that was started.
        database: the test's own.
        output: the test's own output root.
    """

    line: CommandLine
    world: Path
    events: Path
    database: QueueDatabase
    output: Path

    def settings(self) -> dict[str, Any]:
        queue = self.database.settings()
        return {
            "PROGRESS_EXHAUST__SOURCE__KIND": "snapshot",
            "PROGRESS_EXHAUST__SOURCE__SNAPSHOT_DIR": str(self.world / "snapshot"),
            "PROGRESS_EXHAUST__CATALOGUE__KIND": "files",
            "PROGRESS_EXHAUST__CATALOGUE__DIRECTORY": str(self.world / "catalogue"),
            "PROGRESS_EXHAUST__OUTPUT__URL": str(self.output),
            "PROGRESS_EXHAUST__QUEUE__DSN": queue.dsn,
            "PROGRESS_EXHAUST__QUEUE__PASSWORD": self.database.server.password,
            "PROGRESS_EXHAUST__REQUESTS__METRICS_FILE": str(self.metrics_file),
        }

    @property
    def metrics_file(self) -> Path:
        return self.output.parent / "metrics" / "progress_exhaust.prom"

    def run(self, *arguments: str, **variables: str) -> Ended:
        """Run the command with the rig's settings, of which `variables` take the place."""
        return self.line.run(["run", *arguments], **{**self.settings(), **variables})

    def put_in(self, request_id: str, *batch_ids: str, minutes: int = 0, **columns: Any) -> None:
        usual = {
            "request_data": json.dumps({"batchFilter": list(batch_ids)}),
            "requested_channel": NORTH,
            "dt_job_submitted": PUT_IN_AT + timedelta(minutes=minutes),
            "iteration": None,
        }
        self.database.insert(request_id, **{**usual, **columns})

    def row(self, request_id: str) -> dict[str, Any]:
        return self.database.row(request_id)

    def statuses(self) -> dict[str, str]:
        return {row["request_id"]: row["status"] for row in self.database.rows()}

    def sessions(self) -> list[Any]:
        """Connections of drivers."""
        return self.database.execute(
            "SELECT pid FROM pg_stat_activity "
            "WHERE application_name = 'progress-exhaust' AND datname = current_database()"
        )

    def file(self, request_id: str, batch_id: str) -> bytes:
        [path] = (self.output / "progress-exhaust" / request_id).glob(f"{batch_id}_progress_*.csv")
        return path.read_bytes()

    def metrics(self) -> dict[tuple[str, str], float]:
        """Read the metrics file as strictly as Prometheus does: by name and label."""
        assert [path.name for path in self.metrics_file.parent.iterdir()] == [self.metrics_file.name]
        return parsed_metrics(self.metrics_file.read_text(encoding="utf-8"))


def parsed_metrics(text: str) -> dict[tuple[str, str], float]:
    """Read metrics: each family has a HELP and a TYPE before its samples, and no sample stands twice."""
    assert text.endswith("\n")
    families: dict[str, str] = {}
    samples: dict[tuple[str, str], float] = {}
    helped = ""
    for line in text.splitlines():
        if line.startswith("# HELP "):
            helped = line.split(" ", 3)[2]
            assert helped not in families
        elif line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            assert name == helped
            assert kind == ("counter" if name.endswith("_total") else "gauge")
            families[name] = kind
        else:
            found = SAMPLE.fullmatch(line)
            assert found, line
            name, _, label, value = found.groups()
            assert f"progress_exhaust_{name}" == helped
            assert (name, label or "") not in samples
            samples[name, label or ""] = float(value)
    return samples


def log_lines(err: str) -> list[dict[str, Any]]:
    """Read log lines, each of which is one JSON object with what every line has."""
    lines = [json.loads(line) for line in err.splitlines()]
    for line in lines:
        assert line.keys() >= {"at", "level", "action", "sentence"}
        assert line["action"]
        assert line["sentence"]
        assert ("request_id" in line) or not line["sentence"].startswith("request "), line
    return lines


def spark_jobs(events: Path) -> int:
    """Return the jobs that the last Spark has run."""
    last = max(events.iterdir(), key=lambda path: path.stat().st_mtime_ns)
    return last.read_text(encoding="utf-8").count('"Event":"SparkListenerJobStart"')


def wait_for(happens: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + WAIT_S
    while not happens():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


@pytest.fixture(scope="module")
def world() -> World:
    """Two courses of two channels, with two batches each, and learners who are easily found."""
    world = batches_world(4, 2, learners=5)
    for collection_id, channel in (("do_0", NORTH), ("do_1", SOUTH)):
        world.trees[collection_id]["result"]["content"]["channel"] = channel
    users = [{**row, "firstname": FIRST_NAME} for row in world.tables["user"]]
    return replace(world, tables={**world.tables, "user": users})


@pytest.fixture(scope="module")
def folder(world: World, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run-command")
    write_world(world, folder)
    (folder / "events").mkdir()
    (folder / "spark-conf").mkdir()
    (folder / "spark-conf" / "spark-defaults.conf").write_text(
        f"spark.eventLog.enabled true\nspark.eventLog.dir {(folder / 'events').as_uri()}\n", encoding="utf-8"
    )
    return folder


@pytest.fixture(scope="module")
def line(folder: Path) -> Iterator[CommandLine]:
    with CommandLine(SPARK_CONF_DIR=str(folder / "spark-conf")) as line:
        yield line


@pytest.fixture
def rig(line: CommandLine, folder: Path, postgres: PostgresServer, tmp_path: Path) -> Iterator[Rig]:
    with QueueDatabase.make(postgres, NEW) as database:
        yield Rig(line, folder, folder / "events", database, tmp_path / "out")


# --- exit codes ------------------------------------------------------------------------------------------------------


def test_code_0_where_all_is_done_though_requests_failed_for_their_own_fault(rig: Rig, world: World) -> None:
    rig.put_in("good", "b-000", "b-002")
    assert rig.run("--json").code == 0
    jobs_of_good_alone = spark_jobs(rig.events)
    assert jobs_of_good_alone > 0
    rig.put_in("first", "b-000", "b-002")
    for request_id, data in MALFORMED.items():
        rig.put_in(request_id, request_data=data)
    rig.put_in("unknown", "b-999", minutes=9)

    ended = rig.run("--json")

    assert ended.code == 0, ended.err
    assert rig.statuses() == {"good": "SUCCESS", "first": "SUCCESS", "unknown": "FAILED"} | dict.fromkeys(
        MALFORMED, "FAILED"
    )
    expected = expected_reports(world)
    for batch_id in ("b-000", "b-002"):
        assert rig.file("first", batch_id) == expected[batch_id].content
    for request_id in MALFORMED:
        row = rig.row(request_id)
        assert row["err_message"]
        assert (row["download_urls"], row["dt_file_created"], row["iteration"]) == (None, None, 0)
        assert not (rig.output / "progress-exhaust" / request_id).exists()
    assert rig.row("unknown")["err_message"] == "No data found"
    assert spark_jobs(rig.events) == jobs_of_good_alone, "a malformed request costs no Spark job"


def test_code_0_and_no_spark_where_nothing_is_due(rig: Rig) -> None:
    before = len(list(rig.events.iterdir()))
    begin = time.monotonic()
    ended = rig.run("--json")
    assert time.monotonic() - begin < AT_ONCE_S
    assert ended.code == 0
    assert (ended.document()["due"], ended.document()["requests"], ended.document()["runs"]) == (0, [], 1)
    assert len(list(rig.events.iterdir())) == before
    assert not rig.output.exists()


def test_code_1_where_something_is_left_for_a_limit(rig: Rig) -> None:
    rig.put_in("r-1", "b-000", "b-002")
    ended = rig.run("--json", PROGRESS_EXHAUST__REQUESTS__REPORTS_PER_CHANNEL="1")
    assert ended.code == 1
    row = rig.row("r-1")
    assert (row["status"], row["iteration"], len(row["download_urls"])) == ("SUBMITTED", 0, 1)
    document = ended.document()
    assert (document["left"], document["error"]) == (1, None)
    [request] = document["requests"]
    assert (request["state"], request["files"], request["wanted"]) == ("SUBMITTED", 1, 2)
    first = rig.file("r-1", "b-000")

    assert rig.run("--json").code == 0

    row = rig.row("r-1")
    assert (row["status"], row["iteration"], len(row["download_urls"])) == ("SUCCESS", 0, 2)
    assert rig.file("r-1", "b-000") == first


def test_code_1_and_nothing_is_burned_where_a_service_fails(rig: Rig, tmp_path: Path) -> None:
    rig.put_in("r-1", "b-000")
    before = rig.row("r-1")
    lame = tmp_path / "lame"
    shutil.copytree(rig.world / "snapshot", lame)
    shutil.rmtree(lame / "sunbird.user")
    for variables in (
        {"PROGRESS_EXHAUST__SOURCE__SNAPSHOT_DIR": str(lame)},
        {"PROGRESS_EXHAUST__CATALOGUE__DIRECTORY": str(tmp_path / "none")},
        {"PROGRESS_EXHAUST__OUTPUT__URL": str(rig.world / "snapshot" / "sunbird.user" / "part-00000.jsonl" / "x")},
    ):
        ended = rig.run("--json", **variables)
        assert ended.code == 1, ended.err
        last = log_lines(ended.err)[-1]
        assert (last["level"], last["sentence"]) == ("error", ended.document()["error"])
        assert rig.row("r-1") == before
        assert rig.metrics()["runs_total", ""] == 1, "a run that failed is counted too"
        assert rig.metrics()["requests_due", ""] == 1


def test_code_1_where_the_queue_does_not_answer(rig: Rig) -> None:
    [port] = free_ports(1)
    dsn = f"host=127.0.0.1 port={port} dbname=x user=y connect_timeout=2"
    ended = rig.run("--log-format", "text", PROGRESS_EXHAUST__QUEUE__DSN=dsn)
    assert ended.code == 1
    assert ended.errors()[0].startswith(f"connecting to PostgreSQL at 127.0.0.1 port {port} ")
    assert CLOSING.fullmatch(ended.out.splitlines()[-1])


@pytest.mark.parametrize(
    ("arguments", "variables", "sentence"),
    [
        pytest.param(["--watch", "0"], {}, "Input should be greater than or equal to 0.1", id="no time to watch"),
        pytest.param([], {"QUEUE__DSN": ""}, "queue.dsn: it is not set", id="no connection string"),
        pytest.param(
            [], {"QUEUE__DSN": f"host=db password={PASSWORD}"}, "queue.dsn: a secret (password)", id="a secret in it"
        ),
        pytest.param([], {"REQUESTS__TRIES": "0"}, "requests.tries: Input should be greater than 0", id="settings"),
        pytest.param([], {"QUEUE__TABLE": "x; y"}, "queue.table: expected a table", id="table"),
    ],
)
def test_code_2_for_wrong_usage_or_settings(
    rig: Rig, arguments: list[str], variables: Mapping[str, str], sentence: str
) -> None:
    rig.put_in("r-1", "b-000")
    before = rig.database.rows()
    named = {f"PROGRESS_EXHAUST__{name}": value for name, value in variables.items()}
    ended = rig.run("--log-format", "text", *arguments, **named)
    assert ended.code == 2
    assert any(sentence in error for error in ended.errors()), ended.err
    assert PASSWORD not in ended.err + ended.out
    assert rig.database.rows() == before


# --- what is taken ---------------------------------------------------------------------------------------------------


def test_only_the_requests_asked_for_are_taken(rig: Rig) -> None:
    """Tag and id are compared as they are: no case is folded, no sign means anything."""
    for number, (request_id, tag) in enumerate((("a", "t"), ("b", "T"), ("c", "t "), ("d", "%"), ("e", "t"))):
        rig.put_in(request_id, "b-000", tag=tag, minutes=number)

    assert rig.run("--tag", "%").code == 0
    assert [key for key, status in rig.statuses().items() if status == "SUCCESS"] == ["d"]
    assert rig.run("--request", "b").code == 0
    assert rig.run("--request", "e", "--tag", "T").code == 0, "nothing is due: done"
    assert sorted(key for key, status in rig.statuses().items() if status == "SUCCESS") == ["b", "d"]
    ended = rig.run("--tag", "t", "--max-requests", "1", "--json")
    assert ended.code == 0, "what was not asked for is not left"
    assert (ended.document()["due"], ended.document()["left"]) == (2, 0)
    assert rig.statuses() == {"a": "SUCCESS", "b": "SUCCESS", "c": "SUBMITTED", "d": "SUCCESS", "e": "SUBMITTED"}


def test_rows_of_other_jobs_stay_as_they_are(rig: Rig) -> None:
    others = [
        {
            "request_id": request_id,
            "tag": tag,
            "job_id": job_id,
            "status": status,
            "iteration": iteration,
            "request_data": '{"batchId":  "b-000"}',
            "requested_channel": NORTH,
            "dt_job_submitted": datetime(2020, 1, 1),
            "download_urls": ["a", "b"],
            "err_message": "theirs",
            "encryption_key": "key",
            "batch_number": 7,
            "processed_batches": "[]",
        }
        for request_id, tag, job_id in (
            ("r-1", "other", "userinfo-exhaust"),
            ("r-2", "t", "progress-exhaust-v2"),
            ("r-3", "t", "Progress-Exhaust"),
            ("r-4", "t", None),
        )
        for status, iteration in (("SUBMITTED", None),)
    ] + [
        {"request_id": f"p-{status}", "job_id": "response-exhaust", "status": status, "request_data": "[]"}
        for status in ("SUBMITTED", "PROCESSING", "SUCCESS", "FAILED")
    ]
    rig.database.insert_many(others)
    whole = (
        "SELECT xmin::text, j::text FROM job_request AS j WHERE job_id IS DISTINCT FROM 'progress-exhaust' ORDER BY 2"
    )
    before = rig.database.execute(whole)
    assert len(before) == len(others)
    rig.put_in("r-1", "b-000")

    assert rig.run().code == 0

    assert rig.database.execute(whole) == before
    ours = rig.database.rows("job_id = 'progress-exhaust'")
    assert [(row["request_id"], row["status"]) for row in ours] == [("r-1", "SUCCESS")]


def test_hostile_values_are_kept_as_they_are_and_split_no_line(rig: Rig) -> None:
    for number, value in enumerate(HOSTILE):
        rig.put_in(f"r-{number}", "b-000", tag=value, requested_channel=value, requested_by=value, minutes=number)
    rig.put_in("good", "b-000", tag="\x1b[31mred\r\n", requested_by=HOSTILE[0])
    texts = [[row[name] for name in ("tag", "requested_channel", "requested_by")] for row in rig.database.rows()]

    ended = rig.run("--json")

    assert ended.code == 0, ended.err
    rows = rig.database.rows()
    assert [[row[name] for name in ("tag", "requested_channel", "requested_by")] for row in rows] == texts
    assert rig.statuses() == {"good": "SUCCESS"} | {f"r-{number}": "FAILED" for number in range(len(HOSTILE))}
    assert {row["err_message"] for row in rows} == {None, "No data found"}, "nobody may see another channel's batch"
    assert {line["request_id"] for line in log_lines(ended.err) if "request_id" in line} == set(rig.statuses())
    assert {request["key"]["tag"] for request in ended.document()["requests"]} == {*HOSTILE, "\x1b[31mred\r\n"}

    rig.database.execute("UPDATE job_request SET status = 'SUBMITTED'")
    shown = rig.run("--log-format", "text")
    assert shown.code == 0
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f]", shown.out + shown.err)
    assert not any(line.startswith("forged") for line in (shown.out + shown.err).splitlines())


# --- what is shown ---------------------------------------------------------------------------------------------------


def test_machines_get_a_line_an_event_a_document_and_metrics(rig: Rig, world: World) -> None:
    rig.put_in("r-1", "b-000", "b-002", "b-404")
    rig.put_in("r-2", "b-000", minutes=1)
    rig.put_in("r-3", "b-999", minutes=2)

    ended = rig.run("--json")

    assert ended.code == 0
    lines = log_lines(ended.err)
    ends = {line["request_id"]: line["action"] for line in lines if line["action"] in ("SUCCESS", "FAILED")}
    assert ends == {"r-1": "SUCCESS", "r-2": "SUCCESS", "r-3": "FAILED"}
    made = [(line["request_id"], line["batch_id"], line["rows"]) for line in lines if line["action"] == "made"]
    assert sorted(made) == [("r-1", "b-000", 5), ("r-1", "b-002", 5), ("r-2", "b-000", 5)]
    assert lines[0]["action"] == "start"
    assert lines[-1]["action"] == "done"
    assert CLOSING.fullmatch(lines[-1]["sentence"]).groups() == ("2", "1", "0", "3")  # type: ignore[union-attr]
    document = ended.document()
    assert (document["output"], document["due"], document["left"], document["error"]) == (str(rig.output), 3, 0, None)
    requests = {one["key"]["request_id"]: one for one in document["requests"]}
    assert {key: (one["state"], one["files"], one["wanted"], one["rows"]) for key, one in requests.items()} == {
        "r-1": ("SUCCESS", 2, 3, 10),
        "r-2": ("SUCCESS", 1, 1, 5),
        "r-3": ("FAILED", 0, 1, 0),
    }
    assert requests["r-1"]["err_message"] == "1 of 3 not made: b-404 (unknown)"
    assert [file["path"] for file in document["files"] if "/r-2/" in file["path"]] == rig.row("r-2")["download_urls"]
    size = {batch_id: len(expected_reports(world)[batch_id].content) for batch_id in ("b-000", "b-002")}
    metrics = rig.metrics()
    phases = {label for name, label in metrics if name == "phase_seconds_total"}
    assert phases == {"catalogue", "plan", "read", "compute", "publish"}
    at = metrics.pop(("last_run_timestamp_seconds", ""))
    assert abs(at - time.time()) < WAIT_S
    assert {key: value for key, value in metrics.items() if key[0] != "phase_seconds_total"} == {
        ("requests_total", "SUCCESS"): 2,
        ("requests_total", "FAILED"): 1,
        ("files_total", ""): 3,
        ("learners_total", ""): 15,
        ("bytes_total", ""): 2 * size["b-000"] + size["b-002"],
        ("runs_total", ""): 1,
        ("requests_left_total", ""): 0,
        ("requests_due", ""): 3,
    }


def test_people_get_sentences_a_table_and_a_closing_line(rig: Rig) -> None:
    rig.put_in("r-1", "b-000")
    ended = rig.run("--log-format", "text")
    lines = ended.out.splitlines()
    assert lines[0].split() == ["request", "tag", "state", "files", "learners", "message"]
    assert lines[1].split() == ["r-1", "t", "SUCCESS", "1", "of", "1", "5"]
    assert lines[-2] == f"all below: {rig.output}"
    assert CLOSING.fullmatch(lines[-1]).groups() == ("1", "0", "0", "1")  # type: ignore[union-attr]
    assert all(re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ ", line) for line in ended.err.splitlines())


def test_metrics_that_can_not_be_written_are_told_and_the_request_stays_done(rig: Rig) -> None:
    rig.put_in("r-1", "b-000")
    file = rig.world / "catalogue"  # a folder, and no file can take its place
    ended = rig.run("--log-format", "text", PROGRESS_EXHAUST__REQUESTS__METRICS_FILE=str(file))
    assert ended.code == 1
    told = f"writing metrics to {file}: a directory stands in its place; check requests.metrics_file"
    assert ended.errors()[0] == told
    assert rig.row("r-1")["status"] == "SUCCESS"


def test_metrics_that_can_not_be_written_do_not_hide_what_stopped_the_run(rig: Rig, tmp_path: Path) -> None:
    rig.put_in("r-1", "b-000")
    ended = rig.run(
        PROGRESS_EXHAUST__REQUESTS__METRICS_FILE=str(rig.world / "catalogue"),
        PROGRESS_EXHAUST__CATALOGUE__DIRECTORY=str(tmp_path / "none"),
    )
    assert ended.code == 1
    *_, unwritten, stopped = log_lines(ended.err)
    assert unwritten["sentence"].startswith("writing metrics to ")
    assert (stopped["level"], stopped["sentence"].startswith("opening the catalogue ")) == ("error", True)


def test_terminal_gets_a_progress_bar_and_no_log_lines(rig: Rig) -> None:
    rig.put_in("r-1", "b-000", "b-002")
    ours, theirs = pty.openpty()
    seen = bytearray()
    with subprocess.Popen(
        [str(COMMAND), "run"],
        env=environment(**rig.settings(), TERM="xterm", COLUMNS="120"),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=theirs,
        text=True,
    ) as process:
        os.close(theirs)

        def read() -> None:
            try:
                while piece := os.read(ours, 4096):
                    seen.extend(piece)
            except OSError:
                return  # nobody holds the other end any more

        reading = threading.Thread(target=read)
        reading.start()
        out, _ = process.communicate(timeout=WAIT_S)
        reading.join()
    os.close(ours)
    shown = seen.decode()
    assert process.returncode == 0, shown
    assert "\x1b[" in shown
    assert "━" in shown
    assert "computing" in shown
    assert "0/2" in shown
    assert '{"at"' not in shown
    assert CLOSING.fullmatch(out.splitlines()[-1])


# --- watching --------------------------------------------------------------------------------------------------------


def test_idle_watcher_stops_at_once_and_cleanly(rig: Rig) -> None:
    with started(["run", "--watch", "0.2"], **rig.settings()) as process:
        wait_for(lambda: rig.metrics_file.exists() and rig.metrics()["runs_total", ""] > 1, "it has looked twice")
        begin = time.monotonic()
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=WAIT_S)
        assert time.monotonic() - begin < AT_ONCE_S
    assert process.returncode == 143
    *_, last = log_lines(err)
    assert last["sentence"] == "stopped by SIGTERM: files already made stay, and nothing unfinished is left"
    assert CLOSING.fullmatch(out.splitlines()[-1])
    assert rig.sessions() == []


def test_watcher_outlives_a_content_service_that_is_away_and_takes_what_comes_later(rig: Rig) -> None:
    [port] = free_ports(1)
    service = ContentService(rig.world / "catalogue", port=port)
    variables = {
        **rig.settings(),
        "PROGRESS_EXHAUST__CATALOGUE__KIND": "http",
        "PROGRESS_EXHAUST__CATALOGUE__SEARCH_URL": service.search_url,
        "PROGRESS_EXHAUST__CATALOGUE__HIERARCHY_URL": service.hierarchy_url,
        "PROGRESS_EXHAUST__CATALOGUE__TRIES": "1",
    }
    service._server.server_close()
    rig.put_in("r-1", "b-000")
    with started(["run", "--watch", "0.3"], **variables) as process:
        assert process.stderr is not None
        told = []
        for line in process.stderr:
            told.append(json.loads(line))
            if told[-1]["action"] == "error":
                break
        assert "content service" in told[-1]["sentence"] or "127.0.0.1" in told[-1]["sentence"]
        assert rig.statuses() == {"r-1": "SUBMITTED"}
        with ContentService(rig.world / "catalogue", port=port):
            wait_for(lambda: rig.statuses()["r-1"] == "SUCCESS", "the request is made when the service is back")
            rig.put_in("r-2", "b-002")
            wait_for(lambda: rig.statuses()["r-2"] == "SUCCESS", "a request that comes later is made")
            rig.put_in("r-3", "b-002", requested_channel="without-learners")
            wait_for(lambda: rig.statuses()["r-3"] == "FAILED", "so is one that comes to nothing")
        wait_for(lambda: rig.metrics().get(("requests_total", "SUCCESS")) == 2, "both are counted")
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=WAIT_S)
    assert process.returncode == 143, err
    refused = [line["id"] for line in log_lines(err) if line["action"] == "not_made"]
    assert refused == ["b-002"], "told once, also where later looks find nothing"
    assert {row["iteration"] for row in rig.database.rows()} == {0}
    assert list((rig.output / "progress-exhaust" / ".staging").iterdir()) == []


def test_signal_to_all_of_spark_submit_gives_its_requests_back(rig: Rig) -> None:
    """Schedulers and terminals signal a whole process group: the JVM is gone first, and that is no driver's death."""
    rig.put_in("r-1", "b-000", "b-002")
    with subprocess.Popen(
        [*submit(), "run", "--log-format", "text"],
        env=environment(**rig.settings(), **submit_variables()),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        process_group=0,
    ) as process:
        assert process.stdout is not None
        assert any("computing" in line for line in process.stdout)
        os.killpg(process.pid, signal.SIGTERM)
        process.communicate(timeout=WAIT_S)
    assert process.returncode == 143
    wait_for(lambda: not rig.sessions(), "the driver has ended")
    row = rig.row("r-1")
    assert (row["status"], row["iteration"]) == ("SUBMITTED", 0)
    staging = rig.output / "progress-exhaust" / ".staging"
    wait_for(lambda: not list(staging.iterdir()), "nothing unfinished is left")


# --- secrets ---------------------------------------------------------------------------------------------------------


def test_neither_the_password_nor_a_learner_is_seen_anywhere_but_in_the_files(rig: Rig, tmp_path: Path) -> None:
    rig.database.execute("DROP ROLE IF EXISTS run_canary")
    rig.database.execute("CREATE ROLE run_canary LOGIN PASSWORD %s", [PASSWORD])
    rig.database.execute("GRANT ALL ON job_request TO run_canary")
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    events = tmp_path / "events"
    events.mkdir()
    conf = tmp_path / "spark-conf"
    conf.mkdir()
    (conf / "spark-defaults.conf").write_text(
        f"spark.eventLog.enabled true\nspark.eventLog.dir {events.as_uri()}\n", encoding="utf-8"
    )
    variables = {
        **rig.settings(),
        "PROGRESS_EXHAUST__QUEUE__DSN": rig.database.server.dsn(rig.database.name, user="run_canary"),
        "PROGRESS_EXHAUST__QUEUE__PASSWORD": PASSWORD,
        "PROGRESS_EXHAUST__REQUESTS__PROGRESS_EVERY_S": "0.05",
        "SPARK_CONF_DIR": str(conf),
    }
    rig.put_in("r-1", "b-000", "b-002", "b-404")
    rig.put_in("r-2", request_data="[]")
    notes: set[bytes] = set()
    has_ended = threading.Event()

    def read_notes() -> None:
        while not has_ended.wait(0.02):
            for file in rig.output.glob(f"progress-exhaust/.staging/*/{PROGRESS_FOLDER}/*.json"):
                try:
                    notes.add(file.read_bytes())
                except OSError:
                    continue

    reading = threading.Thread(target=read_notes)
    reading.start()
    try:
        command = [sys.executable, "-m", "progress_exhaust", "run", "--json"]
        seen = watched(command, environment(**variables), rig.output, temporary)
    finally:
        has_ended.set()
        reading.join()

    assert seen.code == 0, seen.err.decode()
    log_lines(seen.err.decode())
    assert FIRST_NAME.encode() in rig.file("r-1", "b-000"), "there is something to be found"
    assert any(b"java" in arguments for arguments in seen.arguments)
    files = [*rig.output.rglob("*.json"), *events.iterdir(), *temporary.rglob("*"), rig.metrics_file]
    places = {
        **seen.everything(),
        "progress": b"\n".join(sorted(notes)),
        "rows": repr(rig.database.rows()).encode(),
        **{f"file {file}": file.read_bytes() for file in files if file.is_file()},
    }
    assert any("manifest.json" in place for place in places)
    assert b'"files_total"' in places["progress"]
    assert any("/events/" in place for place in places)
    assert leaks((PASSWORD, FIRST_NAME), places) == []
