"""Rows read by key are the rows of a scan; and what can not be looked up for certain is scanned."""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cassandra.cluster import Session
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from progress_exhaust.catalogue.files import FilesCatalogue
from progress_exhaust.export.plan import PlanOutcome, plan, private_stage
from progress_exhaust.export.run import Ports
from progress_exhaust.export.selection import ReportQuery
from progress_exhaust.output.stores.open import open_store
from progress_exhaust.settings.sections import ReadBy, Settings
from progress_exhaust.stack.cassandra import CassandraNode
from progress_exhaust.tables import schemas
from progress_exhaust.tables.cached import CachedFrames
from progress_exhaust.tables.cassandra.direct_join import DIRECT_JOIN_OFF, DIRECT_JOIN_ON, direct_join
from progress_exhaust.tables.cassandra.errors import FORMAT
from progress_exhaust.tables.cassandra.tables import CassandraTables
from progress_exhaust.tables.schemas import INPUT_TABLES, Table
from progress_exhaust.tables.strategy import LookupKeyCount
from tests.support.cassandra_runs import KeptWorld, reading_with, run_on_cassandra
from tests.support.sample_world import BATCH_ID, COLLECTION_ID, LEAVES_OF_A, attempt, enrolment, spec_sample_world
from tests.support.spark_counters import jobs_so_far
from tests.support.tables_contract import rows_of_keys
from tests.support.whole_runs import DAY, asked_for, differences
from tests.worlds import World, merge, random_world

SEEDS = range(300, 303)
MOST_JOBS = 15
ODD_IDS = ("ऋषि", 'quote "and" comma,', "it's", " blank at both ends ", "🙂", "x" * 200, "line\nbreak", "null")
BEFORE_THE_CALENDAR = datetime(1500, 2, 28, 23, 59, 59, 999_000, tzinfo=UTC)
LOOKED_UP = [table for table in INPUT_TABLES if table.known]
BY_BATCH = {
    "by_batch": "PRIMARY KEY (batchid, courseid, userid)",
    "by_batch_and_course": "PRIMARY KEY ((batchid, courseid), userid)",
}
SHORT_KEYS = {
    schemas.ASSESSMENT_AGGREGATOR: ("by_course", ("course_id",), "batch_id, user_id, content_id, attempt_id"),
    schemas.USER_ACTIVITY_AGG: ("by_activity", ("activity_type", "activity_id"), "context_id, user_id"),
}
"""Tables as some installations key them, by less than a learner: their names, partition keys, and the rest."""
_COLUMNS = {
    **dict.fromkeys(("batchid", "courseid", "userid", "enrolleddate", "issued_certificates"), "text"),
    **dict.fromkeys(("enrolled_date", "completedon"), "timestamp"),
    "active": "boolean",
    "contentstatus": "map<text, int>",
    "certificates": "list<frozen<map<text, text>>>",
}
_CQL_TYPES = {
    **{"string": "text", "double": "double", "timestamp": "timestamp"},
    **{"map<string,int>": "map<text, int>", "map<string,double>": "map<text, double>"},
}


def odd_world() -> World:
    """Random worlds, and learners with odd ids in every table, who have done something before there was a calendar."""
    world = merge([*(random_world(seed) for seed in SEEDS), spec_sample_world()])
    old = {"enrolled_date": BEFORE_THE_CALENDAR, "completedon": datetime(1582, 10, 14, tzinfo=UTC)}
    more: dict[str, list[dict[str, Any]]] = {
        "user_enrolments": [enrolment(user_id, LEAVES_OF_A, **old) for user_id in ODD_IDS],
        "assessment_aggregator": [
            attempt(user_id, "attempt-1", 1.5) | {"last_attempted_on": BEFORE_THE_CALENDAR} for user_id in ODD_IDS
        ],
        "user": [{"id": user_id, "firstname": user_id, "rootorgid": user_id} for user_id in ODD_IDS],
        "user_organisation": [{"userid": user_id, "organisationid": user_id} for user_id in ODD_IDS],
        "organisation": [{"id": user_id, "organisationtype": "2"} for user_id in ODD_IDS],
        "certificate_failures": [{"batchid": BATCH_ID, "userid": user_id} for user_id in ODD_IDS],
        "user_activity_agg": [
            {
                "activity_type": "Course",
                "activity_id": COLLECTION_ID,
                "user_id": user_id,
                "context_id": f"cb:{BATCH_ID}",
                "agg": {"completedCount": 1},
            }
            for user_id in ODD_IDS
        ],
    }
    tables = {name: [*world.rows(name), *more.get(name, [])] for name in world.tables.keys() | more.keys()}
    return replace(world, tables=tables)


