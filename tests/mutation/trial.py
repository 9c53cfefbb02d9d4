"""Runs of the unit tests in a copy of the tree, one at a time."""

from __future__ import annotations

import importlib.util
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
from collections import defaultdict
from contextlib import suppress
from pathlib import Path
from xml.etree import ElementTree

from tests.mutation.changes import SPARK, Change, changed
from tests.mutation.rooms import nearness, tests_of

NOT_COPIED = (".git", ".venv", "var", "build", "dist", "__pycache__", ".hypothesis", ".*_cache", "*.egg-info")
START_S = 60.0
"""What a run may take besides its tests."""
SLOWER = 4.0
"""How much longer tests may take than they did without a change, on a machine that has other work as well."""
LEAST_S = 30
"""For how long any single test is waited for."""
MOST_MEMORY_BYTES = 8 << 30
"""Of address space: what a loop without end fills is no other process's."""
OF_THE_TESTS = (1, 2, 3)
"""How pytest ends where a test fails, a file can not be imported, or pytest itself meets the change."""


class Copy:
    """A copy of the tree, in which one module at a time is changed and tested."""

    def __init__(self, checkout: Path, folder: Path) -> None:
        self.root = folder / "tree"
        self._record = folder / "seconds.xml"
        self._seconds: defaultdict[Path, float] = defaultdict(float)
        self._longest: defaultdict[Path, float] = defaultdict(float)
        shutil.copytree(checkout, self.root, ignore=shutil.ignore_patterns(*NOT_COPIED))

    def measure(self) -> float:
        """Run all tests without a change, and return how many seconds they took.

        Raises:
            SystemExit: one fails, so no change could be told by them.
        """
        failed = self._failed(list(map(str, tests_of(self.root))), 3600.0, f"--junitxml={self._record}")
        if failed is not None:
            raise SystemExit(f"tests fail without any change: {failed}")
        for case in ElementTree.parse(self._record).iter("testcase"):
            module = Path(*str(case.get("classname")).split(".")).with_suffix(".py")
            seconds = float(case.get("time", 0))
            self._seconds[module] += seconds
            self._longest[module] = max(self._longest[module], seconds)
        return sum(self._seconds.values())

    def killer(self, module: Path, change: Change) -> str | None:
        """Return the test that notices a change, or how else it shows; None where no test does."""
        source = (self.root / module).read_bytes()
        try:
            self._write(module, changed(source, change))
            steps = nearness(self.root, module)
            order = sorted(steps, key=lambda one: (steps[one], self._seconds[one]))
            near = [one for one in order if steps[one] == steps[order[0]]]
            far = order[len(near) :]
            uses_spark = any(name.encode() in source for name in SPARK)
            examples = [] if uses_spark else ["--doctest-modules", str(module)]
            return self._noticed_by(near, *examples) or self._noticed_by(far)
        finally:
            self._write(module, source)

    def _noticed_by(self, files: list[Path], *options: str) -> str | None:
        """Return which of these files' tests notices the change, twice; None where none does."""
        if not files:
            return None
        timeout_s = START_S + SLOWER * sum(self._seconds[one] for one in files)
        one_test_s = max(LEAST_S, round(SLOWER * max(self._longest[one] for one in files)))
        options = ("-o", f"faulthandler_timeout={one_test_s}", "-o", "faulthandler_exit_on_timeout=true", *options)
        names = list(map(str, files))
        passes: list[str] = []
        while (failed := self._failed(names, timeout_s, *options, *passes)) is not None:
            # On a machine with other work a test that waits may fail by itself: what notices a change fails again.
            function = failed.partition("[")[0]
            if "::" not in function or self._failed([function], timeout_s, *options) is not None:
                break
            passes += ["--deselect", function]
        return failed

    def _failed(self, arguments: list[str], timeout_s: float, *options: str) -> str | None:
        command = [sys.executable, "-m", "pytest", "-x", "-q", "--tb=no", "-p", "no:cacheprovider", "-p", "no:xdist"]
        run = subprocess.Popen(
            [*command, "--hypothesis-seed=1", *options, *arguments],
            cwd=self.root,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
            preexec_fn=_bounded,  # noqa: PLW1509 - this process has one thread
        )
        try:
            told, _ = run.communicate(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            return f"no end within {timeout_s:.0f} s"
        finally:
            _end_all_of(run)
        if run.returncode == 0:
            return None
        if "while loading conftest" in told:
            return "the package, which can not be loaded"
        if run.returncode > max(OF_THE_TESTS):
            raise SystemExit(f"pytest could not be run:\n{told}")
        if "Timeout (0:" in told:
            return "a test that does not end"
        found = re.search(r"^(?:FAILED|ERROR) (.+?)(?: - .*)?$", told, re.MULTILINE)
        return found[1] if found else f"pytest ended with {run.returncode}"

    def _write(self, module: Path, source: bytes) -> None:
        """Replace a module; what Python has compiled of it goes, for it tells versions apart by second and size."""
        place = self.root / module
        place.write_bytes(source)
        Path(importlib.util.cache_from_source(str(place))).unlink(missing_ok=True)


def _bounded() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY_BYTES, MOST_MEMORY_BYTES))


def _end_all_of(run: subprocess.Popen[str]) -> None:
    """End a run with whatever its tests have left: the group of processes is its own."""
    with suppress(ProcessLookupError):
        os.killpg(run.pid, signal.SIGKILL)
    run.wait()
