"""`python -m benchmarks.cassandra`: what it takes to read a real Cassandra node by key and by scan.

Node and Spark share this machine, so only ratios count: variants take turns, and their medians are compared. The node
is loaded once, which takes some minutes, and its data are kept under `var/bench/cassandra`.
"""

from __future__ import annotations

import argparse
import math
import tempfile
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from pyspark.sql import DataFrame, SparkSession

from benchmarks.cassandra_node import BY_BATCH, WORLD, Bench, running_node
from benchmarks.recording import record
from benchmarks.rounds import WARM_UP_ROUNDS, interleaved, measured, medians
from benchmarks.scan import read_to_nowhere
from benchmarks.session import DAY
from progress_exhaust.export.export import export
from progress_exhaust.export.plan import private_stage
from progress_exhaust.export.reference_data import read_reference_data
from progress_exhaust.export.report_plan import ReportPlan
from progress_exhaust.export.run import Outcome, Ports, Run
from progress_exhaust.export.selection import ReportQuery, select_batches
from progress_exhaust.output.stores.open import open_store
from progress_exhaust.report.model import Report
from progress_exhaust.settings.sections import ReadBy
from progress_exhaust.spark.private import of_this_process
from progress_exhaust.spark.session import start_session
from progress_exhaust.tables.cached import CachedFrames
from progress_exhaust.tables.cassandra.tables import CassandraTables
from progress_exhaust.tables.schemas import INPUT_TABLES, USER_ENROLMENTS, Table
from progress_exhaust.tables.strategy import LookupKeyCount

LOOKED_UP = [table for table in INPUT_TABLES if table.known]
MOST_WRONG = 1.5
"""The way that the rule chooses takes at most so many times what the better one takes."""

Work = Callable[[], None]


def main() -> None:
    """Measure, and record the result."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cassandra", description=__doc__)
    parser.add_argument("--repeats", type=int, default=3, help="turns of whole runs that count; 0: none")
    parser.add_argument("--grid-repeats", type=int, default=5, help="turns for each table by itself; 0: none")
    arguments = parser.parse_args()
    ratios: dict[str, float] = {}
    with running_node() as bench:
        spark = start_session(bench.settings(), of_this_process())
        try:
            bench.load(spark)
            if arguments.repeats:
                figures, ratios = measure(bench, spark, arguments.repeats)
                record("cassandra", figures, ratios)
            if arguments.grid_repeats:
                rows = grid(bench, spark, _all_reports(bench, spark), arguments.grid_repeats)
                record("cassandra_grid", {"enrolments": WORLD.enrolments, "rows": rows}, {})
        finally:
            spark.stop()
    for name, ratio in ratios.items():
        print(f"{name}: {ratio}")


def measure(bench: Bench, spark: SparkSession, repeats: int) -> tuple[dict[str, Any], dict[str, float]]:
    """Measure whole runs and the reading of one batch, beside what the connector's bare scans take."""
    reports = _all_reports(bench, spark)
    scans = {table: _bare_scan(bench, spark, table) for table in INPUT_TABLES}
    # The first is the specification's sample, of two learners.
    one = reports[-1:]
    seconds = median_seconds(
        spark,
        {
            "export of all batches": lambda: _export(bench, spark),
            "bare scan of all tables": lambda: _each(scans.values()),
            "bare scan of the enrolments": scans[USER_ENROLMENTS],
            "one batch by key, batch-first": lambda: _read(bench, spark, one, ReadBy.AUTO, BY_BATCH),
            "one batch by scan, batch-first": lambda: _read(bench, spark, one, ReadBy.SCAN, BY_BATCH),
            "one batch, ordinary key": lambda: _read(bench, spark, one, ReadBy.AUTO),
        },
        repeats,
    )
    others = seconds["bare scan of all tables"] - seconds["bare scan of the enrolments"]
    ordinary = seconds["bare scan of the enrolments"] + others / 6
    ratios = {
        "cassandra_scan": seconds["export of all batches"] / seconds["bare scan of all tables"],
        "cassandra_one_batch": seconds["one batch by key, batch-first"] / seconds["one batch by scan, batch-first"],
    }
    figures = {
        "enrolments": WORLD.enrolments,
        "batches": WORLD.batches,
        "rounds_measured": repeats,
        "seconds": seconds,
        "one_batch_by_ordinary_key": round(seconds["one batch, ordinary key"] / ordinary, 3),
    }
    return figures, {name: round(ratio, 3) for name, ratio in ratios.items()}


