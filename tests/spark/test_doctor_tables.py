"""The doctor on a snapshot: every table and column that is missing is named, with what follows from it."""

from __future__ import annotations

from pathlib import Path

from pyspark.sql import SparkSession

from progress_exhaust.commands.checks import State
from progress_exhaust.settings.sections import Settings
from progress_exhaust.tables.snapshot import SnapshotTables
from tests.support.doctor_runs import tables_told
from tests.support.sample_world import spec_sample_world
from tests.support.whole_runs import settings_for, write_world

AS_EXPECTED = (State.OK, "columns and types as expected, readable")


def sample_settings(folder: Path) -> Settings:
    world = spec_sample_world()
    write_world(world, folder)
    return settings_for(world, folder)


def in_parquet(spark: SparkSession, folder: Path, name: str, query: str) -> None:
    """Replace a table by the Parquet files of a query."""
    for file in (folder / "snapshot" / name).glob("*.jsonl"):
        file.unlink()
    spark.sql(query).write.mode("append").parquet(f"file://{folder}/snapshot/{name}")


def test_tables_that_are_missing_are_named_with_what_follows(spark: SparkSession, tmp_path: Path) -> None:
    settings = sample_settings(tmp_path)
    told = tables_told(spark, settings, SnapshotTables(spark, settings))
    assert told == {
        "sunbird_courses.user_enrolments": AS_EXPECTED,
        "sunbird_courses.user_activity_agg": (
            State.NOTE,
            "not there: counts as empty, so no counter tells Progress or a Score",
        ),
        "sunbird_courses.assessment_aggregator": AS_EXPECTED,
        "sunbird_courses.course_batch": AS_EXPECTED,
        "sunbird.user": AS_EXPECTED,
        "sunbird.location": AS_EXPECTED,
        "sunbird.organisation": (
            State.NOTE,
            "not there: counts as empty, so State and District come from the learners' own places alone",
        ),
        "sunbird.user_organisation": (State.NOTE, "not there: counts as empty, so nobody has a school"),
        "sunbird.system_settings": (State.NOTE, "not there: counts as empty, so no organisation is the custodian"),
        "sunbird_courses.certificate_failures": (
            State.NOTE,
            "not there: counts as empty, so Certificate Status is never Failed",
        ),
    }


def test_columns_that_parquet_lacks_are_named_with_what_follows(spark: SparkSession, tmp_path: Path) -> None:
    settings = sample_settings(tmp_path)
    in_parquet(spark, tmp_path, "sunbird.user", "SELECT 'u' AS id, 'Asha' AS firstname, 'Rao' AS lastname")
    key = "'u' AS userid, 'c' AS courseid, 'b' AS batchid"
    in_parquet(spark, tmp_path, "sunbird_courses.user_enrolments", f"SELECT {key}, map('a', 2) AS contentstatus")

    told = tables_told(spark, settings, SnapshotTables(spark, settings))

    assert told["sunbird.user"] == (
        State.NOTE,
        "readable; no column rootorgid: reads as null, so everybody counts as signed up by themselves; "
        "no column profilelocation: reads as null, so learners' own places come from locationids alone; "
        "no column locationids: reads as null, so learners' own places come from profilelocation alone; "
        "no column isdeleted: reads as null, so deleted learners keep name and place",
    )
    state, found = told["sunbird_courses.user_enrolments"]
    assert state is State.FAIL
    assert 'columns missing: ["active"] in ' in found
    assert found.endswith(".parquet, so no row is kept")


def test_line_that_does_not_fit_is_told_before_a_run_meets_it(spark: SparkSession, tmp_path: Path) -> None:
    settings = sample_settings(tmp_path)
    file, other = sorted((tmp_path / "snapshot" / "sunbird.location").iterdir())
    other.unlink()
    file.write_text('\n{"id":"s-1","name":["canary"]}\n', encoding="utf-8")

    told = tables_told(spark, settings, SnapshotTables(spark, settings))

    assert told["sunbird.location"] == (
        State.FAIL,
        f"reading file file://{file}, line 2: column name has a value that does not fit, expected string",
    )
