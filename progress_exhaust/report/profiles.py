"""Profiles: the named sets of static columns. `seed` is the product's specification."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from progress_exhaust.catalogue.layout import Layout

FIRST_COLUMNS = ("Collection Id", "Collection Name", "Batch Id", "Batch Name")
LEARNER_COLUMNS = (
    "User UUID",
    "User Name",
    "State",
    "District",
    "Enrolment Date",
    "Completion Date",
    "Progress",
    "Certificate Status",
    "Total Score",
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
    for header in FIRST_COLUMNS + LEARNER_COLUMNS:
        yield ReportColumn(header, ColumnKind.STATIC)
    for nested in layout.nested:
        yield ReportColumn(f"{nested.identifier} - Progress", ColumnKind.PROGRESS, nested.name, nested.level)
        yield ReportColumn(f"{nested.identifier} - Level", ColumnKind.LEVEL, nested.name, nested.level)
    for assessment in layout.assessments:
        yield ReportColumn(f"{assessment.identifier} - Score", ColumnKind.SCORE, assessment.name)
