"""The floor of the benchmark: the same reports, to the byte, by a columnar engine in one process.

It tells what the data and the rules cost where nothing has to scale, to start or to be served: Parquet files in, a tree
walk in plain Python for batches and layouts, a few SQL statements with two threads, files out. `python -m
benchmarks.floor --world standard` makes the world where it is missing, runs the job and the floor once each, and
compares every byte.

All rules of docs/contract.md that decide the bytes of a report hold here, with the default settings: which batches are
made, which rows kept, what every cell says, that a doubled key refuses a report, that a file appears whole. Left out:

- other settings, requests and their audiences, manifests, counts of what is not kept, size and digest of the files;
- snapshots of JSON lines;
- scores from 9 × 10^16 (of activity rows, or below zero), which are blank;
- of a key that stands twice in one JSON object the first counts;
- half a surrogate pair in a JSON text makes that text unreadable;
- tables whose doubled keys refuse nothing (places, organisations): which of the rows counts is left open.
"""

from __future__ import annotations

import argparse
import shutil
import time
from datetime import UTC, date, datetime
from itertools import pairwise
from pathlib import Path

import duckdb

from benchmarks.floor_layouts import as_json, select, small_tables
from benchmarks.floor_macros import MACROS
from benchmarks.floor_sql import files, statements
from benchmarks.floor_tables import subqueries
from benchmarks.worlds import ROOT, WORLDS, make_world, settings_for
from progress_exhaust import paths as places
from progress_exhaust.catalogue.files import FilesCatalogue
from progress_exhaust.export.export import export
from progress_exhaust.export.run import Outcome, Ports, Run
from progress_exhaust.export.selection import ReportQuery
from progress_exhaust.output.stores.open import open_store
from progress_exhaust.spark.private import of_this_process
from progress_exhaust.spark.session import start_session
from progress_exhaust.tables.snapshot import SnapshotTables

DAY = date(2026, 1, 1)
MASTER = "local[2,4]"
_FILES_AT_ONCE = 50


def main() -> None:
    """Run the job and the floor over a world, and compare their files."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.floor", description=__doc__)
    parser.add_argument("--world", choices=sorted(WORLDS), default="standard")
    parser.add_argument("--threads", type=int, default=2, help="of the floor")
    arguments = parser.parse_args()
    folder = ROOT / arguments.world
    for output in ("reports", "floor"):
        shutil.rmtree(folder / output, ignore_errors=True)
    print(f"the job, in a new session: {_run_job(arguments.world):.2f} s")
    seconds = make_reports(folder / "snapshot", folder / "catalogue", folder / "floor", arguments.threads)
    print("the floor: " + ", ".join(f"{phase} {taken:.2f} s" for phase, taken in seconds.items()))
    different = differences(folder / "reports", folder / "floor")
    names = _files(folder / "reports")
    print(f"{len(names.keys() | _files(folder / 'floor').keys()) - len(different)} of {len(names)} files are the same")
    if different:
        raise SystemExit(f"{len(different)} are not; the first: {different[0]}")


def make_reports(
    snapshot: Path, catalogue: Path, output: Path, threads: int = 2, *, day: date = DAY, tie_rule: bool = True
) -> dict[str, float]:
    """Make the reports of all batches of a snapshot, in an engine of their own.

    Args:
        snapshot: folder of the tables, as Parquet.
        catalogue: folder of the trees.
        output: the output root, as the job has it.
        threads: of the engine.
        day: the day in the files' names.
        tie_rule: whether the best of attempts with equal scores is looked for, as the job does. No report shows which
            one it is: without this step the files are the same, and the floor is lower.

    Returns:
        Seconds by phase: `load` (trees, batches, small tables), `compute`, `write`, and `total`.
    """
    marks = [time.perf_counter()]
    with duckdb.connect(config={"threads": threads, "autoinstall_known_extensions": False}) as session:
        session.execute("SET TimeZone = 'UTC'")
        # The optimizer takes all assessments of all learners for the small side of the join with attempts.
        session.execute("SET disabled_optimizers = 'join_order'")
        for macro in MACROS:
            session.execute(macro)
        tables = subqueries(session, snapshot)
        wanted = select(
            session.execute(f"SELECT batchid, courseid, name FROM {tables['course_batch']}").fetchall(), catalogue
        )
        for name, (types, rows) in small_tables(wanted).items():
            unnested = f"SELECT unnest(from_json($rows, '[{types}]'), recursive := true)"
            session.execute(f"CREATE TEMP TABLE {name} AS {unnested}", {"rows": as_json(rows)})
        marks.append(time.perf_counter())
        for name, query in statements(tables, wanted, tie_rule=tie_rule).items():
            session.execute(f"CREATE TEMP TABLE {name} AS {query}")
        session.execute(files(tables, wanted))
        marks.append(time.perf_counter())
        _write(session, output / places.ROOT, day)
    marks.append(time.perf_counter())
    load, compute, write = (end - begin for begin, end in pairwise(marks))
    return {"load": load, "compute": compute, "write": write, "total": marks[-1] - marks[0]}


def differences(ours: Path, floor: Path) -> list[str]:
    """Compare the CSV files below two output roots, byte by byte; one sentence a file that is not the same."""
    left, right = _files(ours), _files(floor)
    found = []
    for name in sorted(left.keys() | right.keys()):
        if name not in left or name not in right:
            found.append(f"{name}: made by {'the job' if name in left else 'the floor'} only")
        elif (job := left[name].read_bytes()) != (other := right[name].read_bytes()):
            lines = zip(job.split(b"\n"), other.split(b"\n"), strict=False)
            first = next(((a, b) for a, b in lines if a != b), (b"", b""))
            found.append(f"{name}: the job has\n    {first[0]!r}\n  the floor\n    {first[1]!r}")
    return found


def _write(session: duckdb.DuckDBPyConnection, folder: Path, day: date) -> None:
    """Write the files of the last query: each beside its place, then moved there."""
    folder.mkdir(parents=True, exist_ok=True)
    while some := session.fetchmany(_FILES_AT_ONCE):
        for batch_id, content in some:
            path = folder / f"{batch_id}_progress_{day:%d_%m_%Y}.csv"
            beside = folder / f".{path.name}"
            beside.touch(0o640)
            beside.write_bytes(content)
            beside.replace(path)


def _files(output: Path) -> dict[str, Path]:
    return {path.name: path for path in (output / places.ROOT).glob("*.csv")}


def _run_job(world: str) -> float:
    """Export a world as the command does, and return the seconds without the session's start."""
    settings = settings_for(world, MASTER)
    spark = start_session(settings, of_this_process())
    try:
        make_world(spark, world)
        ports = Ports(
            spark,
            SnapshotTables(spark, settings),
            FilesCatalogue(settings.catalogue.directory, settings.catalogue.max_tree_bytes),
            open_store(settings.output.url, spark),
        )
        outcome = Outcome()
        run = Run("floor", DAY, lambda: datetime.now(UTC), lambda event: None)
        export(ReportQuery(everything=True), ports, settings, run, outcome)
    finally:
        spark.stop()
    return outcome.duration_s


if __name__ == "__main__":
    main()
