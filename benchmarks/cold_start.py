"""`python -m benchmarks.cold_start`: from the start of the process to one file, against Spark's bare start.

The real command makes one batch of 30 learners on files; a process with a plain session writes one line of text. Both
are started in turn, each with nothing warm but the machine's own file cache.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import resource
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.recording import record
from benchmarks.rounds import Figures, interleaved, medians, ratio
from benchmarks.session import MASTER, require_world
from benchmarks.worlds import ONE_BATCH, ROOT, batch_id, places_of
from progress_exhaust.java import java_home

WORLD = "one_batch"
COMMAND = str(Path(sys.executable).with_name("progress-exhaust"))
BARE = "benchmarks.bare_spark"
IMPORTED = "import progress_exhaust.cli.app, progress_exhaust.commands.export"
MOST_PACKAGES = 6
IMPORT_TRIES = 5

_PR_SET_CHILD_SUBREAPER = 36


def main() -> None:
    """Measure both, and where our time goes."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cold_start", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="after one that is not counted")
    arguments = parser.parse_args()
    require_world(WORLD)
    adopt_orphans()
    os.environ["JAVA_HOME"] = str(java_home(os.environ))
    taken = interleaved(
        {"ours": ours, "bare Spark": bare_spark, "imports": imports, "python": python}, arguments.rounds
    )
    median = {name: medians(runs) for name, runs in taken.items()}
    figures = {
        "learners": ONE_BATCH.learners,
        "rounds_measured": arguments.rounds,
        "median": median,
        "cpu_ratios": {"cold_start": ratio(taken["ours"], taken["bare Spark"], "cpu_s")},
        "imports_ms": imports_by_package(),
        "rounds": {name: [run["total_s"] for run in runs] for name, runs in taken.items()},
    }
    record("cold_start", figures, {"cold_start": ratio(taken["ours"], taken["bare Spark"])})
    print(json.dumps(figures, indent=2))


def ours() -> Figures:
    """Run the real command; its own clock tells the phases, and what is not in them lies before and after.

    Raises:
        SystemExit: it has not made exactly one file.
    """
    shutil.rmtree(ROOT / WORLD / "reports", ignore_errors=True)
    shown: list[str] = []
    figures = timed([COMMAND, "export", "--batch", batch_id(0), "--json", *places_of(WORLD, "reports")], shown.append)
    document = json.loads(shown[0])
    if len(document["files"]) != 1:
        raise SystemExit(f"expected one file, got {len(document['files'])}")
    phases = {f"{name}_s": seconds for name, seconds in document["phase_s"].items()}
    return {**figures, **phases, "outside_command_s": round(figures["total_s"] - document["duration_s"], 3)}


def bare_spark() -> Figures:
    """Start Spark and write one line."""
    target = ROOT / WORLD / "bare"
    shutil.rmtree(target, ignore_errors=True)
    return timed([sys.executable, "-m", BARE, str(target)])


def imports() -> Figures:
    """Start Python and import what an export imports."""
    return timed([sys.executable, "-c", IMPORTED])


def python() -> Figures:
    """Start Python alone."""
    return timed([sys.executable, "-c", "pass"])


def timed(command: Sequence[str], show: Callable[[str], object] = lambda text: None) -> Figures:
    """Run a process to its end; its CPU seconds are also those of the JVM that it leaves behind."""
    begin, cpu_s = time.monotonic(), _cpu_of_ended_s()
    process = subprocess.run(
        command,
        env={**os.environ, "PROGRESS_EXHAUST__SPARK__MASTER": MASTER},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        check=True,
    )
    total_s = time.monotonic() - begin
    wait_for_orphans()
    show(process.stdout)
    return {"total_s": round(total_s, 3), "cpu_s": round(_cpu_of_ended_s() - cpu_s, 2)}


def adopt_orphans() -> None:
    """Become the parent of what our processes leave behind: a JVM ends a little after its Python."""
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def wait_for_orphans() -> None:
    """Wait until the last of them has ended."""
    try:
        while True:
            os.wait()
    except ChildProcessError:
        return


def imports_by_package() -> dict[str, int]:
    """Return milliseconds spent importing, by package, the most first; of several tries the quickest."""
    tries = [_import_us() for _ in range(IMPORT_TRIES)]
    quickest = Counter({package: min(spent[package] for spent in tries) for package in tries[0]})
    return {package: round(spent / 1000) for package, spent in quickest.most_common(MOST_PACKAGES)}


def _import_us() -> Counter[str]:
    told = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", IMPORTED], stderr=subprocess.PIPE, text=True, check=True
    )
    spent_us: Counter[str] = Counter()
    for line in told.stderr.splitlines():
        own, _, module = line.removeprefix("import time:").replace("|", " ").strip().partition(" ")
        if own.isdigit():
            spent_us[module.split()[-1].split(".")[0]] += int(own)
    return spent_us


def _cpu_of_ended_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main()
