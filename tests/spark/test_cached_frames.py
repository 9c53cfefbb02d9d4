"""A run leaves no frame cached, and none of somebody else's released, in whatever way it ends."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from progress_exhaust.catalogue.files import FilesCatalogue
from progress_exhaust.export.plan import PlanOutcome, plan, private_stage
from progress_exhaust.export.run import Ports
from progress_exhaust.export.selection import ReportQuery
from progress_exhaust.output.stores.open import open_store
from progress_exhaust.settings.sections import Settings
from progress_exhaust.tables.schemas import USER_ACTIVITY_AGG
from progress_exhaust.tables.snapshot import SnapshotTables
from tests.support.acting_ports import AlteredTables, StoreThatTells, failing
from tests.support.builders import batches_world
from tests.support.whole_runs import DAY, run_export, settings_for, write_world


@pytest.fixture(autouse=True)
def cached_by_somebody_else(spark: SparkSession) -> Iterator[None]:
    """Keep a frame cached beside the test, and see that it is all that is cached when the test ends."""
    theirs = spark.range(3).selectExpr("id * 7 AS seven").cache()
    theirs.count()
    before = persistent(spark)
    assert before
    yield
    assert theirs.storageLevel.useMemory
    assert persistent(spark) == before
    theirs.unpersist()


def persistent(spark: SparkSession) -> set[int]:
    """Give the numbers of what Spark keeps."""
    return set(spark._jsc.getPersistentRDDs().keySet())


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    world = batches_world(4, 2, learners=3)
    write_world(world, tmp_path)
    return settings_for(world, tmp_path)


def test_good_run_leaves_what_was_cached(
    spark: SparkSession, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, logger="progress_exhaust")
    cached: list[int] = []
    store = StoreThatTells(settings, lambda: cached.append(len(persistent(spark))))

    exported = run_export(spark, settings, store=store)

    assert len(exported.outcome.made) == 4
    assert max(cached) > 1
    assert "cached_frames_released" in actions(caplog)


def test_run_of_which_waves_fail_leaves_what_was_cached(
    spark: SparkSession, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, logger="progress_exhaust")
    tables = AlteredTables(spark, settings, USER_ACTIVITY_AGG, failing("context_id", "b-001", "aggregates"))

    exported = run_export(spark, settings, tables=tables)

    assert [refusal.subject for refusal in exported.outcome.not_made] == ["b-001"]
    assert actions(caplog).count("wave_halved") == 2
    assert [record.levelname for record in caplog.records if "secret of a learner" in record.getMessage()] == []


def test_run_that_is_stopped_leaves_what_was_cached(spark: SparkSession, settings: Settings) -> None:
    def stop() -> None:
        assert len(persistent(spark)) > 1
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_export(spark, settings, store=StoreThatTells(settings, stop))


def test_plan_leaves_what_was_cached(spark: SparkSession, settings: Settings) -> None:
    catalogue = FilesCatalogue(settings.catalogue.directory, settings.catalogue.max_tree_bytes)
    store = open_store(settings.output.url, spark)
    ports = Ports(spark, SnapshotTables(spark, settings), catalogue, store)
    outcome = PlanOutcome()

    with private_stage(spark, store, "plan") as stage:
        plan(ReportQuery(everything=True), ports, settings, DAY, stage, lambda event: None, outcome)

    assert (outcome.waves, len(outcome.batches)) == (1, 4)


def actions(caplog: pytest.LogCaptureFixture) -> list[Any]:
    return [vars(record).get("action") for record in caplog.records]
