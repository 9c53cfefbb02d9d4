"""Each step from the tables to report rows by itself, on a few rows whose fate is worked out by hand."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from chispa import assert_df_equality
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T

from progress_exhaust.output.lines import in_file_order, report_lines
from progress_exhaust.report import inputs
from progress_exhaust.report.activity import activity_per_learner, wanted_activity
from progress_exhaust.report.enrolments import counts_per_batch, wanted_enrolments
from progress_exhaust.report.inputs import SLOTS
from progress_exhaust.report.learners import known_learners, located_learners, organisation_places
from progress_exhaust.report.locations import Location, dictionary, first_district, first_state, ids_of_json, places
from progress_exhaust.report.rows import LearnerFrames, learner_rows
from progress_exhaust.report.scores import best_attempts, scores_per_learner, wanted_attempts
from progress_exhaust.tables import schemas
from tests.support.builders import LONG_AGO, activity, attempt, enrolment, rows_frame, table_frame, user
from tests.worlds.model import Row

LATER = datetime(2021, 1, 1, tzinfo=UTC)
LEGACY = "2020-08-25 13:45:54:150+0000"
NAN = float("nan")


@pytest.fixture(scope="module", autouse=True)
def few_tasks_in_utc(spark: SparkSession) -> Iterator[None]:
    spark.conf.set("spark.sql.session.timeZone", "UTC")
    before = spark.conf.get("spark.sql.shuffle.partitions")
    spark.conf.set("spark.sql.shuffle.partitions", "2")
    yield
    spark.conf.set("spark.sql.shuffle.partitions", str(before))


@pytest.fixture(scope="module")
def batches(spark: SparkSession) -> DataFrame:
    """Two batches of one collection, and one of another."""
    rows = [("b-1", "do_1"), ("b-2", "do_1"), ("b-3", "do_2")]
    return rows_frame(
        spark,
        inputs.BATCHES,
        *(
            {"batch_no": number, "batch_id": batch_id, "collection_id": collection_id, "wave_no": number % 2}
            for number, (batch_id, collection_id) in enumerate(rows)
        ),
    )


def same(actual: DataFrame, expected: DataFrame) -> None:
    assert_df_equality(actual, expected, ignore_nullable=True, ignore_row_order=True, ignore_column_order=True)


# Enrolments.


@pytest.fixture(scope="module")
def leaves(spark: SparkSession) -> DataFrame:
    return rows_frame(
        spark,
        inputs.LEAVES,
        {
            "collection_id": "do_1",
            "leaves": ["a", "b", "c"],
            "nested_groups": [(["a", "b", "c"], [["a"], ["b", "c"]]), ([], [[]])],
        },
        {"collection_id": "do_2", "leaves": [], "nested_groups": [(None, [])]},
    )


def test_enrolments_of_wanted_batches_are_kept_or_dropped_for_a_reason(
    spark: SparkSession, batches: DataFrame, leaves: DataFrame
) -> None:
    table = table_frame(
        spark,
        schemas.USER_ENROLMENTS,
        enrolment("kept"),
        enrolment("kept", "b-2"),
        enrolment("kept", "b-3", "do_2"),
        enrolment("ended", active=False),
        enrolment("unclear", active=None),
        enrolment(""),
        enrolment(None),  # type: ignore[arg-type]
        enrolment("no course", collection_id=""),
        enrolment("no course", collection_id=None, active=False),  # type: ignore[arg-type]
        enrolment("twice"),
        enrolment("twice"),
        enrolment("other course", collection_id="do_2"),
        enrolment("other case", collection_id="DO_1"),
        enrolment("other batch", "b-12"),
        enrolment("other case", "B-1"),
        enrolment("no batch", ""),
        enrolment("no batch", None),  # type: ignore[arg-type]
    )

    fates = wanted_enrolments(table, batches, leaves).select("batch_no", "user_id", "dropped")

    expected = [
        (0, "kept", None),
        (1, "kept", None),
        (2, "kept", None),
        (0, "ended", "inactive"),
        (0, "unclear", "inactive"),
        (0, "", "no_key"),
        (0, None, "no_key"),
        (0, "no course", "no_key"),
        (0, "no course", "no_key"),
        (0, "twice", None),
        (0, "twice", None),
    ]
    same(fates, spark.createDataFrame(expected, "batch_no int, user_id string, dropped string"))


CONTENT_STATUSES: list[tuple[dict[str, int | None] | None, list[int] | None]] = [
    # contentstatus, completed leaves: of the collection, then of each nested one
    (None, None),
    ({}, None),
    ({"a": 2, "b": 2, "c": 2}, [3, 1, 2, 0]),
    ({"a": 2, "b": 1, "c": 0}, [1, 1, 0, 0]),
    ({"a": 3, "b": -1, "c": None}, [0, 0, 0, 0]),
    ({"removed": 2, "A": 2, "": 2, "c": 2}, [1, 0, 1, 0]),
    ({"removed": 1}, [0, 0, 0, 0]),
]


def test_completed_leaves_are_those_with_status_2_that_are_in_the_tree(
    spark: SparkSession, batches: DataFrame, leaves: DataFrame
) -> None:
    rows = [enrolment(f"u-{number}", contentstatus=status) for number, (status, _) in enumerate(CONTENT_STATUSES)]
    table = table_frame(spark, schemas.USER_ENROLMENTS, *rows)

    found = wanted_enrolments(table, batches, leaves).sort("user_id").collect()

    assert [(row.user_id, row.completed) for row in found] == [
        (f"u-{number}", completed) for number, (_, completed) in enumerate(CONTENT_STATUSES)
    ]


def test_dates_and_certificates_of_enrolments(spark: SparkSession, batches: DataFrame, leaves: DataFrame) -> None:
    table = table_frame(
        spark,
        schemas.USER_ENROLMENTS,
        enrolment("timestamp wins", enrolleddate="unreadable", certificates=[None, {"name": "first"}]),
        enrolment("legacy", enrolled_date=None, enrolleddate=LEGACY, issued_certificates=[{"name": None}]),
        enrolment("unreadable", enrolled_date=None, enrolleddate="yesterday", certificates=[], issued_certificates=[]),
        enrolment("empty", enrolled_date=None, enrolleddate="", completedon=LATER, certificates=[{}, None]),
        enrolment("none", enrolled_date=None, certificates=[None], issued_certificates=[{}]),
    )

    frame = wanted_enrolments(table, batches, leaves)
    told = frame.select(
        "user_id",
        "enrolled_at",
        F.col("completed_at").isNotNull().alias("has_ended"),
        "date_unreadable",
        "has_certificate",
    )

    expected = [
        ("timestamp wins", LONG_AGO, False, False, True),
        ("legacy", LONG_AGO, False, False, True),
        ("unreadable", None, False, True, False),
        ("empty", None, True, False, False),
        ("none", None, False, False, False),
    ]
    same(
        told,
        spark.createDataFrame(
            expected,
            "user_id string, enrolled_at timestamp, has_ended boolean, date_unreadable boolean, "
            "has_certificate boolean",
        ),
    )


def test_fates_are_counted_per_batch(spark: SparkSession) -> None:
    fates = spark.createDataFrame(
        [
            (0, None, False, 2, [0]),
            (0, None, True, 1, None),
            (0, "inactive", True, 1, None),
            (0, "no_key", True, 1, None),
            (0, "no_key", False, 0, [1]),
            (1, "inactive", False, 1, None),
        ],
        "batch_no int, dropped string, date_unreadable boolean, out_of_range int, completed array<int>",
    )

    same(
        counts_per_batch(fates),
        spark.createDataFrame(
            [(0, 2, 2, 1, 1, 3, 1), (1, 0, 0, 1, 0, 0, 0)],
            "batch_no int, kept long, no_key long, inactive long, enrolment_date_unreadable long, "
            "instant_out_of_range long, uncounted long",
        ),
    )


# Activity rows.


@pytest.fixture(scope="module")
def activities(spark: SparkSession) -> DataFrame:
    return rows_frame(
        spark,
        inputs.ACTIVITIES,
        {"collection_id": "do_1", "activity_id": "do_1", "position": 0, "score_keys": ["score:q1", "score:q1.2"]},
        {"collection_id": "do_1", "activity_id": "do_n", "position": 1},
        {"collection_id": "do_2", "activity_id": "do_2", "position": 0, "score_keys": []},
    )


def test_activity_rows_of_wanted_collections_and_batches_are_kept(
    spark: SparkSession, batches: DataFrame, activities: DataFrame
) -> None:
    table = table_frame(
        spark,
        schemas.USER_ACTIVITY_AGG,
        activity("own", counters={"completedCount": 2.0, "score:q1": 7.5}),
        activity("nested", "b-2", "do_n", {"completedCount": 1.0, "score:q1": 9.0}),
        activity("of do_2", "b-3", "do_2", {"completedCount": 3.0}),
        activity("nested elsewhere", "b-3", "do_n", {"completedCount": 3.0}),
        activity("other batch", "b-12"),
        activity(""),
        {**activity("other type"), "activity_type": "course"},
        {**activity("other context"), "context_id": "b-1"},
        {**activity("other context"), "context_id": "CB:b-1"},
        {**activity("other context"), "context_id": "cb:b-1 "},
        {**activity("other context"), "context_id": None},
        {**activity("other context"), "context_id": "cb:b-1" + "x" * 2000},
    )

    same(
        wanted_activity(table, batches, activities),
        spark.createDataFrame(
            [
                (0, 0, "own", 0, 2.0, [7.5, None]),
                (1, 1, "nested", 1, 1.0, None),
                (2, 0, "of do_2", 0, 3.0, []),
            ],
            "batch_no int, wave_no int, user_id string, position int, completed double, scores array<double>",
        ),
    )


def test_counters_of_nested_collections_are_kept_for_the_learners_who_need_them(
    spark: SparkSession, batches: DataFrame, activities: DataFrame
) -> None:
    learners = ("counted", "uncounted", "uncounted elsewhere")
    table = table_frame(
        spark,
        schemas.USER_ACTIVITY_AGG,
        *(activity(learner, "b-1", of) for learner in learners for of in ("do_1", "do_n")),
    )
    uncounted = spark.createDataFrame([("uncounted", 0), ("uncounted elsewhere", 1)], "user_id string, batch_no int")

    found = wanted_activity(table, batches, activities, uncounted).select("user_id", "position")

    same(
        found,
        spark.createDataFrame(
            [("counted", 0), ("uncounted", 0), ("uncounted", 1), ("uncounted elsewhere", 0)],
            "user_id string, position int",
        ),
    )


COUNTERS: list[tuple[dict[str, float | None] | None, dict[str, int] | None, float | None]] = [
    # aggregates, agg, the counter score:q1
    (None, None, None),
    ({}, {}, None),
    ({"score:q1": 7.5}, {"score:q1": 3}, 7.5),
    ({"score:q1": None}, {"score:q1": 3}, 3.0),
    ({"score:q1": NAN}, {"score:q1": 3}, 3.0),
    ({"score:q1": float("inf")}, None, None),
    ({"score:q1": 1e15}, {"score:q1": 0}, 1e15),
    ({"score:q1": -0.0}, {"score:q1": 3}, -0.0),
    ({"score:q": 7.5, "score:q1.2": 1.0, "max_score:q1": 9.0, "SCORE:q1": 2.0}, None, None),
    (None, {"score:q1": 3}, 3.0),
]


def test_counter_is_the_first_that_is_a_number(spark: SparkSession, batches: DataFrame, activities: DataFrame) -> None:
    rows = [
        {**activity(f"u-{number}"), "aggregates": aggregates, "agg": agg}
        for number, (aggregates, agg, _) in enumerate(COUNTERS)
    ]
    table = table_frame(spark, schemas.USER_ACTIVITY_AGG, *rows)

    found = wanted_activity(table, batches, activities).sort("user_id").collect()

    assert [repr(row.scores[0]) for row in found] == [repr(counter) for _, _, counter in COUNTERS]


def test_activity_rows_of_a_learner_become_one_and_tell_doubled_keys(spark: SparkSession) -> None:
    schema = "user_id string, batch_no int, position int, completed double, scores array<double>"
    rows = [
        ("u-1", 0, 0, 2.0, [7.5, None]),
        ("u-1", 0, 1, None, None),
        ("u-1", 1, 0, 1.0, [None, None]),
        ("u-2", 0, 2, 4.0, None),
        ("u-3", 0, 1, 1.0, None),
        ("u-3", 0, 1, 2.0, None),
        ("u-4", 0, 0, 1.0, None),
        ("u-4", 0, 0, 1.0, None),
    ]

    frame = activity_per_learner(spark.createDataFrame(rows, schema))
    in_order = frame.withColumn("activity_completed", F.array_sort("activity_completed"))

    same(
        in_order,
        spark.createDataFrame(
            [
                ("u-1", 0, [(0, 2.0), (1, None)], [7.5, None], False, False),
                ("u-1", 1, [(0, 1.0)], [None, None], False, False),
                ("u-2", 0, [(2, 4.0)], None, False, False),
                ("u-3", 0, [(1, 1.0), (1, 2.0)], None, False, True),
                ("u-4", 0, [(0, 1.0), (0, 1.0)], None, True, True),
            ],
            "user_id string, batch_no int, activity_completed array<struct<position: int, completed: double>>, "
            "activity_scores array<double>, own_doubled boolean, activity_doubled boolean",
        ),
    )


# Attempts and scores.


def test_attempts_with_a_usable_score_at_a_wanted_assessment_are_kept(spark: SparkSession, batches: DataFrame) -> None:
    assessments = rows_frame(
        spark,
        inputs.ASSESSMENTS,
        {"collection_id": "do_1", "content_id": "do_1-quiz", "block": 0, "slot": 1},
        {"collection_id": "do_2", "content_id": "do_1-quiz", "block": 2, "slot": 0},
    )
    unusable = [None, NAN, float("inf"), -float("inf"), 1e15]
    table = table_frame(
        spark,
        schemas.ASSESSMENT_AGGREGATOR,
        attempt("kept"),
        attempt("kept", total_score=-1.0, attempt_id="attempt-2", last_attempted_on=None),
        attempt("kept", "b-3", "do_2", total_score=999_999_999_999_999.0),
        *(attempt("unusable", attempt_id=str(number), total_score=score) for number, score in enumerate(unusable)),
        attempt("other content", content_id="do_1-quiz2"),
        attempt("other course", collection_id="do_2"),
        attempt("other batch", "b-12"),
        attempt(""),
        attempt("no attempt", attempt_id=""),
        attempt("no attempt", attempt_id=None),  # type: ignore[arg-type]
    )

    frame = wanted_attempts(table, batches, assessments).drop("last_attempted_on")

    same(
        frame,
        spark.createDataFrame(
            [
                (0, 0, "kept", 0, 1, 5.0, "attempt-1"),
                (0, 0, "kept", 0, 1, -1.0, "attempt-2"),
                (2, 0, "kept", 2, 0, 999_999_999_999_999.0, "attempt-1"),
            ],
            "batch_no int, wave_no int, user_id string, block int, slot int, total_score double, attempt_id string",
        ),
    )


ATTEMPTS: dict[str, tuple[list[tuple[float, datetime | None, str]], str]] = {
    "highest": ([(5.0, LATER, "a"), (6.0, LONG_AGO, "b"), (5.5, None, "c")], "b"),
    "latest": ([(5.0, LONG_AGO, "a"), (5.0, LATER, "b")], "b"),
    "a date before none": ([(5.0, None, "a"), (5.0, LONG_AGO, "b")], "b"),
    "smallest id": ([(5.0, LATER, "b"), (5.0, LATER, "a"), (5.0, LATER, "c")], "a"),
    "smallest id, no dates": ([(5.0, None, "b"), (5.0, None, "a")], "a"),
    "ids are texts": ([(5.0, LATER, "attempt-9"), (5.0, LATER, "attempt-10")], "attempt-10"),
    "capitals first": ([(5.0, LATER, "b"), (5.0, LATER, "B")], "B"),
    "zeros are equal": ([(0.0, LONG_AGO, "a"), (-0.0, LATER, "b")], "b"),
    "below zero": ([(-2.0, LONG_AGO, "a"), (-1.0, LONG_AGO, "b")], "b"),
}


def test_best_attempt_is_the_highest_then_the_latest_then_the_one_with_the_smallest_id(spark: SparkSession) -> None:
    schema = (
        "user_id string, batch_no int, block int, slot int, total_score double, last_attempted_on timestamp, "
        "attempt_id string"
    )
    rows = [
        (name, batch_no, 0, 0, *values)
        for name, (attempts, _) in ATTEMPTS.items()
        for batch_no, in_some_order in enumerate((attempts, attempts[::-1]))
        for values in in_some_order
    ]

    best = best_attempts(spark.createDataFrame(rows, schema)).collect()

    assert {(row.user_id, row.batch_no): row.attempt_id for row in best} == {
        (name, batch_no): attempt_id for name, (_, attempt_id) in ATTEMPTS.items() for batch_no in (0, 1)
    }
    assert len(best) == 2 * len(ATTEMPTS)


def test_scores_of_any_number_of_assessments_stand_in_blocks_of_slots(spark: SparkSession) -> None:
    schema = "user_id string, batch_no int, block int, slot int, total_score double"
    many = {ordinal: float(ordinal) for ordinal in (0, 1, 15, 16, 31, 32, 40, 44, 499)}
    rows = [("many", 0, *divmod(ordinal, SLOTS), score) for ordinal, score in many.items()]
    rows += [("many", 1, 0, 3, 3.5), ("one", 0, 1, 1, 7.0)]

    per_learner = scores_per_learner(spark.createDataFrame(rows, schema)).collect()
    found = {(row.user_id, row.batch_no): row.score_blocks for row in per_learner}

    assert SLOTS == 16
    assert {key: flat(blocks) for key, blocks in found.items()} == {
        ("many", 0): many,
        ("many", 1): {3: 3.5},
        ("one", 0): {17: 7.0},
    }
    assert sorted(found["many", 0]) == [0, 1, 2, 31]
    assert {len(block) for block in found["many", 0].values()} == {SLOTS}


def flat(blocks: dict[int, list[float | None]]) -> dict[int, float]:
    return {
        16 * block + slot: score
        for block, scores in blocks.items()
        for slot, score in enumerate(scores)
        if score is not None
    }


# States and districts.

KERALA = Location("kl", "state", "Kerala", None)
ANDHRA = Location("ap", "state", "Andhra Pradesh", "in")
KOLLAM = Location("kollam", "district", "Kollam", "kl")
VIZAG = Location("vizag", "district", "Vizag", "ap")
LOST = Location("lost", "district", "Lost", "nowhere")
ALONE = Location("alone", "district", "Alone", None)
IN_DISTRICT = Location("inner", "district", "Inner", "kollam")
KNOWN = (KERALA, ANDHRA, KOLLAM, VIZAG, LOST, ALONE, IN_DISTRICT)


PLACES: list[tuple[list[str | None] | None, str | None, str | None]] = [
    # location ids, state, district
    (None, None, None),
    ([], None, None),
    (["unknown", "KL", "kl ", "", None], None, None),
    (["kl"], "Kerala", None),
    (["kollam"], "Kerala", "Kollam"),
    (["kollam", "ap"], "Kerala", "Kollam"),
    (["ap", "kollam"], "Andhra Pradesh", None),
    (["ap", "kollam", "vizag"], "Andhra Pradesh", "Vizag"),
    (["lost"], None, "Lost"),
    (["lost", "kl"], "Kerala", "Lost"),
    (["kl", "alone", "kollam"], "Kerala", "Alone"),
    (["inner"], None, "Inner"),
    (["kl", "ap"], "Kerala", None),
]


def test_state_and_district_are_the_first_that_fit_each_other(spark: SparkSession) -> None:
    frame = spark.createDataFrame(
        [(number, ids) for number, (ids, _, _) in enumerate(PLACES)], "number int, ids array<string>"
    )
    with_places = frame.withColumn("found", places(F.col("ids"), dictionary(KNOWN)))
    first = first_state(F.col("found"))

    rows = with_places.select(
        "number",
        first["state"].alias("state"),
        first_district(F.col("found"), first["state_id"]).alias("district"),
    ).collect()

    assert [(PLACES[row[0]][0], row[1], row[2]) for row in sorted(rows)] == PLACES


def test_dictionary_may_be_empty_and_holds_any_text(spark: SparkSession) -> None:
    odd = [Location(f'q"{number}', "state", 'N\\"a,😀\n', None) for number in range(3)]
    frame = spark.createDataFrame([(['q"1', "kl"],)], "ids array<string>")

    (row,) = frame.select(
        places(F.col("ids"), dictionary(odd))["state"].alias("odd"), places(F.col("ids"), dictionary([])).alias("none")
    ).collect()

    assert (row.odd, row.none) == (['N\\"a,😀\n'], [])


LOCATION_TEXTS: list[tuple[str | None, list[str] | None]] = [
    # the text, its ids; null where it can not be read
    (None, None),
    ("", None),
    ("[]", []),
    ("{}", []),
    ('[{"id":"a","type":"state"},{"type":"district","id":"b"}]', ["a", "b"]),
    (' \n[ { "id" : "a" } , null , {} , {"id":null} ] ', ["a"]),
    ('{"id":"a"}', ["a"]),
    ('[{"id":"\\u0061\\"b"}]', ['a"b']),
    ('[{"id":""}]', [""]),
    ("null", None),
    ("7", None),
    ('"a"', None),
    ('["a"]', None),
    ('[{"id":"a"}, 7]', None),
    ('[{"id":7}]', None),
    ('[{"id":true}]', None),
    ('[{"id":["a"]}]', None),
    ('[{"id":"a"},]', None),
    ('[{"id":"a"}', None),
    ('[{"id":"a"}]]', None),
    ('[{"id":"a"}][{"id":"b"}]', None),
    ('{"id":"a"},{"id":"b"}', None),
    ('[{"id":"a"}] x', None),
    ("[{'id':'a'}]", None),
    ('[{id:"a"}]', None),
    ('[{"id":"a","n":NaN}]', None),
    ('\ufeff[{"id":"a"}]', None),
]


def test_ids_come_from_strict_json_alone(spark: SparkSession) -> None:
    frame = spark.createDataFrame(
        [(number, text) for number, (text, _) in enumerate(LOCATION_TEXTS)], "number int, text string"
    )

    rows = frame.select("number", ids_of_json(F.col("text"))).collect()

    # What can not be read and what holds no id are the same to a report.
    assert [(LOCATION_TEXTS[row[0]][0], row[1] or []) for row in sorted(rows)] == [
        (text, ids or []) for text, ids in LOCATION_TEXTS
    ]


# Learners.

CUSTODIAN = "custodian"


def learners_of(
    spark: SparkSession, *rows: Row, with_names: bool = True, custodian: str | None = CUSTODIAN
) -> DataFrame:
    return known_learners(table_frame(spark, schemas.USER, *rows), dictionary(KNOWN), custodian, with_names=with_names)


NAMES: list[tuple[dict[str, Any], str]] = [
    ({"firstname": "Asha", "lastname": "Rao"}, "Asha Rao"),
    ({"firstname": " Asha ", "lastname": "  Rao  "}, "Asha Rao"),
    ({"firstname": "Asha", "lastname": None}, "Asha"),
    ({"firstname": "", "lastname": "Rao"}, "Rao"),
    ({"firstname": "  ", "lastname": " "}, ""),
    ({"firstname": "\tAsha", "lastname": "\u00a0Rao"}, "\tAsha \u00a0Rao"),
    ({"firstname": None, "lastname": None}, ""),
    ({"isdeleted": True}, ""),
    ({"isdeleted": False}, "Asha u-8"),
]


def test_name_is_first_and_last_name_without_blanks_around(spark: SparkSession) -> None:
    rows = [user(f"u-{number}", **columns) for number, (columns, _) in enumerate(NAMES)]

    found = learners_of(spark, *rows).sort("user_id").collect()

    assert [row.user_name or "" for row in found] == [name for _, name in NAMES]


def test_names_can_be_kept_out(spark: SparkSession) -> None:
    (row,) = learners_of(spark, user(), with_names=False).collect()

    assert row.user_name is None


def test_learners_are_unique_by_id_and_doubled_ones_told(spark: SparkSession) -> None:
    rows = learners_of(spark, user("u-1"), user("u-2"), user("u-2"), user("u-2"), user(""), user(None)).collect()  # type: ignore[arg-type]

    assert sorted((row.user_id, row.user_doubled) for row in rows) == [("u-1", False), ("u-2", True)]


@pytest.mark.parametrize(
    ("columns", "custodian", "asks"),
    [
        pytest.param({"rootorgid": "root"}, CUSTODIAN, True, id="validated, no place"),
        pytest.param({"rootorgid": "root", "locationids": ["kl"]}, CUSTODIAN, True, id="validated, no district"),
        pytest.param({"rootorgid": "root", "locationids": ["lost"]}, CUSTODIAN, True, id="validated, no state"),
        pytest.param({"rootorgid": "root", "locationids": ["kollam"]}, CUSTODIAN, False, id="validated, both"),
        pytest.param({"rootorgid": CUSTODIAN}, CUSTODIAN, False, id="self-signed-up"),
        pytest.param({"rootorgid": CUSTODIAN}, None, True, id="no custodian known"),
        pytest.param({"rootorgid": ""}, None, False, id="no root organisation, empty"),
        pytest.param({"rootorgid": None}, CUSTODIAN, False, id="no root organisation"),
        pytest.param({"rootorgid": "root", "isdeleted": True}, CUSTODIAN, False, id="deleted"),
    ],
)
def test_only_validated_learners_who_lack_a_place_ask_their_organisations(
    spark: SparkSession, columns: dict[str, Any], custodian: str | None, asks: bool
) -> None:
    (row,) = learners_of(spark, user(**columns), custodian=custodian).collect()

    assert row.asks_organisations is asks


def school(identifier: str, *location_ids: str, kind: str | None = "2", **columns: Any) -> Row:
    return {"id": identifier, "organisationtype": kind, "locationids": list(location_ids), **columns}


def member(organisation_id: str, user_id: str = "u-1", **columns: Any) -> Row:
    return {"userid": user_id, "organisationid": organisation_id, **columns}


@pytest.mark.parametrize(
    ("own", "memberships", "organisations", "state", "district"),
    [
        pytest.param([], [member("s-1")], [school("s-1", "kollam")], "Kerala", "Kollam", id="school"),
        pytest.param(
            [],
            [member("s-9"), member("s-10")],
            [school("s-9", "kollam"), school("s-10", "vizag")],
            "Andhra Pradesh",
            "Vizag",
            id="school with the smallest id, as text",
        ),
        pytest.param(
            [],
            [member("s-1"), member("s-2")],
            [school("s-1"), school("s-2", "kollam")],
            None,
            None,
            id="smallest school, though it has no place",
        ),
        pytest.param(
            [],
            [member("s-1", isdeleted=True), member("s-2", isdeleted=False)],
            [school("s-1", "kollam"), school("s-2", "vizag")],
            "Andhra Pradesh",
            "Vizag",
            id="not a school left",
        ),
        pytest.param(
            [],
            [member("s-1", isdeleted=None), member("s-2", isdeleted=False)],
            [school("s-1", "kollam"), school("s-2", "vizag")],
            "Kerala",
            "Kollam",
            id="a school of which nobody says whether it was left",
        ),
        pytest.param(
            [],
            [member("o-1"), member("s-2"), member("unknown")],
            [school("o-1", "kollam", kind="5"), school("o-0", "kollam", kind=None), school("s-2", "vizag")],
            "Andhra Pradesh",
            "Vizag",
            id="not an organisation of another type",
        ),
        pytest.param([], [member("s-1", "u-2")], [school("s-1", "kollam")], None, None, id="not the school of another"),
        pytest.param(
            [],
            [member("s-1")],
            [school("s-1", "vizag", orglocation='[{"id":"kollam","type":"state"}]')],
            "Kerala",
            "Kollam",
            id="its JSON text before its list",
        ),
        pytest.param(
            [], [], [school("root", "kollam", kind="1")], "Kerala", "Kollam", id="root organisation of any type"
        ),
        pytest.param(
            [],
            [member("s-1")],
            [school("s-1", "kl"), school("root", "vizag", "kollam")],
            "Kerala",
            "Kollam",
            id="root organisation after the school",
        ),
        pytest.param(
            ["ap"], [member("s-1")], [school("s-1", "kollam", "vizag")], "Andhra Pradesh", "Vizag", id="own place first"
        ),
        pytest.param(
            [], [member("root")], [school("root", "kollam")], "Kerala", "Kollam", id="school is the root organisation"
        ),
        pytest.param([], [member("s-1")], [], None, None, id="no organisation known"),
    ],
)
def test_learner_is_placed_by_the_school_then_by_the_root_organisation(
    spark: SparkSession,
    own: list[str],
    memberships: list[Row],
    organisations: list[Row],
    state: str | None,
    district: str | None,
) -> None:
    learners = learners_of(spark, user("u-1", rootorgid="root", locationids=own))
    by_organisation = organisation_places(
        learners,
        table_frame(spark, schemas.USER_ORGANISATION, *memberships),
        table_frame(spark, schemas.ORGANISATION, *organisations),
        dictionary(KNOWN),
    )

    (row,) = located_learners(learners, by_organisation).collect()

    assert (row.state, row.district) == (state, district)


def test_learners_without_organisations_are_placed_by_what_they_have(spark: SparkSession) -> None:
    learners = learners_of(
        spark,
        user("u-1", profilelocation='[{"id":"kl"}]', locationids=["vizag", "kollam"]),
        user("u-2", profilelocation="broken", locationids=[None, "vizag"]),
        user("u-3", locationids=["kollam"], isdeleted=True),
    )

    located = located_learners(learners, None).select("user_id", "state", "district")

    same(
        located,
        spark.createDataFrame(
            [("u-1", "Kerala", "Kollam"), ("u-2", "Andhra Pradesh", "Vizag"), ("u-3", None, None)],
            "user_id string, state string, district string",
        ),
    )


# Rows and lines.

ENROLMENTS = (
    "batch_no int, collection_id string, user_id string, enrolled_at timestamp, completed_at timestamp, "
    "has_certificate boolean, completed array<int>, noted_percent int, noted_leaves int, rows_of_learner long"
)
LEARNERS = "user_id string, user_name string, root_org_id string, state string, district string, user_doubled boolean"
ACTIVITY = (
    "user_id string, batch_no int, activity_completed array<struct<position: int, completed: double>>, "
    "activity_scores array<double>, own_doubled boolean, activity_doubled boolean"
)
SCORES = "user_id string, batch_no int, score_blocks map<int, array<double>>"
REPORT = {
    "report_no": 0,
    "batch_no": 0,
    "leaf_counts": [4, 2, 0],
    "levels": ["1", "2.1; 3"],
    "are_self_assess": [True, False, True],
    "slice_starts": [],
    "first_cells": "do_1,Course,b-1,Batch",
    "header": "Collection Id,…",
}


def enrolled(user_id: str = "u-1", **columns: Any) -> Row:
    defaults = {"batch_no": 0, "collection_id": "do_1", "has_certificate": False, "rows_of_learner": 1}
    return {**defaults, "user_id": user_id, **columns}


def block(**slots: float) -> dict[int, list[float | None]]:
    """Make the first block of scores, from slots named `s0` and on."""
    return {0: [slots.get(f"s{slot}") for slot in range(SLOTS)]}


@pytest.fixture(scope="module")
def rows_for(spark: SparkSession) -> Callable[..., list[Any]]:
    """Return what makes report rows of a few given ones, in order of report and learner."""

    def rows(
        *enrolments: Row,
        learners: tuple[Row, ...] = (),
        activity: tuple[Row, ...] = (),
        scores: tuple[Row, ...] = (),
        failures: tuple[Row, ...] | None = (),
        reports: tuple[Row, ...] = (REPORT,),
    ) -> list[Any]:
        frames = LearnerFrames(
            enrolments=rows_frame(spark, ENROLMENTS, *enrolments),
            learners=rows_frame(spark, LEARNERS, *learners),
            activity=rows_frame(spark, ACTIVITY, *activity),
            scores=rows_frame(spark, SCORES, *scores),
            failures=None if failures is None else rows_frame(spark, "user_id string, batch_no int", *failures),
        )
        wanted_reports = rows_frame(spark, inputs.REPORTS, *reports)
        return learner_rows(frames, wanted_reports).sort("report_no", "user_id").collect()

    return rows


def test_learner_of_whom_nothing_is_known_has_a_row_of_blanks_and_zeros(rows_for: Callable[..., list[Any]]) -> None:
    (row,) = rows_for(enrolled())

    assert row.asDict() == {
        "report_no": 0,
        "slice_starts": [],
        "first_cells": "do_1,Course,b-1,Batch",
        "user_id": "u-1",
        "user_name": None,
        "state": None,
        "district": None,
        "enrolment_date": None,
        "completion_date": None,
        "progress": "0",
        "certificate_status": None,
        "total_score": None,
        "dynamic_cells": ["0", "1", None, "2.1; 3", None, None, None],
        "doubled": None,
    }


def test_row_joins_what_is_known_of_the_learner_in_the_batch(rows_for: Callable[..., list[Any]]) -> None:
    (row,) = rows_for(
        enrolled(enrolled_at=LONG_AGO, completed=[3, 1, 0]),
        learners=({"user_id": "u-1", "user_name": "Asha", "state": "Kerala", "district": "Kollam"}, {"user_id": "u-2"}),
        activity=(
            {"user_id": "u-1", "batch_no": 0, "activity_scores": [1.0, 2.0, 3.255], "activity_completed": []},
            {"user_id": "u-1", "batch_no": 1, "activity_scores": [9.0, 9.0, 9.0], "activity_completed": []},
        ),
        scores=({"user_id": "u-1", "batch_no": 0, "score_blocks": block(s0=7.5, s1=-0.001)},),
        failures=({"user_id": "u-1", "batch_no": 0},),
    )

    assert (row.user_name, row.state, row.district) == ("Asha", "Kerala", "Kollam")
    assert row.enrolment_date == "2020-08-25 13:45:54:150+0000"
    assert (row.progress, row.certificate_status) == ("75", "Failed")
    assert row.dynamic_cells == ["50", "1", None, "2.1; 3", "7.5", "0", "3.26"]
    assert row.total_score == "10.76"  # of the cells shown that count: 7.5 and 3.26


@pytest.mark.parametrize(
    ("columns", "recorded", "progress", "nested"),
    [
        pytest.param({"completed": [4, 2, 0]}, None, "100", "100", id="all"),
        pytest.param({"completed": [0, 0, 0]}, [(0, 3.0)], "0", "0", id="content status, though nothing is done"),
        pytest.param({}, [(0, 3.0), (1, 1.0), (2, 5.0)], "75", "50", id="as recorded"),
        pytest.param({}, [(0, None), (1, -1.0)], "0", "0", id="recorded as null and less than none"),
        pytest.param({}, [(0, 9.0), (1, 9.0)], "100", "100", id="recorded as more than there is"),
        pytest.param({"completed": [1, 0, 0], "completed_at": LATER}, None, "100", "0", id="completed"),
        pytest.param({"noted_percent": 40, "noted_leaves": 3}, None, "40", "0", id="percent noted"),
        pytest.param({"noted_percent": 0, "noted_leaves": 3}, [(1, 1.0)], "0", "50", id="none of percents noted"),
        pytest.param({"noted_percent": 101}, [(0, None)], "100", "0", id="more percents noted than there are"),
        pytest.param({"noted_percent": -(2**31)}, None, "0", "0", id="less percents noted than none"),
        pytest.param({"noted_leaves": 3}, [(0, None), (1, 2.0)], "75", "100", id="leaves noted"),
        pytest.param({"noted_leaves": 2**31 - 1}, None, "100", "0", id="more leaves noted than there are"),
        pytest.param({"noted_leaves": -1}, None, "0", "0", id="less leaves noted than none"),
        pytest.param({"noted_percent": 40, "noted_leaves": 3}, [(0, 1.0)], "25", "0", id="noted, and recorded"),
        pytest.param({"noted_percent": 40}, [(0, -1.0)], "0", "0", id="noted, and recorded as less than none"),
        pytest.param(
            {"noted_percent": 40, "noted_leaves": 3, "completed": [1, 0, 0]}, None, "25", "0", id="noted, and counted"
        ),
        pytest.param({"noted_percent": 40, "completed_at": LATER}, None, "100", "0", id="noted, and completed"),
    ],
)
def test_progress_comes_from_content_status_else_as_recorded(
    rows_for: Callable[..., list[Any]],
    columns: dict[str, Any],
    recorded: list[tuple[int, float | None]] | None,
    progress: str,
    nested: str,
) -> None:
    counters = () if recorded is None else ({"user_id": "u-1", "batch_no": 0, "activity_completed": recorded},)

    (row,) = rows_for(enrolled(**columns), activity=counters)

    assert (row.progress, row.dynamic_cells[0]) == (progress, nested)


def test_noted_progress_shows_only_where_there_is_a_mandatory_leaf(rows_for: Callable[..., list[Any]]) -> None:
    report = {**REPORT, "leaf_counts": [0, 2, 0]}

    rows = rows_for(enrolled("u-1", noted_percent=40), enrolled("u-2", noted_leaves=1), reports=(report,))

    assert [(row.progress, row.dynamic_cells[0]) for row in rows] == [(None, "0"), (None, "0")]


def test_certificate_is_issued_though_another_has_failed_and_blank_where_nobody_records(
    rows_for: Callable[..., list[Any]],
) -> None:
    failed = ({"user_id": "u-1", "batch_no": 0}, {"user_id": "u-2", "batch_no": 1})
    rows = rows_for(enrolled("u-1", has_certificate=True), enrolled("u-2"), failures=failed)
    (unrecorded,) = rows_for(enrolled("u-1"), failures=None)

    assert [row.certificate_status for row in rows] == ["Issued", None]
    assert unrecorded.certificate_status is None


def test_fiftieth_assessment_gets_its_score_from_its_block(rows_for: Callable[..., list[Any]]) -> None:
    blocks = {0: [1.0] * SLOTS, 3: [None, 49.0] + [None] * (SLOTS - 2)}
    report = {**REPORT, "leaf_counts": [1], "levels": [], "are_self_assess": [True] * 50}

    (row,) = rows_for(
        enrolled(), scores=({"user_id": "u-1", "batch_no": 0, "score_blocks": blocks},), reports=(report,)
    )

    assert row.dynamic_cells == ["1"] * 16 + [None] * 33 + ["49"]
    assert row.total_score == "65"


def test_audience_sees_the_learners_of_its_root_organisation_alone(rows_for: Callable[..., list[Any]]) -> None:
    learners = ({"user_id": "u-1", "root_org_id": "north"}, {"user_id": "u-2", "root_org_id": "south"})
    reports = tuple(
        {**REPORT, "report_no": number, "audience": audience}
        for number, audience in enumerate((None, "north", "nowhere", ""))
    )

    rows = rows_for(enrolled("u-1"), enrolled("u-2"), enrolled("u-3"), learners=learners, reports=reports)

    assert [(row.report_no, row.user_id) for row in rows] == [(0, "u-1"), (0, "u-2"), (0, "u-3"), (1, "u-1")]


def test_doubled_keys_are_told_by_table(rows_for: Callable[..., list[Any]]) -> None:
    rows = rows_for(
        enrolled("u-1", rows_of_learner=2),
        enrolled("u-2"),
        enrolled("u-3"),
        enrolled("u-4", completed=[1, 0, 0]),
        enrolled("u-5", completed=[1, 0, 0]),
        learners=({"user_id": "u-2", "user_doubled": True}, {"user_id": "u-3", "user_doubled": False}),
        activity=tuple(
            {"user_id": learner, "batch_no": 0, "activity_completed": [], "own_doubled": own, "activity_doubled": any_}
            for learner, own, any_ in (
                ("u-2", False, True),
                ("u-3", False, False),
                ("u-4", False, True),  # a nested collection's, which does not show
                ("u-5", True, True),
            )
        ),
    )

    assert [row.doubled for row in rows] == [
        "user_enrolments",
        "user user_activity_agg",
        None,
        None,
        "user_activity_agg",
    ]


LINE_ROWS = T.StructType(
    [
        T.StructField("report_no", T.IntegerType()),
        T.StructField("slice_starts", T.ArrayType(T.StringType())),
        *(
            T.StructField(name, T.StringType())
            for name in [
                "first_cells",
                "user_id",
                "user_name",
                "state",
                "district",
                "enrolment_date",
                "completion_date",
                "progress",
                "certificate_status",
                "total_score",
                "doubled",
            ]
        ),
        T.StructField("dynamic_cells", T.ArrayType(T.StringType())),
    ]
)


def line_row(report_no: int, user_id: str, **columns: Any) -> Row:
    defaults = {"slice_starts": [], "first_cells": f"do_1,Course,b-{report_no},", "dynamic_cells": ["57", "1", None]}
    return {**defaults, "report_no": report_no, "user_id": user_id, "progress": "0", **columns}


def files_of(lines: DataFrame) -> dict[str, list[str]]:
    """Give the lines of each part, in the order in which they are written."""
    parts: dict[str, list[str]] = {}
    for row in in_file_order(lines, 3).collect():
        parts.setdefault(row.part, []).append(row.value)
    return parts


def test_lines_make_files_with_their_header_first_and_learners_in_order_of_code_points(spark: SparkSession) -> None:
    rows = rows_frame(
        spark,
        LINE_ROWS,
        *(line_row(0, user_id) for user_id in ("b", "｢", "B", "😀", "a", "é")),
        line_row(1, "=1", user_name='say "hi"', state="+Kerala", district="a,b\n-c", total_score="-1"),
        line_row(1, "u-2", doubled="user"),
    )
    reports = rows_frame(
        spark,
        inputs.REPORTS,
        *({**REPORT, "report_no": number, "header": f"header {number}"} for number in range(3)),
    )

    parts = files_of(report_lines(rows, reports, formula_guard=True))

    assert parts["0.000000"] == [
        "header 0",
        *(f"do_1,Course,b-0,,{user_id},,,,,,0,,,57,1," for user_id in ("B", "a", "b", "é", "｢", "😀")),
    ]
    assert parts["1.000000"] == [
        "header 1",
        'do_1,Course,b-1,,\'=1,"say ""hi""",\'+Kerala,"a,b\n\'-c",,,0,,-1,57,1,',
        "do_1,Course,b-1,,u-2,,,,,,0,,,57,1,",
    ]
    assert parts["2.000000"] == ["header 2"]
    assert sorted(parts["1.notes"]) == ["doubled=user", "guarded=3"]
    assert sorted(parts) == ["0.000000", "1.000000", "1.notes", "2.000000"]


