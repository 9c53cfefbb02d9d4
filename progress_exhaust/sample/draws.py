"""What the tables of the synthetic world have in common: rows by number, ids, and what is drawn for each.

The same number always gives the same row, however the range is cut.
"""

from __future__ import annotations

import json
from typing import Any

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T

from progress_exhaust.sample import locations as places
from progress_exhaust.sample.ids import ROOT, Dice, assessment_leaf, node_id_column, uuid_column
from progress_exhaust.sample.learning import Learning
from progress_exhaust.sample.world import WorldSize
from progress_exhaust.tables.schemas import Table

_ROWS_PER_TASK = 50_000
_VALIDATED_SHARE = 0.3


class Draws:
    """What is drawn for one world.

    Attributes:
        size: how big it is, and its seed.
        dice: of its seed.
        learning: what its learners did.
    """

    def __init__(self, spark: SparkSession, size: WorldSize) -> None:
        self._spark = spark
        self.size = size
        self.dice = Dice(size.seed)
        self.learning = Learning(size)

    def per_enrolment(self, parts: int) -> DataFrame:
        """Grain: (enrolment, part below `parts`), with columns batch, learner, collection, part; learners are numbers.

        A batch takes a run of consecutive learners, from a start of its own, so no learner is in it twice.
        """
        size = self.size
        rows = self.numbers(size.enrolments * parts).select(
            F.expr(f"id div {size.learners * parts}").alias("batch"),
            F.expr(f"id div {parts} % {size.learners}").alias("position"),
            F.expr(f"id % {parts}").alias("part"),
        )
        start = self.dice.roll("first learner", size.users, F.col("batch"))
        return rows.select(
            "batch",
            ((start + F.col("position")) % size.users).alias("learner"),
            self.collection_of(F.col("batch")).alias("collection"),
            "part",
        )

    def numbers(self, rows: int) -> DataFrame:
        """Return a frame of the numbers from 0, in the column `id`."""
        return self._spark.range(0, rows, 1, max(1, -(-rows // _ROWS_PER_TASK)))

    def shaped(self, table: Table, frame: DataFrame, **columns: Column) -> DataFrame:
        """Return a frame with a table's columns and types."""
        return frame.select([columns[field.name].cast(field.dataType).alias(field.name) for field in table.columns])

    def literal(self, table: Table, rows: list[dict[str, Any]]) -> DataFrame:
        """Return rows of a table that are written out here."""
        parsed = F.from_json(F.lit(json.dumps(rows, ensure_ascii=False)), T.ArrayType(table.columns))
        return self._spark.range(0, 1, 1, 1).select(F.inline(parsed))

    def odd(self, what: str, kinds: int, *ids: Column) -> Column:
        """Return the kind of oddness of a row, from 0; -1 for a sound one."""
        if not self.size.odd_share:
            return F.lit(-1)
        is_odd = self.dice.chance(f"odd {what}", self.size.odd_share, *ids)
        return F.when(is_odd, self.dice.roll(f"kind of {what}", kinds, *ids)).otherwise(-1)

    def is_certified(self) -> Column:
        """Whether the learner of an enrolment has a certificate; some who have completed the course have none."""
        has_certificate = self.dice.chance("certificate", 0.95, F.col("batch"), F.col("learner"))
        return self.learning.has_completed() & has_certificate

    def is_validated(self, learner: Column) -> Column:
        """Whether a learner's state has told who they are."""
        return self.dice.chance("validated", _VALIDATED_SHARE, learner)

    def district(self, learner: Column) -> Column:
        """Return the number of a learner's district."""
        return self.dice.roll("district", len(places.districts()), learner)

    def chosen(self, texts: tuple[str, ...], what: str, learner: Column) -> Column:
        """Return one of these texts."""
        return pick(texts, self.dice.roll(what, len(texts), learner))

    def user_id(self, learner: Column) -> Column:
        """Return a learner's id."""
        return uuid_column(str(self.size.seed), "learner", learner)

    def collection_of(self, batch: Column) -> Column:
        """Return the number of a batch's course."""
        return batch % self.size.collections

    def course_id(self) -> Column:
        """Return the id of the course of an enrolment."""
        return node_id_column(F.col("collection"), ROOT, F.lit(0))

    def assessment_id(self, assessment: Column) -> Column:
        """Return the id of an assessment by its number."""
        size = self.size
        leaves = [assessment_leaf(number, size.assessments, size.leaves) for number in range(size.assessments)]
        return self.learning.leaf_id(pick(leaves, assessment))


def pick(constants: list[Any] | tuple[Any, ...], number: Column) -> Column:
    """Return one of these constants by its number; null beyond them."""
    return F.get(F.array(*(F.lit(constant) for constant in constants)), number.cast("int"))
