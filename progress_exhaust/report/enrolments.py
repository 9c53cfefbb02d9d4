"""Enrolments of the wanted batches, with the number of leaves each learner has completed."""

from __future__ import annotations

from dataclasses import dataclass

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from progress_exhaust.report.values import is_out_of_range, legacy_instant

NO_KEY = "no_key"
INACTIVE = "inactive"
OTHER_ORGANISATION = "other_organisation"
DATE_UNREADABLE = "enrolment_date_unreadable"
OUT_OF_RANGE = "instant_out_of_range"

_COMPLETED = 2


@dataclass(frozen=True, slots=True)
class Counts:
    """What becomes of the enrolments of a batch, as one report shows it.

    `retained` become a row; `other_organisation` are those that would, but are not for the report's audience;
    `out_of_range` are the instants of those retained that no cell can show; `without_content_status` are those of the
    batch, among the retained, whose progress the activity counters tell, or the enrolment's own numbers.
    """

    retained: int = 0
    no_key: int = 0
    inactive: int = 0
    dates_unreadable: int = 0
    out_of_range: int = 0
    other_organisation: int = 0
    without_content_status: int = 0


def wanted_enrolments(enrolments: DataFrame, batches: DataFrame, leaves: DataFrame) -> DataFrame:
    """Keep the enrolments of the wanted batches, and say of each whether it becomes a row.

    Grain: enrolment row of a wanted batch (a batch id and its course id; an empty or null course id is taken along, to
    be counted). Key: (batch_no, user_id) among rows to keep, unless the table holds a key twice.

    Adds: batch_no, collection_id, user_id, dropped (null, `no_key` or `inactive`), enrolled_at, completed_at,
    date_unreadable, out_of_range (how many of the two instants no cell can show), has_certificate, completed (leaves
    with status 2 that are mandatory today: the collection's own first, then each nested collection's; null where
    contentstatus is null or empty), noted_percent and noted_leaves (the enrolment's own numbers, of any size and sign;
    null where there are none).

    Args:
        enrolments: `user_enrolments`.
        batches: wanted batches, unique by batch_id.
        leaves: the leaves of wanted collections, unique by collection_id.
    """
    is_of_batch = (F.col("batchid") == F.col("batch_id")) & (
        (F.col("courseid") == F.col("collection_id")) | _is_blank("courseid")
    )
    of_batches = enrolments.join(batches, is_of_batch, how="inner")
    with_leaves = of_batches.join(leaves, on="collection_id", how="inner").withColumn("done", _done_leaves())
    is_active = F.coalesce(F.col("active"), F.lit(False))
    has_legacy_date = F.col("enrolled_date").isNull() & ~_is_blank("enrolleddate")
    enrolled_at = F.coalesce(F.col("enrolled_date"), legacy_instant(F.col("enrolleddate")))
    return with_leaves.select(
        "batch_no",
        "collection_id",
        F.col("userid").alias("user_id"),
        F.when(_is_blank("userid") | _is_blank("courseid"), NO_KEY).when(~is_active, INACTIVE).alias("dropped"),
        enrolled_at.alias("enrolled_at"),
        F.col("completedon").alias("completed_at"),
        (has_legacy_date & enrolled_at.isNull()).alias("date_unreadable"),
        (is_out_of_range(enrolled_at).cast("int") + is_out_of_range(F.col("completedon")).cast("int")).alias(
            "out_of_range"
        ),
        (_has_entry("certificates") | _has_entry("issued_certificates")).alias("has_certificate"),
        _completed_leaves().alias("completed"),
        F.col("completionpercentage").alias("noted_percent"),
        F.col("progress").alias("noted_leaves"),
    )


def is_without_content_status() -> Column:
    """Whether no leaves are counted for an enrolment: its progress is what counters tell, or its own numbers."""
    return F.col("completed").isNull()


def counts_per_batch(enrolments: DataFrame) -> DataFrame:
    """Count what becomes of the enrolments.

    Grain and key: batch_no. Adds retained, no_key, inactive; and of the rows retained enrolment_date_unreadable,
    instant_out_of_range (instants), without_content_status.
    """
    is_retained = F.col("dropped").isNull()
    return enrolments.groupBy("batch_no").agg(
        F.count_if(is_retained).alias("retained"),
        F.count_if(F.col("dropped") == NO_KEY).alias(NO_KEY),
        F.count_if(F.col("dropped") == INACTIVE).alias(INACTIVE),
        F.count_if(is_retained & F.col("date_unreadable")).alias(DATE_UNREADABLE),
        F.coalesce(F.sum(F.when(is_retained, F.col("out_of_range"))), F.lit(0)).alias(OUT_OF_RANGE),
        F.count_if(is_retained & is_without_content_status()).alias("without_content_status"),
    )


def _done_leaves() -> Column:
    """Leaves with status 2; a column of its own, since an expression inside a lambda is worked out at each call."""
    return F.map_keys(F.map_filter("contentstatus", lambda _, status: status == _COMPLETED))


def _completed_leaves() -> Column:
    done = F.col("done")
    own = F.size(F.array_intersect(F.col("leaves"), done))

    def of_group(group: Column) -> Column:
        done_there = F.coalesce(F.array_intersect(done, group["leaves"]), done)
        # An array of one, so that it is worked out once a group and not for each nested collection.
        return F.transform(
            F.array(done_there),
            # The second list is the one that is hashed: the short one.
            lambda near: F.transform(group["nested"], lambda leaves: F.size(F.array_intersect(near, leaves))),
        )

    nested = F.flatten(F.flatten(F.transform("nested_groups", of_group)))
    return F.when(F.size("contentstatus") > 0, F.concat(F.array(own), nested))


def _has_entry(name: str) -> Column:
    """Whether a map of the list has an entry."""
    return F.coalesce(F.exists(name, lambda certificate: F.size(certificate) > 0), F.lit(False))


def _is_blank(name: str) -> Column:
    return F.col(name).isNull() | (F.col(name) == "")
