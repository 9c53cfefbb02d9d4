"""The private folder of a process: for its user alone, gone with it, and what killed processes left is removed."""

from __future__ import annotations

import json
import os
import select
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from uuid import uuid4

import pytest

from progress_exhaust.errors import ComputeError
from progress_exhaust.owner import this_process
from progress_exhaust.spark.janitor import PREFIX, remove_stale
from progress_exhaust.spark.private import PrivateFolder

ROOT = Path(__file__).parents[2]
NAME = f"{PREFIX}{'0' * 32}"
HOLDER = """
import subprocess, sys
from pathlib import Path
from progress_exhaust.spark.private import PrivateFolder
folder = PrivateFolder(Path(sys.argv[1]))
child = subprocess.Popen(["cat"], stdin=subprocess.PIPE, pass_fds=folder.descriptors())
print(folder.path, child.pid, flush=True)
sys.stdin.read()
"""
MADE_AND_LEFT = """
import os, sys, tempfile
from progress_exhaust.spark import private
folder = private.of_this_process()
folder.take_temporary_files(os.environ)
assert tempfile.mkdtemp().startswith(str(folder.temporary)), tempfile.gettempdir()
assert os.environ["TMPDIR"] == str(folder.temporary)
assert private.of_this_process() is folder
if os.fork() == 0:
    sys.exit()  # a fork ends, and takes nothing with it
os.wait()
assert folder.temporary.is_dir()
"""


@pytest.fixture(autouse=True)
def usual_umask() -> Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def left_folder(parent: Path, note: str | None = None, name: str = NAME, age_s: float = 0) -> Path:
    """Make a folder as a process leaves it, with something of a learner's in it."""
    folder = parent / name
    (folder / "spark").mkdir(parents=True)
    (folder / "spark" / "shuffle").write_text("row of a learner\n", encoding="utf-8")
    if note is not None:
        (folder / "owner.json").write_text(note, encoding="utf-8")
    then = folder.stat().st_mtime - age_s
    os.utime(folder, (then, then))
    return folder


def note_of(process_started: str, *foreign: Path) -> str:
    owner = replace(this_process(), started=process_started)
    return json.dumps({"owner": asdict(owner), "foreign": list(map(str, foreign))})


