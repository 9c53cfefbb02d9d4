"""What all stores behind Hadoop's file systems share: how they are opened, named and read."""

from __future__ import annotations

import logging
import shutil
import tempfile
import weakref
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from secrets import token_hex
from typing import Any

from py4j.java_gateway import is_instance_of
from py4j.protocol import Py4JJavaError
from pyspark.sql import SparkSession

from progress_exhaust.errors import OutputError
from progress_exhaust.file_systems import clause_of, missing_in
from progress_exhaust.local_files import opened_file, pieces_of, too_long
from progress_exhaust.output.stores.failures import NEXT_STEP, told
from progress_exhaust.output.stores.local import LocalStore
from progress_exhaust.output.stores.port import MOST_TEXT_BYTES
from progress_exhaust.paths import file_url

_LOG = logging.getLogger(__name__)


class Action(StrEnum):
    """What is told of the store."""

    UNFINISHED_LEFT = "unfinished_file_left"


class HadoopFiles:
    """Files behind a Hadoop file system, and a folder of this machine for drafts and copies.

    Args:
        root: the URL of the output root.
        spark: whose JVM has the file system.

    Raises:
        OutputError: there is no class for it, or it can not be opened.
    """

    def __init__(self, root: str, spark: SparkSession) -> None:
        self._root = root.rstrip("/")
        self._jvm: Any = spark._jvm
        self._conf: Any = spark._jsc.hadoopConfiguration()
        self._gateway = spark.sparkContext._gateway
        try:
            self._files: Any = self._path("").getFileSystem(self._conf)
        except Py4JJavaError as error:
            raise self._not_opened(error) from None
        self._nearby: LocalStore | None = None

    @property
    def is_here(self) -> bool:
        """It is not, as far as can be told."""
        return False

    @property
    def drafts(self) -> LocalStore:
        """A folder of this machine that only we can enter, gone with this store."""
        if self._nearby is None:
            folder = Path(tempfile.mkdtemp(prefix="progress-exhaust-"))
            weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
            self._nearby = LocalStore(folder)
        return self._nearby

    def url(self, path: str) -> str:
        """Return the Hadoop URL."""
        return f"{self._root}/{path}" if path else self._root

    def read_text(self, path: str, most_bytes: int = MOST_TEXT_BYTES) -> str | None:
        """Read the file through the JVM, which hands on no more than may be."""
        with told("reading", self.url(path)):
            try:
                stream = self._files.open(self._path(path))
            except Py4JJavaError as error:
                if self._is_missing(error) and self._status(path) is None:
                    return None
                raise
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
            status = self._status(path)
            return int(status.getLen()) if status is not None and status.isFile() else None

    def list_names(self, path: str) -> list[str]:
        """List the directory."""
        with told("listing", self.url(path)):
            try:
                return sorted(status.getPath().getName() for status in self._files.listStatus(self._path(path)))
            except Py4JJavaError as error:
                if self._is_missing(error):
                    return []
                raise

    def age_s(self, path: str, now: float) -> float | None:
        """Compare with the time of last change."""
        with told("looking at", self.url(path)):
            status = self._status(path)
            return None if status is None else float(now - status.getModificationTime() / 1000)

    def pieces(self, path: str) -> Iterator[bytes]:
        """Copy the file to this machine and read that; no byte of it passes through Python's gateway."""
        copy = self.drafts.place(token_hex(8))
        try:
            with told("copying", self.url(path)):
                self._files.copyToLocalFile(False, self._path(path), self._local_path(copy), True)
            with told("reading", copy), opened_file(copy) as stream:
                yield from pieces_of(stream)
        finally:
            copy.unlink(missing_ok=True)

    def remove(self, path: str) -> None:
        """Remove the tree."""
        with told("removing", self.url(path)):
            self._files.delete(self._path(path), True)

    def _remove_unfinished(self, path: str) -> None:
        """Remove what could not be finished; of a store that is away the first failure tells."""
        try:
            self.remove(path)
        except OutputError as error:
            _LOG.debug("an unfinished file is left: %s", error, extra={"action": Action.UNFINISHED_LEFT})

    def _path(self, path: str) -> Any:
        return self._jvm.org.apache.hadoop.fs.Path(self.url(path))

    def _local_path(self, file: Path) -> Any:
        return self._jvm.org.apache.hadoop.fs.Path(file_url(file))

    def _status(self, path: str) -> Any:
        """Return what the file system tells of a path; None where there is nothing."""
        try:
            return self._files.getFileStatus(self._path(path))
        except Py4JJavaError as error:
            if self._is_missing(error):
                return None
            raise

    def _is_missing(self, error: Py4JJavaError) -> bool:
        return bool(is_instance_of(self._gateway, error.java_exception, "java.io.FileNotFoundException"))

    def _not_opened(self, error: Py4JJavaError) -> OutputError:
        missing = missing_in(self._jvm, error, self._root)
        if missing:
            return OutputError(
                "opening", object=self._root, got=missing.finding, remedy=missing.remedy, transient=False
            )
        return OutputError("opening", object=self._root, got=clause_of(str(error.java_exception)), remedy=NEXT_STEP)
