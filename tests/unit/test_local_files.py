"""Files below a folder that others may write to: nothing is followed, waited for or guessed, and modes are ours."""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from progress_exhaust.local_files import (
    made_file,
    make_folders,
    make_private_folder,
    move_file,
    names_in,
    opened_below,
    opened_file,
    opened_folder,
    read_bytes,
    remove_tree,
    status_of,
    write_whole,
)

OUTSIDE = "outside"


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def tree_below(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@contextmanager
def umask(value: int) -> Iterator[None]:
    before = os.umask(value)
    try:
        yield
    finally:
        os.umask(before)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A root beside a folder that nothing may touch."""
    (tmp_path / OUTSIDE / "inner").mkdir(parents=True)
    (tmp_path / OUTSIDE / "kept").write_bytes(b"kept\n")
    (tmp_path / OUTSIDE / "inner" / "kept").write_bytes(b"kept\n")
    (tmp_path / "root").mkdir()
    return tmp_path / "root"


@pytest.fixture(autouse=True)
def see_outside_untouched(tmp_path: Path) -> Iterator[None]:
    yield
    if (tmp_path / OUTSIDE).exists():
        assert tree_below(tmp_path / OUTSIDE) == {"kept": b"kept\n", "inner/kept": b"kept\n"}


# Links.

ACTS: dict[str, Callable[[Path], object]] = {
    "write": lambda root: write_whole(root, "a/b/new", ["text"]),
    "read": lambda root: read_bytes(root, "a/b/kept", 100),
    "list": lambda root: names_in(root, "a/b"),
    "look": lambda root: status_of(root, "a/b/kept"),
    "make": lambda root: make_private_folder(root, "a/b/new"),
    "make itself": lambda root: make_private_folder(root, "a/b"),
    "make a file": lambda root: made_file(root, "a/b/new"),
    "open a file": lambda root: opened_below(root, "a/b/kept").__enter__(),
    "move into": lambda root: move_file(root, "source", "a/b/kept"),
    "move from": lambda root: move_file(root, "a/b/kept", "new"),
    "remove": lambda root: remove_tree(root, "a/b/kept"),
}


@pytest.mark.parametrize("act", ACTS)
@pytest.mark.parametrize("link", ["a", "a/b"])
def test_link_on_the_way_is_refused_by_its_name(root: Path, act: str, link: str) -> None:
    (root / "source").write_bytes(b"source")
    (root / link).parent.mkdir(exist_ok=True)
    (root / link).symlink_to(root.parent / OUTSIDE)
    (root.parent / OUTSIDE / "b").symlink_to("inner")

    with pytest.raises(OSError, match="symbolic link") as told:
        ACTS[act](root)

    assert told.value.strerror == f"{root / link} is a symbolic link, which is not followed"
    (root.parent / OUTSIDE / "b").unlink()


def test_root_and_what_is_above_it_may_be_links(root: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(root)

    write_whole(tmp_path / "link", "a/file", ["text"])

    assert read_bytes(tmp_path / "link", "a/file", 4) == b"text"


@pytest.mark.parametrize("act", ["write", "move"])
def test_link_in_the_place_of_a_file_is_replaced_and_never_written_through(root: Path, act: str) -> None:
    for number, target in enumerate(["kept", "inner", "gone"]):
        (root / f"link-{number}").symlink_to(root.parent / OUTSIDE / target)
        (root / "source").write_bytes(b"new")

        if act == "write":
            write_whole(root, f"link-{number}", ["new"])
        else:
            move_file(root, "source", f"link-{number}")

        assert not (root / f"link-{number}").is_symlink()
        assert (root / f"link-{number}").read_bytes() == b"new"


@pytest.mark.parametrize("act", ["write", "move"])
def test_directory_in_the_place_of_a_file_is_refused_and_nothing_is_left(root: Path, act: str) -> None:
    (root / "target" / "inner").mkdir(parents=True)
    (root / "source").write_bytes(b"new")

    with pytest.raises(IsADirectoryError, match="a directory stands in its place"):
        write_whole(root, "target", ["new"]) if act == "write" else move_file(root, "source", "target")

    assert sorted(path.name for path in root.rglob("*")) == ["inner", "source", "target"]


def test_removing_a_tree_leaves_what_its_links_lead_to(root: Path) -> None:
    (root / "tree" / "inner").mkdir(parents=True)
    (root / "tree" / "file").write_bytes(b"x")
    for name in ("tree/link", "tree/inner/link", "link"):
        (root / name).symlink_to(root.parent / OUTSIDE)
    os.mkfifo(root / "tree" / "pipe")

    remove_tree(root, "tree")
    remove_tree(root, "link")
    remove_tree(root, "nowhere/nothing")

    assert list(root.iterdir()) == []


# What is no regular file.


@pytest.mark.parametrize("kind", ["pipe", "directory", "link", "device"])
def test_what_is_no_regular_file_is_refused_at_once(root: Path, kind: str) -> None:
    thing = root / "thing"
    if kind == "pipe":
        os.mkfifo(thing)
    elif kind == "directory":
        thing.mkdir()
    elif kind == "link":
        thing.symlink_to(root.parent / OUTSIDE / "kept")
    else:
        thing = Path(os.devnull)
    ended = threading.Event()
    told: list[OSError] = []

    def read() -> None:
        try:
            with opened_file(thing):
                pass
        except OSError as error:
            told.append(error)
        ended.set()

    threading.Thread(target=read, daemon=True).start()

    assert ended.wait(10), "the read waits"
    assert "symbolic link" in str(told[0]) if kind == "link" else "no regular file" in str(told[0])


@pytest.mark.parametrize(("size", "is_read"), [(0, True), (9, True), (10, True), (11, False), (5_000_000, False)])
def test_no_more_is_read_than_may_be(root: Path, size: int, is_read: bool) -> None:
    (root / "file").write_bytes(b"x" * size)

    if is_read:
        assert read_bytes(root, "file", 10) == b"x" * size
    else:
        with pytest.raises(OSError, match="it has more than 10 bytes"):
            read_bytes(root, "file", 10)


# Writing.


def test_unfinished_file_is_private_and_has_a_name_that_is_never_the_same(root: Path) -> None:
    seen: list[tuple[str, int]] = []

    def lines() -> Iterator[str]:
        [unfinished] = root.iterdir()
        seen.append((unfinished.name, mode(unfinished)))
        yield "text\n"

    for _ in range(3):
        assert write_whole(root, "file", lines()) == 5
        (root / "file").unlink()

    assert len({name for name, _ in seen}) == 3
    assert {found for _, found in seen} == {0o600}


def test_text_that_can_not_be_made_leaves_the_older_file_and_nothing_else(root: Path) -> None:
    write_whole(root, "file", ["old"])

    def lines() -> Iterator[str]:
        yield "new"
        raise ValueError("no more lines")

    with pytest.raises(ValueError, match="no more lines"):
        write_whole(root, "file", lines())

    assert tree_below(root) == {"file": b"old"}


def test_new_file_is_private_and_never_one_that_is_there(root: Path) -> None:
    write_whole(root, "a/1", ["one\n"])
    with made_file(root, "a/new") as file:
        file.write(b"text")

    assert (root / "a" / "new").read_bytes() == b"text"
    assert mode(root / "a" / "new") == 0o600
    (root / "a" / "link").symlink_to(root.parent / OUTSIDE / "gone")
    for name in ("a/1", "a/link"):
        with pytest.raises(FileExistsError):
            made_file(root, name)


def test_what_is_looked_at_is_a_link_itself_and_not_what_it_leads_to(root: Path) -> None:
    write_whole(root, "a/file", ["text"])
    (root / "a" / "link").symlink_to("file")
    (root / "a" / "to-nowhere").symlink_to("gone")

    for name in ("link", "to-nowhere"):
        assert stat.S_ISLNK(status_of(root, f"a/{name}").st_mode)


# Modes.


@pytest.mark.parametrize("value", [0o000, 0o022, 0o027, 0o077])
def test_modes_do_not_depend_on_the_umask(tmp_path: Path, value: int) -> None:
    root = tmp_path / "above" / "root"
    with umask(value):
        make_folders(root)
        write_whole(root, "folder/file", ["text"])
        make_private_folder(root, "other/private")
        write_whole(root, "other/private/staged", ["text"])
        move_file(root, "other/private/staged", "request/moved")

    modes = {str(path.relative_to(tmp_path)): mode(path) for path in tmp_path.rglob("*")}
    assert modes == {
        "above": 0o750,
        "above/root": 0o750,
        "above/root/folder": 0o750,
        "above/root/folder/file": 0o640,
        "above/root/other": 0o750,
        "above/root/other/private": 0o700,
        "above/root/request": 0o750,
        "above/root/request/moved": 0o640,
    }


@pytest.mark.parametrize("found", [0o700, 0o755, 0o770, 0o2775])
def test_folder_that_was_there_keeps_its_mode(root: Path, found: int) -> None:
    (root / "folder").mkdir()
    (root / "folder").chmod(found)
    root.chmod(found)

    make_folders(root)
    write_whole(root, "folder/file", ["text"])
    move_file(root, "folder/file", "folder/moved")

    assert (mode(root), mode(root / "folder")) == (found, found)


def test_private_folder_that_was_open_becomes_private(root: Path) -> None:
    (root / "private").mkdir()
    (root / "private").chmod(0o777)

    make_private_folder(root, "private")

    assert mode(root / "private") == 0o700


def test_new_folders_and_their_files_belong_to_the_group_of_the_folder_above_where_that_is_set(root: Path) -> None:
    root.chmod(0o2770)

    write_whole(root, "folder/file", ["text"])

    assert mode(root / "folder") == 0o2750


def test_file_is_no_folder_even_where_nothing_in_it_is_asked_for(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("text", encoding="utf-8")
    for root, path in [(tmp_path / "file", ""), (tmp_path, "file")]:
        with pytest.raises(NotADirectoryError), opened_folder(root, path):
            pass