@pytest.fixture(scope="module")
def kept(
    cassandra_node: CassandraNode, cassandra_session: Session, tmp_path_factory: pytest.TempPathFactory
) -> KeptWorld:
    kept = KeptWorld.load(cassandra_session, cassandra_node, odd_world(), tmp_path_factory.mktemp("reading"), "reading")
    keyspace = kept.name("user_enrolments").partition(".")[0]
    columns = ", ".join(f"{column} {kind}" for column, kind in _COLUMNS.items())
    for name, key in BY_BATCH.items():
        cassandra_session.execute(f"CREATE TABLE {keyspace}.{name} ({columns}, {key})")
        insert = cassandra_session.prepare(
            f"INSERT INTO {keyspace}.{name} ({', '.join(_COLUMNS)}) VALUES ({', '.join('?' for _ in _COLUMNS)})"
        )
        for row in kept.world.rows("user_enrolments"):
            cassandra_session.execute(insert, [as_kept_by_batch(row.get(column), column) for column in _COLUMNS])
        cassandra_session.execute(
            f"INSERT INTO {keyspace}.{name} (batchid, courseid, userid, active) VALUES ('{BATCH_ID}', '', 'u', true)"
        )
    for table, (name, partition_key, rest) in SHORT_KEYS.items():
        key = f"PRIMARY KEY (({', '.join(partition_key)}), {rest})"
        types = {field.name: _CQL_TYPES[field.dataType.simpleString()] for field in table.columns}
        declared = ", ".join(f"{column} {kind}" for column, kind in types.items())
        cassandra_session.execute(f"CREATE TABLE {keyspace}.{name} ({declared}, {key})")
        insert = cassandra_session.prepare(
            f"INSERT INTO {keyspace}.{name} ({', '.join(types)}) VALUES ({', '.join('?' for _ in types)})"
        )
        for row in kept.world.rows(table.setting):
            cassandra_session.execute(insert, [as_the_driver_takes_it(row.get(column)) for column in types])
    return kept


def as_kept_by_batch(value: Any, column: str) -> Any:
    """Give a value as the driver takes it; certificates as text."""
    return json.dumps(value) if column == "issued_certificates" else as_the_driver_takes_it(value)


def as_the_driver_takes_it(value: Any) -> Any:
    """Give an instant in milliseconds: Python has no year for some of them in UTC."""
    if isinstance(value, datetime):
        return (value - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)
    return value


def settings(kept: KeptWorld, read_by: ReadBy, enrolments: str = "", **sections: Any) -> Settings:
    """Settings of a run that reads in one way; where other enrolments are named, all tables are those of other keys."""
    read = {f"read_{table.setting}": read_by for table in LOOKED_UP}
    others = {"user_enrolments": enrolments} | {table.setting: name for table, (name, *_) in SHORT_KEYS.items()}
    tables = {table: f"{kept.keyspaces['sunbird_courses']}.{name}" for table, name in others.items() if enrolments}
    return kept.settings(cassandra=read, tables=tables, **sections)


def one_in_two(names: tuple[str, ...]) -> Column:
    return F.crc32(F.concat_ws("/", *names).cast("binary")) % 2 == 0


