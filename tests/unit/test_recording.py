"""The one file of what is said of speed: parts replace themselves and nothing else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.recording import record


@pytest.fixture
def speed_file(tmp_path: Path) -> Path:
    file = tmp_path / "speed.json"
    record("standard", {"median": {"ours": {"total_s": 13.0}}}, {"scan": 8.1239, "duckdb": 2.5}, file)
    record("cold_start", {"start_s": 4}, {"cold_start": 1.5}, file)
    return file


def content_of(file: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return content


def test_ratios_of_all_parts_stand_together_in_their_order(speed_file: Path) -> None:
    content = content_of(speed_file)

    assert list(content["ratios"].items()) == [("duckdb", 2.5), ("scan", 8.124), ("cold_start", 1.5)]
    assert content["parts"]["standard"]["median"] == {"ours": {"total_s": 13.0}}
    assert content["parts"]["standard"]["cores"] > 0


def test_part_measured_anew_replaces_what_it_said_and_leaves_the_others(speed_file: Path) -> None:
    others = content_of(speed_file)["parts"]["cold_start"]

    record("standard", {"first": 1}, {"duckdb": 1.25}, speed_file)

    content = content_of(speed_file)
    assert content["ratios"] == {"duckdb": 1.25, "cold_start": 1.5}
    assert content["parts"]["standard"]["first"] == 1
    assert "median" not in content["parts"]["standard"]
    assert content["parts"]["cold_start"] == others


@pytest.mark.parametrize("name", [pytest.param("scans", id="unknown"), pytest.param("scan", id="another part's")])
def test_ratio_that_is_unknown_or_another_parts_is_refused(speed_file: Path, name: str) -> None:
    before = speed_file.read_bytes()

    with pytest.raises(ValueError, match=f"recording cassandra: {name}: not in RATIOS, or measured by another part"):
        record("cassandra", {}, {name: 1.0}, speed_file)

    assert speed_file.read_bytes() == before
