"""The benchmark's floor makes the same files as the job: one that is wrong would measure nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from benchmarks.floor import differences, make_reports
from progress_exhaust.services.sample_data import WorldSize, write_snapshot
from progress_exhaust.tables import schemas
from progress_exhaust.tables.snapshot import SnapshotTables
from tests.whole_runs import DAY, run_export, settings_for, write_world
from tests.worlds import World, WorldSettings, merge, random_world


def test_floor_makes_the_same_bytes_over_a_world_of_odd_rows(spark: SparkSession, tmp_path: Path) -> None:
    size = WorldSize(
        seed=5, learners=40, batches=6, collections=3, leaves=9, nested=3, depth=3, assessments=3, odd_share=0.4
    )
    write_snapshot(spark, size, str(tmp_path / "snapshot"), tmp_path / "catalogue", "parquet")
    exported = run_export(spark, settings_for(World({}, {}), tmp_path))

    make_reports(tmp_path / "snapshot", tmp_path / "catalogue", tmp_path / "floor", day=DAY)

    assert differences(tmp_path / "reports", tmp_path / "floor") == []
    assert len(exported.outcome.made) == size.batches + 1


@pytest.mark.long
def test_floor_makes_the_same_bytes_over_random_worlds(spark: SparkSession, tmp_path: Path) -> None:
    world = merge(random_world(seed, WorldSettings()) for seed in range(20))
    write_world(world, tmp_path / "lines")
    as_parquet(spark, world, tmp_path / "lines", tmp_path / "snapshot")
    (tmp_path / "lines" / "catalogue").rename(tmp_path / "catalogue")
    exported = run_export(spark, settings_for(world, tmp_path))

    make_reports(tmp_path / "snapshot", tmp_path / "catalogue", tmp_path / "floor", day=DAY)

    assert differences(tmp_path / "reports", tmp_path / "floor") == []
    assert len(exported.outcome.made) > 20
    assert exported.outcome.not_made


def as_parquet(spark: SparkSession, world: World, lines: Path, snapshot: Path) -> None:
    """Write a world's tables anew; their instants of long ago need a type of Parquet that has room for them."""
    settings = settings_for(world, lines)
    tables = SnapshotTables(spark, settings)
    options = {
        "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
        "spark.sql.parquet.datetimeRebaseModeInWrite": "CORRECTED",
    }
    for option, value in options.items():
        spark.conf.set(option, value)
    try:
        for table in schemas.INPUT_TABLES:
            if tables.exists(table):
                tables.frame(table).write.parquet(str(snapshot / schemas.table_names(settings)[table.setting]))
    finally:
        for option in options:
            spark.conf.unset(option)
