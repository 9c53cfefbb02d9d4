"""Measures whole runs of the export on files, phase by phase, and writes `benchmarks/results/<world>.json`.

The first run of a session is given by itself: it pays for class loading and compilation. Machines are shared and
noisy: compare figures of one run of this command, not of two.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import statistics
import time
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from benchmarks.worlds import ROOT, WORLDS, make_world, settings_for
from progress_exhaust.catalogue.files import FilesCatalogue
from progress_exhaust.output.store import open_store
from progress_exhaust.services.export import export
from progress_exhaust.services.run import Outcome, Phase, Ports, Run
from progress_exhaust.services.selection import Asked
from progress_exhaust.spark import start_session
from progress_exhaust.tables.snapshot import SnapshotTables

MASTER = "local[2,4]"
RESULTS = Path(__file__).parent / "results"


def main() -> None:
    """Measure the worlds named on the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--world", choices=sorted(WORLDS), action="append", help="default: all")
    parser.add_argument("--runs", type=int, default=3, help="warm runs, after one that is not counted")
    arguments = parser.parse_args()
    for world in arguments.world or sorted(WORLDS):
        result = measure(world, arguments.runs)
        RESULTS.mkdir(exist_ok=True)
        (RESULTS / f"{world}.json").write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
        print_result(world, result)


def measure(world: str, runs: int) -> dict[str, Any]:
    """Run the export several times in one session."""
    settings = settings_for(world, MASTER)
    begin = time.monotonic()
    spark = start_session(settings)
    start_s = time.monotonic() - begin
    make_world(spark, world)
    ports = Ports(
        spark,
        SnapshotTables(spark, settings),
        FilesCatalogue(settings.catalogue.directory, settings.catalogue.max_tree_bytes),
        open_store(settings.output.url, spark),
    )
    measured = []
    for number in range(runs + 1):
        shutil.rmtree(ROOT / world / "reports", ignore_errors=True)
        jobs = _jobs(spark)
        cpu = _jvm_cpu_s(spark)
        outcome = Outcome()
        run = Run(f"bench-{number}", date(2026, 1, 1), lambda: datetime.now(UTC), lambda event: None)
        export(Asked(everything=True), ports, settings, run, outcome)
        measured.append(
            {
                "total_s": round(outcome.duration_s, 2),
                "cpu_s": round(_jvm_cpu_s(spark) - cpu, 2),
                **{f"{phase.value}_s": round(outcome.phase_s.get(phase, 0.0), 2) for phase in Phase},
                "jobs": _jobs(spark) - jobs,
                "files": len(outcome.made),
                "rows": sum(file.rows for file in outcome.made),
                "bytes": sum(file.size_bytes for file in outcome.made),
                "not_made": len(outcome.not_made),
            }
        )
    spark.stop()
    spark.sparkContext._gateway.shutdown()  # type: ignore[union-attr]
    first, *warm = measured
    return {
        "world": {key: getattr(WORLDS[world], key) for key in WORLDS[world].__dataclass_fields__},
        "cores": os.cpu_count(),
        "master": MASTER,
        "driver_memory": settings.spark.driver_memory,
        "start_s": round(start_s, 2),
        "first": first,
        "warm_median": {key: round(statistics.median(run[key] for run in warm), 2) for key in first},
        "warm_runs": warm,
        "python_rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }


def print_result(world: str, result: dict[str, Any]) -> None:
    """Print the phases of the first run and the median of the warm ones."""
    print(f"{world}: session start {result['start_s']} s, {result['master']}, heap {result['driver_memory']}")
    print(f"{'':14}{'first':>12}{'warm median':>14}")
    for key, value in result["first"].items():
        print(f"{key:14}{value:>12}{result['warm_median'][key]:>14}")


def _jobs(spark: Any) -> int:
    return int(spark._jsc.sc().statusStore().jobsList(None).size())


def _jvm_cpu_s(spark: Any) -> float:
    process_id = spark._jvm.java.lang.ProcessHandle.current().pid()
    fields = Path(f"/proc/{process_id}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main()
