"""Files of this machine below a folder that others may write to: nothing there is followed, waited for or guessed.

A path is walked name by name from its root, each folder opened from the one above, so that a link is met as a link
whenever it was put there; the root itself, and what is above it, are the operator's, and may be links. What is read is
a regular file, and no longer than it may be: opening a pipe does not wait. What is written gets a name that nobody can
know beforehand, and its own name when it is whole.

Modes are set whatever the umask, and only of what is made here.
"""

from __future__ import annotations

import errno
import os
import secrets
import shutil
import stat
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from itertools import takewhile
from pathlib import Path
from types import MappingProxyType
from typing import BinaryIO

FILE_MODE = 0o640
DIRECTORY_MODE = 0o750
PRIVATE_FILE_MODE = 0o600
PRIVATE_DIRECTORY_MODE = 0o700
_PIECE_BYTES = 1 << 16

_NONE_HELD: Mapping[str, int] = MappingProxyType({})
_TO_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_TO_MAKE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
# To pass through a folder takes no right to list it, where the system tells the two apart.
_ON_THE_WAY = getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY | os.O_CLOEXEC


def make_folders(folder: Path, mode: int = DIRECTORY_MODE) -> None:
    """Make a folder and those above it that are missing; those that are there stay as they are.

    Raises:
        OSError: one of them can not be made.
    """
    missing = list(takewhile(lambda one: not one.exists(), [folder, *folder.parents]))
    for one in reversed(missing):
        with suppress(FileExistsError):  # another run has made it meanwhile
            one.mkdir(mode)
            one.chmod(_mode_of_folder(mode, one.stat()))


@contextmanager
def opened_folder(
    root: Path, path: str = "", *, make: bool = False, held: Mapping[str, int] = _NONE_HELD
) -> Iterator[int]:
    """Open the folder at a path below a root, and close it at the end.

    Args:
        root: where the walk begins.
        path: names with `/` between them; empty for the root itself.
        make: whether folders that are missing are made.
        held: folders that are open already, and stay so, by path: there is no walk to these.

    Raises:
        FileNotFoundError: there is none.
        OSError: something else is in the way: a link, a file.
    """
    if path in held:
        yield held[path]
        return
    names = [name for name in path.split("/") if name]
    place, descriptor = root, os.open(root, _ON_THE_WAY if names else _FOLDER)
    try:
        for number, name in enumerate(names, start=1):
            place /= name
            flags = _FOLDER if number == len(names) else _ON_THE_WAY
            try:
                inner = _opened(name, flags, descriptor, place)
            except FileNotFoundError:
                if not make:
                    raise
                _make_folder(name, descriptor, DIRECTORY_MODE)
                inner = _opened(name, flags, descriptor, place)
            os.close(descriptor)
            descriptor = inner
        yield descriptor
    finally:
        os.close(descriptor)


def names_in(root: Path, path: str) -> list[str]:
    """Return the names in a folder below a root, in order.

    Raises:
        FileNotFoundError: there is none.
        OSError: something else is in the way.
    """
    with opened_folder(root, path) as folder:
        return sorted(os.listdir(folder))  # noqa: PTH208 - of an open folder


def make_private_folder(root: Path, path: str) -> None:
    """Make a folder that only we can enter, and those above it; one that is there becomes private.

    Raises:
        OSError: it can not be made, or something else is in the way.
    """
    above, _, name = path.rpartition("/")
    with opened_folder(root, above, make=True) as folder:
        _make_folder(name, folder, PRIVATE_DIRECTORY_MODE)
        made = _opened(name, _FOLDER, folder, root / path)
        try:
            status = os.fstat(made)
            private = _mode_of_folder(PRIVATE_DIRECTORY_MODE, status)
            if stat.S_IMODE(status.st_mode) != private:
                os.fchmod(made, private)
        finally:
            os.close(made)


@contextmanager
def opened_file(file: Path | str, folder: int | None = None) -> Iterator[BinaryIO]:
    """Open a regular file to read it.

    Args:
        file: its path, or its name in the folder.
        folder: where it is, opened; None where the path says it all.

    Raises:
        FileNotFoundError: there is none.
        OSError: it is a link, a pipe or the like, or can not be read.
    """
    descriptor = _opened(file, _TO_READ, folder, file)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "it is no regular file")
    with open(descriptor, "rb") as opened:  # noqa: PTH123 - a descriptor, not a path
        yield opened


@contextmanager
def opened_below(root: Path, path: str) -> Iterator[BinaryIO]:
    """Open a regular file below a root to read it.

    Raises:
        FileNotFoundError: there is none.
        OSError: something else is in its place or on the way, or it can not be read.
    """
    above, _, name = path.rpartition("/")
    with opened_folder(root, above) as folder, opened_file(name, folder) as file:
        yield file


def pieces_of(stream: BinaryIO) -> Iterator[bytes]:
    """Read a file to its end, in pieces of 64 KiB: of small ones, many threads hold little.

    Raises:
        OSError: it can not be read.
    """
    while piece := stream.read(_PIECE_BYTES):
        yield piece


def read_bytes(root: Path, path: str, most_bytes: int) -> bytes:
    """Return what a regular file below a root holds.

    Raises:
        FileNotFoundError: there is none.
        OSError: it is longer, something else is in its place or on the way, or it can not be read.
    """
    with opened_below(root, path) as file:
        content = file.read(most_bytes + 1)
    if len(content) > most_bytes:
        raise too_long(most_bytes)
    return content


