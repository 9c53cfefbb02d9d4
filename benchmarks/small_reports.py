"""`python -m benchmarks.small_reports`: twenty thousand reports of ten learners, and a hundred thousand of one.

What counts here is what a report costs whatever is in it: planning, staging, checking and publishing it. The first
world is made in turn by our export and by DuckDB, in one warm session. The second is made once by the real command,
with a heap of less than a gigabyte, and watched: whether it finishes, how long it is silent, what memory it takes, and
whether it starts processes.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.cold_start import COMMAND
from benchmarks.recording import record
from benchmarks.rounds import Figures, interleaved, medians, ratio
from benchmarks.session import DAY, MASTER, WarmSession, require_world
from benchmarks.worlds import ONE_LEARNER_EACH, ROOT, SMALL_REPORTS, places_of
from progress_exhaust.java import java_home
from tests.support.command_line import most_memory

WORLD, MANY = "small_reports", "one_learner_each"
HEAP = "900m"
BAR_RATIO = 8.0
BAR_QUIET_S = 10.0
BAR_PYTHON_MB = 1000
BAR_PROCESSES = 100
"""For a hundred thousand files; those of the start and of a few folders."""
_LOOK_EVERY_S = 0.2


def main() -> None:
    """Measure both, record, and fail where a bar is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.small_reports", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="after one that is not counted")
    arguments = parser.parse_args()
    figures, ratios = against_floor(arguments.rounds)
    figures["many"] = many = export_many()
    record(WORLD, figures, ratios)
    print(json.dumps(figures, indent=2))
    started = many["processes_started"]
    missed = [
        sentence
        for sentence, is_missed in (
            (f"ours is {ratios[WORLD]} times DuckDB's seconds, expected {BAR_RATIO}", ratios[WORLD] > BAR_RATIO),
            (
                f"nothing was told for {many['most_quiet_s']} s, expected {BAR_QUIET_S}",
                many["most_quiet_s"] > BAR_QUIET_S,
            ),
            (f"Python held {many['python_mb']} MB, expected {BAR_PYTHON_MB}", many["python_mb"] > BAR_PYTHON_MB),
            (f"{started} processes were started, expected {BAR_PROCESSES}", started > BAR_PROCESSES),
        )
        if is_missed
    ]
    if missed:
        sys.exit("; ".join(missed))


def against_floor(rounds: int) -> tuple[dict[str, Any], dict[str, float]]:
    """Make the first world in turn by our export and by DuckDB."""
    session = WarmSession.open(WORLD)
    try:
        variants: dict[str, Callable[[], Figures]] = {"ours": session.export, "duckdb": session.floor}
        interleaved(variants, 1)
        taken = interleaved(variants, rounds)
    finally:
        session.close()
    figures = {
        "reports": SMALL_REPORTS.batches,
        "learners_per_report": SMALL_REPORTS.learners,
        "master": MASTER,
        "rounds_measured": rounds,
        "median": {name: medians(runs) for name, runs in taken.items()},
        "cpu_ratios": {WORLD: ratio(taken["ours"], taken["duckdb"], "cpu_s")},
        "rounds": {name: [run["total_s"] for run in runs] for name, runs in taken.items()},
    }
    return figures, {WORLD: ratio(taken["ours"], taken["duckdb"])}


def export_many() -> dict[str, Any]:
    """Make the second world by the real command, and watch it.

    Raises:
        SystemExit: a report is missing.
    """
    require_world(MANY)
    shutil.rmtree(ROOT / MANY / "reports", ignore_errors=True)
    java = java_home(os.environ)
    with tempfile.TemporaryDirectory() as scratch:
        collections, recording = Path(scratch, "gc.log"), Path(scratch, "events.jfr")
        recorder = f"-XX:StartFlightRecording:filename={recording},settings=profile"
        options = f"-Xlog:disable -Xlog:gc:file={collections} {recorder}"  # else they would write to stdout
        variables = {"JAVA_HOME": str(java), "PROGRESS_EXHAUST__SPARK__MASTER": MASTER, "JDK_JAVA_OPTIONS": options}
        variables["PROGRESS_EXHAUST__SPARK__DRIVER_MEMORY"] = HEAP
        command = [COMMAND, "export", "--all", "--date", DAY.isoformat(), "--json", *places_of(MANY, "reports")]
        quiet_s, begin, most_bytes = 0.0, time.monotonic(), [0]
        with (
            Path(scratch, "document").open("w+", encoding="utf-8") as document,
            subprocess.Popen(
                [*command, "--log-format", "text"],
                env={**os.environ, **variables},
                stdout=document,
                stderr=subprocess.PIPE,
                text=True,
            ) as process,
        ):
            assert process.stderr is not None
            threading.Thread(target=_watch_memory, args=(process, most_bytes), daemon=True).start()
            told_at = begin
            for _line in process.stderr:
                now = time.monotonic()
                if now - told_at > quiet_s:
                    quiet_s = now - told_at
                    print(f"{now - begin:.1f} s: {quiet_s:.1f} s before {_line.strip()[:100]}", flush=True)
                told_at = now
            process.wait()
            total_s = time.monotonic() - begin
            document.seek(0)
            shown = document.read()
        if process.returncode:
            raise SystemExit(f"expected code 0, got {process.returncode}")
        content = json.loads(shown[shown.index("{") :])  # behind what Java says of its recorder
        if len(content["files"]) != ONE_LEARNER_EACH.batches + 1:
            raise SystemExit(f"expected {ONE_LEARNER_EACH.batches + 1} files, got {len(content['files'])}")
        in_use_mb = [int(size) for size in re.findall(r"->(\d+)M\(", collections.read_text(encoding="utf-8"))]
        return {
            "reports": len(content["files"]),
            "total_s": round(total_s, 1),
            "phase_s": content["phase_s"],
            "most_quiet_s": round(quiet_s, 1),
            "heap": HEAP,
            "heap_after_collection_mb": max(in_use_mb, default=0),
            "python_mb": round(most_bytes[0] / 1e6),
            "processes_started": _processes_started(java, recording),
        }


def _watch_memory(process: subprocess.Popen[str], most_bytes: list[int]) -> None:
    """Look at a process to its very end: its manifest is written, and its result shown, after its last line."""
    while process.poll() is None:
        most_bytes[0] = max(most_bytes[0], most_memory(process.pid))
        time.sleep(_LOOK_EVERY_S)


def _processes_started(java: Path, recording: Path) -> int:
    """Return how many processes the JVM has started, as its own recorder tells."""
    told = subprocess.run([java / "bin" / "jfr", "summary", recording], capture_output=True, text=True, check=True)
    [started] = re.findall(r"jdk\.ProcessStart +(\d+)", told.stdout)
    return int(started)


if __name__ == "__main__":
    main()
