"""Report rows: everything known of a learner in a batch, as the texts of the cells."""

from __future__ import annotations

from dataclasses import dataclass

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from progress_exhaust.report.enrolments import is_uncounted
from progress_exhaust.report.inputs import SLOTS
from progress_exhaust.report.values import completion_percent, instant_text, number_text, shown_score

DOUBLED_ENROLMENT = "user_enrolments"
DOUBLED_USER = "user"
DOUBLED_ACTIVITY = "user_activity_agg"


@dataclass(frozen=True)
class LearnerFrames:
    """What is joined into a row, each unique by its key.

    Attributes:
        enrolments: `wanted_enrolments`, rows to keep.
        learners: `located_learners`; key user_id.
        activity: `activity_per_learner`; key (user_id, batch_no).
        scores: `scores_per_learner`; key (user_id, batch_no).
        failures: failed certificates; key (user_id, batch_no); None where nobody records them.
    """

    enrolments: DataFrame
    learners: DataFrame
    activity: DataFrame
    scores: DataFrame
    failures: DataFrame | None


def learner_rows(frames: LearnerFrames, reports: DataFrame) -> DataFrame:
    """Join what is known of each enrolled learner, and make it the texts of cells; null is a blank cell.

    Grain: (report, enrolment): a batch may have several reports, one an audience, and a learner is in those that may
    see the root organisation. Key: (report_no, user_id), unless a table holds a key twice: `doubled` then names it.

    Adds user_name, state, district, enrolment_date, completion_date, progress, certificate_status, total_score,
    dynamic_cells (Progress and Level of each nested collection, then Scores), doubled; keeps slice_starts, first_cells.

    Args:
        frames: what to join, by learner.
        reports: wanted reports, unique by report_no.
    """
    per_learner = ["user_id", "batch_no"]
    rows = (
        frames.enrolments.join(frames.learners, on="user_id", how="left")
        .join(frames.activity, on=per_learner, how="left")
        .join(frames.scores, on=per_learner, how="left")
    )
    has_failed: Column = F.lit(False)
    if frames.failures is not None:
        rows = rows.join(frames.failures.withColumn("has_failed", F.lit(True)), on=per_learner, how="left")
        has_failed = F.coalesce(F.col("has_failed"), F.lit(False))
    is_permitted = F.col("audience").isNull() | (F.col("root_org_id") == F.col("audience"))
    of_reports = rows.join(reports, on="batch_no", how="inner").filter(is_permitted)
    with_numbers = (
        of_reports.withColumn("doubled", _doubled())
        .withColumn("percents", _percents())
        .withColumn("scores", _shown_scores())
    )
    progress = (
        F.when(F.col("completed_at").isNotNull(), "100")
        .when(_is_noted_percent_shown(), _noted_percent().cast("string"))
        .otherwise(F.get("percents", F.lit(0)))
    )
    return with_numbers.select(
        "report_no",
        "slice_starts",
        "first_cells",
        "user_id",
        "user_name",
        "state",
        "district",
        instant_text(F.col("enrolled_at")).alias("enrolment_date"),
        instant_text(F.col("completed_at")).alias("completion_date"),
        progress.alias("progress"),
        F.when(F.col("has_certificate"), "Issued").when(has_failed, "Failed").alias("certificate_status"),
        number_text(_total_score()).alias("total_score"),
        _dynamic_cells().alias("dynamic_cells"),
        "doubled",
    )


def _is_noted_percent_shown() -> Column:
    """Whether neither leaves nor a counter of the collection itself tell the progress, and the enrolment notes one."""
    is_untold = is_uncounted() & _counter(F.lit(0)).isNull()
    return is_untold & F.col("noted_percent").isNotNull() & (F.get("leaf_counts", F.lit(0)) > 0)


def _noted_percent() -> Column:
    return F.least(F.greatest(F.col("noted_percent"), F.lit(0)), F.lit(100))


def _percents() -> Column:
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


def _shown_scores() -> Column:
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


def _dynamic_cells() -> Column:
    def side_by_side(percent: Column, level: Column) -> Column:
        return F.array(percent, level)

    nested = F.zip_with(F.slice("percents", 2, F.size("levels")), "levels", side_by_side)
    return F.concat(F.flatten(nested), F.transform("scores", number_text))


def _doubled() -> Column:
    """Name the tables that hold a key twice, where it shows: nested counters do only if no leaves are counted."""
    is_enrolled_twice = F.col("rows_of_learner") > 1
    # A learner who is enrolled twice may have been joined to nested counters twice.
    shows_nested = is_uncounted() & ~is_enrolled_twice
    tables = (
        F.when(is_enrolled_twice, DOUBLED_ENROLMENT),
        F.when(F.col("user_doubled"), DOUBLED_USER),
        F.when(F.col("own_doubled") | (shows_nested & F.col("activity_doubled")), DOUBLED_ACTIVITY),
    )
    names = F.concat_ws(" ", *tables)
    return F.when(names != "", names)
