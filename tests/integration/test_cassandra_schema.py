"""Tables that are not as agreed: what is told where they can not be read, and what is read all the same."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cassandra.cluster import Session
from pyspark.sql import SparkSession

from progress_exhaust.commands.checks import State
from progress_exhaust.errors import DataShapeError
from progress_exhaust.stack.cassandra import CassandraNode
from progress_exhaust.stack.schema import create_schema
from progress_exhaust.tables.cassandra.tables import CassandraTables
from progress_exhaust.tables.schemas import INPUT_TABLES
from tests.support.cassandra_runs import KeptWorld, reading_with, run_on_cassandra
from tests.support.doctor_runs import tables_told
from tests.support.sample_world import BATCH_ID, LEAVES_OF_A, enrolment, spec_sample_world
from tests.support.whole_runs import differences
from tests.worlds import World

CERTIFICATES_AS_TEXT = {
    "learner-1": '[{"identifier":"certificate-1"}]',
    "learner-2": "[]",
    "learner-3": "null",
    "learner-4": "",
    "learner-5": None,
    "learner-6": "[{}]",
    "learner-7": " [ null,\n {} ] ",
    "learner-8": '[null, {"identifier": null}]',
}
WITH_AN_ENTRY = ("learner-1", "learner-8")


def sample_with_certificates() -> World:
    """The sample, with learners in whom only the text of their certificates differs."""
    world = spec_sample_world()
    learners = [
        enrolment(user_id, LEAVES_OF_A, issued_certificates=[{"a": "b"}] if user_id in WITH_AN_ENTRY else None)
        for user_id in CERTIFICATES_AS_TEXT
    ]
    tables = {**world.tables, "user_enrolments": [*world.tables["user_enrolments"], *learners]}
    return replace(world, tables=tables)


@pytest.fixture(scope="module")
def kept(
    cassandra_node: CassandraNode, cassandra_session: Session, tmp_path_factory: pytest.TempPathFactory
) -> KeptWorld:
    folder = tmp_path_factory.mktemp("schema")
    return KeptWorld.load(cassandra_session, cassandra_node, sample_with_certificates(), folder, "schema")


@pytest.fixture
def alter(kept: KeptWorld, cassandra_session: Session) -> Iterator[Callable[..., None]]:
    """Drops a table, and makes it anew where columns are given; afterwards it is as before."""
    altered: list[str] = []

    def do(table: str, columns: str = "") -> None:
        altered.append(table)
        cassandra_session.execute(f"DROP TABLE {kept.name(table)}")
        if columns:
            cassandra_session.execute(f"CREATE TABLE {kept.name(table)} ({columns})")

    yield do
    for table in altered:
        cassandra_session.execute(f"DROP TABLE IF EXISTS {kept.name(table)}")
    create_schema(cassandra_session, kept.keyspaces)
    kept.fill(cassandra_session)


@pytest.mark.parametrize(
    ("table", "columns", "sentence"),
    [
        ("user", "", "Cassandra has no such table; was it dropped, and does the setting tables.* name it right?"),
        ("user_enrolments", "", "Cassandra has no such table; was it dropped, "),
        ("course_batch", "", "Cassandra has no such table; was it dropped, "),
        ("location", "", "Cassandra has no such table; was it dropped, "),
        (
            "user_enrolments",
            "userid text, courseid text, batchid text, contentstatus map<text, int>, "
            "PRIMARY KEY (userid, courseid, batchid)",
            'columns missing: ["active"], so no row is kept; got ["batchid", "contentstatus", "courseid", "userid"]; '
            "was the table altered?",
        ),
        (
            "user_enrolments",
            "userid text, courseid text, batchid text, active boolean, PRIMARY KEY (userid, courseid, batchid)",
            'columns missing: ["contentstatus"], so Progress comes from counters alone; got ["active", "batchid", ',
        ),
        (
            "course_batch",
            "courseid text PRIMARY KEY, name text",
            'columns missing: ["batchid"]; got ["courseid", "name"]; was the table altered?',
        ),
        (
            "location",
            "id text PRIMARY KEY, type int, name text, parentid text",
            "column type is int, expected string; was the table altered?",
        ),
        (
            "user_activity_agg",
            "activity_type text, activity_id text, user_id text, context_id text, agg map<text, bigint>, "
            "aggregates map<text, double>, PRIMARY KEY ((activity_type, activity_id, user_id), context_id)",
            "column agg is map<string,bigint>, expected map<string,int>; was the table altered?",
        ),
        (
            "assessment_aggregator",
            "user_id text, course_id text, batch_id text, content_id text, attempt_id text, total_score text, "
            "last_attempted_on timestamp, PRIMARY KEY ((user_id, course_id), batch_id, content_id, attempt_id)",
            "column total_score is string, expected double; was the table altered?",
        ),
    ],
    ids=[
        "no users",
        "no enrolments",
        "no batches",
        "no places",
        "no column active",
        "no column contentstatus",
        "no column of the key",
        "type of a text",
        "type in a map",
        "type of a number",
    ],
)
def test_table_that_is_not_as_agreed_is_told_and_nothing_is_written(
    cassandra_spark: SparkSession,
    kept: KeptWorld,
    alter: Callable[..., None],
    tmp_path: Path,
    table: str,
    columns: str,
    sentence: str,
) -> None:
    alter(table, columns)
    with pytest.raises(DataShapeError) as told:
        run_on_cassandra(cassandra_spark, kept.settings(output=tmp_path))
    assert str(told.value).startswith(f"reading table {kept.name(table)}: {sentence}")
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_missing_keyspace_is_told_by_the_table_in_it(
    cassandra_spark: SparkSession, kept: KeptWorld, tmp_path: Path
) -> None:
    settings = kept.settings(output=tmp_path, tables={"course_batch": "nowhere.course_batch"})
    with pytest.raises(DataShapeError, match=r"reading table nowhere\.course_batch: Cassandra has no such table"):
        run_on_cassandra(cassandra_spark, settings)


def test_installations_may_differ_and_give_the_same_bytes(
    cassandra_spark: SparkSession,
    kept: KeptWorld,
    cassandra_session: Session,
    alter: Callable[..., None],
    tmp_path: Path,
) -> None:
    """Enrolments by batch first, certificates as text, the type of an organisation a number, no failures table.

    By batch first, the join on the batch is one on the partition key: left to itself, the connector would make it a
    lookup, and lose the learner with a completion date.
    """
    enrolments = list(cassandra_session.execute(f"SELECT * FROM {kept.name('user_enrolments')}"))
    alter(
        "user_enrolments",
        "batchid text, courseid text, userid text, active boolean, enrolled_date timestamp, completedon timestamp, "
        "contentstatus map<text, int>, issued_certificates text, PRIMARY KEY (batchid, courseid, userid)",
    )
    for row in enrolments:
        as_text = CERTIFICATES_AS_TEXT.get(row.userid, '[{"a":"b"}]' if row.issued_certificates else None)
        values: dict[str, Any] = {**row._asdict(), "contentstatus": dict(row.contentstatus), "certificates": as_text}
        cassandra_session.execute(
            f"INSERT INTO {kept.name('user_enrolments')} "
            "(batchid, courseid, userid, active, enrolled_date, completedon, contentstatus, issued_certificates) "
            "VALUES (%(batchid)s, %(courseid)s, %(userid)s, %(active)s, %(enrolled_date)s, %(completedon)s, "
            "%(contentstatus)s, %(certificates)s)",
            values,
        )
    alter(
        "organisation", "id text PRIMARY KEY, organisationtype int, orglocation text, locationids list<text>, code int"
    )
    alter("certificate_failures")

    exported = run_on_cassandra(cassandra_spark, kept.settings(output=tmp_path))

    assert differences(kept.world, exported) == []
    issued = [line.split(b",")[11] for line in exported.file(BATCH_ID).splitlines() if b",learner-" in line]
    assert issued == [b"Issued" if user_id in WITH_AN_ENTRY else b"" for user_id in CERTIFICATES_AS_TEXT]


def test_column_that_is_no_key_may_be_missing_and_reads_as_null(
    cassandra_spark: SparkSession, kept: KeptWorld, alter: Callable[..., None], tmp_path: Path
) -> None:
    alter("user", "id text PRIMARY KEY, firstname text")
    world = replace(kept.world, tables={**kept.world.tables, "user": []})
    exported = run_on_cassandra(cassandra_spark, kept.settings(output=tmp_path))
    assert differences(world, exported) == []


@pytest.mark.parametrize("is_doctor", [False, True], ids=["export", "doctor"])
def test_six_tables_may_be_missing_and_count_as_empty(
    cassandra_spark: SparkSession, kept: KeptWorld, alter: Callable[..., None], tmp_path: Path, *, is_doctor: bool
) -> None:
    optional = [table.setting for table in INPUT_TABLES if table.may_be_missing]
    assert len(optional) == 6
    for table in optional:
        alter(table)
    world = replace(kept.world, tables={name: rows for name, rows in kept.world.tables.items() if name not in optional})
    settings = kept.settings(output=tmp_path)

    if is_doctor:
        with reading_with(cassandra_spark, settings):
            told = tables_told(cassandra_spark, settings, CassandraTables(cassandra_spark, settings))
        assert {name: told[kept.name(name)] for name in optional} == {
            "user_activity_agg": (State.NOTE, "not there: counts as empty, so no counter tells Progress or a Score"),
            "assessment_aggregator": (State.NOTE, "not there: counts as empty, so Scores come from counters alone"),
            "organisation": (
                State.NOTE,
                "not there: counts as empty, so State and District come from the learners' own places alone",
            ),
            "user_organisation": (State.NOTE, "not there: counts as empty, so nobody has a school"),
            "system_settings": (State.NOTE, "not there: counts as empty, so no organisation is the custodian"),
            "certificate_failures": (State.NOTE, "not there: counts as empty, so Certificate Status is never Failed"),
        }
        assert told[kept.name("user")] == (State.OK, "columns and types as expected, readable")
        return
    exported = run_on_cassandra(cassandra_spark, settings)
    assert differences(world, exported) == []


def test_doctor_names_absent_columns_with_what_follows(
    cassandra_spark: SparkSession, kept: KeptWorld, alter: Callable[..., None], tmp_path: Path
) -> None:
    alter("user", "id text PRIMARY KEY, firstname text, rootorgid text, profilelocation text, locationids list<text>")
    alter("user_enrolments", "userid text, courseid text, batchid text, PRIMARY KEY (userid, courseid, batchid)")

    settings = kept.settings(output=tmp_path)
    with reading_with(cassandra_spark, settings):
        told = tables_told(cassandra_spark, settings, CassandraTables(cassandra_spark, settings))

    assert told[kept.name("user")] == (
        State.NOTE,
        "readable; no column lastname: reads as null, so User Name is the first name alone; "
        "no column isdeleted: reads as null, so deleted learners keep name and place; it is empty",
    )
    state, sentence = told[kept.name("user_enrolments")]
    assert state is State.FAIL
    assert 'columns missing: ["active", "contentstatus"], so no row is kept and Progress comes from' in sentence
    assert told[kept.name("location")][0] is State.OK
