"""The worlds that are measured, made once and kept under `var/bench`."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

from pyspark.sql import SparkSession

from progress_exhaust.sample.world import FileFormat, WorldSize
from progress_exhaust.sample.write import write_snapshot
from progress_exhaust.settings.load import load
from progress_exhaust.settings.sections import Settings

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
SMALL_REPORTS = WorldSize(
    seed=4, learners=10, batches=20_000, collections=20, leaves=20, nested=2, depth=2, assessments=1, attempts=1
)
ONE_LEARNER_EACH = replace(SMALL_REPORTS, learners=1, batches=100_000)
ONE_BATCH = WorldSize(
    seed=5, learners=30, batches=1, collections=1, leaves=40, nested=5, depth=2, assessments=4, attempts=2
)
TEN_TIMES = replace(STANDARD, batches=10 * STANDARD.batches, collections=10 * STANDARD.collections)
MANY_COLLECTIONS = WorldSize(
    seed=6, learners=2, batches=20_000, collections=20_000, leaves=10, nested=2, depth=2, assessments=1, attempts=1
)
ONE_BIG = WorldSize(
    seed=7, learners=1_005_000, batches=1, collections=1, leaves=20, nested=2, depth=2, assessments=1, attempts=1
)
WORLDS = {"standard": STANDARD, "two_million": TWO_MILLION}
ALL_WORLDS = {
    **WORLDS,
    "requested": REQUESTED,
    "small_reports": SMALL_REPORTS,
    "one_learner_each": ONE_LEARNER_EACH,
    "one_batch": ONE_BATCH,
    "ten_times": TEN_TIMES,
    "many_collections": MANY_COLLECTIONS,
    "one_big": ONE_BIG,
}


def batch_id(number: int) -> str:
    """Return the id of a world's batch, counted from 0; the sample batch has none of these."""
    return f"0132{number:015d}"


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


def places_of(world: str, output: str) -> list[str]:
    """Return the arguments that let the real command work on a world, and put the reports into this folder of it."""
    folder = (ROOT / world).absolute()
    places = {"snapshot": folder / "snapshot", "catalogue": folder / "catalogue", "output": folder / output}
    return [argument for name, place in places.items() for argument in (f"--{name}", str(place))]


def is_made(world: str) -> bool:
    """Whether a world of the size wanted today is there."""
    made = ROOT / world / "made.json"
    return made.exists() and made.read_text(encoding="utf-8") == _content(world)


def make_world(spark: SparkSession, world: str) -> None:
    """Make a world, unless it is there."""
    if is_made(world):
        return
    folder = ROOT / world
    write_snapshot(spark, ALL_WORLDS[world], str(folder / "snapshot"), folder / "catalogue", FileFormat.PARQUET)
    (folder / "made.json").write_text(_content(world), encoding="utf-8")


def _content(world: str) -> str:
    return json.dumps(asdict(ALL_WORLDS[world]))
