"""Report rows: everything known of a learner in a batch, as the texts of the cells."""

from __future__ import annotations

from dataclasses import dataclass

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from progress_exhaust.report.cells import dynamic_cells, percents, shown_scores
from progress_exhaust.report.enrolments import is_without_content_status
from progress_exhaust.report.profiles import LEARNER_COLUMNS

DUPLICATE_ENROLMENT = "user_enrolments"
DUPLICATE_USER = "user"
DUPLICATE_ACTIVITY = "user_activity_agg"


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
    see the root organisation. Key: (report_no, user_id), unless a table holds a key twice: `duplicate` then names it.

    Adds the learner's columns of the profile by their names, user_id among them, dynamic_cells (Progress and Level of
    each nested collection, then Scores), duplicate (names of tables, a blank between); keeps slice_starts, first_cells.

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
    if frames.failures is not None:
        rows = rows.join(frames.failures.withColumn("has_failed", F.lit(True)), on=per_learner, how="left")
    else:
        rows = rows.withColumn("has_failed", F.lit(False))
    is_permitted = F.col("audience").isNull() | (F.col("root_org_id") == F.col("audience"))
    of_reports = rows.join(reports, on="batch_no", how="inner").filter(is_permitted)
    with_numbers = (
        of_reports.withColumn("duplicate", _duplicate())
        .withColumn("percents", percents())
        .withColumn("scores", shown_scores())
    )
    return with_numbers.select(
        "report_no",
        "slice_starts",
        "first_cells",
        *(column.cell().alias(column.name) for column in LEARNER_COLUMNS),
        dynamic_cells().alias("dynamic_cells"),
        "duplicate",
    )


def _duplicate() -> Column:
    """Name the tables that hold a key twice, where it shows: nested counters do only if no leaves are counted."""
    is_enrolled_twice = F.col("rows_of_learner") > 1
    # A learner who is enrolled twice may have been joined to nested counters twice.
    shows_nested = is_without_content_status() & ~is_enrolled_twice
    tables = (
        F.when(is_enrolled_twice, DUPLICATE_ENROLMENT),
        F.when(F.col("user_duplicate"), DUPLICATE_USER),
        F.when(F.col("own_duplicate") | (shows_nested & F.col("activity_duplicate")), DUPLICATE_ACTIVITY),
    )
    names = F.concat_ws(" ", *tables)
    return F.when(names != "", names)
