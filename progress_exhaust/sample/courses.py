"""The tables of the synthetic world that tell of batches, and of what learners did in them."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from progress_exhaust.sample.draws import Draws, pick
from progress_exhaust.sample.ids import (
    LEAF,
    NESTED,
    ROOT,
    batch_id_column,
    hash_text,
    nested_shapes,
    node_id_column,
    uuid_column,
)
from progress_exhaust.sample.learning import MAX_SCORE
from progress_exhaust.tables.schemas import (
    ASSESSMENT_AGGREGATOR,
    CERTIFICATE_FAILURES,
    COURSE_BATCH,
    USER_ACTIVITY_AGG,
    USER_ENROLMENTS,
)

_INACTIVE_SHARE = 0.02


def batches(draws: Draws) -> DataFrame:
    """Grain: batch."""
    batch = F.col("id")
    number = (batch + 1).cast("string")
    odd = draws.odd("batch", 2, batch)
    return draws.shaped(
        COURSE_BATCH,
        draws.numbers(draws.size.batches),
        courseid=node_id_column(draws.collection_of(batch), ROOT, F.lit(0)),
        batchid=batch_id_column(batch),
        name=F.when(odd == 0, F.concat(F.lit("=Batch "), number))
        .when(odd == 1, F.lit(None))
        .otherwise(F.concat(F.lit("Batch "), number)),
    )


def enrolments(draws: Draws) -> DataFrame:
    """Grain: (batch, learner)."""
    batch, learner = F.col("batch"), F.col("learner")
    odd = draws.odd("enrolment", 5, batch, learner)
    # Kinds of oddness: 0 legacy date, 1 unreadable legacy date, 2 no statuses, 3 no date, 4 contents of old trees.
    day = F.date_add(F.lit("2020-01-01").cast("date"), draws.dice.roll("legacy", 1_600, batch, learner).cast("int"))
    legacy = F.concat(day.cast("string"), F.lit(" 13:45:54:150+0530"))
    unreadable = F.concat(F.lit("on "), day.cast("string"))
    contents = draws.learning.content_status()
    gone = F.create_map(F.lit("do_2139000000000000000001"), F.lit(2))
    certificate = F.array(
        F.create_map(
            F.lit("name"),
            F.lit("Course Completion"),
            F.lit("identifier"),
            uuid_column("certificate", batch, learner),
        )
    )
    is_old = draws.dice.chance("old certificate", 0.2, batch, learner)
    return draws.shaped(
        USER_ENROLMENTS,
        draws.per_enrolment(1),
        userid=draws.user_id(learner),
        courseid=draws.course_id(),
        batchid=batch_id_column(batch),
        active=~draws.dice.chance("inactive", _INACTIVE_SHARE, batch, learner),
        enrolled_date=F.when(~odd.isin(0, 1, 3), draws.learning.enrolled_at()),
        enrolleddate=F.when(odd == 0, legacy).when(odd == 1, unreadable),
        completedon=draws.learning.completed_at(),
        contentstatus=F.when(odd == 4, F.map_concat(contents, gone)).when(odd != 2, contents),
        progress=F.lit(None),  # leaves and counters tell it
        completionpercentage=F.lit(None),
        certificates=F.when(draws.is_certified() & is_old, certificate),
        issued_certificates=F.when(draws.is_certified() & ~is_old, certificate),
    )


def activity(draws: Draws) -> DataFrame:
    """Grain: (enrolment, activity): the course itself, then its nested collections."""
    size = draws.size
    shapes = nested_shapes(size.leaves, size.nested, size.depth)
    batch, learner, activity = F.col("batch"), F.col("learner"), F.col("part")
    is_root = activity == 0
    completed = draws.learning.completed_leaves(
        pick([0, *(shape.first_leaf for shape in shapes)], activity),
        pick([size.leaves, *(shape.end_leaf for shape in shapes)], activity),
    )
    odd = draws.odd("activity", 4, batch, learner, activity)
    # Kinds of oddness: 0 a count that is no number, 1 older rows, 2 nothing counted, 3 newer rows.
    count = F.when(odd == 0, F.lit(float("nan"))).otherwise(completed.cast("double"))
    counts = F.create_map(F.lit("completedCount"), count)
    return draws.shaped(
        USER_ACTIVITY_AGG,
        draws.per_enrolment(1 + size.nested),
        activity_type=F.lit("Course"),
        activity_id=node_id_column(
            F.col("collection"),
            F.when(is_root, ROOT).otherwise(NESTED),
            F.when(is_root, 0).otherwise(activity - 1),
        ),
        user_id=draws.user_id(learner),
        context_id=F.concat(F.lit("cb:"), batch_id_column(batch)),
        agg=F.when(~odd.isin(2, 3), F.create_map(F.lit("completedCount"), completed.cast("int"))),
        aggregates=F.when(
            ~odd.isin(1, 2), F.when(is_root, F.map_concat(counts, _score_counters(draws))).otherwise(counts)
        ),
    )


def _score_counters(draws: Draws) -> Column:
    size = draws.size
    if not size.assessments:
        return F.create_map().cast(T.MapType(T.StringType(), T.DoubleType()))

    def counters(assessment: Column) -> Column:
        content = draws.assessment_id(assessment)
        values = {
            "score:": draws.learning.best_score(assessment),
            "max_score:": F.lit(float(MAX_SCORE)),
            "attempts_count:": F.lit(float(size.attempts)),
        }
        return F.array(*(F.struct(F.concat(F.lit(key), content), value) for key, value in values.items()))

    numbers = F.sequence(F.lit(0), F.lit(size.assessments - 1))
    return F.map_from_entries(F.flatten(F.transform(numbers, counters)))


def attempts(draws: Draws) -> DataFrame:
    """Grain: (enrolment, assessment, attempt)."""
    size = draws.size
    attempts = draws.per_enrolment(size.assessments * size.attempts).select(
        "batch",
        "learner",
        "collection",
        F.expr(f"part div {size.attempts}").alias("assessment"),
        F.expr(f"part % {size.attempts}").alias("attempt"),
    )
    ids = [F.col(name) for name in ("batch", "learner", "assessment", "attempt")]
    odd = draws.odd("attempt", 4, *ids)
    # Kinds of oddness: 0 no number, 1 unknown content, 2 no score, 3 an absurd score.
    unknown = node_id_column(F.col("collection"), LEAF, F.lit(10**10))
    return draws.shaped(
        ASSESSMENT_AGGREGATOR,
        attempts,
        user_id=draws.user_id(F.col("learner")),
        course_id=draws.course_id(),
        batch_id=batch_id_column(F.col("batch")),
        content_id=F.when(odd == 1, unknown).otherwise(draws.assessment_id(F.col("assessment"))),
        attempt_id=hash_text(size.seed, "attempt", *ids),
        total_score=F.when(odd == 0, F.lit(float("nan")))
        .when(odd == 3, F.lit(1e300))
        .when(odd != 2, draws.learning.score(F.col("assessment"), F.col("attempt"))),
        last_attempted_on=draws.learning.days_later(F.col("assessment") * 3 + F.col("attempt"), "attempted at"),
    )


def failed_certificates(draws: Draws) -> DataFrame:
    """Grain: (batch, learner) of those who have completed the course and have no certificate."""
    return draws.shaped(
        CERTIFICATE_FAILURES,
        draws.per_enrolment(1).filter(draws.learning.has_completed() & ~draws.is_certified()),
        batchid=batch_id_column(F.col("batch")),
        userid=draws.user_id(F.col("learner")),
    )
