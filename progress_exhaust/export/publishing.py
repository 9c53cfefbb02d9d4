"""From the staged parts of a report to one file that is checked and may be moved to its place."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from progress_exhaust.catalogue.layout import Layout
from progress_exhaust.errors import OutputError, Reason, SkippedReport
from progress_exhaust.export.report_plan import fixed_texts
from progress_exhaust.output.digest import Digest, digest_of
from progress_exhaust.output.lines import CONTROL_NOTE, DOUBLED_NOTE, GUARDED_NOTE, NOTES
from progress_exhaust.output.manifest import Column, MadeFile
from progress_exhaust.output.stores.port import Store
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
_PART = re.compile(rf"part=([0-9]+)\.([0-9]+|{NOTES})")
_MOST_NOTE_BYTES = 512 << 20
"""Of a report in which every learner needs a note, this is tens of millions of learners."""


@dataclass(frozen=True)
class Parts:
    """The staged files of one report.

    Attributes:
        slices: paths of its slices by their number, which is their order; none under one whose folder is empty.
        notes: paths of its notes; None where their folder is empty.
    """

    slices: Mapping[int, Sequence[str]]
    notes: Sequence[str] | None


def staged_parts(store: Store, folder: str) -> dict[int, Parts]:
    """List what Spark has staged in a folder, by report_no."""
    slices: dict[int, dict[int, list[str]]] = defaultdict(dict)
    notes: dict[int, list[str] | None] = {}
    for name in store.list_names(folder):
        part = _PART.fullmatch(name)
        if part is None:
            continue
        report_no, piece = int(part[1]), part[2]
        paths = [f"{folder}/{name}/{file}" for file in store.list_names(f"{folder}/{name}") if file.startswith("part-")]
        if piece == NOTES:
            notes[report_no] = paths or None
        else:
            slices[report_no][int(piece)] = paths
    return {report_no: Parts(slices[report_no], notes.get(report_no, [])) for report_no in slices.keys() | notes.keys()}


def whole_parts(report: Report, parts: Parts | None, sure_slices: int) -> Parts:
    """Return a report's parts after seeing that none that Spark must have staged is missing.

    Spark makes a folder together with the file in it, and fails where it can not. What is missing after it has ended
    well was lost by the output place, or removed by somebody: no batch is at fault.

    Args:
        report: what it is.
        parts: what is staged of it; None where nothing is.
        sure_slices: how many slices, counted from the first, have a line for certain.

    Raises:
        OutputError: a part is gone.
    """
    if parts is None or parts.notes is None:
        raise _gone(report)
    if not all(parts.slices.values()) or not parts.slices.keys() >= set(range(sure_slices)):
        raise _gone(report)
    return parts


@dataclass(frozen=True)
class CheckedReport:
    """A staged report that is one whole file with as many rows as were counted.

    Attributes:
        report: what it is.
        staged: its path in staging.
        digest: what one read of the file told.
        counts: what was counted of its enrolments before anything was joined.
        guarded_cells: cells made inert, the header's included.
        control_characters: cells in which a control character was replaced, the header's included.
    """

    report: Report
    staged: str
    digest: Digest
    counts: Counts
    guarded_cells: int
    control_characters: int

    def publish(self, store: Store, path: str, *, staged: str = "") -> MadeFile:
        """Move the file, or a staged copy of it, to its place.

        Raises:
            SkippedReport: it can not be moved.
        """
        batch, layout = self.report.batch, self.report.batch.layout
        try:
            store.publish(staged or self.staged, path)
        except OutputError as error:
            raise SkippedReport(
                Reason.NOT_PUBLISHED, batch.batch_id, f'batch "{batch.batch_id}" is not made: {error}'
            ) from None
        counts = self.counts
        return MadeFile(
            path=path,
            batch_id=batch.batch_id,
            collection_id=layout.collection_id,
            collection_name=layout.name,
            audience=self.report.audience,
            rows=counts.kept,
            size_bytes=self.digest.size_bytes,
            sha256=self.digest.sha256,
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


def check_report(
    report: Report, parts: Parts, counts: Counts, store: Store, settings: OutputSettings, scratch: Path
) -> CheckedReport:
    """Make one file of a staged report's parts, and check it against the count of its learners.

    Args:
        report: what it is.
        parts: its staged files.
        counts: what was counted of its enrolments before anything was joined.
        store: where it is staged.
        settings: how files look.
        scratch: a private folder for copies, where the store is not local.

    Raises:
        SkippedReport: a table holds a key twice, or the rows do not match the count.
        OutputError: a part is gone, or can not be read.
    """
    batch = report.batch
    notes = _read_notes(store, report, parts.notes or ())
    if notes.doubled:
        tables = ", ".join(sorted(notes.doubled))
        raise SkippedReport(
            Reason.DOUBLED_KEY,
            batch.batch_id,
            f'batch "{batch.batch_id}" is not made: {tables} holds a key twice for {notes.doubled_rows} of its rows; '
            "remove the doubled rows",
        )
    staged = _whole(store, [path for _, paths in sorted(parts.slices.items()) for path in paths])
    digest = digest_of(store.local_copy(staged, scratch))
    if digest.records != counts.kept + 1:
        raise _miscounted(batch.batch_id, digest.records - 1, counts.kept)
    texts = fixed_texts(report, formula_guard=settings.formula_guard)
    return CheckedReport(
        report,
        staged,
        digest,
        counts,
        guarded_cells=notes.guarded + texts.guarded_in_header + texts.guarded_in_row * counts.kept,
        control_characters=notes.control + texts.control_in_header + texts.control_in_row * counts.kept,
    )


def described_columns(layout: Layout) -> list[Column]:
    """Return the columns of a collection's files, as manifests tell them."""
    return [Column(column.header, column.kind, column.name, column.level) for column in columns_of(layout)]


