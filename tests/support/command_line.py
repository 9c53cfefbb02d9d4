"""The real command as a subprocess: one at a time, or many that share one JVM."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

ROOT = Path(__file__).parents[2]
COMMAND = Path(sys.executable).with_name("progress-exhaust")
RUN_S = 600.0
DAY = "2020-08-26"
DAY_IN_NAME = "26_08_2020"
_ENVIRONMENT = {
    "PROGRESS_EXHAUST__SPARK__MASTER": "local[2,4]",
    "PROGRESS_EXHAUST__SPARK__DRIVER_MEMORY": "1g",
}


# Capabilities 1 and 2 let root write and read what the modes of files forbid; a process can give them up for good.
_AS_ANYONE = """
import ctypes, os, sys
for capability in (1, 2):
    assert ctypes.CDLL(None).prctl(24, capability, 0, 0, 0) == 0
os.execv(sys.argv[1], sys.argv[1:])
"""


@dataclass(frozen=True)
class Ended:
    """A command that has ended."""

    code: int
    out: str
    err: str

    def document(self) -> dict[str, Any]:
        """What `--json` has written."""
        content: dict[str, Any] = json.loads(self.out)
        return content

    def errors(self) -> list[str]:
        """The sentences of what ended it."""
        return [line.removeprefix("error: ") for line in self.err.splitlines() if line.startswith("error: ")]


def environment(**variables: str) -> dict[str, str]:
    """Our own environment, less what someone has set for the job, with a small Spark."""
    ours = {name: value for name, value in os.environ.items() if not name.upper().startswith("PROGRESS_EXHAUST")}
    return ours | _ENVIRONMENT | variables


def export_arguments(folder: Path, *asked: str, output: Path | None = None) -> list[str]:
    """Arguments of an export over a world on files, for machines."""
    places = ["--snapshot", str(folder / "snapshot"), "--catalogue", str(folder / "catalogue")]
    return ["export", *asked, *places, "--output", str(output or folder / "reports"), "--date", DAY, "--json"]


def started(
    arguments: list[str], prefix: tuple[str, ...] = (), command: Path = COMMAND, **variables: str
) -> subprocess.Popen[str]:
    """Start a command in a process group of its own; a prefix is the command that starts it."""
    return subprocess.Popen(
        [*prefix, str(command), *arguments],
        env=environment(**variables),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        process_group=0,
    )


def ended(process: subprocess.Popen[str]) -> Ended:
    """Wait for the end of a command."""
    with process:
        out, err = process.communicate(timeout=RUN_S)
    return Ended(process.returncode, out, err)


def run(arguments: list[str], **variables: Any) -> Ended:
    """Run a command in a process and a JVM of its own."""
    return ended(started(arguments, **variables))


def without_privileges() -> tuple[str, ...]:
    """The prefix that makes the modes of files count for us, also where we are root."""
    return (sys.executable, "-c", _AS_ANYONE) if os.geteuid() == 0 else ()


class CommandLine:
    """Runs commands in one process, one after another.

    Args:
        prefix: the command that starts it.
        variables: environment variables that its JVM starts with.
    """

    def __init__(self, prefix: tuple[str, ...] = (), **variables: str) -> None:
        self._prefix = prefix
        self._variables = variables

    def __enter__(self) -> Self:
        self._worker = subprocess.Popen(
            [*self._prefix, sys.executable, "-m", "tests.support.many_commands"],
            cwd=ROOT,
            env=environment(**self._variables),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._scratch = tempfile.TemporaryDirectory()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._worker as worker:
            assert worker.stdin is not None
            worker.stdin.close()
            worker.wait(RUN_S)
        self._scratch.cleanup()

    def most_memory(self) -> int:
        """Return the most bytes that the Python process, the driver but for its JVM, has held so far."""
        return most_memory(self._worker.pid)

    def run(self, arguments: list[str], **variables: str) -> Ended:
        """Run the command line."""
        out, err = (Path(self._scratch.name, name) for name in ("out", "err"))
        code = self._ask(
            {
                "arguments": arguments,
                "environment": environment(**self._variables, **variables),
                "out": str(out),
                "err": str(err),
            }
        )
        return Ended(code, out.read_text(encoding="utf-8"), err.read_text(encoding="utf-8"))

    def write_parquet(self, query: str, folder: Path) -> None:
        """Write the rows of a query as one Parquet file."""
        assert self._ask({"query": query, "folder": str(folder)}) == 0

    def _ask(self, request: dict[str, Any]) -> int:
        assert self._worker.stdin is not None
        assert self._worker.stdout is not None
        self._worker.stdin.write(json.dumps(request) + "\n")
        self._worker.stdin.flush()
        return int(self._worker.stdout.readline())


def most_memory(process_id: int) -> int:
    """Return the most bytes that a process has held so far; 0 where it has ended."""
    try:
        status = Path(f"/proc/{process_id}/status").read_text(encoding="utf-8")
    except OSError:
        return 0
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    return int(found[1]) * 1024 if found else 0


def files_below(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, with its content; nothing where there is no folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def reports_below(output: Path) -> dict[str, bytes]:
    """The reports at an output root by batch id, after seeing that it holds nothing but these and manifests."""
    files = {name: content for name, content in files_below(output).items() if "/manifest_" not in name}
    name = re.compile(rf"progress-exhaust/(.*)_progress_{DAY_IN_NAME}\.csv", re.DOTALL)
    found = {path: name.fullmatch(path) for path in files}
    strange = [path for path, match in found.items() if match is None]
    assert not strange, f"left behind: {strange}"
    assert list((output / "progress-exhaust" / ".staging").glob("*")) == []
    return {match[1]: files[path] for path, match in found.items() if match}


def manifest_below(output: Path) -> dict[str, Any]:
    """The one manifest at an output root."""
    [path] = (output / "progress-exhaust").glob("manifest_*.json")
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content
