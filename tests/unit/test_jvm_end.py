"""How the JVM of a driver has ended, and what that means for the requests it worked on."""

from __future__ import annotations

import itertools
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from progress_exhaust.jvm_end import JvmEnd, JvmWatch, count_oom_kills, meaning_of


@pytest.mark.parametrize(
    ("status", "oom_kills", "end"),
    [
        (-9, 0, JvmEnd.KILLED),
        (-9, 1, JvmEnd.LOST),
        (None, 0, JvmEnd.KILLED),
        (None, 2, JvmEnd.LOST),
        (143, 0, JvmEnd.STOPPED),
        (130, 1, JvmEnd.STOPPED),
        (-15, 0, JvmEnd.STOPPED),
        (0, 0, JvmEnd.LOST),
        (1, 0, JvmEnd.LOST),
        (3, 0, JvmEnd.LOST),
        (52, 0, JvmEnd.LOST),
        (-6, 0, JvmEnd.LOST),
        (-11, 0, JvmEnd.LOST),
    ],
)
def test_meaning_of_an_exit_status(status: int | None, oom_kills: int, end: JvmEnd) -> None:
    assert meaning_of(status, oom_kills) is end


@pytest.mark.parametrize(
    ("number", "end"),
    [(signal.SIGKILL, JvmEnd.KILLED), (signal.SIGTERM, JvmEnd.STOPPED), (signal.SIGSEGV, JvmEnd.LOST)],
)
def test_jvm_of_our_own_is_looked_at_as_a_child(number: int, end: JvmEnd) -> None:
    watch = JvmWatch({}, oom_kills=lambda: 0)
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as child:
        watch.follow(child)
        assert watch.end(settle_s=0.0) is JvmEnd.ALIVE
        child.send_signal(number)
        assert watch.end(settle_s=10.0) is end


def test_kill_for_want_of_memory_is_told_by_the_count_of_the_control_group() -> None:
    kills = itertools.count()
    watch = JvmWatch({}, oom_kills=lambda: next(kills))
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as child:
        watch.follow(child)
        child.kill()
        assert watch.end(settle_s=10.0) is JvmEnd.LOST


def test_parent_that_was_killed_is_told_apart_from_one_that_ended_itself(tmp_path: Path) -> None:
    """A parent stands for the JVM of spark-submit; we are told of its end by a signal."""
    driver = tmp_path / "driver.py"
    driver.write_text(
        """
import os, signal, sys, time
from progress_exhaust.jvm_end import JvmWatch

watch = JvmWatch({"PYSPARK_GATEWAY_PORT": "1"}, oom_kills=lambda: 0)

def told(number, frame):
    is_orphaned = watch.note_signal()
    with open(sys.argv[1], "w") as file:
        file.write(f"{is_orphaned} {watch.end().value}")
    os._exit(0)

signal.signal(signal.SIGTERM, told)
watch.ask_for_signal()
print("ready", flush=True)
while True:  # a signal just before a sleep does not wake it
    time.sleep(0.01)
""",
        encoding="utf-8",
    )
    parent = (
        "import os, subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, *sys.argv[2:]], stdout=subprocess.PIPE)\n"
        "child.stdout.readline()\n"
        "os.kill(os.getpid(), 9) if sys.argv[1] == 'kill' else os._exit(52)\n"
    )
    seen = {}
    for how in ("kill", "exit"):
        for looks in ("at once", "late"):
            for number in range(5):
                answer = tmp_path / f"{how}-{looks}-{number}"
                with subprocess.Popen([sys.executable, "-c", parent, how, str(driver), str(answer)]) as process:
                    if looks == "at once":
                        process.wait()
                    for _ in range(1000):
                        if answer.exists() and answer.read_text(encoding="utf-8"):
                            break
                        signal.sigtimedwait([], 0.01)
                seen[how, looks, number] = answer.read_text(encoding="utf-8")
    assert {text for (how, *_), text in seen.items() if how == "kill"} == {"True killed"}
    assert {text for (how, looks, _), text in seen.items() if (how, looks) == ("exit", "late")} == {"True lost"}
    # Where its own parent has looked first, nobody can tell any more: then it is spared, a few times.
    assert {text for (how, *_), text in seen.items() if how == "exit"} <= {"True lost", "True killed"}


def test_oom_kills_are_counted_in_either_kind_of_control_group(tmp_path: Path) -> None:
    mount, groups = tmp_path / "cgroup", tmp_path / "self"
    (mount / "job").mkdir(parents=True)
    (mount / "job" / "memory.events").write_text("low 0\noom 3\noom_kill 2\n", encoding="utf-8")
    groups.write_text("0::/job\n", encoding="utf-8")
    assert count_oom_kills(groups, mount) == 2
    (mount / "memory" / "pod").mkdir(parents=True)
    (mount / "memory" / "pod" / "memory.oom_control").write_text(
        "oom_kill_disable 0\nunder_oom 0\noom_kill 5\n", encoding="utf-8"
    )
    groups.write_text("9:name=systemd:/\n4:cpu,memory:/pod\n", encoding="utf-8")
    assert count_oom_kills(groups, mount) == 5
    (mount / "memory.events").write_text("oom_kill 1\n", encoding="utf-8")
    groups.write_text("0::/not/seen/from/here\n", encoding="utf-8")
    assert count_oom_kills(groups, mount) == 1
    assert count_oom_kills(tmp_path / "none", mount) == 0


def test_signal_while_the_parent_lives_is_told_at_once() -> None:
    watch = JvmWatch({"PYSPARK_GATEWAY_PORT": "1"}, oom_kills=lambda: 0)
    began = time.monotonic()
    assert not watch.note_signal()
    assert time.monotonic() - began < 0.5, "a parent that is about to end is looked at for a second"
