"""Frames and values for tests of single transforms."""

from __future__ import annotations

from datetime import UTC, datetime

from chispa import assert_df_equality
from pyspark.sql import DataFrame

from progress_exhaust.report.inputs import SLOTS
from progress_exhaust.report.locations import Location

LATER = datetime(2021, 1, 1, tzinfo=UTC)
NAN = float("nan")


def same(actual: DataFrame, expected: DataFrame) -> None:
    assert_df_equality(actual, expected, ignore_nullable=True, ignore_row_order=True, ignore_column_order=True)


KERALA = Location("kl", "state", "Kerala", None)
ANDHRA = Location("ap", "state", "Andhra Pradesh", "in")
KOLLAM = Location("kollam", "district", "Kollam", "kl")
VIZAG = Location("vizag", "district", "Vizag", "ap")
LOST = Location("lost", "district", "Lost", "nowhere")
ALONE = Location("alone", "district", "Alone", None)
IN_DISTRICT = Location("inner", "district", "Inner", "kollam")
KNOWN = (KERALA, ANDHRA, KOLLAM, VIZAG, LOST, ALONE, IN_DISTRICT)

REPORT = {
    "report_no": 0,
    "batch_no": 0,
    "leaf_counts": [4, 2, 0],
    "levels": ["1", "2.1; 3"],
    "are_self_assess": [True, False, True],
    "slice_starts": [],
    "first_cells": "do_1,Course,b-1,Batch",
    "header": "Collection Id,…",
}


def block(**slots: float) -> dict[int, list[float | None]]:
    """Make the first block of scores, from slots named `s0` and on."""
    return {0: [slots.get(f"s{slot}") for slot in range(SLOTS)]}
