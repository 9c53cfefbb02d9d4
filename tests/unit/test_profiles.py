"""Static columns: each is declared in one place, from which everything else follows."""

from __future__ import annotations

import ast
from pathlib import Path

import progress_exhaust
from progress_exhaust.catalogue.layout import Assessment, Layout, NestedCollection
from progress_exhaust.report.model import Batch, Report
from progress_exhaust.report.profiles import FIXED_COLUMNS, LEARNER_COLUMNS, columns_of

HEADERS = (
    *("Collection Id", "Collection Name", "Batch Id", "Batch Name", "User UUID", "User Name", "State", "District"),
    *("Enrolment Date", "Completion Date", "Progress", "Certificate Status", "Total Score"),
)
LAYOUT = Layout(
    "do_1",
    "Course",
    "",
    ("leaf",),
    (NestedCollection("do_2", "Unit", "1.1", ("leaf",)),),
    (Assessment("do_3", "Quiz", True),),
)


def test_static_columns_come_first_and_in_the_order_of_the_contract() -> None:
    columns = [(column.header, column.kind.value) for column in columns_of(LAYOUT)]

    assert columns[:13] == [(header, "static") for header in HEADERS]
    assert columns[13:] == [
        ("do_2 - Progress", "nested_progress"),
        ("do_2 - Level", "nested_level"),
        ("do_3 - Score", "score"),
    ]


def test_fixed_cells_are_those_of_the_collection_and_the_batch() -> None:
    report = Report(0, Batch(0, "b-1", "Morning", LAYOUT))

    assert [column.text(report) for column in FIXED_COLUMNS] == ["do_1", "Course", "b-1", "Morning"]


def test_what_people_have_typed_is_guarded() -> None:
    assert [column.header for column in LEARNER_COLUMNS if column.is_escaped] == [
        *("User UUID", "User Name", "State", "District"),
    ]


def test_header_is_spelled_in_one_module() -> None:
    root = Path(progress_exhaust.__file__).parent
    spelled = {
        str(path.relative_to(root))
        for path in root.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and node.value in HEADERS
    }

    assert spelled == {"report/profiles.py"}
