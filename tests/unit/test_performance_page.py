"""The page on performance says what was measured."""

from __future__ import annotations

import pytest

from benchmarks.recording import RATIOS
from benchmarks.report import BEGIN, COMPARED_WITH, END, PAGE, filled_in, measured_parts


def test_page_fits_the_figures_it_is_made_of() -> None:
    page = PAGE.read_text(encoding="utf-8")

    assert filled_in(page, measured_parts()) == page, "run python -m benchmarks.report"


def test_every_ratio_has_words() -> None:
    assert tuple(COMPARED_WITH) == RATIOS


def test_tables_stand_between_the_markers_and_the_text_around_them_stays() -> None:
    part = {
        "median": {"ours": {"total_s": 13.04, "jobs": 12}, "scan": {"total_s": 1.6}},
        "rounds_measured": 5,
        "cores": 2,
        "cpu_ratios": {"scan": 9.5},
    }
    grown = {
        "median": {"standard": {"total_s": 12.0}, "schools": {"total_s": 13.0}},
        "grown": {"total_s": 1.083, "cpu_s": 1.2, "row_us": 1.083, "heap_used_mb": 1.0},
        "rounds_measured": 2,
        "cores": 2,
    }
    way = {"keys_s": 2.5, "scan_s": 10.0, "chosen": "keys", "times_the_better": 1.0, "is_good": True, "reason": "few"}
    parts = {
        "queue": {"count": 1},
        "schools": grown,
        "standard": part,
        "cassandra": {"seconds": {"bare scan": 21.13}, "rounds_measured": 3, "cores": 2},
        "cassandra_grid": {"rows": [{"table": "user", "batches": 20, **way}]},
    }
    speed = {"ratios": {"scan": 8.1504}, "parts": parts}

    page = filled_in(f"before\n{BEGIN}\nold\n{END}\nafter\n", speed)

    lines = page.splitlines()
    assert (lines[:2], lines[-2:]) == (["before", BEGIN], [END, "after"])
    assert "| Spark reading the columns needed of all tables, to nowhere | **8.15** | 9.5 | `scan` |" in lines
    assert "| `standard` | ours | 13.0 |  |  | 12 |  |  |  |  |  |  |  |  |" in lines
    assert "| `standard` | scan | 1.60 |  |  |  |  |  |  |  |  |  |  |  |" in lines
    assert "| `schools` | schools | standard | 1.08 | 1.20 | 1.08 | 1 |" in lines
    assert "| `cassandra` | bare scan | 21.1 |" in lines
    assert "| `user` | 20 | 2.50 | 10 | keys | 1 |" in lines
    assert lines[-4] == (
        "Medians of rounds; how many there were: "
        "`schools`: 2 on 2 cores; `standard`: 5 on 2 cores; `cassandra`: 3 on 2 cores."
    )
    assert "old" not in lines
    assert filled_in(page, speed) == page


@pytest.mark.parametrize("page", ["no marker", f"{BEGIN}\n{BEGIN}\n{END}", END])
def test_page_without_its_markers_is_an_error(page: str) -> None:
    with pytest.raises(ValueError, match="expected one line <!-- tables"):
        filled_in(page, {"ratios": {}, "parts": {}})
