"""What learners of the synthetic world did: expressions over batch and learner numbers.

Several tables tell of the same learning, so each fact has one expression here, and a table takes what it needs.
"""

from __future__ import annotations

from collections.abc import Callable

from pyspark.sql import Column
from pyspark.sql import functions as F

from progress_exhaust.sample.ids import LEAF, Dice, node_id_column, node_number, node_prefix_column
from progress_exhaust.sample.world import WorldSize

MAX_SCORE = 10

_FIRST_DAY_MS = 1_577_836_800_000  # 2020-01-01
_DAY_MS = 86_400_000
_LAST_BATCH_DAY = 1_600
_ENROLMENT_DAYS = 60
_COMPLETION_DAYS = 120
_COMPLETED_SHARE = 0.3
_COMPLETED = 2


class Learning:
    """Facts about a learner in a batch; the columns `batch`, `learner` and `collection` must be there."""

    def __init__(self, size: WorldSize) -> None:
        self._size = size
        self._dice = Dice(size.seed)
        self._ids = (F.col("batch"), F.col("learner"))

    def has_completed(self) -> Column:
        """Whether the learner has completed the course."""
        return self._dice.chance("completed", _COMPLETED_SHARE, *self._ids)

    def enrolled_at(self) -> Column:
        """When the learner enrolled, to the millisecond."""
        batch_day = self._dice.roll("batch day", _LAST_BATCH_DAY, F.col("batch"))
        after = self._dice.roll("enrolled", _ENROLMENT_DAYS * _DAY_MS, *self._ids)
        return F.timestamp_millis(batch_day * _DAY_MS + after + _FIRST_DAY_MS)

    def days_later(self, days: Column, what: str) -> Column:
        """Return an instant so many days after the enrolment, and up to a day more."""
        within_day = self._dice.roll(what, _DAY_MS, *self._ids)
        return F.timestamp_millis(F.unix_millis(self.enrolled_at()) + days * _DAY_MS + within_day)

    def completed_at(self) -> Column:
        """When the learner completed the course; null for who has not."""
        days = self._dice.roll("completion days", _COMPLETION_DAYS, *self._ids)
        return F.when(self.has_completed(), self.days_later(days, "completed at"))

    def content_status(self) -> Column:
        """Return the map from opened leaves to their status: 2 completed, 1 in progress, 0 not started."""
        numbers = F.array(*(F.lit(node_number(leaf)) for leaf in range(self._size.leaves)))

        def statuses(drive: Column) -> Column:
            prefix, diligence = drive["prefix"], drive["diligence"]

            def entry(number: Column, leaf: Column) -> Column:
                chance = self._leaf_chance(leaf, drive["hash"])
                opened = F.when(chance < diligence + 8, 1).when(chance < diligence + 12, 0)
                status = F.when(chance < diligence, _COMPLETED).otherwise(opened)
                return F.struct(F.concat(prefix, number).alias("leaf"), status.alias("status"))

            return F.filter(F.transform(numbers, entry), lambda opened: opened["status"].isNotNull())

        return F.map_from_entries(_let(self._drive(), statuses))

    def completed_leaves(self, first: Column, end: Column) -> Column:
        """Count the completed leaves from number `first` to before `end`."""

        def done(drive: Column) -> Column:
            return F.filter(
                F.sequence(first, end - 1), lambda leaf: self._leaf_chance(leaf, drive["hash"]) < drive["diligence"]
            )

        return F.when(self.has_completed(), end - first).otherwise(F.size(_let(self._drive(), done)))

    def score(self, assessment: Column, attempt: Column) -> Column:
        """Return the score of an attempt, in quarters of a point."""
        return self._dice.roll("score", 4 * MAX_SCORE + 1, *self._ids, assessment, attempt) / 4.0

    def best_score(self, assessment: Column) -> Column:
        """Return the highest score of all attempts."""
        attempts = F.sequence(F.lit(0), F.lit(self._size.attempts - 1))
        return F.array_max(F.transform(attempts, lambda attempt: self.score(assessment, attempt)))

    def _drive(self) -> Column:
        """Return what decides about all leaves of a learner."""
        diligence = F.when(self.has_completed(), 100).otherwise(self._dice.roll("diligence", 100, *self._ids))
        return F.struct(
            diligence.alias("diligence"),
            F.xxhash64(F.lit(f"{self._size.seed}:leaf"), *self._ids).alias("hash"),
            node_prefix_column(F.col("collection"), LEAF).alias("prefix"),
        )

    def _leaf_chance(self, leaf: Column, learner_hash: Column) -> Column:
        return F.pmod(F.xxhash64(leaf.cast("bigint"), learner_hash), F.lit(100))

    def leaf_id(self, leaf: Column) -> Column:
        """Return the identifier of a leaf of the batch's course."""
        return node_id_column(F.col("collection"), LEAF, leaf)


def _let(value: Column, body: Callable[[Column], Column]) -> Column:
    """Evaluate `value` once for all its uses in `body`: the optimizer would move it into the innermost lambda."""
    return F.get(F.transform(F.array(value), body), F.lit(0))
