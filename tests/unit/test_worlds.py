"""Random worlds stay wild in their outcomes, are the same for a seed, and can be merged and written."""

from __future__ import annotations

import ast
import json
from collections import Counter
from datetime import datetime
from pathlib import Path

import pytest

from tests.reference import expected_reports
from tests.reference.csv_text import CONTROL_CHARACTERS, FORMULA_STARTS, SKIPPED_BEFORE_A_FORMULA, guarded
from tests.worlds import REQUIRED_TABLES, WorldSettings, merge, random_settings, random_world
from tests.worlds.census import ENOUGH, SEEDS, seen
from tests.worlds.files import write_catalogue, write_snapshot
from tests.worlds.texts import INVALID_LEGACY_DATES, VALID_LEGACY_DATES


@pytest.mark.parametrize(
    "reason",
    [
        "",
        "bad_id",
        "unknown_batch",
        "ambiguous_batch",
        "unknown_collection",
        "retired_collection",
        "bad_tree",
        "tree_too_large",
        "doubled_key",
    ],
)
def test_every_outcome_occurs_in_random_worlds(reason: str) -> None:
    outcomes = Counter(report.not_made for seed in SEEDS for report in seen(seed).reports.values())
    assert outcomes[reason] >= ENOUGH


def test_every_legacy_date_occurs_where_it_counts() -> None:
    needed = {
        row.get("enrolleddate")
        for seed in range(200)
        for row in seen(seed).world.rows("user_enrolments")
        if row.get("active") and not row.get("enrolled_date")
    }
    assert needed >= {*VALID_LEGACY_DATES, *INVALID_LEGACY_DATES}


def test_every_start_of_a_formula_occurs_behind_every_skipped_character() -> None:
    starts = {cell[0] for seed in SEEDS for cell in seen(seed).cells("User Name", "Batch Name") if cell}
    skipped = {
        line[0]
        for seed in SEEDS
        for cell in seen(seed).cells("User Name", "Batch Name")
        for line in cell.splitlines()
        if line and line[0] != " " and guarded(line) != line and line[0] not in FORMULA_STARTS
    }
    assert starts >= FORMULA_STARTS
    assert skipped & SKIPPED_BEFORE_A_FORMULA == SKIPPED_BEFORE_A_FORMULA - CONTROL_CHARACTERS - set(" \n\r")


def test_world_of_a_seed_is_always_the_same() -> None:
    assert repr(random_world(7)) == repr(random_world(7))
    assert random_world(7).tables.keys() >= set(REQUIRED_TABLES)
    assert repr(random_world(7).tables) != repr(random_world(8).tables)


def test_settings_do_not_change_what_is_in_a_world() -> None:
    other = WorldSettings(time_zone="Asia/Kolkata")
    assert repr(random_world(7, other).tables) == repr(random_world(7).tables)
    assert random_world(7, other).settings == other
    assert len({random_settings(seed) for seed in range(60)}) == 3 * 2 * 2


def test_merged_worlds_keep_their_reports_apart() -> None:
    worlds = [random_world(seed) for seed in range(30)]
    merged = merge(worlds)
    apart = {key: made for world in worlds for key, made in expected_reports(world).items()}
    together = expected_reports(merged)
    assert together.keys() == apart.keys()
    for key, made in together.items():
        assert (made.rows, made.header, made.dropped, made.not_made) == (
            apart[key].rows,
            apart[key].header,
            apart[key].dropped,
            apart[key].not_made,
        )


def test_ids_that_must_not_be_doubled_are_not() -> None:
    merged = merge(random_world(seed) for seed in range(100))
    for table in ("location", "organisation", "system_settings"):
        ids = Counter(row["id"] for row in merged.rows(table) if row.get("id"))
        assert max(ids.values()) == 1, table


def test_worlds_of_other_settings_are_not_merged() -> None:
    with pytest.raises(ValueError, match="same settings"):
        merge([random_world(1), random_world(2, WorldSettings(user_name=False))])


def test_files_hold_the_world(tmp_path: Path) -> None:
    world = merge(random_world(seed) for seed in range(20))
    write_snapshot(world, tmp_path / "snapshot")
    write_catalogue(world, tmp_path / "catalogue")
    assert {place.name for place in (tmp_path / "snapshot").iterdir()} >= {
        "sunbird_courses.user_enrolments",
        "sunbird_courses.course_batch",
        "sunbird.user",
        "sunbird.location",
    }
    lines = [
        json.loads(line, parse_constant=pytest.fail)
        for part in sorted((tmp_path / "snapshot" / "sunbird_courses.user_enrolments").iterdir())
        for line in part.read_text(encoding="utf-8").split("\n")[:-1]
    ]
    assert len(lines) == len(world.rows("user_enrolments"))
    dates = [line["completedon"] for line in lines if line.get("completedon")]
    assert all(datetime.fromisoformat(date).utcoffset() is not None for date in dates)
    assert len(list((tmp_path / "catalogue").glob("*.json"))) == len(world.trees)


def test_reference_and_worlds_know_nothing_of_the_package() -> None:
    tests = Path(__file__).parents[1]
    modules = [*tests.glob("reference/*.py"), *tests.glob("worlds/*.py"), tests / "support" / "sample_world.py"]
    nodes = [node for module in modules for node in ast.walk(ast.parse(module.read_text(encoding="utf-8")))]
    imported = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    imported |= {str(node.module) for node in nodes if isinstance(node, ast.ImportFrom)}
    assert imported
    assert not [name for name in imported if name.split(".")[0] == "progress_exhaust"]
