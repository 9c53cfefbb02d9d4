"""From the draft of a report to a file that is checked and may be published."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from progress_exhaust.catalogue.layout import Layout
from progress_exhaust.errors import OutputError, Reason, SkippedReport
from progress_exhaust.export.fixed_texts import fixed_texts
from progress_exhaust.export.refusals import not_made
from progress_exhaust.output.drafts import Draft
from progress_exhaust.output.parts import Notes
from progress_exhaust.output.stores.port import Store
from progress_exhaust.published_file import Column, PublishedFile
from progress_exhaust.report.enrolments import (
    DATE_UNREADABLE,
    INACTIVE,
    NO_KEY,
    OTHER_ORGANISATION,
    OUT_OF_RANGE,
    Counts,
)
from progress_exhaust.report.model import Report
from progress_exhaust.report.profiles import columns_of
from progress_exhaust.settings.sections import OutputSettings

CONTROL_CHARACTERS = "control_characters"


@dataclass(frozen=True)
class CheckedReport:
    """A report whose draft is one whole file with as many rows as were counted.

    Attributes:
        report: what it is.
        draft: the file, on this machine.
        counts: what was counted of its enrolments before anything was joined.
        guarded_cells: cells made inert, the header's included.
        control_characters: cells in which a control character was replaced, the header's included.
    """

    report: Report
    draft: Draft
    counts: Counts
    guarded_cells: int
    control_characters: int

    def publish(self, store: Store, path: str, *, copy: str = "") -> PublishedFile:
        """Publish the draft, which is used up, or a copy of it.

        Args:
            store: where to.
            path: its place there.
            copy: path of a copy among the drafts, which is used up instead.

        Raises:
            SkippedReport: it can not be published.
        """
        batch, layout = self.report.batch, self.report.batch.layout
        try:
            store.publish(copy or self.draft.path, path)
        except OutputError as error:
            raise not_made(
                Reason.NOT_PUBLISHED, batch.batch_id, got=error.fault.finding, remedy=error.fault.remedy
            ) from None
        counts = self.counts
        return PublishedFile(
            path=path,
            batch_id=batch.batch_id,
            collection_id=layout.collection_id,
            collection_name=layout.name,
            audience=self.report.audience,
            rows=counts.retained,
            size_bytes=self.draft.digest.size_bytes,
            sha256=self.draft.digest.sha256,
            columns=described_columns(layout),
            rows_dropped=_counted(
                {NO_KEY: counts.no_key, INACTIVE: counts.inactive, OTHER_ORGANISATION: counts.other_organisation}
            ),
            warnings=_counted(
                {
                    DATE_UNREADABLE: counts.dates_unreadable,
                    OUT_OF_RANGE: counts.out_of_range,
                    CONTROL_CHARACTERS: self.control_characters,
                }
                | dict(layout.warnings)
            ),
            guarded_cells=self.guarded_cells,
        )


def check_report(report: Report, draft: Draft, notes: Notes, counts: Counts, settings: OutputSettings) -> CheckedReport:
    """Check a report's draft against the count of its learners.

    Args:
        report: what it is.
        draft: its file.
        notes: what was noted of its rows.
        counts: what was counted of its enrolments before anything was joined.
        settings: how files look.

    Raises:
        SkippedReport: a table holds a key twice, or the rows do not match the count.
    """
    batch = report.batch
    if notes.duplicate_tables:
        tables = ", ".join(sorted(notes.duplicate_tables))
        raise not_made(
            Reason.DOUBLED_KEY,
            batch.batch_id,
            got=f"{tables} holds a key twice for {notes.duplicate_rows} of its rows",
            remedy="remove the doubled rows",
        )
    if draft.digest.row_count != counts.retained + 1:
        raise _miscounted(batch.batch_id, draft.digest.row_count - 1, counts.retained)
    texts = fixed_texts(report, formula_guard=settings.formula_guard)
    return CheckedReport(
        report,
        draft,
        counts,
        guarded_cells=notes.escaped + texts.escaped_in_header + texts.escaped_in_row * counts.retained,
        control_characters=notes.control + texts.control_in_header + texts.control_in_row * counts.retained,
    )


def described_columns(layout: Layout) -> list[Column]:
    """Return the columns of a collection's files, as manifests tell them."""
    return [Column(column.header, column.kind, column.name, column.level) for column in columns_of(layout)]


def file_name(settings: OutputSettings, batch_id: str, day: date) -> str:
    """Return the name of a batch's file."""
    return settings.file_name.format(batch_id=batch_id, date=day.strftime("%d_%m_%Y"))


def _miscounted(batch_id: str, got: int, expected: int) -> SkippedReport:
    return not_made(
        Reason.COUNT_MISMATCH,
        batch_id,
        got=f"its file has {got} rows",
        expected=f"{expected} rows as counted from the enrolments",
        remedy="the tables changed while they were read, run again",
    )


def _counted(counts: Mapping[str, int]) -> dict[str, int]:
    return {str(reason): count for reason, count in counts.items() if count}
