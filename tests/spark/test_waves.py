"""One plan for all reports: what it costs, that cutting it changes no byte, and that a fault stays with its batch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from progress_exhaust.errors import OutputError, Reason, SourceError
from progress_exhaust.output.stores.hadoop import HadoopStore
from progress_exhaust.output.stores.local import LocalStore
from progress_exhaust.settings.sections import Settings
from progress_exhaust.tables.schemas import USER_ACTIVITY_AGG, USER_ENROLMENTS, Table
from tests.support.acting_ports import AlteredTables, StoreThatTells, failing
from tests.support.builders import activity, answer, assessment, attempt, batch, batches_world, collection, enrolment
from tests.support.spark_counters import RanPlan, jobs_so_far, plans_of
from tests.support.whole_runs import DAY_IN_NAME, Exported, differences, run_export, settings_for, write_world
from tests.worlds import KEYSPACES, World

MOST_JOBS = 15
PYTHON_NODES = ("Python", "Pandas", "Arrow")
LEARNERS = 40


# What a run costs.


def test_jobs_of_a_run_do_not_grow_with_batches_or_collections(spark: SparkSession, tmp_path: Path) -> None:
    jobs: dict[tuple[int, int], int] = {}
    for batches, collections in ((2, 2), (200, 2), (200, 200)):
        folder = tmp_path / f"{batches}-{collections}"
        world = batches_world(batches, collections, learners=3)
        write_world(world, folder)
        before = jobs_so_far(spark)
        exported = run_export(spark, settings_for(world, folder))
        jobs[batches, collections] = jobs_so_far(spark) - before
        assert len(exported.outcome.made) == batches

    assert jobs[200, 2] <= min(jobs[2, 2] + 2, MOST_JOBS)
    assert jobs[200, 200] <= min(jobs[2, 2] + 2, MOST_JOBS)


@dataclass(frozen=True)
class Undisturbed:
    """A world and the files of a plain run over it."""

    world: World
    folder: Path
    exported: Exported
    plans: list[RanPlan]

    def settings(self, name: str, **spark: Any) -> Settings:
        """Settings of another run over the world, with an output of its own."""
        return settings_for(self.world, self.folder, output={"url": str(self.folder / name)}, spark=spark)


@pytest.fixture(scope="module")
def undisturbed(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    folder = tmp_path_factory.mktemp("undisturbed")
    world = batches_world(6, 2, LEARNERS)
    write_world(world, folder)
    with plans_of(spark) as plans:
        exported = run_export(spark, settings_for(world, folder))
    return Undisturbed(world, folder, exported, plans)


def test_files_of_a_plain_run_equal_the_reference(undisturbed: Undisturbed) -> None:
    assert differences(undisturbed.world, undisturbed.exported) == []


def test_each_row_of_each_table_is_read_once(undisturbed: Undisturbed) -> None:
    assert rows_read(undisturbed.plans) == read(undisturbed.world)


def test_no_operator_of_a_run_needs_python(undisturbed: Undisturbed) -> None:
    nodes = [node for plan in undisturbed.plans for node in plan.nodes]

    assert len(nodes) > 50
    assert [node for node in nodes if any(word in node for word in PYTHON_NODES)] == []


def test_course_of_hundreds_of_columns_beside_small_ones_equals_the_reference(
    spark: SparkSession, tmp_path: Path
) -> None:
    small = batches_world(4, 2, LEARNERS)
    nested = [
        collection(f"wide-{number}", [assessment(f"wide-{number}-{quiz}") for quiz in "abc"[: 2 + number % 2]])
        for number in range(200)
    ]
    quizzes = [leaf["identifier"] for one in nested for leaf in one["children"]]
    tables = {name: list(rows) for name, rows in small.tables.items()}
    tables["course_batch"].append(batch("b-wide", "wide"))
    for number in range(LEARNERS):
        place = (f"u-{number:04d}", "b-wide", "wide")
        done = quizzes[number :: number % 5 + 1]
        statuses = None if number % 7 == 0 else dict.fromkeys(done, 2)
        tables["user_enrolments"].append(enrolment(*place, contentstatus=statuses))
        tables["user_activity_agg"] += [
            activity(place[0], "b-wide", one["identifier"], {"completedCount": float(number % 3)}) for one in nested
        ]
        tables["assessment_aggregator"] += [attempt(*place, quiz, total_score=len(quiz) + 0.5) for quiz in done]
    world = World(tables, small.trees | {"wide": answer(collection("wide", nested))})
    write_world(world, tmp_path)

    exported = run_export(spark, settings_for(world, tmp_path))

    assert len(quizzes) == 500
    assert differences(world, exported) == []


def test_plan_exchanges_each_table_once_and_its_lines_once(undisturbed: Undisturbed) -> None:
    main_plan = max(undisturbed.plans, key=lambda plan: len(plan.nodes))

    by_learner = ["user_enrolments", "user", "user_activity_agg", "assessment_aggregator", "user_organisation"]
    by_organisation_and_back = ["learners who ask", "organisation", "what they are told"]
    assert main_plan.exchanges == len([*by_learner, *by_organisation_and_back, "lines, by report"])


# That the way a run is cut shows in no byte.


@pytest.mark.parametrize(
    ("spark_settings", "waves"),
    [
        pytest.param({"learners_per_wave": 2 * LEARNERS}, 3, id="three waves"),
        pytest.param({"learners_per_slice": 7, "learners_per_task": 20}, 1, id="slices, many tasks"),
        pytest.param({"broadcast_bytes": 1}, 1, id="layouts joined"),
    ],
)
def test_run_cut_in_another_way_gives_the_same_files(
    spark: SparkSession, undisturbed: Undisturbed, spark_settings: dict[str, Any], waves: int
) -> None:
    settings = undisturbed.settings("-".join(spark_settings), **spark_settings)
    store = StoreThatTells(settings)

    with plans_of(spark) as plans:
        exported = run_export(spark, settings, store=store)

    assert len(store.waves) == waves
    assert files_of(exported) == files_of(undisturbed.exported)
    assert rows_read(plans) == read(undisturbed.world)


def test_run_through_hadoops_file_system_gives_the_same_files_and_nothing_else(
    spark: SparkSession, undisturbed: Undisturbed
) -> None:
    settings = undisturbed.settings("hadoop", learners_per_slice=30)

    exported = run_export(spark, settings, store=HadoopStore(f"file:{settings.output.url}", spark))

    assert files_of(exported) == files_of(undisturbed.exported)
    assert exported.names() == delivered(undisturbed.world.batch_ids())


# That a fault stays with its batch.


@pytest.mark.rule("E13")
@pytest.mark.parametrize(
    ("table", "batch_column", "column"),
    [
        pytest.param(USER_ACTIVITY_AGG, "context_id", "aggregates", id="when lines are made"),
        pytest.param(
            USER_ENROLMENTS, "batchid", "contentstatus", id="when learners are counted", marks=pytest.mark.long
        ),
    ],
)
def test_batch_whose_task_always_fails_is_named_and_the_other_fifteen_are_delivered(
    spark: SparkSession, tmp_path: Path, table: Table, batch_column: str, column: str
) -> None:
    world = batches_world(16, 2, learners=3)
    write_world(world, tmp_path)
    settings = settings_for(world, tmp_path)
    tables = AlteredTables(spark, settings, table, failing(batch_column, "b-011", column))

    exported = run_export(spark, settings, tables=tables)

    expected = {f"b-{number:03d}" for number in range(16) if number != 11}
    assert {file.batch_id for file in exported.outcome.made} == expected
    (refused,) = exported.outcome.not_made
    assert (refused.subject, refused.reason) == ("b-011", Reason.TASK_FAILED)
    assert "its task failed every time (RuntimeException) while all services answer" in str(refused)
    assert differences(world, exported) == ["b-011: expected 3 rows, got refused as task_failed"]
    assert tables.attempts == 9  # all 16; both halves down to the batch: 8 and 8, 4 and 4, 2 and 2, 1 and 1
    assert exported.names() == delivered(expected)


def test_wave_that_fails_while_the_tables_do_not_answer_is_not_halved(spark: SparkSession, tmp_path: Path) -> None:
    world = batches_world(4, 2, learners=3)
    write_world(world, tmp_path)
    settings = settings_for(world, tmp_path)
    tables = AwayTables(spark, settings, USER_ACTIVITY_AGG, failing("context_id", "b-001", "aggregates"))

    with pytest.raises(SourceError, match="no node answers"):
        run_export(spark, settings, tables=tables)

    assert tables.attempts == 1
    assert list((tmp_path / "reports" / "progress-exhaust" / ".staging").iterdir()) == []
    assert list(tmp_path.glob("reports/progress-exhaust/*.csv")) == []


@pytest.mark.rule("S4")
def test_batch_whose_learners_change_while_they_are_read_is_not_published(spark: SparkSession, tmp_path: Path) -> None:
    world = batches_world(4, 2, learners=3)
    write_world(world, tmp_path)
    settings = settings_for(world, tmp_path)

    def lose_what_was_read_and_deactivate_a_learner() -> None:
        spark.catalog.clearCache()
        (file,) = tmp_path.glob("snapshot/sunbird_courses.user_enrolments/part-00000.jsonl")
        lines = file.read_text(encoding="utf-8").splitlines(keepends=True)
        number = next(number for number, line in enumerate(lines) if '"b-002"' in line)
        lines[number] = lines[number].replace('"active": true', '"active": null')
        file.write_text("".join(lines), encoding="utf-8")

    exported = run_export(spark, settings, store=StoreThatTells(settings, lose_what_was_read_and_deactivate_a_learner))

    (refused,) = exported.outcome.not_made
    assert (refused.subject, refused.reason) == ("b-002", Reason.COUNT_MISMATCH)
    assert "has 2 rows, expected 3" in str(refused)
    assert differences(world, exported) == ["b-002: expected 3 rows, got refused as count_mismatch"]
    assert exported.names() == delivered({"b-000", "b-001", "b-003"})


@pytest.mark.rule("S4")
@pytest.mark.parametrize("lost", ["part-00000*", ""], ids=["of one file", "of the whole wave"])
def test_staged_parts_that_vanish_are_the_fault_of_the_output_place(
    spark: SparkSession, tmp_path: Path, lost: str
) -> None:
    world = batches_world(4, 2, learners=3)
    write_world(world, tmp_path)
    settings = settings_for(world, tmp_path)

    with pytest.raises(OutputError, match=r"its staged parts are gone, .*; find out what else removes files at output"):
        run_export(spark, settings, store=StoreThatLoses(settings, lost))

    assert list((tmp_path / "reports" / "progress-exhaust" / ".staging").iterdir()) == []


def test_staged_frames_that_vanish_are_the_fault_of_the_output_place(spark: SparkSession, tmp_path: Path) -> None:
    world = batches_world(4, 2, learners=3)
    write_world(world, tmp_path)
    settings = settings_for(world, tmp_path)

    def lose_what_is_staged() -> None:
        spark.catalog.clearCache()
        for file in tmp_path.glob("reports/progress-exhaust/.staging/*/*.jsonl"):
            file.unlink()

    with pytest.raises(OutputError, match=r"reading .*\.staging.*: what the run has staged is gone"):
        run_export(spark, settings, store=StoreThatTells(settings, lose_what_is_staged))


class StoreThatLoses(LocalStore):
    """Loses staged parts of a wave just before they are listed."""

    def __init__(self, settings: Settings, lost: str) -> None:
        super().__init__(Path(settings.output.url))
        self._lost = lost

    def list_names(self, path: str) -> list[str]:
        if path.rpartition("/")[2].startswith("wave-"):
            for place in self.place(path).glob(self._lost) if self._lost else [self.place(path)]:
                self.remove(str(place.relative_to(self.place(""))))
        return super().list_names(path)


class AwayTables(AlteredTables):
    """Tables that do not answer when they are asked whether they do."""

    def check(self) -> None:
        raise SourceError("connecting to Cassandra: no node answers")


def files_of(exported: Exported) -> dict[str, bytes]:
    folder = exported.folder / "progress-exhaust"
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.suffix == ".csv"}


def delivered(batch_ids: Iterable[str]) -> list[str]:
    """Every path that a run leaves, and nothing else: no staging, no part, no marker."""
    names = [f"{batch_id}_progress_{DAY_IN_NAME}.csv" for batch_id in batch_ids]
    root = "progress-exhaust"
    return sorted([root, *(f"{root}/{name}" for name in (".staging", "manifest_test.json", *names))])


def rows_read(plans: list[RanPlan]) -> dict[str, int]:
    read: Counter[str] = Counter()
    for plan in plans:
        read += plan.rows_scanned
    return {name: rows for name, rows in read.items() if name.startswith("sunbird")}


def read(world: World) -> dict[str, int]:
    return {f"{KEYSPACES[table]}.{table}": len(rows) for table, rows in world.tables.items()}
