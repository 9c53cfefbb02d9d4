"""Worlds that `sample-data` can not make by itself, made of some that it can."""

from __future__ import annotations

import shutil
from collections.abc import Callable

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from benchmarks.worlds import ROOT, batch_id, make_world
from progress_exhaust.sample.ids import batch_id_column
from progress_exhaust.sample.world import FileFormat, WorldSize
from progress_exhaust.sample.write import write_snapshot
from progress_exhaust.settings.sections import Settings
from progress_exhaust.tables import schemas
from progress_exhaust.tables.schemas import Table, table_names

SMALL_BATCHES = 500
SMALL_LEARNERS = 10
SCHOOLS = 1_000_000
WIDE = WorldSize(
    seed=8, learners=1000, batches=1, collections=1, leaves=1000, nested=200, depth=2, assessments=500, attempts=1
)

WIDE_BATCH = "0133000000000000000"

_BIG = batch_id(0)
_NODES, _WIDE_NODES = "do_2140", "do_2141"
_BATCH_COLUMNS = {
    schemas.USER_ENROLMENTS: ("userid", "batchid"),
    schemas.USER_ACTIVITY_AGG: ("user_id", "context_id"),
    schemas.ASSESSMENT_AGGREGATOR: ("user_id", "batch_id"),
    schemas.CERTIFICATE_FAILURES: ("userid", "batchid"),
}
"""Of each table with batches: the columns of the learner and of the batch."""


def make_even(spark: SparkSession) -> str:
    """Make the world `even` of `one_big`: its learners dealt to 501 batches of about the same size."""
    return _dealt(spark, "even", lambda number: F.pmod(number, F.lit(SMALL_BATCHES + 1)))


def make_skewed(spark: SparkSession) -> str:
    """Make the world `skewed` of `one_big`: 500 batches get about ten learners each, and one all others."""
    small = SMALL_BATCHES * SMALL_LEARNERS

    def dealt(number: Column) -> Column:
        place = F.pmod(number, F.lit(1_000_000 + small))
        return F.when(place < small, 1 + F.pmod(place, F.lit(SMALL_BATCHES))).otherwise(0)

    return _dealt(spark, "skewed", dealt)


def make_with_schools(spark: SparkSession) -> str:
    """Make the world `schools` of `standard`: learners who belong to a school belong to one of a million."""

    def of_table(table: Table, frame: DataFrame) -> DataFrame:
        school = F.concat(F.lit("school-"), F.pmod(F.xxhash64("userid"), F.lit(SCHOOLS)).cast("string"))
        if table == schemas.USER_ORGANISATION:
            return frame.withColumn("organisationid", school)
        if table == schemas.ORGANISATION:
            one = frame.filter(F.col("organisationtype") == "2").limit(1)
            numbers = spark.range(SCHOOLS).select(F.concat(F.lit("school-"), F.col("id").cast("string")).alias("id"))
            return frame.unionByName(one.drop("id").crossJoin(numbers))
        return frame

    return _derived(spark, "schools", "standard", of_table)


def make_with_wide(spark: SparkSession) -> str:
    """Make the world `with_wide`: `standard`, and a batch of a course with 200 nested ones and 500 assessments."""
    wide = ROOT / "wide"

    def of_table(table: Table, frame: DataFrame) -> DataFrame:
        if table in (schemas.LOCATION, schemas.ORGANISATION, schemas.SYSTEM_SETTINGS):
            return frame
        lines = spark.read.text(str(wide / "snapshot" / table_names(Settings())[table.setting]))
        is_of_learners = table in (schemas.USER, schemas.USER_ORGANISATION)
        wanted = lines if is_of_learners else lines.filter(F.col("value").contains(_BIG))
        renamed = F.replace(F.replace("value", F.lit(_NODES), F.lit(_WIDE_NODES)), F.lit(_BIG), F.lit(WIDE_BATCH))
        both = frame.unionByName(wanted.select(F.from_json(renamed, frame.schema).alias("row")).select("row.*"))
        # The sample batch's learners are in both.
        return both.dropDuplicates(list(table.key)) if is_of_learners else both

    write_snapshot(spark, WIDE, str(wide / "snapshot"), wide / "catalogue", FileFormat.JSON_LINES)
    name = _derived(spark, "with_wide", "standard", of_table)
    for file in (wide / "catalogue").glob(f"{_NODES}*.json"):
        text = file.read_text(encoding="utf-8").replace(_NODES, _WIDE_NODES)
        renamed = ROOT / name / "catalogue" / file.name.replace(_NODES, _WIDE_NODES)
        renamed.write_text(text, encoding="utf-8")
    return name


def _dealt(spark: SparkSession, name: str, batch_of: Callable[[Column], Column]) -> str:
    """Make a world of `one_big` whose batch is cut into many; a learner's number says into which."""

    def of_table(table: Table, frame: DataFrame) -> DataFrame:
        if table == schemas.COURSE_BATCH:
            batches = spark.range(SMALL_BATCHES + 1).select(batch_id_column(F.col("id")).alias("batchid"))
            return frame.filter(F.col("batchid") == _BIG).drop("batchid").crossJoin(batches)
        if table not in _BATCH_COLUMNS:
            return frame
        learner, column = _BATCH_COLUMNS[table]
        dealt = F.replace(column, F.lit(_BIG), batch_id_column(batch_of(F.xxhash64(learner))))
        return frame.withColumn(column, F.when(F.col(column).endswith(_BIG), dealt).otherwise(F.col(column)))

    return _derived(spark, name, "one_big", of_table)


def _derived(spark: SparkSession, name: str, origin: str, of_table: Callable[[Table, DataFrame], DataFrame]) -> str:
    """Write a world whose tables are made of those of another one; return its name."""
    make_world(spark, origin)
    shutil.rmtree(ROOT / name, ignore_errors=True)
    shutil.copytree(ROOT / origin / "catalogue", ROOT / name / "catalogue")
    for table in schemas.INPUT_TABLES:
        folder = f"snapshot/{table_names(Settings())[table.setting]}"
        of_table(table, spark.read.parquet(str(ROOT / origin / folder))).write.parquet(str(ROOT / name / folder))
    return name
