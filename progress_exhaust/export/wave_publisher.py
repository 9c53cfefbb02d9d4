"""From the staged files of a wave to its reports, each handed over as soon as it is whole and checked."""

from __future__ import annotations

import threading
from codecs import BOM_UTF8
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from progress_exhaust.errors import OutputError, SkippedReport
from progress_exhaust.export.publishing import CheckedReport, check_report
from progress_exhaust.output.drafts import Draft, DraftWriter, joined_draft
from progress_exhaust.output.parts import DamagedPartsError, End, Note, Notes, PartName, staged_items
from progress_exhaust.output.staging import Staging
from progress_exhaust.report.enrolments import Counts
from progress_exhaust.report.model import Report
from progress_exhaust.settings.sections import OutputSettings

_STAGED_FILE = "part-"


class WavePublisher:
    """Reads each staged file of a wave once, several at once, and writes the drafts of the reports meanwhile.

    Args:
        reports: those of the wave.
        slices: how many slices each has, by report_no.
        counts: what becomes of the enrolments, by report_no.
        staging: where the wave is staged, and its drafts are made.
        settings: how files look, and how many are read at once.
        deliver: takes each checked report; from several threads.
    """

    def __init__(
        self,
        reports: Sequence[Report],
        *,
        slices: Mapping[int, int],
        counts: Mapping[int, Counts],
        staging: Staging,
        settings: OutputSettings,
        deliver: Callable[[CheckedReport], None],
    ) -> None:
        self._reports = {report.report_no: report for report in reports}
        self._slices = slices
        self._counts = counts
        self._staging = staging
        self._drafts = staging.drafts
        self._draft_folder = staging.new_path("drafts")
        self._settings = settings
        self._deliver = deliver
        self._lock = threading.Lock()
        self._read: dict[int, dict[int, tuple[Draft, Notes]]] = defaultdict(dict)
        self._refused: dict[int, SkippedReport] = {}
        self._has_failed = threading.Event()

    def publish(self, folder: str) -> list[tuple[Report, SkippedReport]]:
        """Hand over every report of a wave; return those that can not be published, and why.

        Args:
            folder: where the wave is staged.

        Raises:
            OutputError: a part is gone, can not be read, or its draft not be written; then nothing else is handed over.
        """
        staged = [name for name in self._staging.store.list_names(folder) if name.startswith(_STAGED_FILE)]
        with (
            self._drafts.holding(self._draft_folder),
            ThreadPoolExecutor(self._settings.publish_threads) as pool,
        ):
            reading = [pool.submit(self._read_file, f"{folder}/{name}") for name in staged]
        for one in reading:
            one.result()
        for number, report in self._reports.items():
            if len(self._read[number]) != self._slices[number]:
                raise _gone(f'the file of batch "{report.batch.batch_id}"')
        self._drafts.remove(self._draft_folder)  # with those that nobody waited for any more
        return [(self._reports[number], refusal) for number, refusal in sorted(self._refused.items())]

    def _read_file(self, path: str) -> None:
        if self._has_failed.is_set():
            return
        try:
            self._read_parts(path)
        except BaseException as error:
            self._has_failed.set()
            if isinstance(error, DamagedPartsError):
                raise _gone(f"the staged file {self._staging.store.url(path)}") from None
            raise

    def _read_parts(self, path: str) -> None:
        part, notes, writer = PartName(-1, -1), Notes(), None
        try:
            for item in staged_items(self._staging.store.pieces(path)):
                if isinstance(item, PartName):
                    if self._has_failed.is_set():
                        return
                    part, notes, writer = item, Notes(), self._begin(item)
                elif isinstance(item, Note):
                    notes.add(item.text)
                elif writer is not None:  # a part comes before all that is in it
                    if isinstance(item, End):
                        self._take(part, writer.finish(), notes)
                    else:
                        writer.write(item)
        finally:
            if writer is not None:
                writer.close()

    def _begin(self, part: PartName) -> DraftWriter:
        writer = DraftWriter(self._drafts, f"{self._draft_folder}/{part.report_no}.{part.slice_no}.draft")
        if self._settings.bom and part.slice_no == 0:
            writer.write(BOM_UTF8)
        return writer

    def _take(self, part: PartName, draft: Draft, notes: Notes) -> None:
        """Take a slice that is whole; the last one of a report makes it whole."""
        number = part.report_no
        with self._lock:
            slices = self._read[number]
            slices[part.slice_no] = draft, notes
            is_whole = len(slices) == self._slices.get(number)
        if is_whole:
            try:
                self._deliver(self._checked(number))
            except SkippedReport as refusal:
                with self._lock:
                    self._refused[number] = refusal

    def _checked(self, number: int) -> CheckedReport:
        of_slices = [of_slice for _, of_slice in sorted(self._read[number].items())]
        [(draft, notes), *others] = of_slices
        if others:
            draft = joined_draft(self._drafts, [one for one, _ in of_slices], f"{self._draft_folder}/{number}.draft")
            for of_slice, _ in of_slices:
                self._drafts.remove(of_slice.path)
            for _, of_other in others:
                notes.include(of_other)
        return check_report(self._reports[number], draft, notes, self._counts[number], self._settings)


def _gone(place: str) -> OutputError:
    return OutputError(
        "checking",
        object=place,
        got="its staged parts are gone",
        expected="them to stay until they are published",
        remedy="find out what else removes files at output.url, and run again",
    )
