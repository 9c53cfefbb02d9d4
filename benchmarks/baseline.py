"""The per-batch baseline: the production job's way of working, in PySpark, one batch after another.

Of each batch it filters the enrolments, joins the learners, puts progress and best scores side by side by pivots whose
values are asked from the data, and writes one CSV file by `repartition(1)`. Learners with their places are put together
and kept in memory before the clock starts, as the production job has them from its cache. Left out is what we do not
compare: trees over HTTP, upload, encryption, the queue.

Its files have the rows and columns of ours, in another order of rows and without our care for odd data.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from progress_exhaust.report.model import Batch
from progress_exhaust.report.profiles import columns_of
from progress_exhaust.tables import schemas
from progress_exhaust.tables.port import Tables

_DATES = "yyyy-MM-dd HH:mm:ss:SSSZ"


def session_with(spark: SparkSession, *, partitions: int, adaptive: bool) -> SparkSession:
    """Return a session of the same JVM with settings of its own; small tables are broadcast."""
    session = spark.newSession()
    session.conf.set("spark.sql.shuffle.partitions", str(partitions))
    session.conf.set("spark.sql.adaptive.enabled", str(adaptive).lower())
    session.conf.set("spark.sql.autoBroadcastJoinThreshold", "10MB")
    return session


def cached_learners(tables: Tables) -> DataFrame:
    """Put learners and their places together, and keep them in memory.

    Grain and key: user_id. Adds user_name, state, district: the first of each among the learner's own locations.
    """
    users = tables.frame(schemas.USER)
    declared = F.from_json("profilelocation", "array<struct<id string>>")["id"]
    ids = F.concat(F.coalesce(declared, F.array()), F.coalesce("locationids", F.array()))
    locations = tables.frame(schemas.LOCATION).select(F.col("id").alias("location_id"), "type", "name")
    of_learner = users.select("id", F.explode(ids).alias("location_id")).join(
        F.broadcast(locations), on="location_id", how="inner"
    )
    places = of_learner.groupBy("id").agg(
        *(
            F.first(F.when(F.col("type") == kind, F.col("name")), ignorenulls=True).alias(kind)
            for kind in ("state", "district")
        )
    )
    learners = users.join(places, on="id", how="left").select(
        F.col("id").alias("user_id"),
        F.concat_ws(" ", "firstname", "lastname").alias("user_name"),
        "state",
        "district",
    )
    learners = learners.persist()
    learners.count()
    return learners


def make_reports(tables: Tables, learners: DataFrame, batches: Sequence[Batch], output: Path) -> None:
    """Write `<batch id>.csv` for each batch, one after another."""
    output.mkdir(parents=True, exist_ok=True)
    for batch in batches:
        folder = output / f"{batch.batch_id}.parts"
        report = report_of(tables, learners, batch)
        report.repartition(1).write.option("header", value=True).csv(str(folder))
        (part,) = folder.glob("part-*.csv")
        part.replace(output / f"{batch.batch_id}.csv")
        shutil.rmtree(folder)


def report_of(tables: Tables, learners: DataFrame, batch: Batch) -> DataFrame:
    """Make the rows of one batch; its columns have the names of our header.

    Grain and key: learner with an active enrolment.
    """
    layout = batch.layout
    is_of_batch = (F.col("batchid") == batch.batch_id) & (F.col("courseid") == layout.collection_id)
    enrolments = tables.frame(schemas.USER_ENROLMENTS).filter(is_of_batch & F.col("active"))
    progress, scores = _progress(tables, batch), _scores(tables, batch)
    rows = (
        enrolments.withColumnRenamed("userid", "user_id")
        .join(learners, on="user_id", how="left")
        .join(progress, on="user_id", how="left")
        .join(scores, on="user_id", how="left")
    )
    percents = {node.identifier: _pivoted(progress, node.identifier) for node in layout.nested}
    points = {leaf.identifier: _pivoted(scores, leaf.identifier) for leaf in layout.assessments}
    counting = [F.coalesce(points[leaf.identifier], F.lit(0.0)) for leaf in layout.assessments if leaf.is_self_assess]
    own_percent = _pivoted(progress, layout.collection_id)
    has_certificate = (F.size("certificates") > 0) | (F.size("issued_certificates") > 0)
    cells: list[Column] = [
        *(F.lit(text) for text in (layout.collection_id, layout.name, batch.batch_id, batch.name)),
        *(F.col(name) for name in ("user_id", "user_name", "state", "district")),
        F.date_format("enrolled_date", _DATES),
        F.date_format("completedon", _DATES),
        F.when(F.col("completedon").isNotNull(), F.lit(100)).otherwise(own_percent),
        F.when(has_certificate, "Issued"),
        sum(counting, F.lit(0.0)),
        *(cell for node in layout.nested for cell in (percents[node.identifier], F.lit(node.level))),
        *points.values(),
    ]
    headers = [column.header for column in columns_of(layout)]
    return rows.select([cell.alias(header) for cell, header in zip(cells, headers, strict=True)])


def _progress(tables: Tables, batch: Batch) -> DataFrame:
    """Grain and key: user_id. Adds a column of whole percents for each activity that the data has."""
    layout = batch.layout
    leaves = {layout.collection_id: len(layout.leaves)} | {node.identifier: len(node.leaves) for node in layout.nested}
    of_batch = tables.frame(schemas.USER_ACTIVITY_AGG).filter(
        (F.col("activity_type") == "Course")
        & (F.col("context_id") == f"cb:{batch.batch_id}")
        & F.col("activity_id").isin(*leaves)
    )
    completed = F.coalesce(F.col("aggregates")["completedCount"], F.col("agg")["completedCount"])
    percent = F.least(F.lit(100), F.round(completed * 100 / _by_key(leaves)[F.col("activity_id")]).cast("int"))
    return of_batch.groupBy("user_id").pivot("activity_id").agg(F.first(percent))


def _scores(tables: Tables, batch: Batch) -> DataFrame:
    """Grain and key: user_id. Adds a column of best scores for each assessment that the data has."""
    of_batch = tables.frame(schemas.ASSESSMENT_AGGREGATOR).filter(
        (F.col("course_id") == batch.layout.collection_id)
        & (F.col("batch_id") == batch.batch_id)
        & F.col("content_id").isin(*(leaf.identifier for leaf in batch.layout.assessments))
    )
    return of_batch.groupBy("user_id").pivot("content_id").agg(F.max("total_score"))


def _pivoted(pivot: DataFrame, value: str) -> Column:
    """Return the column of a value, null where the data does not have it."""
    return F.col(f"`{value}`") if value in pivot.columns else F.lit(None).cast("double")


def _by_key(numbers: Mapping[str, int]) -> Column:
    return F.create_map(*(F.lit(entry) for pair in numbers.items() for entry in pair))
