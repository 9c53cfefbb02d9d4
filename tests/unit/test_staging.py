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
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from progress_exhaust.commands.base import new_run_id
from progress_exhaust.errors import OutputError
from progress_exhaust.identifiers import is_run_id
from progress_exhaust.output import staging
from progress_exhaust.output.staging import Owner, Staging, is_gone, remove_left_over, this_process
from progress_exhaust.output.stores.local import LocalStore
from progress_exhaust.paths import STAGING
from tests.support.command_line import without_privileges

ROOT = Path(__file__).parents[2]
HOUR_S = 3600.0
RUN, RUN_1, RUN_2, RUN_3 = (f"20261123T083000Z-0a1b2{number}" for number in range(4))
SLEEPER = """
import sys, time
from pathlib import Path
from progress_exhaust.output.staging import Staging
from progress_exhaust.output.stores.local import LocalStore
with Staging(LocalStore(Path(sys.argv[1])), sys.argv[2]):
    print("staged", flush=True)
    time.sleep(600)
"""


@contextmanager
def run_that_stages(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """Start a process that holds a staging place."""
    process = subprocess.Popen(
        [sys.executable, "-c", SLEEPER, str(folder), RUN], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    with process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "staged\n"
            yield process
        finally:
            process.kill()


def place_of(store_folder: Path, owner: Owner | str | None, name: str = RUN, age_s: float = 0) -> Path:
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
    with Staging(LocalStore(tmp_path), RUN):
        for place in (STAGING, f"{STAGING}/{RUN}"):
            assert stat.S_IMODE((tmp_path / place).stat().st_mode) == 0o700
        assert json.loads((tmp_path / STAGING / RUN / "owner.json").read_text())["process_id"] == os.getpid()


@pytest.mark.parametrize("outcome", [None, ValueError, OutputError, KeyboardInterrupt, SystemExit])
def test_staging_place_is_removed_in_every_outcome(tmp_path: Path, outcome: type[BaseException] | None) -> None:
    def run() -> None:
        with Staging(LocalStore(tmp_path), RUN) as place:
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
    with pytest.raises(OutputError, match="the store is away"), Staging(StoreThatRemovesNothing(tmp_path), RUN):
        pass
    with pytest.raises(ValueError, match="of the run"), Staging(StoreThatRemovesNothing(tmp_path), RUN):
        raise ValueError("of the run")


def test_name_staged_again_gets_a_file_of_its_own(tmp_path: Path) -> None:
    with Staging(LocalStore(tmp_path), RUN) as place:
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
    owner = tmp_path / STAGING / RUN / "owner.json"
    store = StoreThatComesAndGoes(tmp_path)
    with Staging(store, RUN):
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
    place = tmp_path / STAGING / RUN
    store = StoreWithoutAPlace(tmp_path)
    with Staging(store, RUN):
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
def test_process_is_gone_only_where_that_is_certain(change: dict[str, Any], gone: bool) -> None:
    assert is_gone(replace(this_process(), **change)) is gone


# What the janitor removes.


def test_place_of_a_killed_run_is_removed_at_once_and_that_of_a_living_one_kept_however_old(tmp_path: Path) -> None:
    with run_that_stages(tmp_path) as process:
        place = tmp_path / STAGING / RUN
        for path in (place / "owner.json", place):
            os.utime(path, (0, 0))
        assert left_overs(tmp_path, keep_s=0) == []
        assert place.exists()

        process.send_signal(signal.SIGKILL)
        process.wait()

        assert left_overs(tmp_path, keep_s=1e9) == [RUN]
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

    assert left_overs(tmp_path) == ([RUN] if removed else [])
    assert place.exists() is not removed


def test_janitor_removes_left_overs_among_others_and_nothing_beside_them(tmp_path: Path) -> None:
    dead = replace(this_process(), started="1")
    place_of(tmp_path, dead, RUN_1)
    place_of(tmp_path, this_process(), RUN_2)
    place_of(tmp_path, dead, RUN_3)
    report = tmp_path / "progress-exhaust" / "b-1_progress_26_08_2020.csv"
    report.write_text("header\n", encoding="utf-8")

    assert left_overs(tmp_path) == [RUN_1, RUN_3]
    assert [path.name for path in (tmp_path / STAGING).iterdir()] == [RUN_2]
    assert report.exists()


def test_janitor_finds_nothing_where_nothing_was_ever_staged(tmp_path: Path) -> None:
    assert left_overs(tmp_path) == []


class StoreWhereARunHasJustEnded(LocalStore):
    """Lists a place that is gone when one looks at it."""

    def list_names(self, path: str) -> list[str]:
        return [RUN, *super().list_names(path)]


def test_janitor_does_not_mind_a_run_that_ends_while_it_looks(tmp_path: Path) -> None:
    place_of(tmp_path, replace(this_process(), started="1"), RUN_1)

    assert remove_left_over(StoreWhereARunHasJustEnded(tmp_path), 0, time.time) == [RUN_1]


# What others have put there.


def strange_things(staging: Path) -> dict[str, Path]:
    """Put things under names of runs into the staging that no run leaves there; return the place of each."""
    outside = staging.parents[1] / "outside"
    outside.mkdir()
    (outside / "kept").write_text("kept\n", encoding="utf-8")
    staging.mkdir(parents=True)
    places = {
        kind: staging / f"20000101T000000Z-00000{number}"
        for number, kind in enumerate(
            ("file", "link", "pipe", "note is a directory", "note is a link", "note is a pipe", "note is huge")
        )
    }
    places["file"].write_text("of somebody\n", encoding="utf-8")
    places["link"].symlink_to(outside)
    os.mkfifo(places["pipe"])
    for kind, place in places.items():
        if kind.startswith("note"):
            place.mkdir()
    (places["note is a directory"] / "owner.json").mkdir()
    (places["note is a link"] / "owner.json").symlink_to(outside / "kept")
    os.mkfifo(places["note is a pipe"] / "owner.json")
    (places["note is huge"] / "owner.json").write_bytes(b" " * 70_000)
    for path in staging.rglob("*"):
        os.utime(path, (0, 0), follow_symlinks=False)
    return places


def test_strange_things_are_left_alone_with_a_warning_and_stop_nobody(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    places = strange_things(tmp_path / STAGING)
    place_of(tmp_path, replace(this_process(), started="1"))

    assert left_overs(tmp_path) == [RUN]

    assert [kind for kind, place in places.items() if not os.path.lexists(place)] == []
    assert (tmp_path / "outside" / "kept").read_text(encoding="utf-8") == "kept\n"
    warnings = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert [kind for kind, place in places.items() if not any(place.name in told for told in warnings)] == []


@pytest.mark.parametrize(
    "name", ["backup", "run-1", "20261123T083000Z-0A1B2C", "20261123T083000Z-0a1b2c.old", ".x", "é", "\udcff\n"]
)
def test_what_is_not_called_as_runs_are_is_never_removed(
    tmp_path: Path, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    place = place_of(tmp_path, replace(this_process(), started="1"), name, age_s=100 * HOUR_S)

    assert left_overs(tmp_path) == []
    assert place.exists()
    [told] = [record.getMessage() for record in caplog.records]
    assert ascii(name) in told


def test_run_has_a_name_that_the_janitor_knows() -> None:
    assert is_run_id(new_run_id())


class CountingStore(LocalStore):
    """Counts what the janitor asks."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.asked: Counter[str] = Counter()

    def list_names(self, path: str) -> list[str]:
        self.asked["list_names"] += 1
        return super().list_names(path)

    def read_text(self, path: str, most_bytes: int = 0) -> str | None:
        self.asked["read_text"] += 1
        return super().read_text(path, most_bytes)

    def age_s(self, path: str, now: float) -> float | None:
        self.asked["age_s"] += 1
        return super().age_s(path, now)


def test_ten_thousand_foreign_names_cost_one_listing_and_one_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / STAGING).mkdir(parents=True)
    for number in range(10_000):
        (tmp_path / STAGING / f"foreign-{number}").touch()
    place_of(tmp_path, this_process())
    store = CountingStore(tmp_path)

    assert remove_left_over(store, 0, time.time) == []

    assert store.asked == {"list_names": 1, "read_text": 1}
    [warning] = caplog.records
    assert len(warning.getMessage()) < 300


class StoreThatKeepsOne(LocalStore):
    """Does not let go of one place."""

    def remove(self, path: str) -> None:
        if path.endswith(RUN_1):
            raise OutputError(f"removing {path}: Permission denied")
        super().remove(path)


def test_place_that_can_not_be_removed_keeps_no_other_from_it(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for name in (RUN_1, RUN_2):
        place_of(tmp_path, replace(this_process(), started="1"), name)

    assert remove_left_over(StoreThatKeepsOne(tmp_path), 0, time.time) == [RUN_2]
    assert [record.levelname for record in caplog.records if RUN_1 in record.getMessage()] == ["WARNING"]


JANITOR = """
import logging, sys, time
from pathlib import Path
from progress_exhaust.output.staging import remove_left_over
from progress_exhaust.output.stores.local import LocalStore
logging.basicConfig(stream=sys.stdout, format="%(message)s")
print(remove_left_over(LocalStore(Path(sys.argv[1])), 300, time.time))
"""


def test_places_that_may_not_be_read_or_removed_are_left_alone_and_the_others_removed(tmp_path: Path) -> None:
    unreadable, unremovable = (
        place_of(tmp_path, replace(this_process(), started="1"), name) for name in (RUN_1, RUN_2)
    )
    place_of(tmp_path, replace(this_process(), started="1"), RUN_3)
    (unremovable / "kept").mkdir()
    (unremovable / "kept" / "row").touch()
    for folder, mode in ((unreadable, 0), (unremovable / "kept", 0o500)):
        folder.chmod(mode)
    command = [*without_privileges(), sys.executable, "-c", JANITOR, str(tmp_path)]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    for folder in (unreadable, unremovable / "kept"):
        folder.chmod(0o700)

    assert told[-1] == str([RUN_3])
    assert [name for name in (RUN_1, RUN_2) if not any(f"{name} is left alone" in line for line in told)] == []
    assert [path.name for path in unremovable.iterdir()] == ["kept"], "what can be removed is"


@pytest.mark.parametrize(
    "owner",
    [
        pytest.param("[" * 50_000, id="lists that no parser bears"),
        pytest.param(json.dumps(asdict(this_process()) | {"process_id": "../../../etc"}), id="a path as process"),
        pytest.param(json.dumps(asdict(this_process()) | {"process_id": True}), id="a truth as process"),
        pytest.param(json.dumps(asdict(this_process()) | {"host": ["h"]}), id="a list as host"),
        pytest.param(json.dumps(asdict(this_process()) | {"more": 1}), id="more than an owner"),
    ],
)
def test_owner_that_no_run_has_written_is_judged_by_its_age(tmp_path: Path, owner: str) -> None:
    place_of(tmp_path, owner, RUN_1, age_s=HOUR_S - 60)
    place_of(tmp_path, owner, RUN_2, age_s=HOUR_S + 60)

    assert left_overs(tmp_path) == [RUN_2]


@pytest.mark.parametrize("link", ["progress-exhaust", STAGING])
def test_run_refuses_a_link_in_the_place_of_its_folders(tmp_path: Path, link: str) -> None:
    outside = tmp_path / "outside"
    place = place_of(outside, replace(this_process(), started="1"), age_s=100 * HOUR_S)
    root = tmp_path / "reports"
    (root / link).parent.mkdir(parents=True)
    (root / link).symlink_to(outside / link)
    sentence = rf"{root / link} is a symbolic link, which is not followed; check output\.url"

    with pytest.raises(OutputError, match=sentence):
        left_overs(root)
    with pytest.raises(OutputError, match=sentence), Staging(LocalStore(root), RUN_1):
        pass

    assert [path.name for path in (outside / STAGING).iterdir()] == [RUN]
    assert sorted(path.name for path in place.iterdir()) == ["owner.json", "part-00000"]


def test_text_is_published_from_the_staging_and_nothing_stands_beside_it_meanwhile(tmp_path: Path) -> None:
    store = StoreThatLooks(tmp_path)
    with Staging(store, RUN) as place:
        place.publish_text("progress-exhaust/manifest.json", ["{}\n"])
        place.publish_text("progress-exhaust/manifest.json", ['{"a":1}\n'])

    assert (tmp_path / "progress-exhaust" / "manifest.json").read_text(encoding="utf-8") == '{"a":1}\n'
    assert stat.S_IMODE((tmp_path / "progress-exhaust" / "manifest.json").stat().st_mode) == 0o640
    assert store.seen == [[".staging"], [".staging", "manifest.json"]]


class StoreThatLooks(LocalStore):
    """Notes what stands beside a published file before it gets there."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.seen: list[list[str]] = []

    def publish(self, source: str, target: str) -> None:
        self.seen.append(self.list_names("progress-exhaust"))
        super().publish(source, target)
