"""Every column of every table with every odd value of its type: nothing breaks, files are as the reference says."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from progress_exhaust.tables import schemas
from tests.support.builders import activity, answer, attempt, batch, enrolment, small_tree, user
from tests.support.whole_runs import differences, run_export, settings_for, write_world
from tests.worlds import World, WorldSettings
from tests.worlds.model import Row

LONG = "=long " * 170_000
YEAR_1 = datetime(1, 1, 1, tzinfo=UTC)
YEAR_9999 = datetime(9999, 12, 31, 23, 59, 59, 999_999, UTC)
NAN, INFINITY = float("nan"), float("inf")
NUMBERS = (NAN, INFINITY, -INFINITY, -0.0, 5e-324, -1.0, 0.005)

ODD_VALUES: dict[str, tuple[Any, ...]] = {
    "int": (None, 0, 1, 50, 101, -1, 2**31 - 1, -(2**31)),
    "string": (None, "", " ", "null", "\x00", "\u200b", LONG),
    "boolean": (None, False, True),
    "timestamp": (None, YEAR_1, YEAR_9999),
    "double": (None, *NUMBERS, 1e15, 1e308),
    "array<string>": (None, [], [None], [""], [" "], [LONG], ["x"] * 1000),
    "array<map<string,string>>": (None, [], [None], [{}], [{"name": None}], [{"": LONG}]),
    "map<string,int>": (
        None,
        {},
        {"do_1-a": None},
        {"": 2},
        {LONG: 2},
        {"do_1-a": 2**31 - 1, "do_1-b": -(2**31)},
        {"completedCount": None, "score:do_1-quiz": None},
        {"completedCount": -1, "score:do_1-quiz": 2**31 - 1},
        {"completedCount": 2**31 - 1},
        {f"score:do_{number}": number for number in range(1000)},
    ),
    "map<string,double>": (
        None,
        {},
        {"completedCount": None, "score:do_1-quiz": None},
        {"": 1.0, LONG: 2.0},
        *({"completedCount": number, "score:do_1-quiz": number} for number in NUMBERS),
    ),
}
OF_A_LEARNER = [table for table in schemas.INPUT_TABLES if table is not schemas.SYSTEM_SETTINGS]


@dataclass(frozen=True)
class Odd:
    """One odd value in one column of one row; all other rows around it are in order.

    Attributes:
        number: makes its ids its own.
        table: the table.
        place: which of the table's rows.
        column: the column.
        value: the odd value.
    """

    number: int
    table: str
    place: int
    column: str
    value: Any


def odd_values() -> Iterator[Odd]:
    number = 0
    for table in OF_A_LEARNER:
        for place in (0, 1) if table is schemas.LOCATION else (0,):
            for field in table.columns:
                for value in ODD_VALUES[field.dataType.simpleString()]:
                    yield Odd(number, table.setting, place, field.name, value)
                    number += 1


def rows_around(odd: Odd) -> dict[str, list[Row]]:
    """Make a batch with one learner, whose place comes from the school, and put the odd value in."""
    name = f"v{odd.number}"
    learner = (f"u-{name}", f"b-{name}", "do_1")
    rows: dict[str, list[Row]] = {
        "course_batch": [batch(f"b-{name}", "do_1")],
        "user_enrolments": [enrolment(*learner, enrolleddate="2020-08-25 13:45:54:150+0000")],
        "user_activity_agg": [activity(*learner, {"completedCount": 2.0, "score:do_1-quiz": 4.0})],
        "assessment_aggregator": [attempt(*learner)] if odd.number % 2 else [],
        "user": [user(f"u-{name}", rootorgid="root")],
        "location": [
            {"id": f"d-{name}", "type": "district", "name": f"District {name}", "parentid": f"s-{name}"},
            {"id": f"s-{name}", "type": "state", "name": f"State {name}"},
        ],
        "organisation": [{"id": f"o-{name}", "organisationtype": "2", "locationids": [f"d-{name}"]}],
        "user_organisation": [{"userid": f"u-{name}", "organisationid": f"o-{name}"}],
        "certificate_failures": [{"batchid": f"b-{name}", "userid": f"u-{name}"}],
    }
    if odd.table == "assessment_aggregator":
        rows["assessment_aggregator"] = [attempt(*learner)]
    if odd.column == "enrolleddate":
        rows["user_enrolments"][0]["enrolled_date"] = None
    if odd.column in {"progress", "completionpercentage"}:
        rows["user_enrolments"][0]["contentstatus"] = None
        rows["user_activity_agg"] = []
    rows[odd.table][odd.place][odd.column] = odd.value
    return rows


def odd_world(settings: WorldSettings) -> World:
    tables: dict[str, list[Row]] = {
        "system_settings": [
            {"id": "custodianOrgId", "value": "custodian"},
            *({"id": identifier, "value": "root"} for identifier in (None, "", " ", LONG)),
        ],
        "organisation": [{"id": "root", "organisationtype": "1"}],
    }
    for odd in odd_values():
        for table, rows in rows_around(odd).items():
            tables.setdefault(table, []).extend(rows)
    return World(tables, {"do_1": answer(small_tree("do_1"))}, settings)


@pytest.mark.parametrize(
    "settings",
    [
        WorldSettings(),
        pytest.param(WorldSettings(user_name=False, formula_guard=False), marks=pytest.mark.long),
    ],
    ids=["names and guard", "neither"],
)
def test_odd_value_in_any_column_breaks_nothing_and_shows_as_the_reference_says(
    spark: SparkSession, tmp_path: Path, settings: WorldSettings
) -> None:
    world = odd_world(settings)
    write_world(world, tmp_path)

    exported = run_export(spark, settings_for(world, tmp_path))

    found = differences(world, exported)
    assert [difference[:1000] for difference in found] == []
    refused = {refusal.subject[:20]: str(refusal.reason) for refusal in exported.outcome.not_made}
    assert set(refused.values()) <= {"bad_id", "unknown_collection"}
    assert len(exported.outcome.made) > 250


@pytest.mark.parametrize("value", [None, "", " ", LONG], ids=["null", "empty", "blank", "long"])
@pytest.mark.long
def test_odd_custodian_organisation_is_no_ones_root(spark: SparkSession, tmp_path: Path, value: str | None) -> None:
    rows = rows_around(Odd(0, "user", 0, "rootorgid", " "))
    rows["system_settings"] = [{"id": "custodianOrgId", "value": value}]
    world = World(rows, {"do_1": answer(small_tree("do_1"))})
    write_world(world, tmp_path)

    exported = run_export(spark, settings_for(world, tmp_path))

    assert differences(world, exported) == []
