"""The output place behind a Hadoop file system in which a rename over an existing file is one step, such as HDFS."""

from __future__ import annotations

import errno
from collections.abc import Iterable, Iterator
from secrets import token_hex
from typing import Any

from py4j.java_gateway import is_instance_of
from py4j.protocol import Py4JJavaError
from pyspark.sql import SparkSession

from progress_exhaust.errors import OutputError
from progress_exhaust.local_files import DIRECTORY_MODE, FILE_MODE, PRIVATE_DIRECTORY_MODE
from progress_exhaust.output.stores.failures import told
from progress_exhaust.output.stores.hadoop_files import HadoopFiles
from progress_exhaust.output.stores.port import MOST_TEXT_BYTES, write_probe


class HadoopStore(HadoopFiles):
    """The store of renames: a file is copied whole into the staging of the same file system, and gets its name then."""

    def __init__(self, root: str, spark: SparkSession) -> None:
        super().__init__(root, spark)
        self._checked: set[str] = set()
        self._has_side_files = bool(
            is_instance_of(self._gateway, self._files, "org.apache.hadoop.fs.ChecksumFileSystem")
        )

    @property
    def staging(self) -> HadoopStore:
        """This store: a rename within one file system is one step."""
        return self

    def schemes(self) -> set[str]:
        """Return the schemes of the file systems that it is made of; viewfs is made of several."""
        parts = self._files.getChildFileSystems() or [self._files]
        return {str(part.getUri().getScheme()) for part in parts}

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
                self._move(unfinished, path)
        except OutputError:
            self._remove_unfinished(unfinished)
            raise
        return len(content)

    def read_text(self, path: str, most_bytes: int = MOST_TEXT_BYTES) -> str | None:
        """See that no link is on the way, and read the file."""
        with told("reading", self.url(path)):
            self._refuse_links(path.rpartition("/")[0])
        return super().read_text(path, most_bytes)

    def list_names(self, path: str) -> list[str]:
        """See that no link is on the way, and list the directory."""
        with told("listing", self.url(path)):
            self._refuse_links(path)
        return super().list_names(path)

    def publish(self, draft: str, target: str) -> None:
        """Copy the draft to the staging of this file system, then rename it over an older file in one step."""
        staged = f"{draft}.{token_hex(8)}.unfinished"
        local = self.drafts.place(draft)
        try:
            with told("publishing", self.url(target)):
                self._files.copyFromLocalFile(False, True, self._local_path(local), self._path(staged))
                self._move(staged, target)
        except OutputError:
            self._remove_unfinished(staged)
            raise
        self.drafts.remove(draft)

    def check(self) -> None:
        """Write and remove a probe."""
        write_probe(self)

    def _move(self, source: str, target: str) -> None:
        final = self._path(target)
        self._refuse_links(target.rpartition("/")[0])
        status = self._status(target)
        if status is not None and status.isDirectory():
            raise IsADirectoryError(errno.EISDIR, "a directory stands in its place")
        self._make_folders(final.getParent())
        self._set_mode(source, FILE_MODE)
        self._drop_side_file(source)
        options = self._jvm.org.apache.hadoop.fs.Options.Rename
        overwrite = self._jvm.java.lang.reflect.Array.newInstance(options.OVERWRITE.getClass(), 1)
        overwrite[0] = options.OVERWRITE
        context = self._jvm.org.apache.hadoop.fs.FileContext.getFileContext(final.toUri(), self._conf)
        context.rename(self._path(source), final, overwrite)

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
            if self._is_missing(error):
                return False
            raise

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
