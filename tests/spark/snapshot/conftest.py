"""Tables over a snapshot folder of the test's own."""

from __future__ import annotations

from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from progress_exhaust.settings.load import load
from progress_exhaust.settings.sections import Settings
from progress_exhaust.tables.snapshot import SnapshotTables


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load(None, {}, {"source": {"kind": "snapshot", "snapshot_dir": str(tmp_path)}})


@pytest.fixture
def tables(spark: SparkSession, settings: Settings) -> SnapshotTables:
    spark.conf.set("spark.sql.session.timeZone", "UTC")
    return SnapshotTables(spark, settings)
