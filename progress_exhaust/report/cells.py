"""Cells of a learner's line: what is known of a learner in a batch, as texts; null is a blank cell.

Each function is an expression over the columns that `rows.learner_rows` has joined. Percents and scores become columns
first, since several cells ask for them.
"""

from __future__ import annotations

from pyspark.sql import Column
from pyspark.sql import functions as F

from progress_exhaust.report.enrolments import is_without_content_status
from progress_exhaust.report.inputs import SLOTS
from progress_exhaust.report.values import completion_percent, instant_text, number_text, shown_score


def enrolment_date() -> Column:
    """When the learner was enrolled."""
    return instant_text(F.col("enrolled_at"))


def completion_date() -> Column:
    """When the learner completed the collection."""
    return instant_text(F.col("completed_at"))


def progress() -> Column:
    """Whole percents of the collection; reads `percents`."""
    return (
        F.when(F.col("completed_at").isNotNull(), "100")
        .when(_is_noted_percent_shown(), _noted_percent().cast("string"))
        .otherwise(F.get("percents", F.lit(0)))
    )


def certificate_status() -> Column:
    """Whether a certificate was issued, or failed; blank where neither is known."""
    return F.when(F.col("has_certificate"), "Issued").when(F.col("has_failed"), "Failed")


def total_score() -> Column:
    """The sum of the scores that count, as their cells show them; reads `scores`."""
    return number_text(_total_score())


def _is_noted_percent_shown() -> Column:
    """Whether neither leaves nor a counter of the collection itself tell the progress, and the enrolment notes one."""
    is_untold = is_without_content_status() & _counter(F.lit(0)).isNull()
    return is_untold & F.col("noted_percent").isNotNull() & (F.get("leaf_counts", F.lit(0)) > 0)


def _noted_percent() -> Column:
    return F.least(F.greatest(F.col("noted_percent"), F.lit(0)), F.lit(100))


def percents() -> Column:
    """Percents completed as their cells show them: of the collection itself, then of its nested ones."""
    return F.zip_with(_completed(), "leaf_counts", lambda done, of: completion_percent(done, of).cast("string"))


def _completed() -> Column:
    """Completed leaves by position: as counted from the enrolment, else as the activity rows have them; never null.

    Where no activity row has those of the collection itself, the enrolment's own number is taken.
    """

    def recorded(position: Column) -> Column:
        noted = F.when(position == 0, F.col("noted_leaves"))
        return F.greatest(F.coalesce(_counter(position), noted.cast("double"), F.lit(0.0)), F.lit(0.0))

    positions = F.sequence(F.lit(0), F.size("leaf_counts") - 1)
    counted = F.col("completed").cast("array<double>")
    return F.coalesce(counted, F.transform(positions, recorded))


def _counter(position: Column) -> Column:
    """Completed leaves as the activity row of a position has them; null where it has no number, or there is none."""
    rows = F.filter("activity_completed", lambda row: row["position"] == position)
    return F.get(rows, F.lit(0))["completed"]


def shown_scores() -> Column:
    """Scores by ordinal as their cells show them: of the best attempt, else as the activity row has it."""

    def score(_: Column, ordinal: Column) -> Column:
        block = F.element_at("score_blocks", F.floor(ordinal / SLOTS).cast("int"))
        best = F.get(block, ordinal % SLOTS)
        return F.coalesce(best, F.get("activity_scores", ordinal))

    return F.transform(F.transform("are_self_assess", score), shown_score)


def _total_score() -> Column:
    counting = F.zip_with("scores", "are_self_assess", lambda score, counts: F.when(counts, score))
    shown = F.filter(counting, lambda score: score.isNotNull())
    total = F.aggregate(
        shown, F.lit(0).cast("decimal(38,2)"), lambda total, score: (total + score).cast("decimal(38,2)")
    )
    return F.when(F.size(shown) > 0, total)


def dynamic_cells() -> Column:
    """Cells of the columns that a layout brings: Progress and Level of each nested collection, then Scores."""

    def side_by_side(percent: Column, level: Column) -> Column:
        return F.array(percent, level)

    nested = F.zip_with(F.slice("percents", 2, F.size("levels")), "levels", side_by_side)
    return F.concat(F.flatten(nested), F.transform("scores", number_text))
