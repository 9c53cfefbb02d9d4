"""Output places that fail: full, not ours to write to, left in disorder by a killed run; through the real command.

Whatever happens, a file at its place is whole, the old one or the new one, and a run leaves no staging behind.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.reference import expected_reports
from tests.support.builders import batches_world
from tests.support.command_line import (
    DAY_IN_NAME,
    CommandLine,
    Ended,
    ended,
    export_arguments,
    manifest_below,
    reports_below,
    started,
)
from tests.worlds import write_catalogue, write_snapshot

BATCHES, LEARNERS, SLICE = 4, 2000, 700
OLD = b"of an earlier run\n"
NO_SPACE = re.compile(r".*(no space left|No space left on device|File too large); .*")
SEEN_S = 300.0


@dataclass(frozen=True)
class Written:
    """A world on files, and the files that the contract wants of it."""

    folder: Path
    expected: dict[str, bytes]

    def export(self, output: Path, prefix: tuple[str, ...] = (), **variables: Any) -> subprocess.Popen[str]:
        return started(export_arguments(self.folder, "--all", output=output), prefix, **variables)

    def export_on(self, line: CommandLine, output: Path) -> Ended:
        return line.run(export_arguments(self.folder, "--all", output=output))

    def report_bytes(self) -> int:
        return sum(map(len, self.expected.values()))


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Written:
    made = batches_world(BATCHES, collections=2, learners=LEARNERS)
    folder = tmp_path_factory.mktemp("world")
    write_snapshot(made, folder / "snapshot")
    write_catalogue(made, folder / "catalogue")
    return Written(folder, {batch_id: report.content for batch_id, report in expected_reports(made).items()})


@dataclass
class SmallDisk:
    """A folder that takes only so many bytes, until it is given more space.

    Where nothing may be mounted, no file of the process may grow beyond the size instead.
    """

    folder: Path
    is_mounted: bool = False
    prefix: tuple[str, ...] = ()

    def shrink(self, size: int, largest_file: int) -> None:
        mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(self.folder)]
        self.is_mounted = subprocess.run(mount, capture_output=True, check=False).returncode == 0
        if not self.is_mounted:
            self.prefix = ("prlimit", f"--fsize={largest_file}")

    def grow(self) -> None:
        self.prefix = ()
        if self.is_mounted:
            subprocess.run(["mount", "-o", "remount,size=256m", str(self.folder)], check=True)

    def remove(self) -> None:
        if self.is_mounted:
            subprocess.run(["umount", str(self.folder)], check=True)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[SmallDisk]:
    disk = SmallDisk(tmp_path / "small")
    disk.folder.mkdir()
    yield disk
    disk.remove()


def place_old_files(output: Path) -> None:
    """Put older files where the new ones are to go, but for one."""
    (output / "progress-exhaust").mkdir(parents=True)
    for number in range(BATCHES - 1):
        (output / "progress-exhaust" / f"b-{number:03d}_progress_{DAY_IN_NAME}.csv").write_bytes(OLD)


def see_only_whole_files(output: Path, world: Written) -> dict[str, bytes]:
    """See that each file is the old or the new one as a whole; return the new ones."""
    reports = reports_below(output)
    for batch_id, content in reports.items():
        assert content in (OLD, world.expected[batch_id]), f"{batch_id} is half written"
    return {batch_id: content for batch_id, content in reports.items() if content != OLD}


def see_one_sentence(run: Ended) -> None:
    assert run.code == 1
    assert len(run.errors()) == 1, run.err
    assert "Traceback" not in run.err


def see_everything_made(run: Ended, output: Path, world: Written) -> None:
    assert (run.code, run.errors()) == (0, [])
    assert reports_below(output) == world.expected


@pytest.mark.parametrize(
    "full", ["staging", pytest.param("spill", marks=pytest.mark.long), pytest.param("join", marks=pytest.mark.long)]
)
def test_full_disk_is_one_sentence_and_the_next_run_goes_well(
    full: str, world: Written, small_disk: SmallDisk, line: CommandLine, tmp_path: Path
) -> None:
    size = world.report_bytes()
    small_disk.shrink({"spill": size // 8, "staging": size // 2, "join": size * 5 // 4}[full], largest_file=size // 8)
    output = tmp_path / "reports" if full == "spill" else small_disk.folder / "reports"
    variables: dict[str, Any] = {
        "PROGRESS_EXHAUST__SPARK__LEARNERS_PER_SLICE": str(SLICE if full == "join" else LEARNERS)
    }
    if full == "spill":
        variables["SPARK_LOCAL_DIRS"] = str(small_disk.folder)
    place_old_files(output)

    run = ended(world.export(output, small_disk.prefix, **variables))

    see_one_sentence(run)
    assert NO_SPACE.fullmatch(run.errors()[0]), run.errors()
    assert see_only_whole_files(output, world) == {}
    if small_disk.is_mounted:
        assert run.errors()[0].startswith("writing /" if full == "join" else "writing to ")

    small_disk.grow()
    again = world.export_on(line, output) if full == "staging" else ended(world.export(output, **variables))
    see_everything_made(again, output, world)


@pytest.fixture
def guarded_folder() -> Iterator[Path]:
    """A folder whose modes are set back at the end, so that it can be removed."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        yield folder
        for path in [folder, *folder.rglob("*")]:
            if path.is_dir():
                path.chmod(0o700)


