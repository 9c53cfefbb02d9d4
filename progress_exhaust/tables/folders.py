"""What stands in a folder of a snapshot, local or at any Hadoop URL."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from py4j.protocol import Py4JJavaError
from pyspark.sql import SparkSession

from progress_exhaust.errors import SourceError
from progress_exhaust.file_systems import first_line, missing_in

_LOG = logging.getLogger(__name__)
_HIDDEN = (".", "_")


class Action(StrEnum):
    """What is told of folders."""

    SKIPPED = "snapshot_files_skipped"


@dataclass(frozen=True, slots=True)
class Entry:
    """What stands in a folder under a name; of a file, when it was written and how long it is."""

    name: str
    is_folder: bool
    written_ms: int
    size_bytes: int


class FolderReader:
    """Lists folders; each call asks the file system once."""

    def __init__(self, spark: SparkSession) -> None:
        self._spark = spark

    def entries(self, folder: str) -> Sequence[Entry] | None:
        """Return what the folder holds but what Spark takes for hidden, or None where there is no such folder.

        Raises:
            SourceError: the folder can not be read.
        """
        jvm: Any = self._spark._jvm
        path = jvm.org.apache.hadoop.fs.Path(folder)
        try:
            file_system = path.getFileSystem(self._spark._jsc.hadoopConfiguration())
            if not file_system.exists(path):
                return None
            found = {str(status.getPath().getName()): status for status in file_system.listStatus(path)}
        except Py4JJavaError as error:
            raise self._unreadable(folder, error) from None
        names = sorted(name for name in found if not name.startswith(_HIDDEN))
        if hidden := len(found) - len(names):
            sentence = "%s: %d hidden files are not read"
            _LOG.debug(sentence, folder, hidden, extra={"action": Action.SKIPPED})
        return [_entry(name, found[name]) for name in names]

    def _unreadable(self, folder: str, error: Py4JJavaError) -> SourceError:
        missing = missing_in(self._spark._jvm, error, folder)
        if missing:
            return SourceError(
                "reading", object=f"folder {folder}", got=missing.finding, remedy=missing.remedy, transient=False
            )
        return SourceError("reading", object=f"folder {folder}", got=first_line(error))


def _entry(name: str, status: Any) -> Entry:
    return Entry(name, bool(status.isDirectory()), int(status.getModificationTime()), int(status.getLen()))
