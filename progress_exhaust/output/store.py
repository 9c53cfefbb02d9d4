"""The output place: private staging, and moves that make a file appear whole or not at all."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit
from uuid import uuid4

from py4j.java_gateway import is_instance_of
from py4j.protocol import Py4JJavaError
from pyspark.sql import SparkSession

from progress_exhaust.errors import OutputError

FILE_MODE = 0o640
PRIVATE_DIRECTORY_MODE = 0o700
DIRECTORY_MODE = 0o750

_FILE_URL = re.compile(r"^file:/+")


class Store(Protocol):
    """A tree of files under one root; paths are relative to it, with `/` between their parts.

    Every method raises `OutputError`, naming the place, when the store does not do its part.
    """

    def url(self, path: str) -> str:
        """Return the URL that Spark reads or writes the path by."""

    def make_private_directory(self, path: str) -> None:
        """Make a directory, and those above it, that only we can enter."""

    def write_text(self, path: str, lines: Iterable[str]) -> int:
        """Write a small file anew, whole or not at all, and the folders above it; return its bytes."""

    def read_text(self, path: str) -> str | None:
        """Return a small file's text, or None where there is none."""

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
        """Move a staged file to its place, over an older one of that name; readers see the old one or the new one."""

    def remove(self, path: str) -> None:
        """Remove a file or a directory with all in it; nothing where there is none."""

    def check(self) -> None:
        """Write and remove a small file; several threads and runs may do so at once."""


def open_store(url: str, spark: SparkSession) -> Store:
    """Return the store at a local path or any URL that Hadoop knows."""
    scheme = urlsplit(url).scheme
    if scheme == "file":
        return LocalStore(Path(_FILE_URL.sub("/", url)))
    return HadoopStore(url, spark) if scheme else LocalStore(Path(url))


class LocalStore:
    """The store in a folder of this machine."""

    def __init__(self, root: Path) -> None:
        self._root = root.absolute()

    def url(self, path: str) -> str:
        """Return a file URL as Hadoop reads it: every character stands for itself, `%` and `#` too."""
        return f"file://{self._root / path}"

    def make_private_directory(self, path: str) -> None:
        """Make the directory with mode 0700."""
        with _told("making", self._root / path):
            (self._root / path).parent.mkdir(parents=True, exist_ok=True, mode=DIRECTORY_MODE)
            (self._root / path).mkdir(exist_ok=True, mode=PRIVATE_DIRECTORY_MODE)
            (self._root / path).chmod(PRIVATE_DIRECTORY_MODE)

    def write_text(self, path: str, lines: Iterable[str]) -> int:
        """Write beside the target, then rename."""
        target = self._root / path
        unfinished = target.with_name(f".{target.name}.unfinished")
        with _told("writing", target):
            target.parent.mkdir(parents=True, exist_ok=True, mode=DIRECTORY_MODE)
            try:
                with unfinished.open("w", encoding="utf-8", newline="") as file:
                    file.writelines(lines)
                    file.flush()
                    os.fsync(file.fileno())
                    size = file.tell()
                unfinished.chmod(FILE_MODE)
                unfinished.replace(target)
            finally:
                unfinished.unlink(missing_ok=True)
        return size

    def read_text(self, path: str) -> str | None:
        """Read the file; what is not UTF-8 in it comes out as U+FFFD."""
        with _told("reading", self._root / path):
            try:
                return (self._root / path).read_bytes().decode("utf-8", errors="replace")
            except FileNotFoundError:
                return None

    def size_bytes(self, path: str) -> int | None:
        """Look at the file."""
        with _told("looking at", self._root / path):
            return (self._root / path).stat().st_size if (self._root / path).is_file() else None

    def list_names(self, path: str) -> list[str]:
        """List the directory."""
        with _told("listing", self._root / path):
            try:
                return sorted(os.listdir(self._root / path))  # noqa: PTH208 - names are wanted, not paths
            except FileNotFoundError:
                return []

    def age_s(self, path: str, now: float) -> float | None:
        """Compare with the time of last change."""
        with _told("looking at", self._root / path):
            try:
                return now - (self._root / path).stat().st_mtime
            except FileNotFoundError:
                return None

    def local_copy(self, path: str, folder: Path) -> Path:
        """Return the file itself."""
        return self._root / path

    def join(self, sources: Iterable[str], target: str) -> None:
        """Append the sources to a new file."""
        with _told("joining", self._root / target), (self._root / target).open("xb") as whole:
            for source in sources:
                with (self._root / source).open("rb") as piece:
                    shutil.copyfileobj(piece, whole, 1 << 20)

    def publish(self, source: str, target: str) -> None:
        """Sync, then rename within the file system."""
        staged, final = self._root / source, self._root / target
        with _told("publishing", final):
            if final.is_dir():
                raise IsADirectoryError(21, "a directory stands in its place")
            final.parent.mkdir(parents=True, exist_ok=True, mode=DIRECTORY_MODE)
            staged.chmod(FILE_MODE)
            _sync(staged)
            staged.replace(final)
            _sync(final.parent)

    def remove(self, path: str) -> None:
        """Remove the tree."""
        target = self._root / path
        with _told("removing", target):
            if target.is_dir():
                shutil.rmtree(target, onerror=_raise_unless_gone)
            else:
                target.unlink(missing_ok=True)

    def check(self) -> None:
        """Write and remove a probe."""
        with _told("making", self._root):
            self._root.mkdir(parents=True, exist_ok=True, mode=DIRECTORY_MODE)
        probe = f".probe-{uuid4().hex}"
        self.write_text(probe, ["probe"])
        self.remove(probe)


