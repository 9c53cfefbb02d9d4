"""The staging place: private, gone in every outcome, and what killed runs left is removed, and nothing else."""

from __future__ import annotations

import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from progress_exhaust.errors import OutputError
from progress_exhaust.output import staging
from progress_exhaust.output.staging import STAGING, Owner, Staging, is_gone, remove_left_over, this_process
from progress_exhaust.output.store import LocalStore

ROOT = Path(__file__).parents[2]
HOUR_S = 3600.0
SLEEPER = """
import sys, time
from pathlib import Path
from progress_exhaust.output.staging import Staging
from progress_exhaust.output.store import LocalStore
with Staging(LocalStore(Path(sys.argv[1])), "run"):
    print("staged", flush=True)
    time.sleep(600)
"""


@contextmanager
def run_that_stages(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """Start a process that holds a staging place."""
    process = subprocess.Popen(
        [sys.executable, "-c", SLEEPER, str(folder)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    with process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "staged\n"
            yield process
        finally:
            process.kill()


def place_of(store_folder: Path, owner: Owner | str | None, name: str = "old-run", age_s: float = 0) -> Path:
    """Make a staging place as a run leaves it, with an owner that last beat so many seconds ago."""
    place = store_folder / STAGING / name
    place.mkdir(parents=True)
    (place / "part-00000").write_text("row of a learner\n", encoding="utf-8")
    changed = [place]
    if owner is not None:
        text = owner if isinstance(owner, str) else json.dumps(asdict(owner))
        (place / "owner.json").write_text(text, encoding="utf-8", errors="surrogateescape")
        changed.insert(0, place / "owner.json")
    for path in changed:
        os.utime(path, (time.time() - age_s, time.time() - age_s))
    return place


def left_overs(folder: Path, keep_s: float = HOUR_S) -> list[str]:
    return remove_left_over(LocalStore(folder), keep_s, time.time)


# What a run does with its own place.


def test_staging_place_can_be_entered_by_its_owner_alone(tmp_path: Path) -> None:
    with Staging(LocalStore(tmp_path), "run"):
        for place in (STAGING, f"{STAGING}/run"):
            assert stat.S_IMODE((tmp_path / place).stat().st_mode) == 0o700
        assert json.loads((tmp_path / STAGING / "run" / "owner.json").read_text())["process_id"] == os.getpid()


@pytest.mark.parametrize("outcome", [None, ValueError, OutputError, KeyboardInterrupt, SystemExit])
def test_staging_place_is_removed_in_every_outcome(tmp_path: Path, outcome: type[BaseException] | None) -> None:
    def run() -> None:
        with Staging(LocalStore(tmp_path), "run") as place:
            place.stage_lines("batches.jsonl", ["{}"])
            if outcome is not None:
                raise outcome("the run ends")

    if outcome is None:
        run()
    else:
        with pytest.raises(outcome, match="the run ends"):
            run()

    assert list((tmp_path / STAGING).iterdir()) == []


class StoreThatRemovesNothing(LocalStore):
    def remove(self, path: str) -> None:
        raise OutputError("removing: the store is away")


def test_failure_to_remove_the_place_is_told_but_does_not_hide_the_runs_own(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="the store is away"), Staging(StoreThatRemovesNothing(tmp_path), "run"):
        pass
    with pytest.raises(ValueError, match="of the run"), Staging(StoreThatRemovesNothing(tmp_path), "run"):
        raise ValueError("of the run")


def test_name_staged_again_gets_a_file_of_its_own(tmp_path: Path) -> None:
    with Staging(LocalStore(tmp_path), "run") as place:
        staged = [place.stage_lines("batches.jsonl", lines) for lines in (['{"a":"é"}'], [])]
        texts = [Path(url.removeprefix("file://")).read_text(encoding="utf-8") for url, _ in staged]

    assert texts == ['{"a":"é"}\n', ""]
    assert [size_bytes for _, size_bytes in staged] == [len('{"a":"é"}\n'.encode()), 0]


class StoreThatComesAndGoes(LocalStore):
    """Counts what it is asked in vain while it is away."""

    is_away = False
    refused = 0

    def write_text(self, path: str, lines: Iterable[str]) -> int:
        if self.is_away:
            self.refused += 1
            raise OutputError("writing: the store is away")
        return super().write_text(path, lines)


def test_beat_renews_the_owner_and_survives_a_store_that_is_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(staging, "BEAT_S", 0.01)
    owner = tmp_path / STAGING / "run" / "owner.json"
    store = StoreThatComesAndGoes(tmp_path)
    with Staging(store, "run"):
        os.utime(owner, (0, 0))
        wait_until(lambda: owner.stat().st_mtime > 0)
        store.is_away = True
        wait_until(lambda: store.refused > 1)
        os.utime(owner, (0, 0))
        store.is_away = False
        wait_until(lambda: owner.stat().st_mtime > 0)

    assert list((tmp_path / STAGING).iterdir()) == []


class StoreWithoutAPlace(LocalStore):
    """Where another machine's janitor has removed the place; counts the looks at it."""

    looks = 0

    def size_bytes(self, path: str) -> int | None:
        self.looks += 1
        return None


def test_beat_does_not_make_a_place_anew_that_was_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(staging, "BEAT_S", 0.01)
    place = tmp_path / STAGING / "run"
    store = StoreWithoutAPlace(tmp_path)
    with Staging(store, "run"):
        shutil.rmtree(place)
        wait_until(lambda: store.looks > 2)
        assert not place.exists()


def wait_until(condition: object) -> None:
    assert callable(condition)
    for _ in range(1000):
        if condition():
            return
        time.sleep(0.01)
    raise AssertionError("waited for 10 s")


# Whose process is gone.


def test_own_process_is_not_gone() -> None:
    assert not is_gone(this_process())


@pytest.mark.parametrize("is_reaped", [True, False])
def test_killed_process_is_gone_even_before_its_parent_has_looked(is_reaped: bool) -> None:
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]) as process:
        owner = replace(this_process(), process_id=process.pid, started=staging._started(process.pid))
        assert not is_gone(owner)
        process.send_signal(signal.SIGKILL)
        if is_reaped:
            process.wait()
        else:
            wait_until(lambda: is_gone(owner))
        assert is_gone(owner)


@pytest.mark.parametrize(
    ("change", "gone"),
    [
        pytest.param({"started": "1"}, True, id="its number was given to another process"),
        pytest.param({"boot_id": "an earlier start"}, True, id="the machine has started anew"),
        pytest.param({"host": "another machine"}, False, id="on another machine"),
        pytest.param({"host": "another machine", "boot_id": "x", "started": "1"}, False, id="unlike in all"),
        pytest.param({"namespace": "pid:[1]", "started": "1"}, False, id="in another container"),
        pytest.param({"boot_id": "", "started": ""}, False, id="on a system that does not tell"),
    ],
)
def test_process_is_gone_only_where_that_is_certain(change: dict[str, str], gone: bool) -> None:
    assert is_gone(replace(this_process(), **change)) is gone


# What the janitor removes.


def test_place_of_a_killed_run_is_removed_at_once_and_that_of_a_living_one_kept_however_old(tmp_path: Path) -> None:
    with run_that_stages(tmp_path) as process:
        place = tmp_path / STAGING / "run"
        for path in (place / "owner.json", place):
            os.utime(path, (0, 0))
        assert left_overs(tmp_path, keep_s=0) == []
        assert place.exists()

        process.send_signal(signal.SIGKILL)
        process.wait()

        assert left_overs(tmp_path, keep_s=1e9) == ["run"]
        assert not place.exists()


FOREIGN = replace(this_process(), host="another machine")


@pytest.mark.parametrize(
    ("owner", "age_s", "removed"),
    [
        pytest.param(FOREIGN, HOUR_S - 60, False, id="foreign, beats"),
        pytest.param(FOREIGN, HOUR_S + 60, True, id="foreign, has not beaten for long"),
        pytest.param(replace(this_process(), namespace="pid:[1]"), HOUR_S + 60, True, id="in another container"),
        pytest.param(this_process(), 100 * HOUR_S, False, id="ours"),
        pytest.param(None, HOUR_S - 60, False, id="without an owner, young"),
        pytest.param(None, HOUR_S + 60, True, id="without an owner, old"),
        pytest.param("", HOUR_S + 60, True, id="an owner file without text, old"),
        pytest.param("not JSON", HOUR_S - 60, False, id="an unreadable owner, young"),
        pytest.param("\udcff\udcfe", HOUR_S + 60, True, id="an owner of other bytes, old"),
        pytest.param('{"host": "h"}', HOUR_S + 60, True, id="a part of an owner, old"),
        pytest.param("[1, 2]", HOUR_S + 60, True, id="an owner that is a list, old"),
    ],
)
def test_place_that_can_not_be_judged_is_kept_until_it_has_not_beaten_for_long(
    tmp_path: Path, owner: Owner | str | None, age_s: float, removed: bool
) -> None:
    place = place_of(tmp_path, owner, age_s=age_s)

    assert left_overs(tmp_path) == (["old-run"] if removed else [])
    assert place.exists() is not removed


def test_janitor_removes_left_overs_among_others_and_nothing_beside_them(tmp_path: Path) -> None:
    dead = replace(this_process(), started="1")
    place_of(tmp_path, dead, "run-1")
    place_of(tmp_path, this_process(), "run-2")
    place_of(tmp_path, dead, "run-3")
    report = tmp_path / "progress-exhaust" / "b-1_progress_26_08_2020.csv"
    report.write_text("header\n", encoding="utf-8")

    assert left_overs(tmp_path) == ["run-1", "run-3"]
    assert [path.name for path in (tmp_path / STAGING).iterdir()] == ["run-2"]
    assert report.exists()


def test_janitor_finds_nothing_where_nothing_was_ever_staged(tmp_path: Path) -> None:
    assert left_overs(tmp_path) == []


class StoreWhereARunHasJustEnded(LocalStore):
    """Lists a place that is gone when one looks at it."""

    def list_names(self, path: str) -> list[str]:
        return ["just-ended", *super().list_names(path)]


def test_janitor_does_not_mind_a_run_that_ends_while_it_looks(tmp_path: Path) -> None:
    place_of(tmp_path, replace(this_process(), started="1"), "run-1")

    assert remove_left_over(StoreWhereARunHasJustEnded(tmp_path), 0, time.time) == ["run-1"]
