"""All tables of the synthetic world, as frames of expressions over a range of numbers.

No Python runs on executors and no row passes through the driver but those of the small, fixed tables, so the size is
bounded by the disk.
"""

from __future__ import annotations

from pyspark.sql import DataFrame, SparkSession

from progress_exhaust.sample import courses, people
from progress_exhaust.sample import locations as places
from progress_exhaust.sample.batch import sample_rows
from progress_exhaust.sample.draws import Draws
from progress_exhaust.sample.world import WorldSize
from progress_exhaust.tables.schemas import (
    ASSESSMENT_AGGREGATOR,
    CERTIFICATE_FAILURES,
    COURSE_BATCH,
    LOCATION,
    ORGANISATION,
    SYSTEM_SETTINGS,
    USER,
    USER_ACTIVITY_AGG,
    USER_ENROLMENTS,
    USER_ORGANISATION,
    Table,
)


def world_tables(spark: SparkSession, size: WorldSize) -> list[tuple[Table, DataFrame]]:
    """Return all tables with the columns that the job reads, the sample batch's rows included."""
    draws = Draws(spark, size)
    made = [
        (USER_ENROLMENTS, courses.enrolments(draws)),
        (USER_ACTIVITY_AGG, courses.activity(draws)),
        (ASSESSMENT_AGGREGATOR, courses.attempts(draws)),
        (COURSE_BATCH, courses.batches(draws)),
        (USER, people.users(draws)),
        (USER_ORGANISATION, people.memberships(draws)),
        (CERTIFICATE_FAILURES, courses.failed_certificates(draws)),
    ]
    sample = sample_rows()
    tables = [
        (
            table,
            frame.unionByName(draws.literal(table, sample[table.setting])) if table.setting in sample else frame,
        )
        for table, frame in made
    ]
    fixed = [
        (LOCATION, places.location_rows()),
        (ORGANISATION, places.organisation_rows()),
        (SYSTEM_SETTINGS, places.system_settings_rows()),
    ]
    return tables + [(table, draws.literal(table, rows)) for table, rows in fixed]