def grid(bench: Bench, spark: SparkSession, reports: Sequence[Report], repeats: int) -> list[dict[str, Any]]:
    """Measure both ways for each table and several shares of the batches, beside what the rule chooses."""
    rows = []
    for batches in (1, len(reports) // 10, len(reports)):
        with tempfile.TemporaryDirectory() as folder:
            for table, (keys, wanted) in _wanted(bench, spark, reports[-batches:], Path(folder)).items():
                # The ordinary enrolments have no choice.
                copy = BY_BATCH if table is USER_ENROLMENTS else ""
                ways = {read_by: bench.tables(spark, read_by, copy) for read_by in ReadBy}
                chosen = ways[ReadBy.AUTO].reading(table, wanted)
                seconds = median_seconds(
                    spark,
                    {
                        read_by: _noop(partial(ways[read_by].read, table, keys, wanted))
                        for read_by in (ReadBy.KEYS, ReadBy.SCAN)
                    },
                    repeats,
                    hopeless=4 * MOST_WRONG,
                )
                rows.append(_grid_row(table, batches, chosen.by, chosen.reason, seconds))
                print(rows[-1], flush=True)
    return rows


def median_seconds(
    spark: SparkSession, variants: Mapping[str, Work], repeats: int, *, hopeless: float = math.inf
) -> dict[str, float]:
    """Let the variants work in turn, first to warm the session, and return the median of the seconds of each.

    One that takes `hopeless` times what the quickest does works once: that figure tells enough.
    """
    works = {name: partial(measured, spark, work) for name, work in variants.items()}
    once = {name: runs[0]["total_s"] for name, runs in interleaved(works, 1).items()}
    works = {name: work for name, work in works.items() if once[name] < hopeless * min(once.values())}
    interleaved(works, WARM_UP_ROUNDS - 1)
    return once | {name: medians(runs)["total_s"] for name, runs in interleaved(works, repeats).items()}


def _grid_row(table: Table, batches: int, chosen: ReadBy, reason: str, seconds: Mapping[str, float]) -> dict[str, Any]:
    times_the_better = seconds[chosen] / min(seconds.values())
    return {
        "table": table.setting,
        "batches": batches,
        "keys_s": seconds[ReadBy.KEYS],
        "scan_s": seconds[ReadBy.SCAN],
        "chosen": chosen.value,
        "times_the_better": round(times_the_better, 2),
        "is_good": times_the_better <= MOST_WRONG,
        "reason": reason,
    }


def _all_reports(bench: Bench, spark: SparkSession) -> list[Report]:
    settings = bench.settings()
    store = open_store(settings.output.url, spark)
    with private_stage(spark, store, "bench") as stage:
        selection = select_batches(
            ReportQuery(everything=True), spark, bench.tables(spark), bench.catalogue(), settings, stage
        )
    return [Report(number, batch) for number, batch in enumerate(selection.batches)]


def _export(bench: Bench, spark: SparkSession) -> None:
    settings = bench.settings()
    ports = Ports(spark, bench.tables(spark), bench.catalogue(), open_store(settings.output.url, spark))
    run = Run("bench", DAY, lambda: datetime.now(UTC), lambda event: None)
    export(ReportQuery(everything=True), ports, settings, run, Outcome())


def _read(bench: Bench, spark: SparkSession, reports: Sequence[Report], read_by: ReadBy, enrolments: str = "") -> None:
    """Read the enrolments of reports, then all that they need of the tables joined to them, at once as a run does."""
    tables = bench.tables(spark, read_by, enrolments)
    settings = bench.settings()
    with private_stage(spark, open_store(settings.output.url, spark), "bench") as stage, CachedFrames() as cached:
        plan = ReportPlan(spark, tables, settings, read_reference_data(tables), stage, cached)
        kept = plan.enrolments(reports)
        counts = plan.counts(kept)
        sources = plan.sources(reports, kept, counts, {})
        frames = (sources.activity, sources.attempts, sources.learners, sources.failures)
        with ThreadPoolExecutor(len(frames)) as at_once:
            list(at_once.map(read_to_nowhere, [frame for frame in frames if frame is not None]))


def _wanted(
    bench: Bench, spark: SparkSession, reports: Sequence[Report], folder: Path
) -> dict[Table, tuple[DataFrame, LookupKeyCount]]:
    """Return the keys that the reports want of each table, as files, and how many the rule takes them for."""
    tables = NotedKeys(bench.tables(spark, ReadBy.SCAN, BY_BATCH))
    settings = bench.settings()
    with private_stage(spark, open_store(settings.output.url, spark), "bench") as stage, CachedFrames() as cached:
        plan = ReportPlan(spark, tables, settings, read_reference_data(tables), stage, cached)
        kept = plan.enrolments(reports)
        plan.sources(reports, kept, plan.counts(kept), {})
        for table, (keys, _) in tables.noted.items():
            keys.write.parquet(str(folder / table.setting))
    return {
        table: (spark.read.parquet(str(folder / table.setting)), wanted) for table, (_, wanted) in tables.noted.items()
    }


class NotedKeys:
    """Tables that are scanned, and note which keys they were asked for."""

    def __init__(self, tables: CassandraTables) -> None:
        self._tables = tables
        self.noted: dict[Table, tuple[DataFrame, LookupKeyCount]] = {}
        self.frame, self.reading = tables.frame, tables.reading
        self.exists, self.look_at, self.check = tables.exists, tables.look_at, tables.check

    def read(self, table: Table, keys: DataFrame, key_count: LookupKeyCount, cached: CachedFrames) -> DataFrame:
        """Note the keys, and return the whole table."""
        self.noted[table] = (keys, key_count)
        return self._tables.frame(table)


def _bare_scan(bench: Bench, spark: SparkSession, table: Table) -> Work:
    """Return what lets the connector scan the columns that a run reads, and does nothing with them."""
    return _noop(lambda _: bench.bare(spark, table))


def _noop(frame: Callable[[CachedFrames], DataFrame]) -> Work:
    def work() -> None:
        with CachedFrames() as cached:
            read_to_nowhere(frame(cached))

    return work


def _each(works: Any) -> None:
    for work in works:
        work()


if __name__ == "__main__":
    main()
