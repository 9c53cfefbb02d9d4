"""From staged files to checked reports: what is missing there is never taken for a change of the tables."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from progress_exhaust.catalogue.layout import Layout
from progress_exhaust.errors import OutputError, Reason, SkippedReport
from progress_exhaust.export.publishing import CheckedReport
from progress_exhaust.export.wave_publisher import WavePublisher
from progress_exhaust.output.parts import END, NoteKind, PartName, begin_text, note_text
from progress_exhaust.output.staging import Staging
from progress_exhaust.output.stores.local import LocalStore
from progress_exhaust.report.enrolments import Counts
from progress_exhaust.report.model import Batch, Report
from progress_exhaust.settings.sections import OutputSettings
from tests.support.staging_places import RUN

GONE = r"its staged parts are gone, .*; find out what else removes files at output\.url"
ESCAPED = note_text(NoteKind.ESCAPED, "1")


def report(number: int) -> Report:
    return Report(number, Batch(number, f"b-{number}", "", Layout("do_1", "", "", (), (), ())))


def part(report_no: int, slice_no: int, *lines: str) -> list[str]:
    return [begin_text(PartName(report_no, slice_no)), *lines, END]


@pytest.fixture
def staging(tmp_path: Path) -> Iterator[Staging]:
    with Staging(LocalStore(tmp_path), RUN) as staging:
        yield staging


def staged_wave(staging: Staging, *files: Sequence[str]) -> str:
    """Stage files as Spark does, with a marker beside them."""
    folder = staging.new_path("wave")
    for number, lines in enumerate(files):
        staging.store.write_text(f"{folder}/part-{number:05d}-x.txt", (f"{line}\n" for line in lines))
    staging.store.write_text(f"{folder}/_SUCCESS", ["of somebody\n"])
    return folder


class Delivered:
    """Takes reports, and keeps their bytes."""

    def __init__(self, staging: Staging, before: Callable[[CheckedReport], None] = lambda checked: None) -> None:
        self._staging = staging
        self._before = before
        self.files: dict[str, tuple[str, int]] = {}

    def __call__(self, checked: CheckedReport) -> None:
        self._before(checked)
        content = b"".join(self._staging.drafts.pieces(checked.draft.path))
        assert len(content) == checked.draft.digest.size_bytes
        self.files[checked.report.batch.batch_id] = content.decode(), checked.guarded_cells


def publish(
    staging: Staging,
    folder: str,
    learners: dict[int, int],
    delivered: Delivered,
    slices: dict[int, int] | None = None,
    threads: int = 8,
    *,
    bom: bool = False,
) -> list[tuple[Report, SkippedReport]]:
    publisher = WavePublisher(
        [report(number) for number in learners],
        slices=dict.fromkeys(learners, 1) | (slices or {}),
        counts={number: Counts(retained=count) for number, count in learners.items()},
        staging=staging,
        settings=OutputSettings(publish_threads=threads, bom=bom),
        deliver=delivered,
    )
    return publisher.publish(folder)


def test_reports_of_all_staged_files_are_delivered_whole(staging: Staging) -> None:
    one = [*part(1, 0, "header", "u-1", ESCAPED, ESCAPED), *part(3, 0, "header")]
    folder = staged_wave(staging, one, [], part(2, 0, "header", '"two\nlines"', "u-2"))
    delivered = Delivered(staging)

    refused = publish(staging, folder, {1: 1, 2: 2, 3: 0}, delivered)

    assert refused == []
    assert delivered.files == {
        "b-1": ("header\nu-1\n", 2),
        "b-2": ('header\n"two\nlines"\nu-2\n', 0),
        "b-3": ("header\n", 0),
    }


@pytest.mark.rule("S1")
def test_byte_order_mark_begins_each_file_and_no_slice_but_the_first(staging: Staging) -> None:
    folder = staged_wave(staging, part(7, 1, "u-2"), [*part(7, 0, "header", "u-1"), *part(8, 0, "header")])
    delivered = Delivered(staging)

    refused = publish(staging, folder, {7: 2, 8: 0}, delivered, {7: 2}, bom=True)

    assert refused == []
    assert delivered.files == {"b-7": ("\ufeffheader\nu-1\nu-2\n", 0), "b-8": ("\ufeffheader\n", 0)}


@pytest.mark.parametrize("threads", [1, 8])
def test_slices_become_one_file_in_their_order_whichever_is_read_first(staging: Staging, threads: int) -> None:
    slices = [part(7, 2, "u-4", ESCAPED), part(7, 0, "header", "u-1", ESCAPED), [*part(7, 1), *part(7, 3, "u-5")]]
    drafts: list[str] = []

    def look(checked: CheckedReport) -> None:
        drafts.extend(staging.drafts.list_names(checked.draft.path.rpartition("/")[0]))

    delivered = Delivered(staging, look)

    publish(staging, staged_wave(staging, *slices), {7: 3}, delivered, {7: 4}, threads)

    assert delivered.files == {"b-7": ("header\nu-1\nu-4\nu-5\n", 2)}
    assert drafts == ["7.draft"]


@pytest.mark.parametrize(
    "files",
    [
        pytest.param([], id="all of the wave"),
        pytest.param([part(7, 0, "header", "u-1")], id="the file of a slice"),
        pytest.param([part(7, 1, "u-2")], id="the file of the first slice"),
        pytest.param([part(7, 0, "header", "u-1"), part(7, 1, "u-2")[:-1]], id="the end of a file"),
        pytest.param([part(7, 0, "header", "u-1"), part(7, 1, "u-2")[1:]], id="the begin of a file"),
    ],
)
def test_part_that_is_gone_is_the_fault_of_the_output_place(staging: Staging, files: list[list[str]]) -> None:
    delivered = Delivered(staging)

    with pytest.raises(OutputError, match=GONE):
        publish(staging, staged_wave(staging, *files), {7: 2}, delivered, {7: 2})

    assert delivered.files == {}


def test_part_that_is_there_twice_is_the_fault_of_the_output_place(staging: Staging) -> None:
    twice = part(7, 0, "header", "u-1")

    with pytest.raises(OutputError, match=r"writing .*: File exists"):
        publish(staging, staged_wave(staging, twice, twice), {7: 1}, Delivered(staging))


def test_file_that_goes_after_it_was_listed_is_the_fault_of_the_output_place(staging: Staging) -> None:
    folder = staged_wave(staging, part(1, 0, "header"), part(2, 0, "header"))

    def lose(checked: CheckedReport) -> None:
        if checked.report.report_no == 1:
            staging.store.remove(f"{folder}/part-00001-x.txt")

    with pytest.raises(OutputError, match="it is gone; find out what else removes files there"):
        publish(staging, folder, {1: 0, 2: 0}, Delivered(staging, lose), threads=1)


@pytest.mark.rule("S4")
@pytest.mark.parametrize("learners", [1, 3])
def test_rows_that_differ_from_the_count_while_all_parts_are_there_are_a_change_of_the_tables(
    staging: Staging, learners: int
) -> None:
    folder = staged_wave(staging, [*part(7, 0, "header", "u-1", "u-2"), *part(8, 0, "header")])
    delivered = Delivered(staging)

    [(of_report, refusal)] = publish(staging, folder, {7: learners, 8: 0}, delivered)

    assert (of_report.report_no, refusal.reason) == (7, Reason.COUNT_MISMATCH)
    assert f"has 2 rows, expected {learners} rows as counted" in str(refusal)
    assert delivered.files.keys() == {"b-8"}


def test_after_a_failure_of_the_place_nothing_else_is_handed_over(staging: Staging) -> None:
    files = [[line for number in range(10) for line in part(10 * file + number, 0, "header")] for file in range(4)]
    handed_over: list[int] = []

    def fail(checked: CheckedReport) -> None:
        handed_over.append(checked.report.report_no)
        if checked.report.report_no == 3:
            raise OutputError("publishing: the store is away")

    with pytest.raises(OutputError, match="the store is away"):
        publish(staging, staged_wave(staging, *files), dict.fromkeys(range(40), 0), Delivered(staging, fail), threads=1)

    assert handed_over == [0, 1, 2, 3]


def test_draft_that_nobody_wanted_any_more_stands_in_no_later_waves_way(staging: Staging) -> None:
    wanted_by_nobody = Delivered(staging)
    for _ in range(2):
        folder = staged_wave(staging, part(7, 0, "header", "u-1"))
        assert publish(staging, folder, {7: 1}, wanted_by_nobody) == []

    assert wanted_by_nobody.files == {"b-7": ("header\nu-1\n", 0)}
    assert [name for name in staging.drafts.list_names(staging.path("")) if name.startswith("drafts")] == []
