"""The output place behind any Hadoop file system."""

from __future__ import annotations

import errno
import logging
from collections.abc import Iterable, Iterator
from enum import StrEnum
from pathlib import Path
from secrets import token_hex
from typing import Any

from py4j.java_gateway import is_instance_of
from py4j.protocol import Py4JJavaError
from pyspark.sql import SparkSession

from progress_exhaust.errors import OutputError
from progress_exhaust.file_systems import first_line, missing_in
from progress_exhaust.local_files import (
    DIRECTORY_MODE,
    FILE_MODE,
    PRIVATE_DIRECTORY_MODE,
    too_long,
)
from progress_exhaust.output.stores.failures import NEXT_STEP, told
from progress_exhaust.output.stores.port import MOST_TEXT_BYTES
from progress_exhaust.paths import file_url

_LOG = logging.getLogger(__name__)


class Action(StrEnum):
    """What is told of the store."""

    UNFINISHED_LEFT = "unfinished_file_left"


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
        with told("making", self.url(path)):
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
            with told("writing", self.url(path)):
                self._refuse_links(folder)
                self._make_folders(self._path(folder))
                stream = self._files.create(self._path(unfinished), False)
                try:
                    stream.write(content)
                finally:
                    stream.close()
            self.publish(unfinished, path)
        except OutputError:
            self._remove_unfinished(unfinished)
            raise
        return len(content)

    def read_text(self, path: str, most_bytes: int = MOST_TEXT_BYTES) -> str | None:
        """Read the file through the JVM, which hands on no more than may be."""
        with told("reading", self.url(path)):
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
        with told("looking at", self.url(path)):
            if not self._files.exists(self._path(path)):
                return None
            status = self._files.getFileStatus(self._path(path))
            return int(status.getLen()) if status.isFile() else None

    def list_names(self, path: str) -> list[str]:
        """List the directory."""
        with told("listing", self.url(path)):
            self._refuse_links(path)
            if not self._files.exists(self._path(path)):
                return []
            return sorted(status.getPath().getName() for status in self._files.listStatus(self._path(path)))

    def age_s(self, path: str, now: float) -> float | None:
        """Compare with the time of last change."""
        with told("looking at", self.url(path)):
            if not self._files.exists(self._path(path)):
                return None
            changed_ms = self._files.getFileStatus(self._path(path)).getModificationTime()
            return float(now - changed_ms / 1000)

    def local_copy(self, path: str, folder: Path) -> Path:
        """Copy the file to this machine; no byte of it passes through Python's gateway."""
        copy = folder / token_hex(8)
        with told("copying", self.url(path)):
            local = self._jvm.org.apache.hadoop.fs.Path(file_url(copy))
            self._files.copyToLocalFile(False, self._path(path), local, True)
        return copy

    def join(self, sources: Iterable[str], target: str) -> None:
        """Append the sources to a new file, in the JVM."""
        with told("joining", self.url(target)):
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
        with told("publishing", self.url(target)):
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
        with told("removing", self.url(path)):
            self._files.delete(self._path(path), True)

    def check(self) -> None:
        """Write and remove a probe."""
        probe = f".probe-{token_hex(8)}"
        self.write_text(probe, ["probe"])
        self.remove(probe)

    def _remove_unfinished(self, path: str) -> None:
        """Remove what could not be finished; of a store that is away the first failure tells."""
        try:
            self.remove(path)
        except OutputError as error:
            _LOG.debug("an unfinished file is left: %s", error, extra={"action": Action.UNFINISHED_LEFT})

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
        if missing:
            return OutputError(
                "opening", object=self._root, got=missing.finding, remedy=missing.remedy, transient=False
            )
        return OutputError("opening", object=self._root, got=first_line(error), remedy=NEXT_STEP)

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
