"""Activity counters of learners: completed leaves and scores as Sunbird's own aggregation has them."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from progress_exhaust.report.values import is_number

_CONTEXT = "cb:"


def wanted_activity(
    activity: DataFrame, batches: DataFrame, activities: DataFrame, without_content_status: DataFrame | None = None
) -> DataFrame:
    """Keep the counters of the wanted batches' collections and their nested collections.

    Grain: (batch, learner, activity). Adds batch_no, wave_no, user_id, position (0: the collection itself, n: its n-th
    nested collection), completed (null: none recorded), scores (by ordinal; set where position is 0).

    Args:
        activity: `user_activity_agg`.
        batches: wanted batches, unique by batch_id.
        activities: unique by (collection_id, activity_id).
        without_content_status: the learners, by user_id and batch_no, who keep the counters of nested collections,
            where they are few enough to be broadcast; None keeps those of all learners. One who is in it twice gets
            them twice.
    """
    of_courses = activity.filter((F.col("activity_type") == "Course") & (F.col("user_id") != ""))
    contexts = batches.withColumn("context_id", F.concat(F.lit(_CONTEXT), F.col("batch_id")))
    of_batches = of_courses.join(contexts, on="context_id", how="inner")
    of_activities = of_batches.join(activities, on=["collection_id", "activity_id"], how="inner")
    if without_content_status is not None:
        marked = F.broadcast(without_content_status.withColumn("is_without_content_status", F.lit(True)))
        of_activities = of_activities.join(marked, on=["user_id", "batch_no"], how="left").filter(
            (F.col("position") == 0) | F.col("is_without_content_status")
        )
    return of_activities.select(
        "batch_no",
        "wave_no",
        "user_id",
        "position",
        _counter(F.lit("completedCount")).alias("completed"),
        F.transform("score_keys", _counter_in_lambda).alias("scores"),
    )


def activity_per_learner(activity: DataFrame) -> DataFrame:
    """Put a learner's counters into one row.

    Grain and key: (user_id, batch_no). Adds activity_completed (structs of position and completed, one an activity),
    activity_scores (by ordinal; null without a row of the collection itself), activity_duplicate and own_duplicate
    (whether the table holds any of the keys twice, and that of the collection itself).
    """
    counters = F.collect_list(F.struct("position", "completed"))
    # Sorted once, for the aggregate and for the join after it.
    per_learner = (
        activity.sortWithinPartitions("user_id", "batch_no")
        .groupBy("user_id", "batch_no")
        .agg(
            counters.alias("activity_completed"),
            F.max("scores").alias("activity_scores"),
            (F.count_if(F.col("position") == 0) > 1).alias("own_duplicate"),
        )
    )
    positions = F.col("activity_completed.position")
    return per_learner.withColumn("activity_duplicate", F.size(F.array_distinct(positions)) < F.size(positions))


def _counter(key: Column) -> Column:
    """Return the counter: of `aggregates`, then of `agg`, the first that is a number."""
    precise = F.element_at("aggregates", key)
    return F.when(is_number(precise), precise).otherwise(F.element_at("agg", key))


def _counter_in_lambda(key: Column) -> Column:
    """Return the same; in a lambda, where an expression is worked out wherever it stands, it must stand once."""
    both = F.array(F.element_at("aggregates", key), F.element_at("agg", key).cast("double"))
    return F.get(F.filter(both, is_number), F.lit(0))
