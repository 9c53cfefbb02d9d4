"""Which keys a set of reports wants of each table that can be read by key, and how many."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from progress_exhaust.report.enrolments import Counts, is_without_content_status
from progress_exhaust.report.model import Report
from progress_exhaust.tables import schemas
from progress_exhaust.tables.strategy import LookupKeyCount


def key_counts(reports: Sequence[Report], counts: Mapping[int, Counts]) -> dict[str, LookupKeyCount]:
    """Return how many keys are wanted, by `Table.setting`, or a little more: a learner may be in several batches.

    Args:
        reports: the reports.
        counts: what becomes of the enrolments of each batch_no; one that is not in it has none.
    """
    batches = {report.batch.batch_no: report.batch for report in reports}
    of_batches = [(batch, counts.get(batch_no, Counts())) for batch_no, batch in batches.items()]
    learners = sum(count.retained for _, count in of_batches)
    nested = sum(count.without_content_status * len(batch.layout.nested) for batch, count in of_batches)
    collections = {batch.layout.collection_id: batch.layout for batch in batches.values()}
    activities = len(collections.keys() | {node.identifier for of in collections.values() for node in of.nested})
    courses = len(collections)
    return {
        schemas.USER_ENROLMENTS.setting: LookupKeyCount(len(batches), {"courseid": courses}),
        schemas.CERTIFICATE_FAILURES.setting: LookupKeyCount(len(batches)),
        schemas.USER_ACTIVITY_AGG.setting: LookupKeyCount(
            learners + nested, {"activity_type": 1, "activity_id": activities, "user_id": learners}
        ),
        schemas.ASSESSMENT_AGGREGATOR.setting: LookupKeyCount(learners, {"course_id": courses}),
        schemas.USER.setting: LookupKeyCount(learners),
        # At most: who asks is known only when the learners have been read.
        schemas.USER_ORGANISATION.setting: LookupKeyCount(learners),
        schemas.ORGANISATION.setting: LookupKeyCount(2 * learners),
    }


def batch_keys(batches: DataFrame) -> DataFrame:
    """Return the keys of the batches' enrolments; those with an empty course id are wanted too, to be counted."""
    own = batches.select(F.col("batch_id").alias("batchid"), F.col("collection_id").alias("courseid"))
    return own.unionByName(own.select("batchid", F.lit("").alias("courseid")))


def activity_keys(retained: DataFrame, activities: DataFrame) -> DataFrame:
    """Return the keys of the learners' counters: of the collection, and of nested ones where no leaves are counted."""
    is_shown = (F.col("position") == 0) | is_without_content_status()
    return (
        retained.join(activities, on="collection_id", how="inner")
        .filter(is_shown)
        .select(F.lit("Course").alias("activity_type"), "activity_id", "user_id")
    )


def attempt_keys(retained: DataFrame) -> DataFrame:
    """Return the keys of the learners' attempts."""
    return retained.select("user_id", F.col("collection_id").alias("course_id"))


def organisation_keys(asking: DataFrame, memberships: DataFrame) -> DataFrame:
    """Return the keys of the organisations that may place the learners who ask.

    Args:
        asking: has root_org_id.
        memberships: of them, as `user_organisation` has them.
    """
    roots = asking.select(F.col("root_org_id").alias("id"))
    return roots.unionByName(memberships.select(F.col("organisationid").alias("id")))
