"""The staging place: private, gone in every outcome, and whose process is gone."""

from __future__ import annotations

import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from progress_exhaust.commands.base import new_run_id
from progress_exhaust.errors import OutputError
from progress_exhaust.identifiers import is_run_id
from progress_exhaust.output import staging
from progress_exhaust.output.staging import Staging
from progress_exhaust.output.stores.local import LocalStore
from progress_exhaust.owner import start_of, this_process
from progress_exhaust.paths import STAGING
from tests.support.staging_places import RUN


def test_staging_place_can_be_entered_by_its_owner_alone(tmp_path: Path) -> None:
    with Staging(LocalStore(tmp_path), RUN):
        for place in (STAGING, f"{STAGING}/{RUN}"):
            assert stat.S_IMODE((tmp_path / place).stat().st_mode) == 0o700
        assert json.loads((tmp_path / STAGING / RUN / "owner.json").read_text())["process_id"] == os.getpid()


@pytest.mark.rule("S4")
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
    monkeypatch.setattr(staging, "HEARTBEAT_S", 0.01)
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
    monkeypatch.setattr(staging, "HEARTBEAT_S", 0.01)
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


def test_own_process_is_not_gone() -> None:
    assert not this_process().is_gone()


@pytest.mark.parametrize("is_reaped", [True, False])
def test_killed_process_is_gone_even_before_its_parent_has_looked(is_reaped: bool) -> None:
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]) as process:
        owner = replace(this_process(), process_id=process.pid, started=start_of(process.pid))
        assert not owner.is_gone()
        process.send_signal(signal.SIGKILL)
        if is_reaped:
            process.wait()
        else:
            wait_until(owner.is_gone)
        assert owner.is_gone()


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
    assert replace(this_process(), **change).is_gone() is gone


def test_run_has_a_name_that_the_janitor_knows() -> None:
    assert is_run_id(new_run_id())


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

    def publish(self, draft: str, target: str) -> None:
        self.seen.append(self.list_names("progress-exhaust"))
        super().publish(draft, target)
