"""Numbers, percentages and instants as texts of cells; every expected text is worked out by hand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T

from progress_exhaust.report.locations import ids_of_json
from progress_exhaust.report.values import (
    completion_percent,
    instant_text,
    is_out_of_range,
    is_usable_score,
    legacy_instant,
    number_text,
    shown_score,
)

NUMBERS = T.StructType([T.StructField("number", T.IntegerType()), T.StructField("score", T.DoubleType())])
COUNTS = T.StructType(
    [
        T.StructField("number", T.IntegerType()),
        T.StructField("completed", T.DoubleType()),
        T.StructField("leaves", T.IntegerType()),
    ]
)
TEXTS = T.StructType([T.StructField("number", T.IntegerType()), T.StructField("text", T.StringType())])
INSTANTS = T.StructType([T.StructField("number", T.IntegerType()), T.StructField("instant", T.TimestampType())])

NAN, INFINITY = float("nan"), float("inf")

SCORES: list[tuple[float | None, bool, str | None]] = [
    # score, whether it counts, its cell
    (None, False, None),
    (0.0, True, "0"),
    (-0.0, True, "0"),
    (7.0, True, "7"),
    (7.5, True, "7.5"),
    (7.25, True, "7.25"),
    (100.0, True, "100"),
    (1000000.0, True, "1000000"),
    (2.675, True, "2.68"),  # the double lies below 2.675, its shortest text does not
    (-2.675, True, "-2.68"),
    (1.005, True, "1.01"),
    (0.005, True, "0.01"),
    (-0.005, True, "-0.01"),
    (0.00499999, True, "0"),
    (-0.004, True, "0"),
    (0.1 + 0.2, True, "0.3"),
    (1e-300, True, "0"),
    (5e-324, True, "0"),
    (-1.0, True, "-1"),
    (-123456.789, True, "-123456.79"),
    (9.995, True, "10"),
    (99.999, True, "100"),
    (123456789012345.67, True, "123456789012345.67"),
    (999999999999999.9, True, "999999999999999.9"),
    (1e15, False, None),
    (1e300, False, None),
    (INFINITY, False, None),
    (-INFINITY, False, None),
    (NAN, False, None),
]

PERCENTS: list[tuple[float | None, int | None, int | None]] = [
    # completed, leaves, percent
    (0, 1, 0),
    (1, 1, 100),
    (4, 7, 57),
    (1, 3, 33),
    (2, 3, 67),
    (1, 8, 13),  # 12.5
    (3, 8, 38),  # 37.5
    (1, 200, 1),  # 0.5
    (1, 201, 0),
    (199, 200, 100),  # 99.5
    (9, 7, 100),
    (1e300, 7, 100),
    (INFINITY, 7, 100),
    (0.5, 1, 50),
    (2.5, 4, 63),  # 62.5
    (0, 0, None),
    (3, 0, None),
    (None, 3, None),
    (99_999, 100_000, 100),
    (2**31 - 1, 100_000, 100),
]

READABLE = [
    ("2020-08-25 13:45:54:150+0000", datetime(2020, 8, 25, 13, 45, 54, 150_000, UTC)),
    ("2020-08-25 13:45:54:150+0530", datetime(2020, 8, 25, 8, 15, 54, 150_000, UTC)),
    ("2020-08-25 13:45:54:150-0000", datetime(2020, 8, 25, 13, 45, 54, 150_000, UTC)),
    ("2020-02-29 23:59:59:999+1800", datetime(2020, 2, 29, 5, 59, 59, 999_000, UTC)),
    ("2020-02-29 23:59:59:999-1800", datetime(2020, 3, 1, 17, 59, 59, 999_000, UTC)),
    ("1969-12-31 23:59:59:999+0000", datetime(1969, 12, 31, 23, 59, 59, 999_000, UTC)),
    ("0001-01-02 00:00:00:000+0000", datetime(1, 1, 2, tzinfo=UTC)),
    ("9999-12-30 00:00:00:000+0000", datetime(9999, 12, 30, tzinfo=UTC)),
]
UNREADABLE = [
    None,
    "",
    " ",
    "2020-08-25",
    "2020-8-25 13:45:54:150+0000",
    "2020-08-25 13:45:54:15+0000",
    "2020-08-25 13:45:54.150+0000",
    "2020-08-25T13:45:54:150+0000",
    "2020-08-25 13:45:54:150Z",
    "2020-08-25 13:45:54:150+00:00",
    "2020-08-25 13:45:54:150+00",
    "2020-08-25 13:45:54:150+0000\n",
    "\n2020-08-25 13:45:54:150+0000",
    " 2020-08-25 13:45:54:150+0000",
    "2020-02-30 13:45:54:150+0000",
    "2021-02-29 13:45:54:150+0000",
    "2020-00-10 13:45:54:150+0000",
    "2020-13-10 13:45:54:150+0000",
    "2020-08-25 24:00:00:000+0000",
    "2020-08-25 13:60:54:150+0000",
    "2020-08-25 23:59:60:150+0000",
    "2020-08-25 13:45:54:150+1801",
    "2020-08-25 13:45:54:150+1900",
    "2020-08-25 13:45:54:150+0560",
    "0000-08-25 13:45:54:150+0000",
    "20200-08-25 13:45:54:150+0000",
    "२०२०-०८-२५ 13:45:54:150+0000",
    "２０２０-08-25 13:45:54:150+0000",
]


@pytest.mark.rule("R19", "N1")
def test_scores_count_and_show_as_worked_out_by_hand(spark: SparkSession) -> None:
    frame = spark.createDataFrame([(number, row[0]) for number, row in enumerate(SCORES)], NUMBERS)
    counts = is_usable_score(F.col("score"))
    text = F.when(counts, number_text(shown_score(F.col("score"))))

    rows = sorted(frame.select("number", counts, text).collect())

    got = [(score, row[1], row[2]) for (score, _, _), row in zip(SCORES, rows, strict=True)]
    assert repr(got) == repr(SCORES)  # by text, since NaN equals nothing


@pytest.mark.rule("R17")
def test_percents_are_rounded_half_up_and_at_most_hundred(spark: SparkSession) -> None:
    values = [(number, None if row[0] is None else float(row[0]), row[1]) for number, row in enumerate(PERCENTS)]
    frame = spark.createDataFrame(values, COUNTS)

    rows = sorted(frame.select("number", completion_percent(F.col("completed"), F.col("leaves"))).collect())

    assert [(*given[:2], row[1]) for given, row in zip(PERCENTS, rows, strict=True)] == PERCENTS


@pytest.mark.rule("I1")
@pytest.mark.parametrize(
    ("zone", "texts"),
    [
        ("UTC", ["2020-08-25 13:45:54:150+0000", "1969-12-31 23:59:59:999+0000", "2020-11-01 05:30:00:000+0000"]),
        (
            "Asia/Kolkata",
            ["2020-08-25 19:15:54:150+0530", "1970-01-01 05:29:59:999+0530", "2020-11-01 11:00:00:000+0530"],
        ),
        (
            "America/New_York",
            ["2020-08-25 09:45:54:150-0400", "1969-12-31 18:59:59:999-0500", "2020-11-01 01:30:00:000-0400"],
        ),
    ],
)
def test_instants_show_in_the_zone_of_the_report_with_milliseconds_cut(
    spark: SparkSession, zone: str, texts: list[str]
) -> None:
    instants = [
        datetime(2020, 8, 25, 13, 45, 54, 150_999, UTC),
        datetime(1969, 12, 31, 23, 59, 59, 999_999, UTC),
        datetime(2020, 11, 1, 5, 30, tzinfo=UTC),
    ]
    spark.conf.set("spark.sql.session.timeZone", zone)
    try:
        frame = spark.createDataFrame([*enumerate(instants), (3, None)], INSTANTS)
        rows = sorted(frame.select("number", instant_text(F.col("instant"))).collect())
    finally:
        spark.conf.set("spark.sql.session.timeZone", "UTC")

    assert [row[1] for row in rows] == [*texts, None]


@pytest.mark.rule("I2")
@pytest.mark.parametrize(
    ("zone", "shown"),
    [
        ("UTC", (False, True, True, True, True, False)),
        ("Asia/Kolkata", (True, True, True, True, False, False)),
        ("America/New_York", (False, False, False, True, True, True)),
    ],
)
def test_instants_show_only_in_the_years_that_a_date_can_have(
    spark: SparkSession, zone: str, shown: tuple[bool, ...]
) -> None:
    # Far back Kolkata is 5:53:28 before UTC, New York 4:56:02 behind it.
    texts = [
        "0000-12-31T18:06:32Z",
        "0001-01-01T00:00:00Z",
        "0001-01-01T04:56:01.999Z",
        "9999-12-31T18:29:59.999Z",
        "9999-12-31T18:30:00Z",
        "+10000-01-01T04:59:59.999Z",
    ]
    spark.conf.set("spark.sql.session.timeZone", zone)
    try:
        frame = spark.createDataFrame(list(enumerate(texts)), TEXTS).withColumn("at", F.col("text").cast("timestamp"))
        rows = sorted(frame.select("number", instant_text(F.col("at")), is_out_of_range(F.col("at"))).collect())
    finally:
        spark.conf.set("spark.sql.session.timeZone", "UTC")

    assert tuple(row[1] is not None for row in rows) == shown
    assert tuple(not row[2] for row in rows) == shown


@pytest.mark.rule("I1")
@pytest.mark.parametrize("zone", ["UTC", "Asia/Kolkata", "America/New_York"])
def test_legacy_date_is_read_only_as_exactly_its_pattern(spark: SparkSession, zone: str) -> None:
    spark.conf.set("spark.sql.session.timeZone", zone)
    try:
        texts = [text for text, _ in READABLE] + UNREADABLE
        frame = spark.createDataFrame(list(enumerate(texts)), TEXTS)
        micros = F.unix_micros(legacy_instant(F.col("text")))
        rows = sorted(frame.select("number", micros).collect())
    finally:
        spark.conf.set("spark.sql.session.timeZone", "UTC")

    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    expected = [(instant - epoch) // timedelta(microseconds=1) for _, instant in READABLE]
    assert [row[1] for row in rows] == expected + [None] * len(UNREADABLE)


LOCATION_TEXTS: dict[str, list[str] | None] = {
    '[{"id":"d"}]': ["d"],
    '[{"id":"d","x":{"id":5}}]': ["d"],
    '[{"x":[{"id":5}],"id":"d"},{"id":"e"}]': ["d", "e"],
    '{"id":"d","x":{"id":{"id":[]}}}': ["d"],
    '[{"id":5}]': None,
    '[{"id":"d"},{"id":5}]': None,
    '[{"id":["d"]}]': None,
    '[{"id":{"id":"d"}}]': None,
    '[{"id":true,"x":{"id":"d"}}]': None,
    r'[{"\u0069d":5}]': None,
    r'[{"\u0069d":"d\"]"},{"id":"e"}]': ['d"]', "e"],
    '[{"id":null,"x":{"id":5}},null]': [],
    '[{"x":{"id":5}}]': [],
    "[7]": None,
}


@pytest.mark.rule("R22")
def test_ids_of_a_location_text_are_those_of_its_elements_and_texts_only(spark: SparkSession) -> None:
    rows = spark.createDataFrame([(text,) for text in LOCATION_TEXTS], "text string")
    found = rows.select("text", ids_of_json(F.col("text")).alias("ids")).collect()
    assert {row.text: row.ids for row in found} == LOCATION_TEXTS


LARGE: dict[float, str | None] = {
    -5e17: "-500000000000000000",
    1e18: "1000000000000000000",
    -1e18: "-1000000000000000000",
    1.5e20: "150000000000000000000",
    1e36: None,
    -1e300: None,
}


def test_counters_and_losses_of_any_size_that_36_digits_hold_are_shown(spark: SparkSession) -> None:
    rows = spark.createDataFrame([(score,) for score in LARGE], "score double")
    found = rows.select("score", number_text(shown_score(F.col("score"))).alias("text")).collect()
    assert {row.score: row.text for row in found} == LARGE
