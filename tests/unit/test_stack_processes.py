"""Processes are known by id and start time."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

from progress_exhaust.stack import processes
from progress_exhaust.stack.processes import Process

_STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"
)


def _start(folder: Path, code: str = "import time; time.sleep(60)", *, die_with_parent: bool = True) -> Process:
    return processes.start(
        [sys.executable, "-c", code],
        log=folder / "log",
        pid_file=folder / "pid",
        environment=os.environ,
        die_with_parent=die_with_parent,
    )


def test_started_process_is_recalled_and_stopped(tmp_path: Path) -> None:
    process = _start(tmp_path)
    assert processes.running_process(tmp_path / "pid") == process
    process.stop(grace_s=10)
    assert not process.is_running()
    assert processes.running_process(tmp_path / "pid") is None
    assert not Path(f"/proc/{process.pid}").exists(), "not even as a zombie"


def test_process_that_ignores_the_request_is_killed(tmp_path: Path) -> None:
    process = _start(tmp_path, _STUBBORN)
    while b"up" not in (tmp_path / "log").read_bytes():
        time.sleep(0.02)
    process.stop(grace_s=0.2)
    assert not process.is_running()


def test_namesake_is_left_alone(tmp_path: Path) -> None:
    process = _start(tmp_path)
    (tmp_path / "pid").write_text(json.dumps({"pid": process.pid, "start_ticks": process.start_ticks - 1}))
    assert processes.running_process(tmp_path / "pid") is None
    Process(process.pid, process.start_ticks - 1).kill()
    assert process.is_running()
    process.kill()


def test_unreadable_pid_file_names_nobody(tmp_path: Path) -> None:
    for text in ("", "17", "[]", "{}", '{"pid": 1}', '{"pid": 1, "start_ticks": 1, "x": 1}'):
        (tmp_path / "pid").write_text(text)
        assert processes.running_process(tmp_path / "pid") is None
    assert processes.running_process(tmp_path / "none") is None


def test_process_dies_with_its_parent_or_outlives_it(tmp_path: Path) -> None:
    for die_with_parent in (True, False):
        folder = tmp_path / str(die_with_parent)
        folder.mkdir()
        code = (
            "import os, sys; from pathlib import Path; from progress_exhaust.stack import processes;"
            "processes.start([sys.executable, '-c', 'import time; print(1, flush=True); time.sleep(60)'],"
            f"log=Path({str(folder / 'log')!r}), pid_file=Path({str(folder / 'pid')!r}), environment=os.environ,"
            f"die_with_parent={die_with_parent}); print('started', flush=True); sys.stdin.read()"
        )
        parent = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        with parent:
            assert parent.stdout
            assert parent.stdout.readline() == b"started\n"
            child = processes.running_process(folder / "pid")
            assert child
            while not (folder / "log").read_bytes():
                time.sleep(0.02)
            parent.kill()
        deadline = time.monotonic() + (5 if die_with_parent else 0.5)
        while child.is_running() and time.monotonic() < deadline:
            time.sleep(0.02)
        assert child.is_running() is not die_with_parent
        child.kill()
