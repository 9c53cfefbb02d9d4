"""What killed runs left in the staging is removed, and nothing else."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from progress_exhaust.errors import OutputError
from progress_exhaust.output.staging import Staging, remove_stale
from progress_exhaust.output.stores.local import LocalStore
from progress_exhaust.owner import Owner, this_process
from progress_exhaust.paths import STAGING
from tests.support.command_line import without_privileges
from tests.support.staging_places import (
    HOUR_S,
    ROOT,
    RUN,
    RUN_1,
    RUN_2,
    RUN_3,
    place_of,
    run_that_stages,
    stale_places,
    strange_things,
)


@pytest.mark.rule("S4")
def test_place_of_a_killed_run_is_removed_at_once_and_that_of_a_living_one_kept_however_old(tmp_path: Path) -> None:
    with run_that_stages(tmp_path) as process:
        place = tmp_path / STAGING / RUN
        for path in (place / "owner.json", place):
            os.utime(path, (0, 0))
        assert stale_places(tmp_path, keep_s=0) == []
        assert place.exists()

        process.send_signal(signal.SIGKILL)
        process.wait()

        assert stale_places(tmp_path, keep_s=1e9) == [RUN]
        assert not place.exists()


FOREIGN = replace(this_process(), host="another machine")


@pytest.mark.rule("S4")
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

    assert stale_places(tmp_path) == ([RUN] if removed else [])
    assert place.exists() is not removed


def test_janitor_removes_stale_places_among_others_and_nothing_beside_them(tmp_path: Path) -> None:
    dead = replace(this_process(), started="1")
    place_of(tmp_path, dead, RUN_1)
    place_of(tmp_path, this_process(), RUN_2)
    place_of(tmp_path, dead, RUN_3)
    report = tmp_path / "progress-exhaust" / "b-1_progress_26_08_2020.csv"
    report.write_text("header\n", encoding="utf-8")

    assert stale_places(tmp_path) == [RUN_1, RUN_3]
    assert [path.name for path in (tmp_path / STAGING).iterdir()] == [RUN_2]
    assert report.exists()


def test_janitor_finds_nothing_where_nothing_was_ever_staged(tmp_path: Path) -> None:
    assert stale_places(tmp_path) == []


class StoreWhereARunHasJustEnded(LocalStore):
    """Lists a place that is gone when one looks at it."""

    def list_names(self, path: str) -> list[str]:
        return [RUN, *super().list_names(path)]


def test_janitor_does_not_mind_a_run_that_ends_while_it_looks(tmp_path: Path) -> None:
    place_of(tmp_path, replace(this_process(), started="1"), RUN_1)

    assert remove_stale(StoreWhereARunHasJustEnded(tmp_path), 0, time.time) == [RUN_1]


@pytest.mark.rule("S5")
def test_strange_things_are_left_alone_with_a_warning_and_stop_nobody(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    places = strange_things(tmp_path / STAGING)
    place_of(tmp_path, replace(this_process(), started="1"))

    assert stale_places(tmp_path) == [RUN]

    assert [kind for kind, place in places.items() if not os.path.lexists(place)] == []
    assert (tmp_path / "outside" / "kept").read_text(encoding="utf-8") == "kept\n"
    warnings = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert [kind for kind, place in places.items() if not any(place.name in told for told in warnings)] == []


@pytest.mark.rule("S5")
@pytest.mark.parametrize(
    "name", ["backup", "run-1", "20261123T083000Z-0A1B2C", "20261123T083000Z-0a1b2c.old", ".x", "é", "\udcff\n"]
)
def test_what_is_not_called_as_runs_are_is_never_removed(
    tmp_path: Path, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    place = place_of(tmp_path, replace(this_process(), started="1"), name, age_s=100 * HOUR_S)

    assert stale_places(tmp_path) == []
    assert place.exists()
    [told] = [record.getMessage() for record in caplog.records]
    assert ascii(name) in told


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

    assert remove_stale(store, 0, time.time) == []

    assert store.asked == {"list_names": 1, "read_text": 1}
    [warning] = caplog.records
    assert len(warning.getMessage()) < 300
    assert vars(warning)["action"] == "leftover_kept"


class StoreThatKeepsOne(LocalStore):
    """Does not let go of one place."""

    def remove(self, path: str) -> None:
        if path.endswith(RUN_1):
            raise OutputError(f"removing {path}: Permission denied")
        super().remove(path)


def test_place_that_can_not_be_removed_keeps_no_other_from_it(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for name in (RUN_1, RUN_2):
        place_of(tmp_path, replace(this_process(), started="1"), name)

    assert remove_stale(StoreThatKeepsOne(tmp_path), 0, time.time) == [RUN_2]
    assert [record.levelname for record in caplog.records if RUN_1 in record.getMessage()] == ["WARNING"]


def test_what_is_removed_and_what_is_left_alone_is_told_with_its_action(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="progress_exhaust")
    for name in (RUN_1, RUN_2):
        place_of(tmp_path, replace(this_process(), started="1"), name)

    remove_stale(StoreThatKeepsOne(tmp_path), 0, time.time)

    told = {(record.levelname, vars(record)["action"]) for record in caplog.records}
    assert told == {("WARNING", "leftover_kept"), ("INFO", "leftover_removed")}


JANITOR = """
import logging, sys, time
from pathlib import Path
from progress_exhaust.output.staging import remove_stale
from progress_exhaust.output.stores.local import LocalStore
logging.basicConfig(stream=sys.stdout, format="%(message)s")
print(remove_stale(LocalStore(Path(sys.argv[1])), 300, time.time))
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

    assert stale_places(tmp_path) == [RUN_2]


@pytest.mark.rule("S5")
@pytest.mark.parametrize("link", ["progress-exhaust", STAGING])
def test_run_refuses_a_link_in_the_place_of_its_folders(tmp_path: Path, link: str) -> None:
    outside = tmp_path / "outside"
    place = place_of(outside, replace(this_process(), started="1"), age_s=100 * HOUR_S)
    root = tmp_path / "reports"
    (root / link).parent.mkdir(parents=True)
    (root / link).symlink_to(outside / link)
    sentence = rf"{root / link} is a symbolic link, which is not followed; check output\.url"

    with pytest.raises(OutputError, match=sentence):
        stale_places(root)
    with pytest.raises(OutputError, match=sentence), Staging(LocalStore(root), RUN_1):
        pass

    assert [path.name for path in (outside / STAGING).iterdir()] == [RUN]
    assert sorted(path.name for path in place.iterdir()) == ["owner.json", "part-00000"]
