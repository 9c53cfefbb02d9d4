"""The command `run` in processes of its own: at a terminal, as a watcher, with a signal, and under many eyes."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from progress_exhaust.job_requests.progress import PROGRESS_FOLDER
from progress_exhaust.stack.content_service import ContentService
from progress_exhaust.stack.ports import free_ports
from tests.support.command_line import COMMAND, environment, started
from tests.support.run_rig import AT_ONCE_S, CLOSING, FIRST_NAME, PASSWORD, WAIT_S, Rig, log_lines
from tests.support.spark_submit import submit, submit_variables
from tests.support.watching import leaks, watched


def wait_for(happens: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + WAIT_S
    while not happens():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


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


@pytest.mark.rule("E3")
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
