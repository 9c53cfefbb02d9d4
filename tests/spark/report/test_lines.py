"""Rows of a report become lines of its files."""

from __future__ import annotations

from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import types as T

from progress_exhaust.output.lines import in_file_order, report_lines
from progress_exhaust.report import inputs
from progress_exhaust.report.profiles import LEARNER_COLUMNS
from tests.support.builders import rows_frame
from tests.support.transform_frames import REPORT
from tests.worlds.model import Row

LINE_ROWS = T.StructType(
    [
        T.StructField("report_no", T.IntegerType()),
        T.StructField("slice_starts", T.ArrayType(T.StringType())),
        *(
            T.StructField(name, T.StringType())
            for name in [
                "first_cells",
                "user_id",
                "user_name",
                "state",
                "district",
                "enrolment_date",
                "completion_date",
                "progress",
                "certificate_status",
                "total_score",
                "duplicate",
            ]
        ),
        T.StructField("dynamic_cells", T.ArrayType(T.StringType())),
    ]
)


def line_row(report_no: int, user_id: str, **columns: Any) -> Row:
    defaults = {"slice_starts": [], "first_cells": f"do_1,Course,b-{report_no},", "dynamic_cells": ["57", "1", None]}
    return {**defaults, "report_no": report_no, "user_id": user_id, "progress": "0", **columns}


def files_of(lines: DataFrame) -> dict[str, list[str]]:
    """Give the lines of each part, in the order in which they are written, its notes last, and see that it ends."""
    parts: dict[str, list[str]] = {}
    open_part = ""
    for row in in_file_order(lines, 3).collect():
        if row.value == "\x1eend":
            open_part = ""
        elif not open_part:
            open_part = row.value.removeprefix("\x1e")
            assert row.value == f"\x1e{open_part}"
            parts[open_part] = []
        else:
            parts[open_part].append(row.value)
    assert not open_part
    return parts


def noted(*notes: str) -> list[str]:
    return [f"\x1e{note}" for note in notes]


@pytest.mark.rule("R1", "S1")
def test_lines_make_files_with_their_header_first_and_learners_in_order_of_code_points(spark: SparkSession) -> None:
    rows = rows_frame(
        spark,
        LINE_ROWS,
        *(line_row(0, user_id) for user_id in ("b", "｢", "B", "😀", "a", "é")),
        line_row(1, "=1", user_name='say "hi"', state="+Kerala", district="a,b\n-c", total_score="-1"),
        line_row(1, "u-2", duplicate="user"),
    )
    reports = rows_frame(
        spark,
        inputs.REPORTS,
        *({**REPORT, "report_no": number, "header": f"header {number}"} for number in range(3)),
    )

    parts = files_of(report_lines(rows, reports, LEARNER_COLUMNS, formula_guard=True))

    assert parts["0.0"] == [
        "header 0",
        *(f"do_1,Course,b-0,,{user_id},,,,,,0,,,57,1," for user_id in ("B", "a", "b", "é", "｢", "😀")),
    ]
    assert parts["1.0"] == [
        "header 1",
        'do_1,Course,b-1,,\'=1,"say ""hi""",\'+Kerala,"a,b\n\'-c",,,0,,-1,57,1,',
        "do_1,Course,b-1,,u-2,,,,,,0,,,57,1,",
        *noted("escaped=3", "duplicate=user"),
    ]
    assert parts["2.0"] == ["header 2"]
    assert sorted(parts) == ["0.0", "1.0", "2.0"]


def test_lines_of_a_big_report_are_cut_at_the_slice_starts(spark: SparkSession) -> None:
    starts = ["c", "e"]
    rows = rows_frame(spark, LINE_ROWS, *(line_row(0, user_id, slice_starts=starts) for user_id in "fcabde"))
    reports = rows_frame(spark, inputs.REPORTS, {**REPORT, "slice_starts": starts, "header": "header"})

    parts = files_of(report_lines(rows, reports, LEARNER_COLUMNS, formula_guard=True))

    cells = {part: [line.split(",")[4] if "," in line else line for line in lines] for part, lines in parts.items()}
    assert cells == {"0.0": ["header", "a", "b"], "0.1": ["c", "d"], "0.2": ["e", "f"]}


@pytest.mark.rule("N2")
@pytest.mark.parametrize("formula_guard", [True, False])
def test_control_characters_are_replaced_and_counted_by_cell_and_ids_keep_their_order(
    spark: SparkSession, formula_guard: bool
) -> None:
    rows = rows_frame(
        spark,
        LINE_ROWS,
        line_row(0, "a\x1fb", user_name="\x00=1", state="tab\tbed", district="a\x7f\x01\nb"),
        line_row(0, "a b"),
        line_row(0, "a\x00b"),
    )
    reports = rows_frame(spark, inputs.REPORTS, {**REPORT, "header": "header"})

    parts = files_of(report_lines(rows, reports, LEARNER_COLUMNS, formula_guard=formula_guard))

    assert parts["0.0"] == [
        "header",
        "do_1,Course,b-0,,a\ufffdb,,,,,,0,,,57,1,",
        'do_1,Course,b-0,,a\ufffdb,\ufffd=1,tab\tbed,"a\ufffd\ufffd\nb",,,0,,,57,1,',
        "do_1,Course,b-0,,a b,,,,,,0,,,57,1,",
        *noted("control=1", "control=3"),
    ]


@pytest.mark.rule("N3")
def test_guard_can_be_left_off(spark: SparkSession) -> None:
    rows = rows_frame(spark, LINE_ROWS, line_row(0, "=1"))
    reports = rows_frame(spark, inputs.REPORTS, REPORT)

    parts = files_of(report_lines(rows, reports, LEARNER_COLUMNS, formula_guard=False))

    assert parts["0.0"][1].startswith("do_1,Course,b-0,,=1,")
    assert list(parts) == ["0.0"]
