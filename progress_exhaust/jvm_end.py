"""What has become of the JVM that a driver works with: a scheduler's time-out is no fault of a request, a crash may be.

Under spark-submit the JVM is our parent: when it goes, the system tells us by SIGTERM, and how it ended stands in /proc
until its own parent has looked. A JVM that we started ourselves is our child.
"""

from __future__ import annotations

import ctypes
import os
import re
import signal
import sys
import time
from collections.abc import Callable, Mapping
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Protocol

from progress_exhaust.deadlines import Deadline
from progress_exhaust.proc import HAS_ENDED, stat_fields, text_of

SUBMITTED = "PYSPARK_GATEWAY_PORT"
"""The environment variable by which spark-submit tells that it has started us."""

_SET_PARENT_DEATH_SIGNAL = 1
_STOP_SIGNALS = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM)
_LOOK_S = 1.0
_LOOK_EVERY_S = 0.0005
_NOTE_S = 0.2
_SETTLE_S = 2.0
_OOM_KILLS = re.compile(r"^oom_kill (\d+)$", re.MULTILINE)


class JvmEnd(StrEnum):
    """What has become of the JVM."""

    ALIVE = "alive"
    STOPPED = "stopped"  # by a signal that asks
    KILLED = "killed"  # by SIGKILL, while no memory was wanting: what a scheduler does at a time-out
    LOST = "lost"  # in any other way: it ran out of memory, crashed, or ended itself


class Child(Protocol):
    """A process that we have started."""

    def poll(self) -> int | None:
        """Return its exit status, negative for a signal; None while it runs."""


class JvmWatch:
    """Tells what has become of the JVM.

    Args:
        environment: the process's own.
        oom_kills: counts the processes that the kernel has killed for want of memory where we run.
    """

    def __init__(self, environment: Mapping[str, str], oom_kills: Callable[[], int] | None = None) -> None:
        self._parent = os.getppid() if environment.get(SUBMITTED) else None
        self._child: Child | None = None
        self._status: int | None = None
        self._oom_kills = oom_kills or count_oom_kills
        self._oom_kills_before = self._oom_kills()

    def follow(self, child: Child | None) -> None:
        """Take note of a JVM that we have started ourselves."""
        self._child = child

    def ask_for_signal(self) -> None:
        """Have the system send us SIGTERM as soon as the JVM that spark-submit runs in, our parent, is gone (Linux).

        Else a driver whose JVM was killed, which is how schedulers end a task, would live on, hold its claims and keep
        the scheduler's pipe open. A JVM that is gone already is found when its gateway is first asked.
        """
        if self._parent is not None:
            _ask_for_parent_death_signal(signal.SIGTERM)

    def note_signal(self) -> bool:
        """Look at once how our parent ended, if it has: its own parent, which looks too, makes the trace vanish.

        Returns:
            whether it has ended; a signal that comes before was meant for us.
        """
        if self._parent is None:
            return False
        # It has often got the same signal as we, and is gone before we have cleaned up: that is told no more.
        _ask_for_parent_death_signal(0)
        deadline = Deadline.after(_LOOK_S)
        while self._is_parent_ending() and not deadline.is_over:
            state, status = _stat_of(self._parent)
            if not state:
                return True
            if state in HAS_ENDED:
                self._status = os.waitstatus_to_exitcode(status)
                return True
            time.sleep(_LOOK_EVERY_S)
        return self._is_gone()

    def end(self, settle_s: float = _SETTLE_S) -> JvmEnd:
        """Return what has become of the JVM.

        Args:
            settle_s: how long to wait for a JVM that no longer answers to be seen as gone; 0 just looks.
        """
        deadline = Deadline.after(settle_s)
        while not self._is_gone():
            if deadline.is_over:
                return JvmEnd.ALIVE
            time.sleep(0.02)
        if self._child is not None:
            self._status = self._child.poll()
        elif self._status is None:
            # The main thread, which gets the signal, may be looking just now.
            time.sleep(min(settle_s, _NOTE_S))
        return meaning_of(self._status, self._oom_kills() - self._oom_kills_before)

    def _is_parent_ending(self) -> bool:
        return self._parent is not None and (
            os.getppid() != self._parent or _stat_of(self._parent)[0] in ("", *HAS_ENDED) or _has_exited(self._parent)
        )

    def _is_gone(self) -> bool:
        if self._child is not None:
            return self._child.poll() is not None
        return self._parent is not None and os.getppid() != self._parent


@cache
def of_this_process() -> JvmWatch:
    """Return the watch of this process; it begins when it is first asked for."""
    return JvmWatch(os.environ)


def meaning_of(status: int | None, oom_kills: int) -> JvmEnd:
    """Return what the end of a JVM means.

    A status that nobody could see is taken for a kill: whoever is spared for one is so but a few times.

    Args:
        status: its exit status, negative for a signal; None where it is not known.
        oom_kills: processes that were killed for want of memory meanwhile.

    >>> meaning_of(-9, 0), meaning_of(-9, 1), meaning_of(143, 0), meaning_of(52, 0)
    (<JvmEnd.KILLED: 'killed'>, <JvmEnd.LOST: 'lost'>, <JvmEnd.STOPPED: 'stopped'>, <JvmEnd.LOST: 'lost'>)
    """
    if status in {128 + number for number in _STOP_SIGNALS} | {-number for number in _STOP_SIGNALS}:
        return JvmEnd.STOPPED
    return JvmEnd.KILLED if status in (None, -signal.SIGKILL) and oom_kills <= 0 else JvmEnd.LOST


def count_oom_kills(proc: Path = Path("/proc/self/cgroup"), mount: Path = Path("/sys/fs/cgroup")) -> int:
    """Return how many processes of our control group the kernel has killed for want of memory; 0 where nobody tells.

    Args:
        proc: names our groups.
        mount: where the file systems of the groups are.
    """
    kills = 0
    for line in text_of(proc).splitlines():
        _, controllers, group = [*line.split(":", 2), "", ""][:3]
        inner = group.lstrip("/")
        if controllers == "":
            places = [mount / inner / "memory.events", mount / "memory.events"]
        elif "memory" in controllers.split(","):
            places = [mount / "memory" / inner / "memory.oom_control", mount / "memory" / "memory.oom_control"]
        else:
            continue
        found = next((text for place in places if (text := text_of(place))), "")
        kills += sum(int(number) for number in _OOM_KILLS.findall(found))
    return kills


def _has_exited(process_id: int) -> bool:
    """Whether a process is about to end: its status is known while some of its threads still are."""
    return _stat_of(process_id)[1] != 0


def _stat_of(process_id: int) -> tuple[str, int]:
    """Return the state of a process, and its exit status; an empty state where there is no such process."""
    fields = stat_fields(process_id)
    return (fields[0], int(fields[49])) if len(fields) > 49 else ("", 0)


def _ask_for_parent_death_signal(number: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_SET_PARENT_DEATH_SIGNAL, int(number), 0, 0, 0)
