"""The tables of the synthetic world as frames of expressions over a range of numbers.

No Python runs on executors and no row passes through the driver but those of the small, fixed tables, so the size is
bounded by the disk. The same number always gives the same row, however the range is cut.
"""

from __future__ import annotations

import json
from typing import Any

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T

from progress_exhaust.sample import locations as places
from progress_exhaust.sample.batch import sample_rows
from progress_exhaust.sample.ids import (
    LEAF,
    NESTED,
    ROOT,
    Dice,
    assessment_leaf,
    batch_id_column,
    hash_text,
    nested_shapes,
    node_id_column,
    uuid_column,
)
from progress_exhaust.sample.learning import MAX_SCORE, Learning
from progress_exhaust.sample.world import WorldSize
from progress_exhaust.tables.schemas import (
    ASSESSMENT_AGGREGATOR,
    CERTIFICATE_FAILURES,
    COURSE_BATCH,
    LOCATION,
    ORGANISATION,
    SYSTEM_SETTINGS,
    USER,
    USER_ACTIVITY_AGG,
    USER_ENROLMENTS,
    USER_ORGANISATION,
    Table,
)

_ROWS_PER_TASK = 50_000
_VALIDATED_SHARE = 0.3
_INACTIVE_SHARE = 0.02


class WorldFrames:
    """Makes the frames of one world; every method returns a table with the columns that the job reads."""

    def __init__(self, spark: SparkSession, size: WorldSize) -> None:
        self._spark = spark
        self._size = size
        self._dice = Dice(size.seed)
        self._learning = Learning(size)

    def tables(self) -> list[tuple[Table, DataFrame]]:
        """Return all tables, the sample batch's rows included."""
        made = [
            (USER_ENROLMENTS, self._enrolments()),
            (USER_ACTIVITY_AGG, self._activity()),
            (ASSESSMENT_AGGREGATOR, self._attempts()),
            (COURSE_BATCH, self._batches()),
            (USER, self._users()),
            (USER_ORGANISATION, self._memberships()),
            (CERTIFICATE_FAILURES, self._failed_certificates()),
        ]
        sample = sample_rows()
        tables = [
            (
                table,
                frame.unionByName(self._literal(table, sample[table.setting])) if table.setting in sample else frame,
            )
            for table, frame in made
        ]
        fixed = [
            (LOCATION, places.location_rows()),
            (ORGANISATION, places.organisation_rows()),
            (SYSTEM_SETTINGS, places.system_settings_rows()),
        ]
        return tables + [(table, self._literal(table, rows)) for table, rows in fixed]

    def _batches(self) -> DataFrame:
        batch = F.col("id")
        number = (batch + 1).cast("string")
        odd = self._odd("batch", 2, batch)
        return self._shaped(
            COURSE_BATCH,
            self._range(self._size.batches),
            courseid=node_id_column(self._collection_of(batch), ROOT, F.lit(0)),
            batchid=batch_id_column(batch),
            name=F.when(odd == 0, F.concat(F.lit("=Batch "), number))
            .when(odd == 1, F.lit(None))
            .otherwise(F.concat(F.lit("Batch "), number)),
        )

    def _users(self) -> DataFrame:
        learner = F.col("id")
        odd = self._odd("user", 7, learner)
        districts = places.districts()
        district = self._district(learner)
        state_root = _pick([places.root_organisation_id(item.state) for item in districts], district)
        self_signed_up = F.when(self._dice.chance("no root", 0.1, learner), F.lit(None)).otherwise(places.CUSTODIAN_ID)
        # Of the validated learners some are placed by their school only.
        is_placed = ~self._is_validated(learner) | self._dice.chance("declared", 0.5, learner)
        is_old = self._dice.chance("old place", 0.2, learner)
        place_ids = F.array(
            _pick([item.state_id for item in districts], district),
            _pick([item.identifier for item in districts], district),
        )
        place_text = _pick([places.profile_location(item) for item in districts], district)
        first = self._chosen(places.FIRST_NAMES, "first name", learner)
        last = self._chosen(places.LAST_NAMES, "last name", learner)
        # Kinds of oddness: 0 no row, 1 formula, 2 no place, 3 no name, 4 unreadable place, 5 deleted, 6 blanks, quotes.
        has_place = is_placed & (odd != 2)
        return self._shaped(
            USER,
            self._range(self._size.users).filter(odd != 0),
            id=self._user_id(learner),
            firstname=F.when(odd == 1, self._chosen(places.FORMULA_NAMES, "formula", learner))
            .when(odd == 3, F.lit(None))
            .when(odd == 6, F.concat(F.lit('  "'), first, F.lit('", ')))
            .otherwise(first),
            lastname=F.when(odd != 3, last),
            rootorgid=F.when(odd == 2, F.lit(None))
            .when(self._is_validated(learner), state_root)
            .otherwise(self_signed_up),
            profilelocation=F.when(odd == 4, F.lit("[{'id': unreadable")).when(has_place & ~is_old, place_text),
            locationids=F.when(has_place & is_old & (odd != 4), place_ids),
            isdeleted=odd == 5,
        )

    def _memberships(self) -> DataFrame:
        """Grain: (validated learner, organisation): the school and the department."""
        rows = self._range(2 * self._size.users).select(
            F.expr("id div 2").alias("learner"), (F.col("id") % 2 == 0).alias("is_school")
        )
        learner = F.col("learner")
        district = self._district(learner)
        districts = places.districts()
        schools = [
            places.school_id(number, school)
            for number in range(len(districts))
            for school in range(places.SCHOOLS_PER_DISTRICT)
        ]
        school = self._dice.roll("school", places.SCHOOLS_PER_DISTRICT, learner)
        department = _pick([places.root_organisation_id(item.state) for item in districts], district)
        return self._shaped(
            USER_ORGANISATION,
            rows.filter(self._is_validated(learner)),
            userid=self._user_id(learner),
            organisationid=F.when(
                F.col("is_school"), _pick(schools, district * places.SCHOOLS_PER_DISTRICT + school)
            ).otherwise(department),
            isdeleted=self._odd("membership", 1, learner) == 0,
        )

    def _enrolments(self) -> DataFrame:
        batch, learner = F.col("batch"), F.col("learner")
        odd = self._odd("enrolment", 5, batch, learner)
        # Kinds of oddness: 0 legacy date, 1 unreadable legacy date, 2 no statuses, 3 no date, 4 contents of old trees.
        day = F.date_add(F.lit("2020-01-01").cast("date"), self._dice.roll("legacy", 1_600, batch, learner).cast("int"))
        legacy = F.concat(day.cast("string"), F.lit(" 13:45:54:150+0530"))
        unreadable = F.concat(F.lit("on "), day.cast("string"))
        contents = self._learning.content_status()
        gone = F.create_map(F.lit("do_2139000000000000000001"), F.lit(2))
        certificate = F.array(
            F.create_map(
                F.lit("name"),
                F.lit("Course Completion"),
                F.lit("identifier"),
                uuid_column("certificate", batch, learner),
            )
        )
        is_old = self._dice.chance("old certificate", 0.2, batch, learner)
        return self._shaped(
            USER_ENROLMENTS,
            self._per_enrolment(1),
            userid=self._user_id(learner),
            courseid=self._course_id(),
            batchid=batch_id_column(batch),
            active=~self._dice.chance("inactive", _INACTIVE_SHARE, batch, learner),
            enrolled_date=F.when(~odd.isin(0, 1, 3), self._learning.enrolled_at()),
            enrolleddate=F.when(odd == 0, legacy).when(odd == 1, unreadable),
            completedon=self._learning.completed_at(),
            contentstatus=F.when(odd == 4, F.map_concat(contents, gone)).when(odd != 2, contents),
            progress=F.lit(None),  # leaves and counters tell it
            completionpercentage=F.lit(None),
            certificates=F.when(self._is_certified() & is_old, certificate),
            issued_certificates=F.when(self._is_certified() & ~is_old, certificate),
        )

    def _activity(self) -> DataFrame:
        """Grain: (enrolment, activity): the course itself, then its nested collections."""
        size = self._size
        shapes = nested_shapes(size.leaves, size.nested, size.depth)
        batch, learner, activity = F.col("batch"), F.col("learner"), F.col("part")
        is_root = activity == 0
        completed = self._learning.completed_leaves(
            _pick([0, *(shape.first_leaf for shape in shapes)], activity),
            _pick([size.leaves, *(shape.end_leaf for shape in shapes)], activity),
        )
        odd = self._odd("activity", 4, batch, learner, activity)
        # Kinds of oddness: 0 a count that is no number, 1 older rows, 2 nothing counted, 3 newer rows.
        count = F.when(odd == 0, F.lit(float("nan"))).otherwise(completed.cast("double"))
        counts = F.create_map(F.lit("completedCount"), count)
        return self._shaped(
            USER_ACTIVITY_AGG,
            self._per_enrolment(1 + size.nested),
            activity_type=F.lit("Course"),
            activity_id=node_id_column(
                F.col("collection"),
                F.when(is_root, ROOT).otherwise(NESTED),
                F.when(is_root, 0).otherwise(activity - 1),
            ),
            user_id=self._user_id(learner),
            context_id=F.concat(F.lit("cb:"), batch_id_column(batch)),
            agg=F.when(~odd.isin(2, 3), F.create_map(F.lit("completedCount"), completed.cast("int"))),
            aggregates=F.when(
                ~odd.isin(1, 2), F.when(is_root, F.map_concat(counts, self._score_counters())).otherwise(counts)
            ),
        )

    def _score_counters(self) -> Column:
        size = self._size
        if not size.assessments:
            return F.create_map().cast(T.MapType(T.StringType(), T.DoubleType()))

        def counters(assessment: Column) -> Column:
            content = self._assessment_id(assessment)
            values = {
                "score:": self._learning.best_score(assessment),
                "max_score:": F.lit(float(MAX_SCORE)),
                "attempts_count:": F.lit(float(size.attempts)),
            }
            return F.array(*(F.struct(F.concat(F.lit(key), content), value) for key, value in values.items()))

        numbers = F.sequence(F.lit(0), F.lit(size.assessments - 1))
        return F.map_from_entries(F.flatten(F.transform(numbers, counters)))

    def _attempts(self) -> DataFrame:
        """Grain: (enrolment, assessment, attempt)."""
        size = self._size
        attempts = self._per_enrolment(size.assessments * size.attempts).select(
            "batch",
            "learner",
            "collection",
            F.expr(f"part div {size.attempts}").alias("assessment"),
            F.expr(f"part % {size.attempts}").alias("attempt"),
        )
        ids = [F.col(name) for name in ("batch", "learner", "assessment", "attempt")]
        odd = self._odd("attempt", 4, *ids)
        # Kinds of oddness: 0 no number, 1 unknown content, 2 no score, 3 an absurd score.
        unknown = node_id_column(F.col("collection"), LEAF, F.lit(10**10))
        return self._shaped(
            ASSESSMENT_AGGREGATOR,
            attempts,
            user_id=self._user_id(F.col("learner")),
            course_id=self._course_id(),
            batch_id=batch_id_column(F.col("batch")),
            content_id=F.when(odd == 1, unknown).otherwise(self._assessment_id(F.col("assessment"))),
            attempt_id=hash_text(size.seed, "attempt", *ids),
            total_score=F.when(odd == 0, F.lit(float("nan")))
            .when(odd == 3, F.lit(1e300))
            .when(odd != 2, self._learning.score(F.col("assessment"), F.col("attempt"))),
            last_attempted_on=self._learning.days_later(F.col("assessment") * 3 + F.col("attempt"), "attempted at"),
        )

    def _failed_certificates(self) -> DataFrame:
        return self._shaped(
            CERTIFICATE_FAILURES,
            self._per_enrolment(1).filter(self._learning.has_completed() & ~self._is_certified()),
            batchid=batch_id_column(F.col("batch")),
            userid=self._user_id(F.col("learner")),
        )

    def _per_enrolment(self, parts: int) -> DataFrame:
        """Grain: (enrolment, part below `parts`), with columns batch, learner, collection, part; learners are numbers.

        A batch takes a run of consecutive learners, from a start of its own, so no learner is in it twice.
        """
        size = self._size
        rows = self._range(size.enrolments * parts).select(
            F.expr(f"id div {size.learners * parts}").alias("batch"),
            F.expr(f"id div {parts} % {size.learners}").alias("position"),
            F.expr(f"id % {parts}").alias("part"),
        )
        start = self._dice.roll("first learner", size.users, F.col("batch"))
        return rows.select(
            "batch",
            ((start + F.col("position")) % size.users).alias("learner"),
            self._collection_of(F.col("batch")).alias("collection"),
            "part",
        )

    def _range(self, rows: int) -> DataFrame:
        return self._spark.range(0, rows, 1, max(1, -(-rows // _ROWS_PER_TASK)))

    def _shaped(self, table: Table, frame: DataFrame, **columns: Column) -> DataFrame:
        return frame.select([columns[field.name].cast(field.dataType).alias(field.name) for field in table.columns])

    def _literal(self, table: Table, rows: list[dict[str, Any]]) -> DataFrame:
        parsed = F.from_json(F.lit(json.dumps(rows, ensure_ascii=False)), T.ArrayType(table.columns))
        return self._spark.range(0, 1, 1, 1).select(F.inline(parsed))

    def _odd(self, what: str, kinds: int, *ids: Column) -> Column:
        """Return the kind of oddness of a row, from 0; -1 for a sound one."""
        if not self._size.odd_share:
            return F.lit(-1)
        is_odd = self._dice.chance(f"odd {what}", self._size.odd_share, *ids)
        return F.when(is_odd, self._dice.roll(f"kind of {what}", kinds, *ids)).otherwise(-1)

    def _is_certified(self) -> Column:
        has_certificate = self._dice.chance("certificate", 0.95, F.col("batch"), F.col("learner"))
        return self._learning.has_completed() & has_certificate

    def _is_validated(self, learner: Column) -> Column:
        return self._dice.chance("validated", _VALIDATED_SHARE, learner)

    def _district(self, learner: Column) -> Column:
        return self._dice.roll("district", len(places.districts()), learner)

    def _chosen(self, texts: tuple[str, ...], what: str, learner: Column) -> Column:
        return _pick(texts, self._dice.roll(what, len(texts), learner))

    def _user_id(self, learner: Column) -> Column:
        return uuid_column(str(self._size.seed), "learner", learner)

    def _collection_of(self, batch: Column) -> Column:
        return batch % self._size.collections

    def _course_id(self) -> Column:
        return node_id_column(F.col("collection"), ROOT, F.lit(0))

    def _assessment_id(self, assessment: Column) -> Column:
        size = self._size
        leaves = [assessment_leaf(number, size.assessments, size.leaves) for number in range(size.assessments)]
        return self._learning.leaf_id(_pick(leaves, assessment))


def _pick(constants: list[Any] | tuple[Any, ...], number: Column) -> Column:
    """Return one of these constants by its number; null beyond them."""
    return F.get(F.array(*(F.lit(constant) for constant in constants)), number.cast("int"))
