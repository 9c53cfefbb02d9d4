"""The per-batch baseline makes files that can be compared with ours: the same columns, learners and best scores."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from benchmarks import baseline
from progress_exhaust.catalogue.files import FilesCatalogue
from progress_exhaust.export.selection import ReportQuery, select_batches
from progress_exhaust.tables.snapshot import SnapshotTables
from tests.support.builders import batches_world
from tests.support.whole_runs import Exported, run_export, settings_for, write_world

SAME = ("User UUID", "Batch Name", "Enrolment Date", "do_0-nested - Level", "do_0-quiz - Score")


def test_file_of_a_batch_has_the_columns_learners_and_scores_of_ours(spark: SparkSession, tmp_path: Path) -> None:
    world = batches_world(2, 1, learners=5)
    # Scores of the activity rows stand in for missing attempts in our files only.
    world.tables["user_activity_agg"] = [
        {**row, "aggregates": {"completedCount": 1.0}} for row in world.tables["user_activity_agg"]
    ]
    write_world(world, tmp_path)
    settings = settings_for(world, tmp_path)
    exported = run_export(spark, settings)
    session = baseline.session_with(spark, partitions=2, adaptive=True)
    tables = SnapshotTables(session, settings)
    catalogue = FilesCatalogue(settings.catalogue.directory, settings.catalogue.max_tree_bytes)
    selection = select_batches(
        ReportQuery(everything=True),
        session,
        tables,
        catalogue,
        settings,
        lambda name, lines: pytest.fail("nothing staged"),
    )

    learners = baseline.cached_learners(tables)
    baseline.make_reports(tables, learners, selection.batches, tmp_path / "baseline")
    learners.unpersist()

    names = sorted(path.name for path in (tmp_path / "baseline").iterdir())
    assert names == ["b-000.csv", "b-001.csv"]
    for batch_id in world.batch_ids():
        assert compared(tmp_path / "baseline" / f"{batch_id}.csv") == compared_with(exported, batch_id)


def compared(file: Path) -> tuple[list[str], list[list[str]]]:
    """Return the header, and the cells that both have, row by row in order of the learners."""
    rows = list(csv.DictReader(io.StringIO(file.read_text(encoding="utf-8"))))
    cells = [[_number(row[name]) for name in SAME] for row in sorted(rows, key=lambda row: row["User UUID"])]
    return list(rows[0]), cells


def compared_with(exported: Exported, batch_id: str) -> tuple[list[str], list[list[str]]]:
    (file,) = (exported.folder / "progress-exhaust").glob(f"{batch_id}_*.csv")
    return compared(file)


def _number(cell: str) -> str:
    """Drop the zeros that Spark's own text of a double ends in."""
    return cell.removesuffix(".0")
