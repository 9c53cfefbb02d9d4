"""Where reports that are too big for one task are cut into slices."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from progress_exhaust.report.enrolments import Counts
from progress_exhaust.report.model import Report

_SAMPLES_PER_SLICE = 100


def slice_starts(
    reports: Sequence[Report], counts: Mapping[int, Counts], enrolments: DataFrame, most: int
) -> dict[int, list[str]]:
    """Choose where big reports are cut, by report_no: the user id each slice but the first starts with.

    The cut decides how the work is spread, not what is written, so ids from an even sample are good enough. Where no
    report is too big, nothing is read.

    Args:
        reports: the reports.
        counts: what becomes of the enrolments of each batch_no; one that is not in it has none.
        enrolments: `report.enrolments.wanted_enrolments`.
        most: learners of a slice.
    """
    sizes = {report.report_no: counts.get(report.batch.batch_no, Counts()).retained for report in reports}
    big = [report for report in reports if sizes[report.report_no] > most]
    if not big:
        return {}
    one_in = max(1, most // _SAMPLES_PER_SLICE)
    ids: dict[int, list[str]] = {report.batch.batch_no: [] for report in big}
    sample = enrolments.filter(
        F.col("batch_no").isin(*ids)
        & F.col("dropped").isNull()
        & (F.crc32(F.col("user_id").cast("binary")) % one_in == 0)
    )
    for row in sample.select("batch_no", "user_id").collect():
        ids[row["batch_no"]].append(row["user_id"])
    return {
        report.report_no: _evenly(sorted(ids[report.batch.batch_no]), math.ceil(sizes[report.report_no] / most))
        for report in big
    }


def _evenly(sorted_ids: Sequence[str], pieces: int) -> list[str]:
    """Return the ids at which to cut into pieces of even size; fewer where the ids are few."""
    cuts = [round(len(sorted_ids) * piece / pieces) for piece in range(1, pieces)]
    starts = [sorted_ids[cut] for cut in cuts if 0 < cut < len(sorted_ids)]
    return [start for before, start in pairwise(["", *starts]) if before != start]
