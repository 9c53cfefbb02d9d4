"""Learners: their names, and where they are placed."""

from __future__ import annotations

from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession

from progress_exhaust.report.learners import known_learners, located_learners, organisation_places
from progress_exhaust.report.locations import dictionary
from progress_exhaust.tables import schemas
from tests.support.builders import table_frame, user
from tests.support.transform_frames import KNOWN, same
from tests.worlds.model import Row

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


@pytest.mark.rule("R7")
def test_name_is_first_and_last_name_without_blanks_around(spark: SparkSession) -> None:
    rows = [user(f"u-{number}", **columns) for number, (columns, _) in enumerate(NAMES)]

    found = learners_of(spark, *rows).sort("user_id").collect()

    assert [row.user_name or "" for row in found] == [name for _, name in NAMES]


@pytest.mark.rule("R7")
def test_names_can_be_kept_out(spark: SparkSession) -> None:
    (row,) = learners_of(spark, user(), with_names=False).collect()

    assert row.user_name is None


@pytest.mark.rule("D6")
def test_learners_are_unique_by_id_and_doubled_ones_told(spark: SparkSession) -> None:
    rows = learners_of(spark, user("u-1"), user("u-2"), user("u-2"), user("u-2"), user(""), user(None)).collect()  # type: ignore[arg-type]

    assert sorted((row.user_id, row.user_duplicate) for row in rows) == [("u-1", False), ("u-2", True)]


@pytest.mark.rule("R20")
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


@pytest.mark.rule("R20")
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