def test_lines_of_a_big_report_are_cut_at_the_slice_starts(spark: SparkSession) -> None:
    starts = ["c", "e"]
    rows = rows_frame(spark, LINE_ROWS, *(line_row(0, user_id, slice_starts=starts) for user_id in "fcabde"))
    reports = rows_frame(spark, inputs.REPORTS, {**REPORT, "slice_starts": starts, "header": "header"})

    parts = files_of(report_lines(rows, reports, formula_guard=True))

    cells = {part: [line.split(",")[4] if "," in line else line for line in lines] for part, lines in parts.items()}
    assert cells == {"0.000000": ["header", "a", "b"], "0.000001": ["c", "d"], "0.000002": ["e", "f"]}


@pytest.mark.parametrize("formula_guard", [True, False])
def test_control_characters_are_replaced_and_counted_by_cell_and_ids_keep_their_order(
    spark: SparkSession, formula_guard: bool
) -> None:
    rows = rows_frame(
        spark,
        LINE_ROWS,
        line_row(0, "a\x1fb", user_name="\x00=1", state="tab\tbed", district="a\x7f\x01\nb"),
        line_row(0, "a b"),
        line_row(0, "a\x00b"),
    )
    reports = rows_frame(spark, inputs.REPORTS, {**REPORT, "header": "header"})

    parts = files_of(report_lines(rows, reports, formula_guard=formula_guard))

    assert parts["0.000000"] == [
        "header",
        "do_1,Course,b-0,,a\ufffdb,,,,,,0,,,57,1,",
        'do_1,Course,b-0,,a\ufffdb,\ufffd=1,tab\tbed,"a\ufffd\ufffd\nb",,,0,,,57,1,',
        "do_1,Course,b-0,,a b,,,,,,0,,,57,1,",
    ]
    assert sorted(parts["0.notes"]) == ["control=1", "control=3"]


def test_guard_can_be_left_off(spark: SparkSession) -> None:
    rows = rows_frame(spark, LINE_ROWS, line_row(0, "=1"))
    reports = rows_frame(spark, inputs.REPORTS, REPORT)

    parts = files_of(report_lines(rows, reports, formula_guard=False))

    assert parts["0.000000"][1].startswith("do_1,Course,b-0,,=1,")
    assert list(parts) == ["0.000000"]
