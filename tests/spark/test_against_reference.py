"""Whole files, byte for byte, against an independent reference, over random worlds with every oddity."""

from __future__ import annotations

from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from tests.support.whole_runs import asked_for, differences, run_export, settings_for, write_world
from tests.worlds import merge, random_settings, random_world

IN_EVERY_RUN = [range(0, 12), range(12, 20)]
IN_LONG_RUNS = [range(first, first + 30) for first in range(20, 200, 30)]


@pytest.mark.parametrize(
    "seeds",
    [*IN_EVERY_RUN, *(pytest.param(seeds, marks=pytest.mark.long) for seeds in IN_LONG_RUNS)],
    ids=lambda seeds: f"worlds {seeds.start} to {seeds.stop - 1}",
)
def test_files_of_random_worlds_equal_the_reference_to_the_byte(
    spark: SparkSession, tmp_path: Path, seeds: range
) -> None:
    settings_of_run = None if seeds.start == 0 else random_settings(seeds.start)
    world = merge(random_world(seed, settings_of_run) for seed in seeds)
    write_world(world, tmp_path)

    exported = run_export(spark, settings_for(world, tmp_path), asked_for(world))

    assert differences(world, exported) == []
    assert len(exported.outcome.made) > len(seeds)