@pytest.mark.parametrize(
    ("table", "enrolments"),
    [
        *((table, "") for table in LOOKED_UP if table is not schemas.USER_ENROLMENTS),
        *((schemas.USER_ENROLMENTS, name) for name in BY_BATCH),
        *((table, "by_batch") for table in SHORT_KEYS),
    ],
    ids=lambda value: value.setting if isinstance(value, Table) else value,
)
def test_rows_read_by_key_are_those_of_a_scan(
    cassandra_spark: SparkSession, kept: KeptWorld, table: Table, enrolments: str
) -> None:
    by_key, by_scan = (settings(kept, read_by, enrolments) for read_by in (ReadBy.KEYS, ReadBy.SCAN))
    with reading_with(cassandra_spark, by_key):
        whole = CassandraTables(cassandra_spark, by_scan).frame(table)
        # Of a shorter key all rows are read: those of half its values are wanted.
        key = SHORT_KEYS[table][1] if enrolments and table in SHORT_KEYS else table.known
        is_wanted = F.col("batchid") == BATCH_ID if table is schemas.USER_ENROLMENTS else one_in_two(key)
        tables = CassandraTables(cassandra_spark, by_key)
        asked = rows_of_keys(tables, table, whole, whole.filter(is_wanted).select(*table.known))

    assert tables.reading(table, LookupKeyCount(1)).by is ReadBy.KEYS
    assert "Cassandra Direct Join" in asked.plan
    assert asked.got == asked.wanted
    assert sum(asked.got.values()) > len(ODD_IDS) // 4


@pytest.mark.parametrize(
    "enrolments",
    [
        pytest.param("", id="ordinary key", marks=pytest.mark.long),
        pytest.param("by_batch", marks=pytest.mark.long),
        "by_batch_and_course",
    ],
)
def test_reports_are_the_same_however_the_tables_are_read(
    cassandra_spark: SparkSession, kept: KeptWorld, tmp_path: Path, enrolments: str
) -> None:
    contents = {}
    for read_by in (ReadBy.KEYS, ReadBy.SCAN):
        chosen = settings(kept, read_by, enrolments, output=tmp_path / read_by)
        before = jobs_so_far(cassandra_spark)
        exported = run_on_cassandra(cassandra_spark, chosen, asked_for(kept.world))
        assert jobs_so_far(cassandra_spark) - before <= MOST_JOBS
        files = (exported.folder / "progress-exhaust").glob("*.csv")
        contents[read_by] = {file.name: file.read_bytes() for file in files}
        dropped = {file.batch_id: file.rows_dropped for file in exported.outcome.made}
        assert dropped[BATCH_ID] == ({"no_key": 1} if enrolments else {})
        if not enrolments:
            assert differences(kept.world, exported) == []
    assert contents[ReadBy.KEYS] == contents[ReadBy.SCAN]
    assert len(contents[ReadBy.KEYS]) > len(SEEDS)


def test_partition_key_is_read_from_the_catalogue(cassandra_spark: SparkSession, kept: KeptWorld) -> None:
    reasons = {}
    for name in ("", *BY_BATCH):
        chosen = settings(kept, ReadBy.KEYS, name)
        with reading_with(cassandra_spark, chosen):
            reading = CassandraTables(cassandra_spark, chosen).reading(schemas.USER_ENROLMENTS, LookupKeyCount(3))
        reasons[name] = (reading.by, reading.reason)
    asked = (ReadBy.KEYS, "the settings ask for it; 3 keys are wanted")
    assert reasons == {
        "": (ReadBy.SCAN, "its partition key is userid; only batchid and courseid are known before it is read"),
        "by_batch": asked,
        "by_batch_and_course": asked,
    }


def test_courses_and_activities_of_many_learners_are_looked_up_where_they_are_the_key(
    cassandra_spark: SparkSession, kept: KeptWorld
) -> None:
    """Before the nodes have an estimate, a thousand keys are looked up: as many courses, or as many learners."""
    wanted = {
        schemas.ASSESSMENT_AGGREGATOR: LookupKeyCount(5000, {"course_id": 2}),
        schemas.USER_ACTIVITY_AGG: LookupKeyCount(9000, {"activity_type": 1, "activity_id": 7, "user_id": 5000}),
    }
    found = {}
    for enrolments in ("", "by_batch"):
        chosen = settings(kept, ReadBy.AUTO, enrolments)
        with reading_with(cassandra_spark, chosen):
            tables = CassandraTables(cassandra_spark, chosen)
            for table, keys in wanted.items():
                reading = tables.reading(table, keys)
                found[table.setting, enrolments] = (reading.by, reading.reason.partition(" keys")[0])
    assert found == {
        ("assessment_aggregator", ""): (ReadBy.SCAN, "5,000"),
        ("user_activity_agg", ""): (ReadBy.SCAN, "9,000"),
        ("assessment_aggregator", "by_batch"): (ReadBy.KEYS, "2"),
        ("user_activity_agg", "by_batch"): (ReadBy.KEYS, "7"),
    }


