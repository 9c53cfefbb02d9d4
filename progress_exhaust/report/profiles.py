"""Profiles: the named sets of static columns. `seed` is the product's specification.

What a static column is, is said here and nowhere else: header, order, cell, and whether it is escaped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import partial

from pyspark.sql import Column
from pyspark.sql import functions as F

from progress_exhaust.catalogue.layout import Layout
from progress_exhaust.report import cells
from progress_exhaust.report.model import Report


@dataclass(frozen=True, slots=True)
class FixedColumn:
    """A static column whose cells are the same on every line, since a report's own data fix them.

    Attributes:
        header: its text in the header line, before any guard.
        text: what stands in its cells, before any guard; people have typed it, so it is made inert.
    """

    header: str
    text: Callable[[Report], str]


@dataclass(frozen=True, slots=True)
class LearnerColumn:
    """A static column that tells of a learner.

    Attributes:
        header: its text in the header line, before any guard.
        name: what it is called in frames.
        cell: makes its cell, of the columns that `rows.learner_rows` has joined.
        is_escaped: whether its cells hold what others have typed, which is made readable and inert.
    """

    header: str
    name: str
    cell: Callable[[], Column]
    is_escaped: bool = False


FIXED_COLUMNS = (
    FixedColumn("Collection Id", lambda report: report.batch.layout.collection_id),
    FixedColumn("Collection Name", lambda report: report.batch.layout.name),
    FixedColumn("Batch Id", lambda report: report.batch.batch_id),
    FixedColumn("Batch Name", lambda report: report.batch.name),
)
LEARNER_COLUMNS = (
    LearnerColumn("User UUID", "user_id", partial(F.col, "user_id"), is_escaped=True),
    LearnerColumn("User Name", "user_name", partial(F.col, "user_name"), is_escaped=True),
    LearnerColumn("State", "state", partial(F.col, "state"), is_escaped=True),
    LearnerColumn("District", "district", partial(F.col, "district"), is_escaped=True),
    LearnerColumn("Enrolment Date", "enrolment_date", cells.enrolment_date),
    LearnerColumn("Completion Date", "completion_date", cells.completion_date),
    LearnerColumn("Progress", "progress", cells.progress),
    LearnerColumn("Certificate Status", "certificate_status", cells.certificate_status),
    LearnerColumn("Total Score", "total_score", cells.total_score),
)


class ColumnKind(StrEnum):
    """What a column is; the words stand in the manifest."""

    STATIC = "static"
    PROGRESS = "nested_progress"
    LEVEL = "nested_level"
    SCORE = "score"


@dataclass(frozen=True, slots=True)
class ReportColumn:
    """One column of a report.

    Attributes:
        header: its text in the header line, before any guard.
        kind: what it is.
        name: the human name of the nested collection or assessment; empty for static columns.
        level: the level of the nested collection; empty for others.
    """

    header: str
    kind: ColumnKind
    name: str = ""
    level: str = ""


def columns_of(layout: Layout) -> Iterator[ReportColumn]:
    """Give the columns of a collection's reports, in order."""
    for column in FIXED_COLUMNS + LEARNER_COLUMNS:
        yield ReportColumn(column.header, ColumnKind.STATIC)
    for nested in layout.nested:
        yield ReportColumn(f"{nested.identifier} - Progress", ColumnKind.PROGRESS, nested.name, nested.level)
        yield ReportColumn(f"{nested.identifier} - Level", ColumnKind.LEVEL, nested.name, nested.level)
    for assessment in layout.assessments:
        yield ReportColumn(f"{assessment.identifier} - Score", ColumnKind.SCORE, assessment.name)
