"""Measures whole runs of the export on files, against what else could be done on the same machine.

The standard world: our export, the same files from DuckDB, and a bare scan by Spark, in turn in one warm session; then
the per-batch baseline in the same session. The world of two million enrolments: our export alone. The first run of a
session is given by itself: it pays for class loading and compilation.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import baseline
from benchmarks.recording import RESULTS, record
from benchmarks.rounds import WARM_UP_ROUNDS, Figures, interleaved, measured, medians, ratio
from benchmarks.scan import scan_tables
from benchmarks.session import DAY_IN_NAMES, MASTER, WarmSession
from benchmarks.worlds import WORLDS, batch_id
from progress_exhaust.export.selection import ReportQuery, select_batches

ROUNDS = {"standard": 5, "two_million": 2}
BASELINE_ROUNDS = 5
BASELINE_BATCHES = 10
BASELINE_SETTINGS = {
    f"{partitions} partitions, {'adaptive' if adaptive else 'not adaptive'}": (partitions, adaptive)
    for partitions in (2, 8, 200)
    for adaptive in (True, False)
}


def main() -> None:
    """Measure the worlds named on the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--world", choices=sorted(WORLDS), action="append", help="default: all")
    parser.add_argument("--rounds", type=int, help=f"after one that is not counted; default: {ROUNDS}")
    parser.add_argument("--baseline-rounds", type=int, default=BASELINE_ROUNDS, help="the same for the slow baseline")
    arguments = parser.parse_args()
    for world in arguments.world or sorted(WORLDS):
        session = WarmSession.open(world)
        try:
            rounds = arguments.rounds or ROUNDS[world]
            if world == "standard":
                measure_against_floors(session, rounds)
                measure_against_baseline(session, arguments.baseline_rounds)
            else:
                measure_alone(session, rounds)
        finally:
            session.close()


def measure_against_floors(session: WarmSession, rounds: int) -> None:
    """Measure our export, DuckDB and the bare scan in turn; records the part `standard`.

    DuckDB runs in this process, so that it is as warm as Spark and no start is counted; its CPU is Python's.
    """
    variants: dict[str, Callable[[], Figures]] = {
        "ours": session.export,
        "duckdb": session.floor,
        "scan": partial(_scan, session),
    }
    first = interleaved(variants, 1)
    interleaved(variants, WARM_UP_ROUNDS)
    taken = interleaved(variants, rounds)
    others = [name for name in variants if name != "ours"]
    figures = {
        **describe(session, rounds),
        "first": {name: run for name, [run] in first.items()},
        "median": {name: medians(runs) for name, runs in taken.items()},
        "cpu_ratios": {name: ratio(taken["ours"], taken[name], "cpu_s") for name in others},
        "rounds": {name: [run["total_s"] for run in runs] for name, runs in taken.items()},
    }
    record("standard", figures, {name: ratio(taken["ours"], taken[name]) for name in others})
    show("standard", figures)


def measure_against_baseline(session: WarmSession, rounds: int) -> None:
    """Measure our export and the per-batch baseline in turn, by seconds a batch; records the part `baseline`."""
    ids = {batch_id(number) for number in range(BASELINE_BATCHES)}
    ports = session.ports()
    selection = select_batches(
        ReportQuery(everything=True), session.spark, ports.tables, ports.catalogue, session.settings, _stages_nothing
    )
    batches = [batch for batch in selection.batches if batch.batch_id in ids]

    def ours() -> Figures:
        figures = session.export()
        return {**figures, **_per_batch(figures, int(figures["files"]))}

    def theirs(partitions: int, adaptive: bool) -> Figures:
        output = session.folder / "baseline"
        shutil.rmtree(output, ignore_errors=True)
        spark = baseline.session_with(session.spark, partitions=partitions, adaptive=adaptive)
        tables = session.tables(spark)
        learners = baseline.cached_learners(tables)
        figures = measured(spark, lambda: baseline.make_reports(tables, learners, batches, output))
        learners.unpersist()
        return {**figures, **_per_batch(figures, len(batches))}

    variants = {name: partial(theirs, *chosen) for name, chosen in BASELINE_SETTINGS.items()}
    interleaved(variants, 1)
    taken = interleaved({"ours": ours, **variants}, rounds)
    require_alike(session, [batch.batch_id for batch in batches])
    best = min(variants, key=lambda name: medians(taken[name])["batch_s"])
    figures = {
        **describe(session, rounds),
        "batches": len(batches),
        "best": best,
        "cpu_ratios": {"baseline": ratio(taken["ours"], taken[best], "batch_cpu_s")},
        "median": {name: medians(runs) for name, runs in taken.items()},
    }
    record("baseline", figures, {"baseline": ratio(taken["ours"], taken[best], "batch_s")})
    show("baseline", figures)


def measure_alone(session: WarmSession, rounds: int) -> None:
    """Measure our export of a world, and keep the figures in the world's own file."""
    first = session.export()
    [runs] = interleaved({"ours": session.export}, rounds).values()
    figures = {
        **describe(session, rounds),
        "cores": os.cpu_count(),
        "first": {"ours": first},
        "median": {"ours": medians(runs)},
        "runs": runs,
    }
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{session.world}.json").write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    show(session.world, figures)


def describe(session: WarmSession, rounds: int) -> dict[str, Any]:
    """Return what the figures of a part were measured on."""
    size = WORLDS[session.world]
    return {
        "world": {key: getattr(size, key) for key in size.__dataclass_fields__},
        "master": MASTER,
        "driver_memory": session.settings.spark.driver_memory,
        "start_s": session.start_s,
        "rounds_measured": rounds,
    }


def require_alike(session: WarmSession, batch_ids: list[str]) -> None:
    """See that the baseline's files have our header and our number of rows.

    Raises:
        SystemExit: they have not.
    """
    for identifier in batch_ids:
        own = Path(session.settings.output.url) / "progress-exhaust" / f"{identifier}_progress_{DAY_IN_NAMES}.csv"
        theirs = session.folder / "baseline" / f"{identifier}.csv"
        own_lines, lines = (file.read_text(encoding="utf-8").splitlines() for file in (own, theirs))
        if (own_lines[0], len(own_lines)) != (lines[0], len(lines)):
            raise SystemExit(f"the baseline's file of {identifier} has other columns or rows than ours")


def show(part: str, figures: dict[str, Any]) -> None:
    """Print the medians of a part, a line a figure."""
    print(f"{part}: session start {figures['start_s']} s, {figures['master']}, heap {figures['driver_memory']}")
    for name, of_variant in figures["median"].items():
        print(f"  {name}: " + ", ".join(f"{key} {value:g}" for key, value in of_variant.items()))


def _per_batch(figures: Figures, batches: int) -> Figures:
    return {"batch_s": round(figures["total_s"] / batches, 4), "batch_cpu_s": round(figures["cpu_s"] / batches, 4)}


def _scan(session: WarmSession) -> Figures:
    return measured(session.spark, lambda: scan_tables(session.tables(session.spark)))


def _stages_nothing(name: str, lines: object) -> tuple[str, int]:
    raise NotImplementedError(f"who asks for everything stages nothing, got {name}")


if __name__ == "__main__":
    main()
