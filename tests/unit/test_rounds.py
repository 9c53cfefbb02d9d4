"""Variants take turns, and a ratio is that of figures measured side by side."""

from __future__ import annotations

from collections.abc import Callable

from benchmarks.rounds import Figures, interleaved, medians, ratio

OURS = [{"total_s": 10.0}, {"total_s": 90.0}, {"total_s": 12.0}]
THEIRS = [{"total_s": 5.0}, {"total_s": 30.0}, {"total_s": 8.0}]


def test_each_variant_runs_once_a_round_in_turn() -> None:
    ran: list[str] = []

    def variant(name: str) -> Callable[[], Figures]:
        def run() -> Figures:
            ran.append(name)
            return {"total_s": float(len(ran))}

        return run

    taken = interleaved({"ours": variant("ours"), "scan": variant("scan")}, 2)

    assert ran == ["ours", "scan", "ours", "scan"]
    assert taken == {"ours": [{"total_s": 1.0}, {"total_s": 3.0}], "scan": [{"total_s": 2.0}, {"total_s": 4.0}]}


def test_ratio_is_the_median_of_the_rounds_own_ratios() -> None:
    assert ratio(OURS, THEIRS) == 2.0  # of 2, 3 and 1.5; a busy round has both sides slow


def test_medians_are_taken_figure_by_figure() -> None:
    assert medians([{"total_s": 1.0, "jobs": 12}, {"total_s": 3.0, "jobs": 14}]) == {"total_s": 2.0, "jobs": 13}