@contextmanager
def holder(parent: Path) -> Iterator[tuple[subprocess.Popen[str], Path, int]]:
    """A process with a private folder, and a child that got the folder's lock from it."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(parent)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            assert process.stdout is not None
            path, child = process.stdout.readline().split()
            yield process, Path(path), int(child)
        finally:
            process.kill()


# What a process does with its own folder.


@pytest.mark.rule("P1")
@pytest.mark.parametrize("umask", [0, 0o022, 0o777])
def test_folder_and_all_in_it_can_be_entered_by_its_user_alone(tmp_path: Path, umask: int) -> None:
    os.umask(umask)
    folder = PrivateFolder(tmp_path)
    os.umask(0o022)
    [spark] = folder.local_dirs([])
    for path in (folder.path, spark):
        assert mode(path) == 0o700
    assert mode(folder.path / "owner.json") & 0o077 == 0
    folder.remove()
    assert list(tmp_path.iterdir()) == []


def test_removed_folder_gives_temporary_files_back_to_where_they_were(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", None)
    environment = {"TMPDIR": "/before", "OTHER": "1"}
    folder = PrivateFolder(tmp_path)
    folder.take_temporary_files(environment)
    folder.take_temporary_files(environment)
    assert environment == {"TMPDIR": str(folder.temporary), "OTHER": "1"}
    assert tempfile.gettempdir() == str(folder.temporary)
    folder.remove()
    folder.remove()
    assert environment == {"TMPDIR": "/before", "OTHER": "1"}
    assert tempfile.tempdir is None


@pytest.mark.rule("P4")
def test_folder_of_a_process_goes_when_the_process_ends_and_not_when_a_fork_of_it_does(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-c", MADE_AND_LEFT], cwd=ROOT, env={**os.environ, "TMPDIR": str(tmp_path)}, check=True
    )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.rule("P2")
def test_each_disk_that_spark_was_told_to_use_gets_a_private_folder(tmp_path: Path) -> None:
    folder = PrivateFolder(tmp_path)
    disks = [str(tmp_path / "one"), str(tmp_path / "two")]
    places = folder.local_dirs(disks)
    assert folder.local_dirs(disks) == places
    assert [place.parent.parent for place in places] == [tmp_path / "one", tmp_path / "two"]
    assert {mode(path) for place in places for path in (place, place.parent)} == {0o700}
    folder.remove()
    assert list(tmp_path.rglob("*progress-exhaust*")) == []


def test_folder_that_spark_had_to_make_elsewhere_is_closed_and_goes_with_the_next_process(tmp_path: Path) -> None:
    elsewhere = tmp_path / f"blockmgr-{uuid4()}"
    elsewhere.mkdir()
    with holder(tmp_path) as (process, path, child):
        folder = PrivateFolder(tmp_path)
        folder.adopt([elsewhere, folder.path / "spark"])
        assert mode(elsewhere) == 0o700
        note = (folder.path / "owner.json").read_text(encoding="utf-8")
        folder.remove()
        elsewhere.mkdir()
        (path / "owner.json").write_text(note, encoding="utf-8")
        assert remove_stale(tmp_path) == []
        os.kill(child, signal.SIGKILL)
        process.kill()
        process.wait()
    wait_until_gone(child)
    assert remove_stale(tmp_path) == [path]
    assert list(tmp_path.iterdir()) == []


def test_folder_that_spark_had_to_make_elsewhere_goes_with_this_process(tmp_path: Path) -> None:
    """A JVM removes its own, but not one that was killed."""
    elsewhere = tmp_path / "disk" / f"blockmgr-{uuid4()}"
    elsewhere.mkdir(parents=True)
    (elsewhere / "shuffle").write_text("row of a learner\n", encoding="utf-8")
    folder = PrivateFolder(tmp_path)
    folder.adopt([elsewhere])
    folder.adopt([tmp_path / "disk"])
    folder.remove()
    assert [path.name for path in tmp_path.rglob("*")] == ["disk"]


# Where it may be made.


@pytest.mark.rule("P2")
@pytest.mark.parametrize(
    ("parent_mode", "is_safe"),
    [
        pytest.param(0o700, True, id="ours"),
        pytest.param(0o775, True, id="ours and our group's"),
        pytest.param(0o1777, True, id="everybody's with the sticky bit"),
        pytest.param(0o777, False, id="everybody's"),
        pytest.param(0o757, False, id="others may write"),
    ],
)
def test_a_folder_where_others_may_put_another_in_its_place_is_told_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, parent_mode: int, is_safe: bool
) -> None:
    parent = tmp_path / "parent"
    parent.mkdir()
    parent.chmod(parent_mode)
    made = PrivateFolder(parent).path
    assert made.parent == parent
    assert made.stat().st_mode & 0o777 == 0o700
    assert ("expected a folder of our own, or one with the sticky bit" in caplog.text) is not is_safe


def test_a_folder_of_another_user_is_told_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    become_another_user(tmp_path, monkeypatch)
    PrivateFolder(tmp_path)
    assert f"user {tmp_path.stat().st_uid}" in caplog.text


def become_another_user(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Be neither who has made the folder nor, where that is root, trust who is."""
    if folder.stat().st_uid == 0:
        os.chown(folder, 65534, 65534)
    else:
        monkeypatch.setattr(os, "geteuid", lambda: folder.stat().st_uid + 1)


def test_parent_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(ComputeError, match=r"making a private folder below .*/none: No such file or directory; "):
        PrivateFolder(tmp_path / "none")


# What killed processes left.