def test_output_that_can_not_be_written_is_one_sentence(
    world: Written, guarded_folder: Path, line_of_anyone: CommandLine
) -> None:
    output = guarded_folder / "reports"
    place_old_files(output)
    output.chmod(0o500)
    run = world.export_on(line_of_anyone, output)
    see_one_sentence(run)
    sentence = (
        f"writing {re.escape(str(output))}/.probe.*: Permission denied; check output.url, its space and its rights"
    )
    assert re.fullmatch(sentence, run.errors()[0])
    assert see_only_whole_files(output, world) == {}


def test_files_that_can_not_be_moved_to_their_place_leave_the_old_ones(
    world: Written, guarded_folder: Path, line_of_anyone: CommandLine
) -> None:
    output = guarded_folder / "reports"
    place_old_files(output)
    (output / "progress-exhaust" / ".staging").mkdir()
    (output / "progress-exhaust").chmod(0o500)
    run = world.export_on(line_of_anyone, output)
    see_one_sentence(run)
    assert "manifest_" in run.errors()[0]
    assert "Permission denied" in run.errors()[0]
    assert [refusal["reason"] for refusal in run.document()["not_made"]] == ["not_published"] * BATCHES
    assert see_only_whole_files(output, world) == {}


@pytest.mark.rule("S4")
def test_what_a_killed_run_left_is_removed_by_the_next(world: Written, line: CommandLine, tmp_path: Path) -> None:
    output = tmp_path / "reports"
    place_old_files(output)
    process = world.export(output)
    staged = wait_for_staged_parts(process, output)
    os.killpg(process.pid, signal.SIGKILL)
    assert ended(process).code == -signal.SIGKILL
    assert staged.exists()
    paths = [path for path in (output / "progress-exhaust").iterdir() if path.name != ".staging"]
    assert {path.read_bytes() for path in paths} == {OLD}

    see_everything_made(world.export_on(line, output), output, world)

    assert not staged.exists()
    assert {file["batch_id"] for file in manifest_below(output)["files"]} == set(world.expected)


def wait_for_staged_parts(process: subprocess.Popen[str], output: Path) -> Path:
    """Wait until Spark writes lines of reports to the staging; return that run's place."""
    deadline = time.monotonic() + SEEN_S
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(FileNotFoundError):  # moved by Spark while we look
            for part in (output / "progress-exhaust" / ".staging").glob("*/wave-*/**/part-*"):
                return next(parent for parent in part.parents if parent.parent.name == ".staging")
        time.sleep(0.005)
    raise AssertionError(f"nothing was staged; the run ended with {process.poll()}")
