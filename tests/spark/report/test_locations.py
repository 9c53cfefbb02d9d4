"""States and districts: which of a learner's places is shown."""

from __future__ import annotations

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from progress_exhaust.report.locations import Location, dictionary, first_district, first_state, ids_of_json, places
from tests.support.transform_frames import KNOWN

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


@pytest.mark.rule("R21")
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


@pytest.mark.rule("R22")
def test_ids_come_from_strict_json_alone(spark: SparkSession) -> None:
    frame = spark.createDataFrame(
        [(number, text) for number, (text, _) in enumerate(LOCATION_TEXTS)], "number int, text string"
    )

    rows = frame.select("number", ids_of_json(F.col("text"))).collect()

    # What can not be read and what holds no id are the same to a report.
    assert [(LOCATION_TEXTS[row[0]][0], row[1] or []) for row in sorted(rows)] == [
        (text, ids or []) for text, ids in LOCATION_TEXTS
    ]
