"""Nobody else on the machine reads a learner's name: not while a run is at work, not after it was killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.acceptance.command_line import COMMAND, environment, export_arguments
from tests.builders import batches_world
from tests.spark_submit import submit, submit_variables
from tests.whole_runs import write_world
from tests.worlds import World

CANARY = "Canaryzebulon"
FAULTY_JOB = Path(__file__).parents[1] / "integration" / "faulty_job.py"
RUN_S = 300.0
NOBODY = 65534


@dataclass(frozen=True)
class Place:
    """A world that only we may read, and the places that a run writes to, below a folder that everyone may enter.

    Attributes:
        base: the folder.
        world: snapshot and catalogue.
    """

    base: Path
    world: Path

    @property
    def temporary(self) -> Path:
        return self.base / "temporary"

    @property
    def output(self) -> Path:
        return self.base / "out"

    @property
    def reached(self) -> Path:
        return self.base / "reached"

    def found(self, *, by_others: bool = False) -> list[str]:
        """The files below all places that hold the name, for us or as far as others on the machine can read them."""
        roots = [str(self.temporary), str(self.output), str(self.base / "logs")]
        search = ["grep", "--recursive", "--files-with-matches", "--text", "--fixed-strings", CANARY, *roots]
        is_root = os.geteuid() == 0
        user = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if by_others and is_root else {}
        done = subprocess.run(search, capture_output=True, text=True, check=False, cwd="/", **user)  # type: ignore[call-overload]
        found: list[str] = done.stdout.splitlines()
        # Where we are not root, nobody else can be asked: then the modes tell.
        return found if is_root or not by_others else [path for path in found if is_for_others(Path(path), self.base)]

    def variables(self) -> dict[str, str]:
        return {"TMPDIR": str(self.temporary), "FAULT_POINT": "after_stage", "FAULT_FILE": str(self.reached)}


def is_for_others(path: Path, base: Path) -> bool:
    """Whether the modes of a file, and of the folders above it, let others read it."""
    folders = [folder for folder in path.parents if folder.is_relative_to(base)]
    return bool(path.stat().st_mode & 0o004) and all(folder.stat().st_mode & 0o001 for folder in folders)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    world = batches_world(2, 1, learners=2000)
    users = [{**row, "firstname": CANARY} for row in world.tables["user"]]
    write_world(World({**world.tables, "user": users}, world.trees), tmp_path)
    with tempfile.TemporaryDirectory(prefix="open-to-all-") as folder:
        base = Path(folder)
        for one in (base, base / "temporary", base / "logs"):
            one.mkdir(exist_ok=True)
            one.chmod(0o755)
        (base / "temporary").chmod(0o1777)
        yield Place(base, tmp_path)


def test_only_the_published_files_are_for_others_and_nothing_outlives_the_next_run(place: Place) -> None:
    look_at_killed_run(place, [sys.executable, str(FAULTY_JOB)], {"PYTHONPATH": str(Path(__file__).parents[2])})


@pytest.mark.long
def test_the_same_holds_under_spark_submit(place: Place) -> None:
    look_at_killed_run(place, submit(FAULTY_JOB), submit_variables())


def look_at_killed_run(place: Place, command: list[str], variables: dict[str, str]) -> None:
    arguments = export_arguments(place.world, "--all", output=place.output)
    with (
        (place.base / "logs" / "run.log").open("wb") as log,
        subprocess.Popen(
            [*command, *arguments],
            env=environment(**variables, **place.variables()),
            stdout=log,
            stderr=log,
            process_group=0,
        ) as process,
    ):
        try:
            wait_for(place.reached, process)
            assert place.found(by_others=True) == []
            ours = place.found()
            assert any("/.staging/" in path for path in ours), "there is something to be found"
            assert not any("blockmgr" in path for path in ours), "what Spark spills is encrypted"
            assert any(place.temporary.glob("progress-exhaust-*/spark/blockmgr-*")), "it lies in the private folder"
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    assert place.found(by_others=True) == []
    assert list(place.temporary.glob("progress-exhaust-*")), "a killed run leaves it"

    done = subprocess.run(
        [str(COMMAND), *arguments], env=environment(TMPDIR=str(place.temporary)), capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr
    published = {str(path) for path in (place.output / "progress-exhaust").glob("*.csv")}
    assert set(place.found()) == published
    assert place.found(by_others=True) == []
    assert list(place.temporary.glob("progress-exhaust-*")) == []
    for path in published:
        assert Path(path).stat().st_mode & 0o777 == 0o640
        assert Path(path).parent.stat().st_mode & 0o777 == 0o750


def wait_for(file: Path, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + RUN_S
    while not file.exists():
        assert process.poll() is None, (file.parent / "logs" / "run.log").read_text(encoding="utf-8")
        assert time.monotonic() < deadline
        time.sleep(0.05)