@pytest.mark.rule("P4")
def test_folder_of_a_killed_process_is_removed_once_its_child_is_gone_too(tmp_path: Path) -> None:
    with holder(tmp_path) as (process, path, child):
        assert remove_stale(tmp_path) == []
        os.kill(child, signal.SIGSTOP)  # it will live a moment longer, and the moment is long
        process.kill()
        process.wait()
        assert remove_stale(tmp_path) == []
        os.kill(child, signal.SIGKILL)
    wait_until_gone(child)
    assert remove_stale(tmp_path) == [path]
    assert list(tmp_path.iterdir()) == []


def wait_until_gone(process_id: int) -> None:
    """Wait for a process that is no child of ours."""
    try:
        descriptor = os.pidfd_open(process_id)
    except ProcessLookupError:
        return
    try:
        select.select([descriptor], [], [], 30)
    finally:
        os.close(descriptor)


@pytest.mark.parametrize(
    ("note", "age_s", "is_removed"),
    [
        pytest.param(note_of("1"), 0, True, id="nobody holds its lock"),
        pytest.param("{not JSON", 0, True, id="a note that can not be read, and nobody holds its lock"),
        pytest.param("[]", 0, True, id="a note of another form"),
        pytest.param(None, 60, False, id="no note yet"),
        pytest.param(None, 7200, True, id="no note for hours"),
    ],
)
def test_folder_without_a_living_process_is_removed(
    tmp_path: Path, note: str | None, age_s: float, is_removed: bool
) -> None:
    folder = left_folder(tmp_path, note, age_s=age_s)
    assert remove_stale(tmp_path) == ([folder] if is_removed else [])
    assert folder.exists() is not is_removed


@pytest.mark.rule("P4")
def test_folders_of_another_form_stay(tmp_path: Path) -> None:
    names = ["progress-exhaust-postgres-x", f"{PREFIX}0", f"x{NAME}", f"{NAME}0", f"blockmgr-{uuid4()}", "owner.json"]
    folders = [left_folder(tmp_path, note_of("1"), name) for name in names]
    assert remove_stale(tmp_path) == []
    assert all((folder / "spark" / "shuffle").exists() for folder in folders)


@pytest.mark.rule("P4")
def test_links_are_neither_followed_nor_removed(tmp_path: Path) -> None:
    elsewhere = left_folder(tmp_path / "elsewhere", note_of("1"))
    (tmp_path / f"{PREFIX}{'1' * 32}").symlink_to(elsewhere)
    left = left_folder(tmp_path, note_of("1"))
    (left / "link").symlink_to(elsewhere)
    (left / "spark" / "link").symlink_to(elsewhere)
    noteless = left_folder(tmp_path, name=f"{PREFIX}{'2' * 32}")
    (noteless / "owner.json").symlink_to(elsewhere / "owner.json")
    assert remove_stale(tmp_path) == [left]
    assert (elsewhere / "spark" / "shuffle").exists()
    assert (tmp_path / f"{PREFIX}{'1' * 32}").is_symlink()


def test_note_that_names_what_is_not_sparks_takes_nothing_of_it(tmp_path: Path) -> None:
    sparks, link, others = (tmp_path / name for name in (f"spark-{uuid4()}", f"blockmgr-{uuid4()}", "home"))
    for folder in (sparks, others):
        folder.mkdir()
    link.symlink_to(others)
    no_path = tmp_path / "\0" / sparks.name
    left_folder(tmp_path, note_of("1", no_path, sparks, link, others, tmp_path / "none"))
    remove_stale(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([link.name, "home"])


@pytest.mark.rule("P4")
def test_folder_of_another_user_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = left_folder(tmp_path, note_of("1"))
    become_another_user(folder, monkeypatch)
    assert remove_stale(tmp_path) == []
    assert folder.exists()


def test_parent_that_is_gone_has_nothing_left_over(tmp_path: Path) -> None:
    assert remove_stale(tmp_path / "none") == []