def too_long(most_bytes: int) -> OSError:
    """Return the error for a file that holds more than is read of it."""
    return OSError(errno.EFBIG, f"it has more than {most_bytes:,} bytes")


def status_of(root: Path, path: str) -> os.stat_result:
    """Look at what has a path below a root, itself and not what it leads to.

    Raises:
        FileNotFoundError: there is nothing.
        OSError: something is in the way.
    """
    above, _, name = path.rpartition("/")
    with opened_folder(root, above) as folder:
        return os.stat(name or ".", dir_fd=folder, follow_symlinks=False)


def write_whole(root: Path, path: str, lines: Iterable[str], mode: int = FILE_MODE) -> int:
    """Write a text file anew, whole or not at all, and the folders above it below the root; return its bytes.

    Raises:
        OSError: it can not be written, or a directory is in its place.
    """
    above, _, name = path.rpartition("/")
    unfinished = f".{secrets.token_hex(8)}.unfinished"
    with opened_folder(root, above, make=True) as folder:
        descriptor = os.open(unfinished, _TO_MAKE, PRIVATE_FILE_MODE, dir_fd=folder)
        try:
            with open(descriptor, "w", encoding="utf-8", newline="") as file:  # noqa: PTH123 - a descriptor
                file.writelines(lines)
                file.flush()
                os.fchmod(descriptor, mode)
                os.fsync(descriptor)
                size_bytes = file.tell()
            _replace(unfinished, folder, name, folder)
        finally:
            with suppress(FileNotFoundError):
                os.unlink(unfinished, dir_fd=folder)
    return size_bytes


def made_file(root: Path, path: str, held: Mapping[str, int] = _NONE_HELD) -> BinaryIO:
    """Make a new, private file in a folder that is there, to be written and closed; `held` as in `opened_folder`.

    Raises:
        OSError: it is there already, or can not be made.
    """
    above, _, name = path.rpartition("/")
    with opened_folder(root, above, held=held) as folder:
        descriptor = os.open(name, _TO_MAKE, PRIVATE_FILE_MODE, dir_fd=folder)
    return open(descriptor, "wb")  # noqa: PTH123 - a descriptor, which whoever asks closes


def move_file(
    root: Path, source: str, target: str, mode: int = FILE_MODE, held: Mapping[str, int] = _NONE_HELD
) -> None:
    """Move a regular file over another, on disk before it has its name; folders above the target are made.

    Folders that are `held` as in `opened_folder` are those of sources.

    Raises:
        OSError: there is no such file, it can not be moved, or a directory is in its place.
    """
    source_above, _, source_name = source.rpartition("/")
    target_above, _, target_name = target.rpartition("/")
    with (
        opened_folder(root, source_above, held=held) as staged,
        opened_folder(root, target_above, make=True) as final,
    ):
        with opened_file(source_name, staged) as file:
            os.fchmod(file.fileno(), mode)
            os.fsync(file.fileno())
        _replace(source_name, staged, target_name, final)
        os.fsync(final)


def remove_tree(root: Path, path: str) -> None:
    """Remove a file, a link, or a folder with all in it; of what can not be removed the first is told, at the end.

    Raises:
        OSError: something is left.
    """
    above, _, name = path.rpartition("/")
    left: list[BaseException] = []

    def note(call: object, failed: str, error: tuple[type, BaseException, object]) -> None:
        if not isinstance(error[1], FileNotFoundError):  # another run may remove the same tree at the same time
            left.append(error[1])

    try:
        with opened_folder(root, above) as folder:
            if stat.S_ISDIR(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode):
                shutil.rmtree(name, onerror=note, dir_fd=folder)
            else:
                os.unlink(name, dir_fd=folder)
    except FileNotFoundError:
        return
    if left:
        raise left[0]


def _opened(name: Path | str, flags: int, folder: int | None, place: Path | str) -> int:
    try:
        return os.open(name, flags | os.O_NOFOLLOW, dir_fd=folder)
    except OSError:
        if _is_link(name, folder):
            raise OSError(errno.ELOOP, f"{place} is a symbolic link, which is not followed") from None
        raise


def _is_link(name: Path | str, folder: int | None) -> bool:
    try:
        return stat.S_ISLNK(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode)
    except OSError:
        return False


def _make_folder(name: str, folder: int, mode: int) -> None:
    try:
        os.mkdir(name, mode, dir_fd=folder)
    except FileExistsError:
        return
    made = os.open(name, _FOLDER | os.O_NOFOLLOW, dir_fd=folder)
    try:
        os.fchmod(made, _mode_of_folder(mode, os.fstat(made)))
    finally:
        os.close(made)


def _mode_of_folder(mode: int, status: os.stat_result) -> int:
    """Return the mode for a folder; that files in it belong to its group it may have from the folder above."""
    return mode | (status.st_mode & stat.S_ISGID)


def _replace(source: str, staged: int, target: str, final: int) -> None:
    try:
        os.replace(source, target, src_dir_fd=staged, dst_dir_fd=final)
    except IsADirectoryError:
        raise IsADirectoryError(errno.EISDIR, "a directory stands in its place") from None
