"""The output place: private staging, and moves that make a file appear whole or not at all."""

from __future__ import annotations

import errno
import stat
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from secrets import token_hex
from typing import Any, Protocol

from py4j.java_gateway import is_instance_of
from py4j.protocol import Py4JJavaError
from pyspark.sql import SparkSession

from progress_exhaust.errors import OutputError
from progress_exhaust.file_systems import first_line, missing_in
from progress_exhaust.local_files import (
    DIRECTORY_MODE,
    FILE_MODE,
    PRIVATE_DIRECTORY_MODE,
    join_files,
    make_folders,
    make_private_folder,
    move_file,
    names_in,
    read_bytes,
    remove_tree,
    status_of,
    too_long,
    write_whole,
)
from progress_exhaust.paths import local_folder

_NEXT_STEP = "check output.url, its space and its rights"

MOST_TEXT_BYTES = 64 << 20
"""What a file that is read into memory may have, where nothing else is said."""


class Store(Protocol):
    """A tree of files under one root; paths are relative to it, with `/` between their parts.

    Others may have put things into the folders below the root: what is not a folder or a regular file of its own is
    refused, and never followed. Folders that a method makes can be entered by us and read by our group.

    Every method raises `OutputError`, naming the place, when the store does not do its part.
    """

    def url(self, path: str) -> str:
        """Return the URL that Spark reads or writes the path by."""

    def make_private_directory(self, path: str) -> None:
        """Make a directory, and those above it, that only we can enter."""

    def write_text(self, path: str, lines: Iterable[str]) -> int:
        """Write a small file anew, whole or not at all, and the folders above it; return its bytes."""

    def read_text(self, path: str, most_bytes: int = MOST_TEXT_BYTES) -> str | None:
        """Return a file's text, or None where there is none; one that is longer is an error."""

    def size_bytes(self, path: str) -> int | None:
        """Return a file's length, or None where there is no file."""

    def list_names(self, path: str) -> list[str]:
        """Return the names in a directory, in order; empty where there is no such directory."""

    def age_s(self, path: str, now: float) -> float | None:
        """Return the seconds since the file or directory last changed, or None where there is none."""

    def local_copy(self, path: str, folder: Path) -> Path:
        """Return a file that Python can read: itself where the store is local, else a copy in the folder."""

    def join(self, sources: Iterable[str], target: str) -> None:
        """Make one file of several, in order."""

    def publish(self, source: str, target: str) -> None:
        """Move a staged file to its place, over an older one of that name; readers see the old one or the new one.

        Its group may read it then. A link in its place is replaced, a directory is an error.
        """

    def remove(self, path: str) -> None:
        """Remove a file or a directory with all in it; nothing where there is none. What a link leads to stays."""

    def check(self) -> None:
        """Write and remove a small file; several threads and runs may do so at once."""


def open_store(url: str, spark: SparkSession) -> Store:
    """Return the store at a local path or any URL that Hadoop knows."""
    folder = local_folder(url)
    return HadoopStore(url, spark) if folder is None else LocalStore(folder)


class LocalStore:
    """The store in a folder of this machine; below it no link is followed."""

    def __init__(self, root: Path) -> None:
        self._root = root.absolute()

    def url(self, path: str) -> str:
        """Return a file URL as Hadoop reads it: every character stands for itself, `%` and `#` too."""
        return f"file://{self._root / path}"

    def make_private_directory(self, path: str) -> None:
        """Make the directory with mode 0700."""
        with _told("making", self._root / path):
            make_folders(self._root)
            make_private_folder(self._root, path)

    def write_text(self, path: str, lines: Iterable[str]) -> int:
        """Write beside the target, then rename."""
        with _told("writing", self._root / path):
            make_folders(self._root)
            return write_whole(self._root, path, lines)

    def read_text(self, path: str, most_bytes: int = MOST_TEXT_BYTES) -> str | None:
        """Read the file; what is not UTF-8 in it comes out as U+FFFD."""
        with _told("reading", self._root / path):
            try:
                return read_bytes(self._root, path, most_bytes).decode("utf-8", errors="replace")
            except FileNotFoundError:
                return None

    def size_bytes(self, path: str) -> int | None:
        """Look at the file."""
        with _told("looking at", self._root / path):
            try:
                status = status_of(self._root, path)
            except (FileNotFoundError, NotADirectoryError):
                return None
            return status.st_size if stat.S_ISREG(status.st_mode) else None

    def list_names(self, path: str) -> list[str]:
        """List the directory."""
        with _told("listing", self._root / path):
            try:
                return names_in(self._root, path)
            except FileNotFoundError:
                return []

    def age_s(self, path: str, now: float) -> float | None:
        """Compare with the time of last change."""
        with _told("looking at", self._root / path):
            try:
                return now - status_of(self._root, path).st_mtime
            except FileNotFoundError:
                return None

    def local_copy(self, path: str, folder: Path) -> Path:
        """Return the file itself."""
        return self._root / path

    def join(self, sources: Iterable[str], target: str) -> None:
        """Append the sources to a new file."""
        with _told("joining", self._root / target):
            join_files(self._root, sources, target)

    def publish(self, source: str, target: str) -> None:
        """Sync, then rename within the file system."""
        with _told("publishing", self._root / target):
            move_file(self._root, source, target)

    def remove(self, path: str) -> None:
        """Remove the tree."""
        with _told("removing", self._root / path):
            remove_tree(self._root, path)

    def check(self) -> None:
        """Write and remove a probe."""
        with _told("making", self._root):
            make_folders(self._root)
        probe = f".probe-{token_hex(8)}"
        self.write_text(probe, ["probe"])
        self.remove(probe)


