"""The notes of progress that drivers leave, as `status` finds them."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from progress_exhaust.commands.status import ShowStatus, progress_in, time_left
from progress_exhaust.job_requests.progress import progress_text
from progress_exhaust.output import staging
from progress_exhaust.paths import STAGING
from tests.support.request_commands import KILLED_RUN, RUN, FakeQueue, context, note, opened, progress, row

ALIVE = row("R1", "PROCESSING", is_alive=True)


def test_staging_is_where_drivers_have_it() -> None:
    assert vars(staging)["STAGING"] == STAGING


def test_latest_of_several_notes_counts(output: Path) -> None:
    note(output, KILLED_RUN, progress("R1", 31, 5))
    note(output, RUN, progress("R1", 32, 1))
    assert progress_in(output, [ALIVE]) == {ALIVE.key: progress("R1", 32, 1)}


def test_notes_of_requests_that_nobody_is_at_work_on_are_not_looked_for(output: Path) -> None:
    note(output, KILLED_RUN, progress("R1", 31, 5))
    assert progress_in(output, [row("R1", "PROCESSING"), row("R1", "SUBMITTED")]) == {}


def test_note_of_another_request_under_our_name_does_not_count(output: Path) -> None:
    note(output, RUN, progress("R1", 31, 5))
    [file] = (output / STAGING / RUN / "progress").iterdir()
    file.write_text(progress_text(progress("R2", 31, 5)))
    assert progress_in(output, [ALIVE]) == {}


@pytest.mark.parametrize("content", [b"", b"\xff", b"{", b" " * 100_000 + b"{}"], ids=lambda value: repr(value)[:20])
def test_note_that_can_not_be_read_is_none(output: Path, content: bytes) -> None:
    note(output, RUN, progress("R1", 31, 5))
    [file] = (output / STAGING / RUN / "progress").iterdir()
    file.write_bytes(content)
    assert progress_in(output, [ALIVE]) == {}


@pytest.mark.parametrize("kind", ["pipe", "directory", "link", "link as the run's place"])
def test_note_that_is_no_file_of_a_driver_is_none_and_keeps_nobody_waiting(output: Path, kind: str) -> None:
    note(output, RUN, progress("R1", 31, 5))
    [file] = (output / STAGING / RUN / "progress").iterdir()
    elsewhere = file.rename(output / "elsewhere")
    if kind == "pipe":
        os.mkfifo(file)
    elif kind == "directory":
        file.mkdir()
    elif kind == "link":
        file.symlink_to(elsewhere)
    else:
        elsewhere.rename(file)
        (output / STAGING / RUN).rename(output / "moved")
        (output / STAGING / RUN).symlink_to(output / "moved")
    assert progress_in(output, [ALIVE]) == {}
    note(output, KILLED_RUN, progress("R1", 32, 1))
    assert progress_in(output, [ALIVE]) == {ALIVE.key: progress("R1", 32, 1)}


def test_notes_beside_the_places_of_runs_are_not_read(output: Path) -> None:
    note(output, "backup", progress("R1", 31, 5))
    assert progress_in(output, [ALIVE]) == {}


@pytest.mark.parametrize("form", ["{}", "file:{}", "file://{}"])
def test_status_finds_the_notes_of_an_output_by_its_very_name(
    output: Path, form: str, capsys: pytest.CaptureFixture[str]
) -> None:
    odd = output / "out #1?x=50% é"
    note(odd, RUN, progress("R1", 40, 3, 12.5))
    ShowStatus(context(form.format(odd), as_json=True), "R1", None, opened(FakeQueue(ALIVE))).run()
    [told] = json.loads(capsys.readouterr().out)["requests"]
    assert (told["phase"], told["files"]) == ("publishing", 3)


def test_output_that_can_not_be_looked_at_from_here_is_unknown(output: Path) -> None:
    assert progress_in(output / "none", [ALIVE]) == {}
    assert progress_in(None, [ALIVE]) == {}
    (output / "progress-exhaust").write_text("a file where a folder should be")
    assert progress_in(output, [ALIVE]) == {}


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, "unknown"), (0, "1 s"), (89.4, "89 s"), (90, "2 min"), (5399, "90 min"), (5400, "1.5 h"), (1e6, "277.8 h")],
)
def test_time_left_as_people_read_it(seconds: float | None, text: str) -> None:
    assert time_left(seconds) == text
