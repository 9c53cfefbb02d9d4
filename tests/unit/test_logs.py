"""Log lines: what rooms say through the standard logging, as sentences and as JSON objects, and what stays unsaid."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from progress_exhaust.commands.base import CommandContext
from progress_exhaust.console import logs
from progress_exhaust.console.logs import LogFormat
from progress_exhaust.log_actions import Action
from progress_exhaust.settings.load import load
from progress_exhaust.spark.janitor import PREFIX, remove_stale
from progress_exhaust.spark.private import PrivateFolder
from progress_exhaust.stack import processes

ROOM = logging.getLogger("progress_exhaust.some.room")


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    ours, root = logging.getLogger("progress_exhaust"), logging.getLogger()
    before = ours.handlers, ours.propagate, ours.level, root.handlers
    yield
    ours.handlers, ours.propagate, ours.level, root.handlers = before


def sentences(capsys: pytest.CaptureFixture[str]) -> list[str]:
    """Return the lines of stderr without their times."""
    return [line.partition("Z ")[2] or line for line in capsys.readouterr().err.splitlines()]


def objects(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def test_what_serves_to_find_a_cause_is_shown_with_debug(capsys: pytest.CaptureFixture[str]) -> None:
    for log_format in LogFormat:
        logs.set_up(log_format, debug=False)
        ROOM.debug("connected again")
        assert capsys.readouterr().err == ""
    logs.set_up(LogFormat.TEXT, debug=True)
    ROOM.debug("connected again after %s s", 3)
    assert sentences(capsys) == ["connected again after 3 s"]


@pytest.mark.parametrize("debug", [False, True])
def test_what_a_room_does_by_itself_is_shown_always(capsys: pytest.CaptureFixture[str], debug: bool) -> None:
    logs.set_up(LogFormat.TEXT, debug=debug)
    ROOM.info("removed %s", "a folder")
    ROOM.warning("kept %s", "a folder")
    assert sentences(capsys) == ["removed a folder", "kept a folder"]


def test_json_lines_have_the_room_s_fields_and_always_an_action(capsys: pytest.CaptureFixture[str]) -> None:
    logs.set_up(LogFormat.JSON, debug=True)
    ROOM.debug("tried %s", "again", extra={"action": Action.RETRY, "request_id": "R1", "path": Path("/a")})
    ROOM.warning("of no kind")
    logs.warning("of no kind either")
    logs.error("stopped")
    lines = objects(capsys)
    assert [line.pop("at")[-6:] for line in lines] == ["+00:00"] * 4
    assert lines == [
        {"level": "debug", "action": "retry", "request_id": "R1", "path": "/a", "sentence": "tried again"},
        {"level": "warning", "action": "log", "sentence": "of no kind"},
        {"level": "warning", "action": "log", "sentence": "of no kind either"},
        {"level": "error", "action": "error", "sentence": "stopped"},
    ]


def test_exception_of_a_room_puts_no_trace_into_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    for log_format in LogFormat:
        logs.set_up(log_format, debug=True)
        try:
            raise ValueError("a learner's name")
        except ValueError:
            ROOM.exception("failed")
        assert "learner" not in capsys.readouterr().err


def test_settings_tell_where_they_come_from_and_no_value(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file, secret = tmp_path / "settings.toml", tmp_path / "password"
    file.write_text(f'[cassandra]\npassword_file = "{secret}"\nusername = "canary-role"\n', encoding="utf-8")
    secret.write_text("canary-password", encoding="utf-8")
    caplog.set_level(logging.DEBUG, "progress_exhaust")
    load(file, {"PROGRESS_EXHAUST__CATALOGUE__TOKEN": "canary-token"}, {})
    assert caplog.messages == [
        f"settings read from {file}",
        "setting catalogue.token taken from the environment",
        f"secret cassandra.password read from {secret}",
    ]
    assert "canary" not in caplog.text
    assert {vars(record)["action"] for record in caplog.records} == {Action.SETTINGS_READ}


def test_command_with_debug_tells_where_settings_come_from(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "settings.toml"
    file.write_text("", encoding="utf-8")
    CommandContext({}, file, {}, as_json=False, log_format=LogFormat.JSON, debug=True)
    assert [(line["action"], line["sentence"]) for line in objects(capsys)] == [
        ("settings_read", f"settings read from {file}")
    ]


def test_private_folder_tells_of_itself_and_of_what_killed_processes_left(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    left = tmp_path / f"{PREFIX}{'0' * 32}"
    left.mkdir()
    (left / "owner.json").write_text("{}", encoding="utf-8")
    caplog.set_level(logging.DEBUG, "progress_exhaust")
    assert remove_stale(tmp_path) == [left]
    folder = PrivateFolder(tmp_path)
    path = folder.path
    folder.remove()
    told = [(vars(record)["action"], record.getMessage()) for record in caplog.records]
    assert told == [
        ("leftover_removed", f"removed {left}, which a killed process had left"),
        ("opened", f"private folder {path} made"),
    ]


def test_processes_are_told_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "progress_exhaust")
    process = processes.start(
        ["/bin/sleep", "60"],
        log=tmp_path / "log",
        pid_file=tmp_path / "pid",
        environment={},
        die_with_parent=False,
    )
    process.stop(10.0)
    assert [(vars(record)["action"], record.getMessage()) for record in caplog.records] == [
        ("process_started", f"process {process.pid} started, its log at {tmp_path / 'log'}"),
        ("process_ended", f"process {process.pid} has ended"),
    ]