def file_name(settings: OutputSettings, batch_id: str, day: date) -> str:
    """Return the name of a batch's file."""
    return settings.file_name.format(batch_id=batch_id, date=day.strftime("%d_%m_%Y"))


def _gone(report: Report) -> OutputError:
    return OutputError(
        f'checking the file of batch "{report.batch.batch_id}": its staged parts are gone, expected them to stay until '
        "they are published; find out what else removes files at output.url, and run again"
    )


def _miscounted(batch_id: str, got: int, expected: int) -> SkippedReport:
    return SkippedReport(
        Reason.COUNT_MISMATCH,
        batch_id,
        f'batch "{batch_id}" is not made: its file has {got} rows, expected {expected} rows as counted from the '
        "enrolments; the tables changed while they were read, run again",
    )


@dataclass(frozen=True)
class _Notes:
    guarded: int
    control: int
    doubled: frozenset[str]
    doubled_rows: int


def _read_notes(store: Store, report: Report, paths: Iterable[str]) -> _Notes:
    cells: Counter[str] = Counter()
    doubled: set[str] = set()
    doubled_rows = 0
    for path in paths:
        text = store.read_text(path, _MOST_NOTE_BYTES)
        if text is None:
            raise _gone(report)
        for line in text.splitlines():
            name, _, value = line.partition("=")
            if name == DOUBLED_NOTE:
                doubled_rows += 1
                doubled.update(value.split(" "))
            else:
                cells[name] += int(value)
    return _Notes(cells[GUARDED_NOTE], cells[CONTROL_NOTE], frozenset(doubled), doubled_rows)


def _whole(store: Store, slices: Sequence[str]) -> str:
    """Return the path of the report as one staged file."""
    if len(slices) == 1:
        return slices[0]
    whole = f"{slices[0].rpartition('/')[0]}/whole.csv"
    store.join(slices, whole)
    return whole


def _counted(counts: Mapping[str, int]) -> dict[str, int]:
    return {str(reason): count for reason, count in counts.items() if count}
