"""The metrics file: what it counts, how it looks, and that a reader never sees a part of one."""

from __future__ import annotations

import os
import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest

from progress_exhaust.errors import OutputError, Reason, SkippedReport
from progress_exhaust.export.run import Phase
from progress_exhaust.job_requests.model import RequestKey
from progress_exhaust.published_file import PublishedFile
from progress_exhaust.worker.metrics import Totals, metrics_text, write_metrics
from progress_exhaust.worker.outcome import JobEnd, JobResult, RequestsOutcome

GOLDEN = Path(__file__).parents[1] / "golden" / "metrics.prom"
NOW = datetime(2026, 1, 2, 3, 4, 5, 600_000, tzinfo=UTC)


def result(state: str) -> JobResult:
    return JobResult(RequestKey("t", f"r-{state}"), JobEnd(state), files=1, wanted=1, rows=4, err_message="")


def made(size_bytes: int) -> PublishedFile:
    return PublishedFile("p", "b", "do_1", "Course", None, rows=4, size_bytes=size_bytes, sha256="0" * 64, columns=())


def two_looks() -> Totals:
    """A look that made most of its requests, and one that a service stopped."""
    totals = Totals()
    totals.add(
        RequestsOutcome(
            made=[made(500), made(700)],
            not_made=[SkippedReport(Reason.TASK_FAILED, "b-9", "batch is not made")],
            phase_s={Phase.READ: 0.5, Phase.COMPUTE: 1.25},
            results=[result("SUCCESS"), result("FAILED"), result("SUCCESS")],
            due=5,
            left=2,
        )
    )
    totals.add(
        RequestsOutcome(made=[made(300)], phase_s={Phase.COMPUTE: 0.5}, results=[result("SUBMITTED")], due=1, left=1)
    )
    return totals


def test_looks_are_added_up_and_shown_as_prometheus_reads_them() -> None:
    assert metrics_text(two_looks(), NOW) == GOLDEN.read_text(encoding="utf-8")


def test_request_that_is_not_ours_any_more_is_left_too() -> None:
    totals = Totals()
    totals.add(RequestsOutcome(results=[result("LOST"), result("SUCCESS")]))
    assert (totals.left, totals.requests["LOST"]) == (1, 1)


def test_process_that_has_done_nothing_yet_has_all_families_and_no_made_up_sample() -> None:
    lines = metrics_text(Totals(), NOW).splitlines()
    families = {line.split(" ")[2] for line in lines if line.startswith("# TYPE ")}
    samples = [line.split(" ")[0] for line in lines if not line.startswith("#")]
    assert len(families) == 10
    assert len(samples) == 7
    assert not [sample for sample in samples if "{" in sample]


def test_file_is_replaced_whole_and_nothing_stays_beside_it(tmp_path: Path) -> None:
    file = tmp_path / "made for it" / "job.prom"
    write_metrics(Totals(), file, NOW)
    with file.open(encoding="utf-8") as reader:
        write_metrics(two_looks(), file, NOW)
        assert "progress_exhaust_runs_total 0.0\n" in reader.read(), "who has begun to read sees the old file"
    assert file.read_text(encoding="utf-8") == GOLDEN.read_text(encoding="utf-8")
    assert list(file.parent.iterdir()) == [file]


def test_file_that_can_not_be_written_is_one_sentence_and_leaves_nothing(tmp_path: Path) -> None:
    file = tmp_path / "a folder"
    file.mkdir()
    with pytest.raises(OutputError) as told:
        write_metrics(Totals(), file, NOW)
    assert str(told.value) == f"writing metrics to {file}: a directory stands in its place; check requests.metrics_file"
    assert list(tmp_path.rglob("*")) == [file]


def test_file_is_never_written_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "of somebody").write_text("kept", encoding="utf-8")
    (tmp_path / "job.prom").symlink_to(tmp_path / "of somebody")
    (tmp_path / f".job.prom.{os.getpid()}").symlink_to(tmp_path / "of somebody")
    write_metrics(Totals(), tmp_path / "job.prom", NOW)
    assert (tmp_path / "of somebody").read_text(encoding="utf-8") == "kept"
    assert not (tmp_path / "job.prom").is_symlink()


def test_who_collects_metrics_can_read_them_whatever_our_umask(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        write_metrics(Totals(), tmp_path / "made for it" / "job.prom", NOW)
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "made for it").stat().st_mode) == 0o755
    assert stat.S_IMODE((tmp_path / "made for it" / "job.prom").stat().st_mode) == 0o644
