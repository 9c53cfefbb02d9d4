"""How many keys are wanted of a table follows its own partition key."""

from __future__ import annotations

import pytest

from progress_exhaust.catalogue.layout import Layout, NestedCollection
from progress_exhaust.export.lookup_keys import key_counts
from progress_exhaust.report.enrolments import Counts
from progress_exhaust.report.model import Batch, Report
from progress_exhaust.settings.sections import ReadBy
from progress_exhaust.tables import schemas
from progress_exhaust.tables.schemas import Table
from progress_exhaust.tables.strategy import FEW_KEYS, WantedKeys, choose_strategy


def layout(collection_id: str, *nested: str) -> Layout:
    below = tuple(NestedCollection(identifier, identifier, "1", ("leaf",)) for identifier in nested)
    return Layout(collection_id, collection_id, "", ("leaf",), below, ())


# Two collections share the nested one of the name `shared`; one has two batches.
FIRST = layout("do_1", "shared", "own")
SECOND = layout("do_2", "shared")
REPORTS = [
    Report(0, Batch(0, "b-0", "", FIRST)),
    Report(1, Batch(1, "b-1", "", FIRST)),
    Report(2, Batch(2, "b-2", "", SECOND)),
    Report(3, Batch(2, "b-2", "", SECOND), audience="org-1"),
]
COUNTS = {0: Counts(kept=1000, uncounted=10), 1: Counts(kept=200), 2: Counts(kept=30, uncounted=5)}
LEARNERS = 1000 + 200 + 30
OF_NESTED = 10 * 2 + 5 * 1


@pytest.mark.parametrize(
    ("table", "partition_key", "expected"),
    [
        (schemas.USER_ENROLMENTS, "batchid", 3),
        (schemas.USER_ENROLMENTS, "courseid", 2),
        (schemas.USER_ENROLMENTS, "batchid courseid", 3),
        (schemas.CERTIFICATE_FAILURES, "batchid", 3),
        (schemas.USER_ACTIVITY_AGG, "activity_type activity_id user_id", LEARNERS + OF_NESTED),
        (schemas.USER_ACTIVITY_AGG, "activity_id user_id", LEARNERS + OF_NESTED),
        (schemas.USER_ACTIVITY_AGG, "user_id", LEARNERS),
        (schemas.USER_ACTIVITY_AGG, "activity_type user_id", LEARNERS),
        (schemas.USER_ACTIVITY_AGG, "activity_type activity_id", 4),
        (schemas.USER_ACTIVITY_AGG, "activity_id", 4),
        (schemas.USER_ACTIVITY_AGG, "activity_type", 1),
        (schemas.ASSESSMENT_AGGREGATOR, "user_id course_id", LEARNERS),
        (schemas.ASSESSMENT_AGGREGATOR, "user_id", LEARNERS),
        (schemas.ASSESSMENT_AGGREGATOR, "course_id", 2),
        (schemas.USER, "id", LEARNERS),
        (schemas.USER_ORGANISATION, "userid", LEARNERS),
        (schemas.ORGANISATION, "id", 2 * LEARNERS),
    ],
    ids=lambda value: value.setting if isinstance(value, Table) else str(value),
)
def test_keys_wanted_are_values_of_the_partition_key(table: Table, partition_key: str, expected: int) -> None:
    assert key_counts(REPORTS, COUNTS)[table.setting].of(partition_key.split()) == expected


def test_every_table_that_can_be_read_by_key_is_counted_and_no_other() -> None:
    assert key_counts(REPORTS, COUNTS).keys() == {table.setting for table in schemas.INPUT_TABLES if table.known}
    for table in schemas.INPUT_TABLES:
        if table.known:
            assert key_counts(REPORTS, COUNTS)[table.setting].by_column.keys() <= set(table.known)


def test_no_report_wants_no_key() -> None:
    assert {wanted.of(["any"]) for wanted in key_counts([], {}).values()} == {0}


def test_few_courses_of_many_learners_are_few_keys() -> None:
    wanted = WantedKeys(50 * FEW_KEYS, {"course_id": 2})
    known = schemas.ASSESSMENT_AGGREGATOR.known
    ways = {
        key: choose_strategy(ReadBy.AUTO, key, known, wanted.of(key), None, cores=2)
        for key in (("user_id", "course_id"), ("course_id",))
    }
    assert {key: way.by for key, way in ways.items()} == {
        ("user_id", "course_id"): ReadBy.SCAN,
        ("course_id",): ReadBy.KEYS,
    }
    assert ways["course_id",].reason == "2 keys are wanted, of a table without an estimate of its size"
