"""`python -m benchmarks.scale`: what becomes of a run that grows, each way of growing against what it grew from.

- `ten_times`: ten times the standard world, by rows; a row should cost the same.
- `skew`: one batch of a million learners beside 500 small ones, against the same learners in even batches.
- `wide`: the standard world, and one course with 200 nested courses and 500 assessments beside it.
- `schools`: the standard world, whose learners belong to a million schools.
- `many_collections`: 20,000 courses with a batch each.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from pyspark.sql import SparkSession

from benchmarks import derived
from benchmarks.recording import record
from benchmarks.rounds import Figures, interleaved, jvm_process_id, medians, ratio
from benchmarks.session import MASTER, WarmSession
from benchmarks.worlds import make_world, settings_for

Maker = Callable[[SparkSession], str]
"""Makes a world; returns its name."""


def _sized(world: str) -> Maker:
    def make(spark: SparkSession) -> str:
        make_world(spark, world)
        return world

    return make


PARTS: Mapping[str, Sequence[Maker]] = {
    "ten_times": [_sized("standard"), _sized("ten_times")],
    "skew": [derived.make_even, derived.make_skewed],
    "wide": [_sized("standard"), derived.make_with_wide],
    "schools": [_sized("standard"), derived.make_with_schools],
    "many_collections": [_sized("many_collections")],
}
"""Of each part, the world that is grown from, and the grown one; or one alone."""


def main() -> None:
    """Measure the parts named on the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale", description=__doc__)
    # Of no part at all argparse makes an empty list, and looks for that among the choices.
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], help="default: all")
    parser.add_argument("--rounds", type=int, default=2, help="after one that is not counted")
    arguments = parser.parse_args()
    for part in arguments.parts or PARTS:
        measure(part, PARTS[part], arguments.rounds)


def measure(part: str, makers: Sequence[Maker], rounds: int) -> None:
    """Measure one part, in a session of its own: its worlds in turn, the first of them once before to warm up."""
    session = WarmSession.open("standard")
    try:
        worlds = [make(session.spark) for make in makers]
        variants = {world: partial(_export, _in_world(session, world)) for world in worlds}
        interleaved({worlds[0]: variants[worlds[0]]}, 1)
        taken = interleaved(variants, rounds)
    finally:
        session.close()
    figures: dict[str, Any] = {
        "master": MASTER,
        "driver_memory": session.settings.spark.driver_memory,
        "rounds_measured": rounds,
        "median": {world: medians(runs) for world, runs in taken.items()},
        "rounds": {world: [run["total_s"] for run in runs] for world, runs in taken.items()},
    }
    if len(worlds) > 1:
        before, after = (taken[world] for world in worlds)
        figures["grown"] = {name: ratio(after, before, name) for name in ("total_s", "cpu_s", "row_us", "heap_used_mb")}
    record(part, figures, {})
    print(json.dumps({part: figures}, indent=2))


def _in_world(session: WarmSession, world: str) -> WarmSession:
    """Return the same session, working on another world."""
    return WarmSession(world, settings_for(world, MASTER), session.spark, session.start_s)


def _export(session: WarmSession) -> Figures:
    """Make all files; adds what a row took, what is left on the heap after the run, and what was spilled."""
    figures = session.export()
    return {
        **figures,
        "row_us": round(figures["total_s"] / figures["rows"] * 1e6, 1),
        "heap_used_mb": _heap_used_mb(session.spark),
        "most_memory_mb": _most_memory_mb(session.spark),
    }


def _heap_used_mb(spark: SparkSession) -> float:
    jvm: Any = spark._jvm
    jvm.System.gc()
    runtime = jvm.java.lang.Runtime.getRuntime()
    used_mb: int = round((runtime.totalMemory() - runtime.freeMemory()) / 2**20)
    return used_mb


def _most_memory_mb(spark: SparkSession) -> float:
    """Return the most memory that the JVM has ever had, outside of its heap too."""
    status = Path(f"/proc/{jvm_process_id(spark)}/status").read_text(encoding="utf-8")
    [line] = [line for line in status.splitlines() if line.startswith("VmHWM:")]
    return round(int(line.split()[1]) / 1024)


if __name__ == "__main__":
    main()
