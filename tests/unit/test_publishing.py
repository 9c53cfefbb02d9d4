"""From staged parts to a checked report: what is missing there is never taken for a change of the tables."""

from __future__ import annotations

from pathlib import Path

import pytest

from progress_exhaust.catalogue.layout import Layout
from progress_exhaust.errors import OutputError, Reason, SkippedReport
from progress_exhaust.export.publishing import CheckedReport, check_report, staged_parts, whole_parts
from progress_exhaust.output.stores.local import LocalStore
from progress_exhaust.report.enrolments import Counts
from progress_exhaust.report.model import Batch, Report
from progress_exhaust.settings.sections import OutputSettings

WAVE = "progress-exhaust/.staging/run/wave-1"
REPORT = Report(7, Batch(0, "b-1", "", Layout("do_1", "", "", (), (), ())))
GONE = r'batch "b-1": its staged parts are gone, .*; find out what else removes files at output\.url'
STAGED = {"000000": ["header\n", "u-1\n"], "000001": ["u-2\n"], "000002": ["u-3\n", "u-4\n"]}


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    """A store where a report of four learners is staged in three slices, as Spark does it, among others."""
    store = LocalStore(tmp_path)
    for report_no in (6, 7, 77):
        for number, lines in STAGED.items():
            store.write_text(f"{WAVE}/part={report_no}.{number}/part-00000-x", lines)
    store.write_text(f"{WAVE}/part=7.notes/part-00000-x", ["guarded=2\n", "guarded=1\n"])
    store.write_text(f"{WAVE}/_SUCCESS", [])
    for stray in ("part=7", "part=7.x", "part=x.000000", "part=7.000000.old", "stray"):
        store.write_text(f"{WAVE}/{stray}/part-00000-x", ["of somebody\n"])
    return store


def checked(store: LocalStore, *, slices: int = 3, learners: int = 4) -> CheckedReport:
    parts = whole_parts(REPORT, staged_parts(store, WAVE).get(REPORT.report_no), slices)
    return check_report(REPORT, parts, Counts(kept=learners), store, OutputSettings(), Path("/nowhere"))


def test_slices_become_one_file_in_their_order_and_strange_folders_are_none_of_them(
    store: LocalStore, tmp_path: Path
) -> None:
    report = checked(store)

    assert (tmp_path / report.staged).read_text(encoding="utf-8") == "header\nu-1\nu-2\nu-3\nu-4\n"
    assert (report.digest.records, report.guarded_cells) == (5, 3)


@pytest.mark.parametrize(
    "removed",
    [
        pytest.param(f"{WAVE}/part=7.000000", id="the first slice"),
        pytest.param(f"{WAVE}/part=7.000001", id="one between"),
        pytest.param(f"{WAVE}/part=7.000002", id="the last"),
        pytest.param(f"{WAVE}/part=7.000001/part-00000-x", id="the file of a slice"),
        pytest.param(f"{WAVE}/part=7.notes/part-00000-x", id="the file of the notes"),
        pytest.param(WAVE, id="all of the wave"),
        pytest.param("progress-exhaust", id="everything"),
    ],
)
def test_part_that_is_gone_is_the_fault_of_the_output_place(store: LocalStore, removed: str) -> None:
    store.remove(removed)

    with pytest.raises(OutputError, match=GONE):
        checked(store)


def test_slice_that_an_audience_may_have_nobody_in_is_not_missed(store: LocalStore) -> None:
    store.remove(f"{WAVE}/part=7.000001")

    assert checked(store, slices=1, learners=3).digest.records == 4


@pytest.mark.parametrize("removed", ["part=7.000001/part-00000-x", "part=7.notes/part-00000-x"])
def test_part_that_goes_after_it_was_listed_is_the_fault_of_the_output_place(store: LocalStore, removed: str) -> None:
    parts = whole_parts(REPORT, staged_parts(store, WAVE)[7], 3)
    store.remove(f"{WAVE}/{removed}")

    with pytest.raises(OutputError):
        check_report(REPORT, parts, Counts(kept=4), store, OutputSettings(), Path("/nowhere"))


def test_whole_file_that_goes_before_it_is_read_is_the_fault_of_the_output_place(store: LocalStore) -> None:
    parts = whole_parts(REPORT, staged_parts(store, WAVE)[7], 3)
    one = {0: parts.slices[0]}
    store.remove(parts.slices[0][0])

    with pytest.raises(OutputError, match="it is gone; find out what else removes files there"):
        check_report(REPORT, type(parts)(one, ()), Counts(kept=1), store, OutputSettings(), Path("/nowhere"))


@pytest.mark.parametrize("learners", [3, 5])
def test_rows_that_differ_from_the_count_while_all_parts_are_there_are_a_change_of_the_tables(
    store: LocalStore, learners: int
) -> None:
    with pytest.raises(SkippedReport, match=rf"has 4 rows, expected {learners} rows as counted") as refused:
        checked(store, learners=learners)

    assert refused.value.reason is Reason.COUNT_MISMATCH
