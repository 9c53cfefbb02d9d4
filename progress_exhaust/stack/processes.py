"""Processes that write down who they are, so that a later command ends exactly them and never a namesake.

A process id alone is handed out again by the system; together with the time the process started it is not.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass as stored

from progress_exhaust.deadlines import Deadline
from progress_exhaust.errors import OperatorError, cause_of
from progress_exhaust.log_actions import Action
from progress_exhaust.proc import stat_fields

_LOG = logging.getLogger(__name__)
_POLL_S = 0.05
_LOG_LINES = 12

# Runs between fork and the real program, in a Python of its own: code in the forked child of a process with threads
# may hang. The signal survives exec, but not a change of user, which so comes first. The parent may have died before it
# was armed: then there is nothing to serve.
_PREPARE = """
import ctypes, os, signal, sys
parent, user, group = map(int, sys.argv[1:4])
if user:
    os.setgroups([])
    os.setgid(group)
    os.setuid(user)
    os.chdir("/")
if parent:
    ctypes.CDLL(None).prctl(1, int(signal.SIGKILL), 0, 0, 0)
if not parent or os.getppid() == parent:
    os.execv(sys.argv[4], sys.argv[4:])
"""


@dataclass(frozen=True)
class User:
    """A user of the system who may not do what root may.

    Attributes:
        uid: of the user.
        gid: of the user's group.
    """

    uid: int
    gid: int


@stored(frozen=True, config=ConfigDict(strict=True, extra="forbid"))
class Process:
    """One running process.

    Attributes:
        pid: its id.
        start_ticks: when it started, in clock ticks since the machine did.
    """

    pid: int
    start_ticks: int

    def is_running(self) -> bool:
        """Return whether this very process runs still; one that only waits to be reaped does not."""
        found = _state_of(self.pid)
        if found.start_ticks != self.start_ticks:
            return False
        if found.state == "Z":
            _reap(self.pid)
        return found.state not in {"", "Z", "X"}

    def send(self, signal_number: int) -> None:
        """Send a signal, to this process or to nobody."""
        if self.is_running():
            try:
                os.kill(self.pid, signal_number)
            except ProcessLookupError:
                return

    def stop(self, grace_s: float, signal_number: int = signal.SIGTERM) -> None:
        """Ask the process to end, kill it where it has not after `grace_s`, and return when it is gone."""
        self.send(signal_number)
        if self._is_gone_within(grace_s):
            _LOG.debug("process %d has ended", self.pid, extra={"action": Action.PROCESS_ENDED})
        else:
            _LOG.info(
                "process %d has not ended within %.0f s and is killed",
                self.pid,
                grace_s,
                extra={"action": Action.PROCESS_ENDED},
            )
            self.kill()

    def kill(self) -> None:
        """Kill the process, and return when it is gone."""
        self.send(signal.SIGKILL)
        self._is_gone_within(30.0)

    def _is_gone_within(self, seconds: float) -> bool:
        deadline = Deadline.after(seconds)
        while self.is_running():
            if deadline.is_over:
                return False
            time.sleep(_POLL_S)
        return True


_PROCESSES = TypeAdapter(Process)


def start(
    command: Sequence[str],
    *,
    log: Path,
    pid_file: Path,
    environment: Mapping[str, str],
    die_with_parent: bool,
    user: User | None = None,
) -> Process:
    """Start a program in the background, and write down who it is.

    Args:
        command: the program's path and its arguments.
        log: file that gets what the program prints; what earlier starts printed is kept.
        pid_file: file for `running_process`.
        environment: the program's variables.
        die_with_parent: the system kills the program as soon as the thread that started it is gone (Linux).
        user: who runs the program, where root starts one that must not be root; None: whoever starts it.

    Raises:
        OperatorError: the program can not be started.
    """
    parent = os.getpid() if die_with_parent and sys.platform == "linux" else 0
    if parent or user:
        numbers = (parent, user.uid, user.gid) if user else (parent, 0, 0)
        command = [sys.executable, "-I", "-c", _PREPARE, *map(str, numbers), *command]
    try:
        pid = os.posix_spawn(
            command[0],
            list(command),
            dict(environment),
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_OPEN, 1, str(log), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600),
                (os.POSIX_SPAWN_DUP2, 1, 2),
            ],
            # Ctrl-C on the starting command's terminal is not meant for it.
            setsid=True,
        )
    except OSError as error:
        raise OperatorError("starting", object=f"{command[0]} with its log at {log}", got=cause_of(error)) from None
    process = Process(pid, _state_of(pid).start_ticks)
    pid_file.write_text(json.dumps(asdict(process)), encoding="utf-8")
    _LOG.debug("process %d started, its log at %s", pid, log, extra={"action": Action.PROCESS_STARTED})
    return process


def wait_until_ready(
    process: Process, is_ready: Callable[[], bool], *, what: str, within_s: float, log: Path, poll_s: float = _POLL_S
) -> None:
    """Wait until a program that was started does its work.

    Args:
        process: the program.
        is_ready: asks it.
        what: it is, in a sentence.
        within_s: seconds.
        log: where it prints.
        poll_s: seconds between two looks.

    Raises:
        OperatorError: it ended, or was not ready in time; the text quotes the end of its log.
    """
    deadline = Deadline.after(within_s)
    while not is_ready():
        if not process.is_running():
            raise OperatorError("starting", object=what, got=f"it ended; {_end_of(log)}")
        if deadline.is_over:
            raise OperatorError("starting", object=what, got=f"not ready in {within_s:.0f} s; {_end_of(log)}")
        time.sleep(poll_s)


def running_process(pid_file: Path) -> Process | None:
    """Return the process that was written down, where it runs still."""
    try:
        process = _PROCESSES.validate_json(pid_file.read_bytes())
    except (OSError, ValidationError):
        return None
    return process if process.is_running() else None


@dataclass(frozen=True)
class _ProcessState:
    """What the system says of a process id: its state's letter, empty where there is none, and its start."""

    state: str
    start_ticks: int


def _state_of(pid: int) -> _ProcessState:
    fields = stat_fields(pid)
    return _ProcessState(fields[0], int(fields[19])) if fields else _ProcessState("", 0)


def _end_of(log: Path) -> str:
    try:
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    return f"its log {log} ends with:\n" + "\n".join(f"  {line[:300]}" for line in lines[-_LOG_LINES:])


def _reap(pid: int) -> None:
    try:
        os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return