class HadoopStore:
    """The store behind any Hadoop file system: HDFS, S3A, ABFS, GS, as the cluster has it."""

    def __init__(self, root: str, spark: SparkSession) -> None:
        self._root = root.rstrip("/")
        self._jvm: Any = spark._jvm
        self._conf: Any = spark._jsc.hadoopConfiguration()
        with _told("opening", root):
            self._files: Any = self._path("").getFileSystem(self._conf)
        gateway = spark.sparkContext._gateway
        self._has_side_files = bool(is_instance_of(gateway, self._files, "org.apache.hadoop.fs.ChecksumFileSystem"))

    def url(self, path: str) -> str:
        """Return the Hadoop URL."""
        return f"{self._root}/{path}" if path else self._root

    def make_private_directory(self, path: str) -> None:
        """Make the directory with mode 0700 where the file system has modes."""
        with _told("making", self.url(path)):
            self._files.mkdirs(self._path(path))
            self._set_mode(path, PRIVATE_DIRECTORY_MODE)

    def write_text(self, path: str, lines: Iterable[str]) -> int:
        """Write a hidden file, then rename."""
        content = "".join(lines).encode()
        unfinished = f"{path}.unfinished"
        with _told("writing", self.url(path)):
            stream = self._files.create(self._path(unfinished), True)
            try:
                stream.write(content)
            finally:
                stream.close()
        self.publish(unfinished, path)
        return len(content)

    def read_text(self, path: str) -> str | None:
        """Read the file through the JVM."""
        with _told("reading", self.url(path)):
            if not self._files.exists(self._path(path)):
                return None
            stream = self._files.open(self._path(path))
            try:
                text = self._jvm.org.apache.commons.io.IOUtils.toString(stream, "UTF-8")
                return str(text)
            finally:
                stream.close()

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
        copy = folder / path.replace("/", "_")
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
            if self._files.exists(final) and self._files.getFileStatus(final).isDirectory():
                raise IsADirectoryError(21, "a directory stands in its place")
            self._files.mkdirs(final.getParent())
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
        probe = f".probe-{uuid4().hex}"
        self.write_text(probe, ["probe"])
        self.remove(probe)

    def _path(self, path: str) -> Any:
        return self._jvm.org.apache.hadoop.fs.Path(self.url(path))

    def _drop_side_file(self, path: str) -> None:
        """Remove the checksum that Hadoop's own local file system keeps beside a file, or it would move along."""
        if self._has_side_files:
            folder, _, name = path.rpartition("/")
            self._files.delete(self._path(f"{folder}/.{name}.crc" if folder else f".{name}.crc"), False)

    def _set_mode(self, path: str, mode: int) -> None:
        permission = self._jvm.org.apache.hadoop.fs.permission.FsPermission(f"{mode:o}")
        self._files.setPermission(self._path(path), permission)


class _told:  # noqa: N801 - reads as a clause where it is used
    """Turns the failures of a store into `OutputError`, saying what was being done to which place."""

    def __init__(self, action: str, place: object) -> None:
        self._sentence = f"{action} {place}"

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, Py4JJavaError):
            cause = str(error.java_exception).splitlines()[0]
        elif isinstance(error, OSError):
            cause = error.strerror or type(error).__name__
        else:
            return
        raise OutputError(f"{self._sentence}: {cause}; check output.url, its space and its rights") from None


def _raise_unless_gone(call: object, path: str, error: tuple[type, BaseException, object]) -> None:
    """Let another run remove the same tree at the same time."""
    if not isinstance(error[1], FileNotFoundError):
        raise error[1]


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
