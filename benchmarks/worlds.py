"""The worlds that are measured, made once and kept under `var/bench`."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from pyspark.sql import SparkSession

from progress_exhaust.services.sample_data import write_snapshot
from progress_exhaust.services.sample_world import WorldSize
from progress_exhaust.settings import Settings, load

ROOT = Path("var/bench")

STANDARD = WorldSize(
    seed=1, learners=1000, batches=200, collections=20, leaves=40, nested=5, depth=2, assessments=4, attempts=2
)
TWO_MILLION = WorldSize(
    seed=2, learners=10_000, batches=200, collections=20, leaves=20, nested=2, depth=2, assessments=1, attempts=1
)
REQUESTED = WorldSize(
    seed=3, learners=200, batches=50, collections=1, leaves=40, nested=5, depth=2, assessments=4, attempts=2
)
WORLDS = {"standard": STANDARD, "two_million": TWO_MILLION}
ALL_WORLDS = {**WORLDS, "requested": REQUESTED}


def settings_for(world: str, master: str) -> Settings:
    """Return the settings of a run over a world, with a driver heap of 2 GB."""
    folder = ROOT / world
    return load(
        None,
        {},
        {
            "source": {"kind": "snapshot", "snapshot_dir": str(folder / "snapshot")},
            "catalogue": {"kind": "files", "directory": str(folder / "catalogue")},
            "output": {"url": str(folder / "reports")},
            "spark": {"master": master, "driver_memory": "2g"},
        },
    )


def make_world(spark: SparkSession, world: str) -> None:
    """Make a world, unless it is there."""
    folder, size = ROOT / world, ALL_WORLDS[world]
    made = folder / "made.json"
    content = json.dumps(asdict(size))
    if made.exists() and made.read_text(encoding="utf-8") == content:
        return
    write_snapshot(spark, size, str(folder / "snapshot"), folder / "catalogue", "parquet")
    made.write_text(content, encoding="utf-8")
