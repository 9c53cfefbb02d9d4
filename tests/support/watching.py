"""Runs the real command, and keeps whatever others on the machine could see of it while it runs."""

from __future__ import annotations

import base64
import os
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

RUN_S = 300.0
POLL_S = 0.1
UI_PAGES = ("", "environment", "executors", "jobs", "stages?details=true", "sql?details=true", "storage/rdd")


@dataclass
class Seen:
    """What a command has shown.

    Attributes:
        code: its exit code.
        out: stdout.
        err: stderr.
        seconds: how long it ran.
        arguments: the command lines of it and its children.
        names: paths below the output root, while it ran and after, and in the folder for temporary files.
        modes: the modes of directories of staging, by path.
        pages: what Spark's web page answered.
    """

    code: int = -1
    out: bytes = b""
    err: bytes = b""
    seconds: float = 0.0
    arguments: set[bytes] = field(default_factory=set)
    names: set[str] = field(default_factory=set)
    modes: dict[str, int] = field(default_factory=dict)
    pages: dict[str, bytes] = field(default_factory=dict)

    def everything(self) -> dict[str, bytes]:
        """All of it, by the place it was seen at."""
        return {
            "stdout": self.out,
            "stderr": self.err,
            "arguments": b"\n".join(sorted(self.arguments)),
            "names of files": "\n".join(sorted(self.names)).encode(),
            **{f"web page {page}": body for page, body in self.pages.items()},
        }


def watched(
    command: Sequence[str], environment: dict[str, str], output: Path, temporary: Path, *, ui_port: int = 0
) -> Seen:
    """Run a command to its end, and look at it all the while."""
    seen = Seen()
    begin = time.monotonic()
    with subprocess.Popen(
        command, env=environment | {"TMPDIR": str(temporary)}, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        reading = threading.Thread(target=_read, args=(process, seen))
        reading.start()
        while reading.is_alive():
            seen.arguments.update(_arguments_below(process.pid))
            _look_at_files(seen, output, temporary)
            if ui_port:
                seen.pages.update(_pages(ui_port))
            reading.join(POLL_S)
            if time.monotonic() - begin > RUN_S:
                process.kill()
    seen.code = process.returncode
    seen.seconds = time.monotonic() - begin
    _look_at_files(seen, output, temporary)
    return seen


def forms_of(canary: str) -> Iterator[bytes]:
    """Give a text as itself, in hex, and in base64 wherever it may stand in a longer text."""
    plain = canary.encode()
    yield plain
    yield plain.hex().encode()
    yield plain.hex().upper().encode()
    for shift in range(3):
        # Only characters that the canary alone decides: those at the ends also depend on its neighbours.
        encoded = base64.b64encode(b"\0" * shift + plain).rstrip(b"=")
        inner = encoded[(shift * 8 + 5) // 6 : len(encoded) - 1]
        yield inner
        yield inner.replace(b"+", b"-").replace(b"/", b"_")


def leaks(canaries: Iterable[str], places: dict[str, bytes]) -> list[str]:
    """Return a sentence for each canary found."""
    return [
        f"{canary} is in {place}"
        for canary in canaries
        for place, content in places.items()
        if any(form in content for form in forms_of(canary))
    ]


def _read(process: subprocess.Popen[bytes], seen: Seen) -> None:
    seen.out, seen.err = process.communicate()


def _arguments_below(pid: int) -> Iterator[bytes]:
    """Give the arguments of a process and of all its children."""
    try:
        yield Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ")
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text(encoding="ascii").split():
                yield from _arguments_below(int(child))
    except OSError:
        return


def _look_at_files(seen: Seen, output: Path, temporary: Path) -> None:
    for root in (output, temporary):
        for folder, folders, files in os.walk(root):
            seen.names.update(str(Path(folder, name)) for name in (*folders, *files))
            if ".staging" in Path(folder).parts:
                try:
                    seen.modes[folder] = Path(folder).stat().st_mode & 0o777
                except OSError:
                    continue


def _pages(port: int) -> dict[str, bytes]:
    address = f"http://127.0.0.1:{port}"
    pages = {}
    try:
        applications = _get(f"{address}/api/v1/applications")
        identifier = applications.split(b'"id" : "')[1].split(b'"')[0].decode()
        for page in UI_PAGES:
            pages[f"/api/v1/{page}"] = _get(f"{address}/api/v1/applications/{identifier}/{page}".rstrip("/"))
        for page in ("environment", "SQL", "jobs", "stages"):
            pages[f"/{page}/"] = _get(f"{address}/{page}/")
    except (OSError, urllib.error.URLError, LookupError):
        return pages
    return pages


def _get(address: str) -> bytes:
    with urllib.request.urlopen(address, timeout=5.0) as answer:
        body: bytes = answer.read()
    return body
