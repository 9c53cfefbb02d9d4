"""The benchmark's floor makes the same files as the job: one that is wrong would measure nothing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import duckdb
import pytest
from pyspark.sql import SparkSession

from benchmarks.floor import differences, make_reports
from benchmarks.floor_tables import TABLES
from progress_exhaust.paths import ROOT
from progress_exhaust.sample.write import WorldSize, write_snapshot
from tests.reference.report import expected_reports
from tests.support.whole_runs import DAY, DAY_IN_NAME, run_export, settings_for, write_world
from tests.worlds import World, WorldSettings, merge, random_world
from tests.worlds.files import without_halves


@pytest.mark.long
def test_floor_makes_the_same_bytes_over_a_world_of_odd_rows(spark: SparkSession, tmp_path: Path) -> None:
    size = WorldSize(
        seed=5, learners=40, batches=6, collections=3, leaves=9, nested=3, depth=3, assessments=3, odd_share=0.4
    )
    write_snapshot(spark, size, str(tmp_path / "snapshot"), tmp_path / "catalogue", "parquet")
    exported = run_export(spark, settings_for(World({}, {}), tmp_path))

    make_reports(tmp_path / "snapshot", tmp_path / "catalogue", tmp_path / "floor", day=DAY)

    assert differences(tmp_path / "reports", tmp_path / "floor") == []
    assert len(exported.outcome.made) == size.batches + 1


@pytest.mark.parametrize(
    "seeds", [range(20), pytest.param(range(20, 100), marks=pytest.mark.long)], ids=["20 worlds", "80 worlds"]
)
def test_floor_makes_the_bytes_of_the_reference_over_random_worlds(tmp_path: Path, seeds: range) -> None:
    merged = merge(random_world(seed, WorldSettings()) for seed in seeds)
    world = replace(merged, tables=without_halves(merged.tables))
    write_world(world, tmp_path / "lines")
    as_parquet(tmp_path / "lines" / "snapshot", tmp_path / "snapshot")

    make_reports(tmp_path / "snapshot", tmp_path / "lines" / "catalogue", tmp_path / "floor", day=DAY)

    reports = expected_reports(world)
    expected = {f"{name}_progress_{DAY_IN_NAME}.csv": one.content for name, one in reports.items() if not one.not_made}
    files = {path.name: path.read_bytes() for path in (tmp_path / "floor" / ROOT).iterdir()}
    assert files.keys() == expected.keys()
    assert [name for name in files if files[name] != expected[name]] == []
    assert len(seeds) < len(expected) < len(reports)


def as_parquet(lines: Path, snapshot: Path) -> None:
    """Write the tables of a snapshot of JSON lines as Parquet."""
    with duckdb.connect() as session:
        session.execute("SET TimeZone = 'UTC'")
        for table, columns in (
            (f"{space}.{name}", of) for space, tables in TABLES.items() for name, of in tables.items()
        ):
            if (lines / table).exists():
                (snapshot / table).mkdir(parents=True)
                types = {name: kind.replace("TIMESTAMP", "TIMESTAMPTZ") for name, kind in columns.items()}
                read = f"read_json('{lines / table}/*.jsonl', format = 'newline_delimited', columns = {types})"
                casts = ", ".join(f"CAST({name} AS {kind}) AS {name}" for name, kind in columns.items())
                session.execute(f"COPY (SELECT {casts} FROM {read}) TO '{snapshot / table}/part.parquet'")
