"""Rows, trees and worlds for tests: valid defaults, plus what a test wants to be different."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import types as T

from progress_exhaust.tables.schemas import Table
from tests.worlds.model import Row, World

COLLECTION_TYPE = "application/vnd.ekstep.content-collection"
LONG_AGO = datetime(2020, 8, 25, 13, 45, 54, 150_000, tzinfo=UTC)


def enrolment(user_id: str = "u-1", batch_id: str = "b-1", collection_id: str = "do_1", **columns: Any) -> Row:
    """Make the row of a learner who is active, and has done nothing."""
    key = {"userid": user_id, "courseid": collection_id, "batchid": batch_id}
    return {**key, "active": True, "enrolled_date": LONG_AGO, **columns}


def activity(
    user_id: str = "u-1", batch_id: str = "b-1", collection_id: str = "do_1", counters: dict[str, Any] | None = None
) -> Row:
    """Make the activity row of a learner, its counters in `aggregates`."""
    return {
        "activity_type": "Course",
        "activity_id": collection_id,
        "user_id": user_id,
        "context_id": f"cb:{batch_id}",
        "aggregates": counters,
    }


def attempt(
    user_id: str = "u-1",
    batch_id: str = "b-1",
    collection_id: str = "do_1",
    content_id: str = "do_1-quiz",
    attempt_id: str = "attempt-1",
    **columns: Any,
) -> Row:
    """Make an attempt that scored 5."""
    key = {
        "user_id": user_id,
        "course_id": collection_id,
        "batch_id": batch_id,
        "content_id": content_id,
        "attempt_id": attempt_id,
    }
    return {**key, "total_score": 5.0, "last_attempted_on": LONG_AGO, **columns}


def user(user_id: str = "u-1", **columns: Any) -> Row:
    """Make a self-signed-up learner with a name."""
    return {"id": user_id, "firstname": "Asha", "lastname": user_id, **columns}


def batch(batch_id: str = "b-1", collection_id: str = "do_1", **columns: Any) -> Row:
    """Make a batch."""
    return {"courseid": collection_id, "batchid": batch_id, "name": f"Batch {batch_id}", **columns}


def leaf(identifier: str, **fields: Any) -> dict[str, Any]:
    """Make a leaf that is no assessment."""
    return {"identifier": identifier, "name": identifier, "mimeType": "video/mp4", "contentType": "Resource", **fields}


def assessment(identifier: str, **fields: Any) -> dict[str, Any]:
    """Make a leaf that counts towards Total Score."""
    return leaf(identifier, contentType="SelfAssess", **fields)


def collection(identifier: str, children: Iterable[dict[str, Any]], **fields: Any) -> dict[str, Any]:
    """Make a trackable collection, nested or a root."""
    return {
        "identifier": identifier,
        "name": f"Course {identifier}",
        "mimeType": COLLECTION_TYPE,
        "contentType": "Course",
        "trackable": {"enabled": "Yes"},
        "children": list(children),
        **fields,
    }


def answer(root: object) -> dict[str, Any]:
    """Make the hierarchy answer around a tree."""
    return {"responseCode": "OK", "result": {"content": root}}


def small_tree(collection_id: str) -> dict[str, Any]:
    """Make a tree of one leaf, and one nested collection of a leaf and an assessment."""
    nested = collection(f"{collection_id}-nested", [leaf(f"{collection_id}-b"), assessment(f"{collection_id}-quiz")])
    return collection(collection_id, [leaf(f"{collection_id}-a"), nested])


def batches_world(batches: int, collections: int, learners: int) -> World:
    """Make a world of equal batches, `b-000` and on, which take turns with collections, `do_0` and on.

    Learners are in every batch, and each has done something else in it: leaves by content status or by activity row,
    attempts or none. They come from two schools of two states.
    """
    collection_ids = [f"do_{number}" for number in range(collections)]
    of_batch = {f"b-{number:03d}": collection_ids[number % collections] for number in range(batches)}
    user_ids = [f"u-{number:04d}" for number in range(learners)]
    tables: dict[str, list[Row]] = {
        "course_batch": [batch(batch_id, collection_id) for batch_id, collection_id in of_batch.items()],
        "user": [user(user_id, rootorgid="root") for user_id in user_ids],
        "user_enrolments": [],
        "user_activity_agg": [],
        "assessment_aggregator": [],
        **two_schools(user_ids),
    }
    for turn, (batch_id, collection_id) in enumerate(of_batch.items()):
        for number, user_id in enumerate(user_ids, start=turn):
            place = (user_id, batch_id, collection_id)
            statuses = {f"{collection_id}-{name}": 2 for name in ("a", "b", "quiz")[: number % 4]}
            tables["user_enrolments"].append(enrolment(*place, contentstatus=statuses))
            counters = {"completedCount": 1.0, f"score:{collection_id}-quiz": float(number % 7)}
            tables["user_activity_agg"].append(activity(*place, counters))
            if number % 3:
                quiz = f"{collection_id}-quiz"
                tables["assessment_aggregator"].append(attempt(*place, quiz, total_score=number % 11 + 0.25))
    trees = {collection_id: answer(small_tree(collection_id)) for collection_id in collection_ids}
    return World(tables, trees)


def two_schools(user_ids: Sequence[str]) -> dict[str, list[Row]]:
    """Make two schools, each in a district of its own state, and put learners into them by turns."""
    schools = [
        {"id": f"school-{number}", "organisationtype": "2", "locationids": [f"district-{number}"]} for number in (0, 1)
    ]
    states = [{"id": f"state-{number}", "type": "state", "name": f"State {number}"} for number in (0, 1)]
    districts = [
        {"id": f"district-{number}", "type": "district", "name": f"District {number}", "parentid": f"state-{number}"}
        for number in (0, 1)
    ]
    memberships = [
        {"userid": user_id, "organisationid": f"school-{number % 2}"} for number, user_id in enumerate(user_ids)
    ]
    return {"location": states + districts, "organisation": schools, "user_organisation": memberships}


def table_frame(spark: SparkSession, table: Table, *rows: Row) -> DataFrame:
    """Make a frame with the columns of an input table; what a row lacks is null, other columns are left out."""
    return rows_frame(spark, table.columns, *rows)


def rows_frame(spark: SparkSession, schema: T.StructType | str, *rows: Row) -> DataFrame:
    """Make a frame of rows; what a row lacks is null, columns that the schema does not name are left out."""
    names = spark.createDataFrame([], schema).columns
    return spark.createDataFrame([tuple(row.get(name) for name in names) for row in rows], schema)
