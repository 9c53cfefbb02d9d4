"""Instants of long ago come through a whole run as they are: read, staged between waves, written as text."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from tests.support.builders import attempt, batches_world
from tests.support.whole_runs import differences, run_export, settings_for, write_world

ANCIENT = datetime(1500, 2, 28, 23, 59, 59, 999_000, tzinfo=UTC)


@pytest.mark.parametrize("learners_per_wave", [1, 1_000_000], ids=["several waves", "one wave"])
def test_attempts_and_enrolments_of_long_ago_are_in_the_files(
    spark: SparkSession, tmp_path: Path, learners_per_wave: int
) -> None:
    """Between waves attempts are staged as Parquet. Of equal scores the latest counts, so instants decide here."""
    world = batches_world(3, 2, learners=2)
    enrolments = [{**row, "enrolled_date": ANCIENT, "completedon": ANCIENT} for row in world.rows("user_enrolments")]
    attempts = [
        attempt(row["userid"], row["batchid"], row["courseid"], f"{row['courseid']}-quiz", f"at-{moment.year}")
        | {"total_score": 3.0, "last_attempted_on": moment}
        for row in enrolments
        for moment in (ANCIENT, ANCIENT.replace(year=1), ANCIENT.replace(year=1899))
    ]
    world = replace(world, tables={**world.tables, "user_enrolments": enrolments, "assessment_aggregator": attempts})
    write_world(world, tmp_path)

    exported = run_export(spark, settings_for(world, tmp_path, spark={"learners_per_wave": learners_per_wave}))

    assert differences(world, exported) == []
    assert b"1500-02-28 23:59:59:999+0000" in exported.file("b-000")