class HadoopStore:
    """The store behind any Hadoop file system: HDFS, S3A, ABFS, GS, as the cluster has it."""

    def __init__(self, root: str, spark: SparkSession) -> None:
        self._root = root.rstrip("/")
        self._jvm: Any = spark._jvm
        self._conf: Any = spark._jsc.hadoopConfiguration()
        try:
            self._files: Any = self._path("").getFileSystem(self._conf)
        except Py4JJavaError as error:
            raise self._not_opened(error) from None
        self._checked: set[str] = set()
        self._gateway = spark.sparkContext._gateway
        self._has_side_files = bool(
            is_instance_of(self._gateway, self._files, "org.apache.hadoop.fs.ChecksumFileSystem")
        )

    def url(self, path: str) -> str:
        """Return the Hadoop URL."""
        return f"{self._root}/{path}" if path else self._root

    def make_private_directory(self, path: str) -> None:
        """Make the directory with mode 0700 where the file system has modes."""
        with _told("making", self.url(path)):
            self._refuse_links(path)
            self._make_folders(self._path(path).getParent())
            self._files.mkdirs(self._path(path), self._permission(PRIVATE_DIRECTORY_MODE))
            self._set_mode(path, PRIVATE_DIRECTORY_MODE)

    def write_text(self, path: str, lines: Iterable[str]) -> int:
        """Write a file beside the target, whose name nobody can know, then rename."""
        content = "".join(lines).encode()
        folder, _, _ = path.rpartition("/")
        unfinished = f"{folder}/.{token_hex(8)}.unfinished".lstrip("/")
        try:
            with _told("writing", self.url(path)):
                self._refuse_links(folder)
                self._make_folders(self._path(folder))
                stream = self._files.create(self._path(unfinished), False)
                try:
                    stream.write(content)
                finally:
                    stream.close()
            self.publish(unfinished, path)
        except OutputError:
            with suppress(OutputError):  # of a store that is away the first failure tells
                self.remove(unfinished)
            raise
        return len(content)

    def read_text(self, path: str, most_bytes: int = MOST_TEXT_BYTES) -> str | None:
        """Read the file through the JVM, which hands on no more than may be."""
        with _told("reading", self.url(path)):
            self._refuse_links(path.rpartition("/")[0])
            if not self._files.exists(self._path(path)):
                return None
            stream = self._files.open(self._path(path))
            try:
                bounded = self._jvm.org.apache.commons.io.input.BoundedInputStream(stream, most_bytes + 1)
                content = bytes(self._jvm.org.apache.commons.io.IOUtils.toByteArray(bounded))
            finally:
                stream.close()
            if len(content) > most_bytes:
                raise too_long(most_bytes)
            return content.decode("utf-8", errors="replace")

    def size_bytes(self, path: str) -> int | None:
        """Look at the file."""
        with _told("looking at", self.url(path)):
            if not self._files.exists(self._path(path)):
                return None
            status = self._files.getFileStatus(self._path(path))
            return int(status.getLen()) if status.isFile() else None

    def list_names(self, path: str) -> list[str]:
        """List the directory."""
        with _told("listing", self.url(path)):
            self._refuse_links(path)
            if not self._files.exists(self._path(path)):
                return []
            return sorted(status.getPath().getName() for status in self._files.listStatus(self._path(path)))

    def age_s(self, path: str, now: float) -> float | None:
        """Compare with the time of last change."""
        with _told("looking at", self.url(path)):
            if not self._files.exists(self._path(path)):
                return None
            changed_ms = self._files.getFileStatus(self._path(path)).getModificationTime()
            return float(now - changed_ms / 1000)

    def local_copy(self, path: str, folder: Path) -> Path:
        """Copy the file to this machine; no byte of it passes through Python's gateway."""
        copy = folder / token_hex(8)
        with _told("copying", self.url(path)):
            local = self._jvm.org.apache.hadoop.fs.Path(f"file://{copy}")
            self._files.copyToLocalFile(False, self._path(path), local, True)
        return copy

    def join(self, sources: Iterable[str], target: str) -> None:
        """Append the sources to a new file, in the JVM."""
        with _told("joining", self.url(target)):
            whole = self._files.create(self._path(target), False)
            try:
                for source in sources:
                    piece = self._files.open(self._path(source))
                    try:
                        self._jvm.org.apache.hadoop.io.IOUtils.copyBytes(piece, whole, 1 << 20, False)
                    finally:
                        piece.close()
            finally:
                whole.close()

    def publish(self, source: str, target: str) -> None:
        """Rename over an older file, in one step where the file system has one."""
        staged, final = self._path(source), self._path(target)
        with _told("publishing", self.url(target)):
            self._refuse_links(target.rpartition("/")[0])
            if self._files.exists(final) and self._files.getFileStatus(final).isDirectory():
                raise IsADirectoryError(errno.EISDIR, "a directory stands in its place")
            self._make_folders(final.getParent())
            self._set_mode(source, FILE_MODE)
            self._drop_side_file(source)
            options = self._jvm.org.apache.hadoop.fs.Options.Rename
            overwrite = self._jvm.java.lang.reflect.Array.newInstance(options.OVERWRITE.getClass(), 1)
            overwrite[0] = options.OVERWRITE
            context = self._jvm.org.apache.hadoop.fs.FileContext.getFileContext(final.toUri(), self._conf)
            context.rename(staged, final, overwrite)

    def remove(self, path: str) -> None:
        """Remove the tree."""
        with _told("removing", self.url(path)):
            self._files.delete(self._path(path), True)

    def check(self) -> None:
        """Write and remove a probe."""
        probe = f".probe-{token_hex(8)}"
        self.write_text(probe, ["probe"])
        self.remove(probe)

    def _path(self, path: str) -> Any:
        return self._jvm.org.apache.hadoop.fs.Path(self.url(path))

    def _drop_side_file(self, path: str) -> None:
        """Remove the checksum that Hadoop's own local file system keeps beside a file, or it would move along."""
        if self._has_side_files:
            folder, _, name = path.rpartition("/")
            self._files.delete(self._path(f"{folder}/.{name}.crc" if folder else f".{name}.crc"), False)

    def _make_folders(self, folder: Any) -> None:
        """Make a folder and those above it that are missing, with our mode whatever the umask of the cluster is."""
        missing = []
        while not self._files.exists(folder):
            missing.append(folder)
            folder = folder.getParent()
        for one in reversed(missing):
            self._files.mkdirs(one)
            self._files.setPermission(one, self._permission(DIRECTORY_MODE))

    def _refuse_links(self, folder: str) -> None:
        """See once that the folders of ours on a way are no links, on the few file systems that have some.

        What is below a run's own place only we can have made.
        """
        for place in _folders_of(folder):
            if place not in self._checked:
                if self._is_link(place):
                    raise OSError(errno.ELOOP, f"{self.url(place)} is a symbolic link, which is not followed")
                self._checked.add(place)

    def _is_link(self, path: str) -> bool:
        # Hadoop's own local file system looks for a link by the text of the path, which a scheme would make another.
        plain = self._jvm.org.apache.hadoop.fs.Path.getPathWithoutSchemeAndAuthority(self._path(path))
        try:
            return bool(self._files.getFileLinkStatus(plain).isSymlink())
        except Py4JJavaError as error:
            if is_instance_of(self._gateway, error.java_exception, "java.io.FileNotFoundException"):
                return False
            raise

    def _not_opened(self, error: Py4JJavaError) -> OutputError:
        missing = missing_in(self._jvm, error, self._root)
        fault = OutputError(f"opening {self._root}: {missing or f'{first_line(error)}; {_NEXT_STEP}'}")
        fault.transient = not missing
        return fault

    def _set_mode(self, path: str, mode: int) -> None:
        self._files.setPermission(self._path(path), self._permission(mode))

    def _permission(self, mode: int) -> Any:
        return self._jvm.org.apache.hadoop.fs.permission.FsPermission(f"{mode:o}")


def _folders_of(path: str) -> Iterator[str]:
    """Give the folders on a way, down to a run's own place.

    >>> list(_folders_of("progress-exhaust/.staging/run/wave-1/part=0"))
    ['progress-exhaust', 'progress-exhaust/.staging', 'progress-exhaust/.staging/run']
    """
    names = path.split("/")[:3] if path else []
    return ("/".join(names[:number]) for number in range(1, len(names) + 1))


class _told:  # noqa: N801 - reads as a clause where it is used
    """Turns the failures of a store into `OutputError`, saying what was being done to which place."""

    def __init__(self, action: str, place: object) -> None:
        self._sentence = f"{action} {place}"

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, Py4JJavaError):
            cause = first_line(error)
        elif isinstance(error, OSError):
            cause = error.strerror or type(error).__name__
        else:
            return
        raise OutputError(f"{self._sentence}: {cause}; {_NEXT_STEP}") from None
