"""The synthetic world: its sizes, its seed, the agreement of its tables and trees, and the sample batch in it."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from progress_exhaust.catalogue.layout import Layout
from progress_exhaust.catalogue.tree import TreeRules, layout_of
from progress_exhaust.errors import SettingsError
from progress_exhaust.sample.batch import BATCH_ID, COLLECTION_ID
from progress_exhaust.sample.ids import node_id
from progress_exhaust.sample.world import FileFormat, WorldSize
from progress_exhaust.sample.write import write_snapshot

SMALL = WorldSize(
    seed=7, learners=12, batches=5, collections=3, leaves=11, nested=4, depth=3, assessments=3, attempts=2
)
RULES = TreeRules(max_depth=64, max_nodes=100_000, question_set_categories=("Practice Question Set",))
ENROLMENTS = "sunbird_courses.user_enrolments"
ACTIVITY = "sunbird_courses.user_activity_agg"
ATTEMPTS = "sunbird_courses.assessment_aggregator"
BATCHES = "sunbird_courses.course_batch"
USERS = "sunbird.user"

Rows = dict[str, list[dict[str, Any]]]


def made(spark: SparkSession, size: WorldSize, folder: Path) -> tuple[Rows, dict[str, int], dict[str, Layout]]:
    """Write a world as JSON lines and read it back without Spark."""
    counted = write_snapshot(spark, size, str(folder / "snapshot"), folder / "catalogue", FileFormat.JSON_LINES)
    rows = {
        name: [
            json.loads(line)
            for file in sorted((folder / "snapshot" / name).glob("*.jsonl"))
            for line in file.read_text(encoding="utf-8").splitlines()
        ]
        for name in counted
    }
    trees = {file.stem: json.loads(file.read_text(encoding="utf-8")) for file in (folder / "catalogue").iterdir()}
    layouts = {name: layout_of(body["result"]["content"], name, RULES) for name, body in trees.items()}
    return rows, counted, layouts


def in_any_order(rows: Rows) -> dict[str, Counter[str]]:
    return {name: Counter(json.dumps(row, sort_keys=True) for row in table) for name, table in rows.items()}


@pytest.fixture(scope="module")
def small(
    spark: SparkSession, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Rows, dict[str, int], dict[str, Layout]]:
    return made(spark, SMALL, tmp_path_factory.mktemp("small"))


@pytest.mark.rule("E8")
def test_sizes_are_those_asked_for_and_the_sample_batch_on_top(small: tuple[Rows, dict[str, int], Any]) -> None:
    rows, counted, layouts = small
    assert {name: len(table) for name, table in rows.items()} == counted
    assert counted[ENROLMENTS] == 5 * 12 + 2
    assert counted[ACTIVITY] == 5 * 12 * (1 + 4) + 6
    assert counted[ATTEMPTS] == 5 * 12 * 3 * 2 + 4
    assert counted[BATCHES] == 5 + 1
    assert counted[USERS] == 30 + 2
    assert len(layouts) == 3 + 1


def test_every_key_is_there_once(small: tuple[Rows, Any, Any]) -> None:
    rows, _, _ = small
    keys = {
        ENROLMENTS: ("userid", "courseid", "batchid"),
        ACTIVITY: ("activity_type", "activity_id", "user_id", "context_id"),
        ATTEMPTS: ("user_id", "course_id", "batch_id", "content_id", "attempt_id"),
        BATCHES: ("batchid",),
        USERS: ("id",),
        "sunbird.location": ("id",),
        "sunbird.organisation": ("id",),
        "sunbird.user_organisation": ("userid", "organisationid"),
        "sunbird_courses.certificate_failures": ("batchid", "userid"),
    }
    for name, key in keys.items():
        found = [tuple(row[column] for column in key) for row in rows[name]]
        assert len(set(found)) == len(found), name


def test_same_seed_gives_the_same_world_in_both_formats(spark: SparkSession, small: Any, tmp_path: Path) -> None:
    rows, counted, _ = small
    again, _, _ = made(spark, SMALL, tmp_path / "again")
    assert in_any_order(again) == in_any_order(rows)
    snapshot = tmp_path / "parquet"
    assert write_snapshot(spark, SMALL, str(snapshot), tmp_path / "catalogue", FileFormat.PARQUET) == counted
    columns = F.to_json(F.struct("userid", "contentstatus", F.date_format("enrolled_date", "yyyy-MM-dd").alias("day")))
    spark.read.parquet(str(snapshot / ENROLMENTS)).select(columns).coalesce(1).write.text(str(tmp_path / "text"))
    (text,) = (tmp_path / "text").glob("*.txt")
    expected = [
        {"userid": row["userid"], "contentstatus": row["contentstatus"], "day": row["enrolled_date"][:10]}
        for row in rows[ENROLMENTS]
    ]
    found = [json.loads(line) for line in text.read_text(encoding="utf-8").splitlines()]
    assert in_any_order({"": found}) == in_any_order({"": expected})


def test_another_seed_gives_another_world(spark: SparkSession, small: Any, tmp_path: Path) -> None:
    other, _, _ = made(spark, WorldSize(seed=8, learners=12, batches=5, collections=3, leaves=11), tmp_path)
    assert not {row["id"] for row in other[USERS]} & {row["id"] for row in small[0][USERS]} - {
        "587204af-41db-4313-b3ab-cf022d3055c6",
        "f703de4e-d47a-4adb-856c-de122e6a0b32",
    }


def test_trees_have_the_columns_asked_for_down_to_the_depth(small: tuple[Any, Any, dict[str, Layout]]) -> None:
    _, _, layouts = small
    levels = set()
    for collection in range(3):
        layout = layouts[node_id(collection, 0, 0)]
        assert (len(layout.leaves), len(layout.nested), len(layout.assessments)) == (11, 4, 3)
        assert not layout.warnings
        levels |= {nested.level.count(".") + 1 for nested in layout.nested}
    assert levels == {1, 2, 3}


def test_activity_rows_count_what_enrolments_and_trees_say(small: tuple[Rows, Any, dict[str, Layout]]) -> None:
    rows, _, layouts = small
    counters = {(row["activity_id"], row["user_id"], row["context_id"]): row["aggregates"] for row in rows[ACTIVITY]}
    best: dict[tuple[str, str, str], float] = defaultdict(float)
    for row in rows[ATTEMPTS]:
        key = (row["batch_id"], row["user_id"], row["content_id"])
        best[key] = max(best[key], row["total_score"])
    partly_done = 0
    for row in rows[ENROLMENTS]:
        layout = layouts[row["courseid"]]
        done = {leaf for leaf, status in row["contentstatus"].items() if status == 2}
        learner = (row["userid"], f"cb:{row['batchid']}")
        for activity_id, leaves in [
            (row["courseid"], layout.leaves),
            *((n.identifier, n.leaves) for n in layout.nested),
        ]:
            assert counters[activity_id, *learner]["completedCount"] == len(done & set(leaves))
        for assessment in layout.assessments:
            score = counters[row["courseid"], *learner][f"score:{assessment.identifier}"]
            assert score == best[row["batchid"], row["userid"], assessment.identifier]
        partly_done += 0 < len(done) < len(layout.leaves)
    assert partly_done > 10


def test_the_batch_of_the_specification_is_in_every_world(small: tuple[Rows, Any, dict[str, Layout]]) -> None:
    rows, _, layouts = small
    layout = layouts[COLLECTION_ID]
    assert layout.name == "Test Course"
    assert [(n.identifier, n.level, len(n.leaves)) for n in layout.nested] == [
        ("do_1130934418641469441813", "1.1", 2),
        ("do_1130934445218283521816", "1.2", 5),
    ]
    assert [a.identifier for a in layout.assessments] == ["do_1130934418641469441786"]
    enrolled = {row["userid"]: row for row in rows[ENROLMENTS] if row["batchid"] == BATCH_ID}
    started = enrolled["587204af-41db-4313-b3ab-cf022d3055c6"]
    completed = enrolled["f703de4e-d47a-4adb-856c-de122e6a0b32"]
    assert len(enrolled) == 2
    assert [len(set(started["contentstatus"]) & set(n.leaves)) for n in layout.nested] == [1, 3]
    assert started["enrolled_date"] == "2020-08-25T02:15:58.691Z"
    assert "completedon" not in started
    assert "issued_certificates" not in started
    assert (completed["enrolled_date"], completed["completedon"]) == (
        "2020-08-25T13:45:54.150Z",
        "2020-08-27T13:45:54.150Z",
    )
    assert completed["issued_certificates"]


def test_odd_share_brings_every_oddness(spark: SparkSession, tmp_path: Path) -> None:
    size = WorldSize(seed=3, learners=200, batches=2, collections=1, leaves=5, nested=2, assessments=2, odd_share=0.5)
    rows, counted, _ = made(spark, size, tmp_path)
    enrolments, users, attempts = rows[ENROLMENTS], rows[USERS], rows[ATTEMPTS]
    known = {row["id"] for row in users}
    assert counted[USERS] < 200 + 2
    assert any(row["userid"] not in known for row in enrolments)
    assert any("enrolled_date" not in row and "enrolleddate" not in row for row in enrolments)
    assert any(row.get("enrolleddate", "").startswith("on ") for row in enrolments)
    assert any("contentstatus" not in row for row in enrolments)
    assert any(row.get("total_score") == "NaN" for row in attempts)
    assert any(row["content_id"] == "do_2140000000310000000000" for row in attempts)
    assert any(row.get("firstname", "").startswith(("=", "+", "-", "@", "%", "|")) for row in users)
    assert any("profilelocation" not in row and "locationids" not in row for row in users)
    assert any("agg" not in row and "aggregates" not in row for row in rows[ACTIVITY])


@pytest.mark.parametrize(
    ("sizes", "sentence"),
    [
        ({"learners": 0}, "learners is 0, expected a whole number from 1 to 100000000"),
        ({"depth": 51}, "depth is 51, expected a whole number from 1 to 50"),
        ({"nested": 41}, "nested is 41, expected at most as many as leaves, 40"),
        ({"odd_share": float("nan")}, "odd_share is nan, expected a share from 0 to 1"),
    ],
)
def test_sizes_out_of_bounds_are_refused_in_one_sentence(sizes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(SettingsError) as refused:
        WorldSize(**sizes)
    assert str(refused.value) == f"making sample data: {sentence}"


def test_a_world_without_assessments_or_nested_collections_is_made(spark: SparkSession, tmp_path: Path) -> None:
    size = WorldSize(learners=3, batches=1, collections=1, leaves=1, nested=0, assessments=0)
    rows, counted, layouts = made(spark, size, tmp_path)
    assert (counted[ENROLMENTS], counted[ACTIVITY], counted[ATTEMPTS]) == (5, 9, 4)
    assert layouts[node_id(0, 0, 0)].leaves == (node_id(0, 3, 0),)
    assert rows[BATCHES]
