"""Scores: the best of each learner's attempts at each assessment."""

from __future__ import annotations

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from progress_exhaust.report.inputs import SLOTS
from progress_exhaust.report.values import is_usable_score


def wanted_attempts(attempts: DataFrame, batches: DataFrame, assessments: DataFrame) -> DataFrame:
    """Keep the attempts with a usable score at an assessment of a wanted batch.

    Grain: attempt. Key: (batch_no, user_id, block, slot, attempt_id). Adds total_score, last_attempted_on.

    Args:
        attempts: `assessment_aggregator`.
        batches: wanted batches, unique by batch_id.
        assessments: unique by (collection_id, content_id).
    """
    is_of_batch = (F.col("attempts.batch_id") == F.col("batches.batch_id")) & (
        F.col("course_id") == F.col("collection_id")
    )
    has_key = (F.col("user_id") != "") & (F.col("attempt_id") != "")
    usable = attempts.filter(has_key & is_usable_score(F.col("total_score"))).alias("attempts")
    of_batches = usable.join(batches.alias("batches"), is_of_batch, how="inner")
    of_assessments = of_batches.join(assessments, on=["collection_id", "content_id"], how="inner")
    return of_assessments.select(
        "batch_no", "wave_no", "user_id", "block", "slot", "total_score", "last_attempted_on", "attempt_id"
    )


def best_attempts(attempts: DataFrame) -> DataFrame:
    """Keep each learner's best attempt at each assessment: highest score, then latest, then smallest attempt id.

    Grain and key: (user_id, batch_no, block, slot), by which the rows come out sorted.
    """
    best_first = Window.partitionBy("user_id", "batch_no", "block", "slot").orderBy(
        F.col("total_score").desc(), F.col("last_attempted_on").desc_nulls_last(), F.col("attempt_id").asc()
    )
    ranked = attempts.withColumn("rank", F.row_number().over(best_first))
    return ranked.filter(F.col("rank") == 1).drop("rank")


def scores_per_learner(best: DataFrame) -> DataFrame:
    """Turn best attempts into columns: a pivot over explicit slots, block by block of ordinals.

    Grain and key: (user_id, batch_no). Adds score_blocks, a map from the number of a block to its `SLOTS` scores, null
    where there is no attempt.
    """
    per_block = (
        best.groupBy("user_id", "batch_no", "block").pivot("slot", list(range(SLOTS))).agg(F.first("total_score"))
    )
    slots = F.array(*(F.col(f"`{slot}`") for slot in range(SLOTS)))
    return per_block.groupBy("user_id", "batch_no").agg(
        F.map_from_entries(F.collect_list(F.struct("block", slots.alias("scores")))).alias("score_blocks")
    )