def test_frame_that_spark_would_not_look_up_is_not_used(cassandra_spark: SparkSession, kept: KeptWorld) -> None:
    """Without this, a switch of the connector or a change of Spark's planner would show in no report, or in all."""
    keyspace, name = kept.name("user").split(".")

    def loaded(options: dict[str, str]) -> DataFrame:
        return cassandra_spark.read.format(FORMAT).options(keyspace=keyspace, table=name, **options).load()

    keys = cassandra_spark.range(1).select(F.lit(ODD_IDS[0]).alias("id"))
    with reading_with(cassandra_spark, settings(kept, ReadBy.AUTO)), CachedFrames() as cached:
        computed = loaded(DIRECT_JOIN_ON).withColumn("firstname", F.upper("firstname"))
        assert direct_join(loaded(DIRECT_JOIN_OFF), keys, ("id",), cached) is None
        assert direct_join(computed, keys, ("id",), cached) is None
        found = direct_join(loaded(DIRECT_JOIN_ON), keys, ("id",), cached)
        assert found is not None
        assert [row["firstname"] for row in found.collect()] == [ODD_IDS[0]]


@pytest.mark.parametrize(
    ("read_by", "told"),
    [pytest.param(ReadBy.SCAN, ["scan_chosen"], id="scan"), pytest.param(ReadBy.KEYS, [], id="keys")],
)
def test_table_that_is_scanned_where_keys_are_known_is_told(
    cassandra_spark: SparkSession,
    kept: KeptWorld,
    caplog: pytest.LogCaptureFixture,
    read_by: ReadBy,
    told: list[str],
) -> None:
    caplog.set_level(logging.DEBUG, logger="progress_exhaust.tables.cassandra")
    keys = cassandra_spark.range(1).select(F.lit(ODD_IDS[0]).alias("id"))
    chosen = settings(kept, read_by)

    with reading_with(cassandra_spark, chosen), CachedFrames() as cached:
        CassandraTables(cassandra_spark, chosen).read(schemas.USER, keys, LookupKeyCount(1), cached)

    assert [vars(record)["action"] for record in caplog.records] == told


def test_plan_tells_how_each_table_would_be_read(cassandra_spark: SparkSession, kept: KeptWorld) -> None:
    chosen = settings(kept, ReadBy.KEYS, "by_batch")
    outcome = PlanOutcome()
    with reading_with(cassandra_spark, chosen):
        store = open_store(chosen.output.url, cassandra_spark)
        catalogue = FilesCatalogue(chosen.catalogue.directory, chosen.catalogue.max_tree_bytes)
        ports = Ports(cassandra_spark, CassandraTables(cassandra_spark, chosen), catalogue, store)
        with private_stage(cassandra_spark, store, "plan") as stage:
            plan(ReportQuery(batches=(BATCH_ID,)), ports, chosen, DAY, stage, lambda event: None, outcome)
    learners = len(ODD_IDS) + 2
    wanted = {"by_batch": 1, "certificate_failures": 1, "by_course": 1, "organisation": 2 * learners}
    wanted |= {"by_activity": 3} | dict.fromkeys(("user", "user_organisation"), learners)
    by_key = {name: ("keys", f"the settings ask for it; {keys} keys are wanted") for name, keys in wanted.items()}
    scanned = ("scan", "once a run, only the columns needed")
    assert {read.table.rpartition(".")[2]: (read.strategy, read.reason) for read in outcome.reads} == {
        **by_key,
        **dict.fromkeys(("course_batch", "location", "system_settings"), scanned),
    }


def test_size_of_a_table_is_what_its_node_estimates(
    cassandra_spark: SparkSession, cassandra_node: CassandraNode, kept: KeptWorld
) -> None:
    keyspace, name = kept.name("user").split(".")
    cassandra_node.flush([keyspace])
    partitions = cassandra_node.wait_for_estimates(keyspace, name)
    chosen = settings(kept, ReadBy.AUTO)
    with reading_with(cassandra_spark, chosen):
        reading = CassandraTables(cassandra_spark, chosen).reading(schemas.USER, LookupKeyCount(3))
    assert reading.by is ReadBy.SCAN
    assert reading.reason.startswith(f"3 of about {partitions:,} keys are wanted, each of about ")
