"""The private folder of a process: all that it and its JVM keep on this machine while they work, gone with them.

Spark writes what it exchanges between tasks, and what does not fit in memory, to local files that anybody may read if
their folder lets them in, and a process that is killed leaves them. So they lie in one folder that only we can enter,
beside a note that says whose it is. Whoever lives holds a lock on that note; our JVM holds it, too, and may live a
moment longer. The next process finds the folders whose lock is free, and removes them.
"""

from __future__ import annotations

import atexit
import contextlib
import fcntl
import logging
import os
import secrets
import stat
import tempfile
from collections.abc import MutableMapping, Sequence
from pathlib import Path

from progress_exhaust.errors import ComputeError, cause_of
from progress_exhaust.log_actions import Action
from progress_exhaust.spark.janitor import NOTE, PREFIX, is_spark_folder, note_bytes, remove_folder, remove_stale

UMASK = 0o077
"""For the JVM that we start: what it makes anywhere is for us alone, unless it says otherwise."""

_LOG = logging.getLogger(__name__)
_MODE = 0o700


class PrivateFolder:
    """The private folder of this process, and one on each other disk that Spark was told to use.

    Args:
        parent: where it is made.

    Raises:
        ComputeError: it can not be made.
    """

    def __init__(self, parent: Path) -> None:
        self._process_id = os.getpid()
        self._parts = [_Part(parent)]
        self._foreign: list[Path] = []
        self._undo = contextlib.ExitStack()
        self.temporary.mkdir(mode=_MODE)

    @property
    def path(self) -> Path:
        """The folder."""
        return self._parts[0].path

    @property
    def temporary(self) -> Path:
        """Where temporary files go, Python's, those of its children, and the JVM's."""
        return self.path / "tmp"

    @property
    def hadoop(self) -> Path:
        """Where Hadoop's file systems keep what they are about to send."""
        return self.path / "hadoop"

    @property
    def is_ours(self) -> bool:
        """Whether the folder is there, and this process is the one that made it, no fork of that."""
        return bool(self._parts) and self._process_id == os.getpid()

    def descriptors(self) -> tuple[int, ...]:
        """Return the open locks, for a child that keeps the folder as long as it lives."""
        return tuple(part.descriptor for part in self._parts)

    def take_temporary_files(self, environment: MutableMapping[str, str]) -> None:
        """Send the temporary files of this process and its children here, until the folder is removed."""
        if tempfile.tempdir == str(self.temporary) and environment.get("TMPDIR") == str(self.temporary):
            return
        self._undo.callback(_restore_temporary_files, environment, environment.get("TMPDIR"), tempfile.tempdir)
        environment["TMPDIR"] = tempfile.tempdir = str(self.temporary)

    def local_dirs(self, asked: Sequence[str]) -> list[Path]:
        """Return private folders for what Spark writes, one below each folder it was asked to write to.

        Args:
            asked: those folders, since other disks may be bigger or quicker; none where nobody has asked.
        """
        if not asked:
            return [self._made(self.path / "spark")]
        return [self._made(self._part_below(Path(parent)).path / "spark") for parent in asked]

    def adopt(self, folders: Sequence[Path]) -> None:
        """Close folders of Spark's that had to be made elsewhere, and note that they go when this one goes."""
        foreign = [folder for folder in folders if not any(part.path in folder.parents for part in self._parts)]
        for folder in foreign:
            folder.chmod(_MODE)
            _LOG.debug("%s closed to others; it goes with our own", folder, extra={"action": Action.OPENED})
        self._foreign += [folder for folder in foreign if folder not in self._foreign]
        if self._foreign:
            self._parts[0].note([str(folder) for folder in self._foreign])

    def remove(self) -> None:
        """Remove all of it, and what goes with it, which a JVM that was killed leaves; nothing where that is done.

        What can not be removed the next process tries again.
        """
        if self.is_ours:
            self._undo.close()
            while self._parts:
                part = self._parts.pop()
                part.remove([] if self._parts else list(filter(is_spark_folder, self._foreign)))

    def _part_below(self, parent: Path) -> _Part:
        for part in self._parts:
            if part.path.parent == parent.resolve():
                return part
        with _compute_errors("making", parent):
            parent.mkdir(mode=_MODE, parents=True, exist_ok=True)  # Spark would make it, too
        remove_stale(parent)
        self._parts.append(_Part(parent))
        return self._parts[-1]

    def _made(self, folder: Path) -> Path:
        with _compute_errors("making", folder):
            folder.mkdir(mode=_MODE, exist_ok=True)
        return folder


_MADE: list[PrivateFolder] = []


def of_this_process() -> PrivateFolder:
    """Return this process's folder; the first to ask has it made, after removing what killed processes left.

    There is one a process, as there is one JVM, whose files lie in it: it goes when the process ends.
    """
    if not (_MADE and _MADE[-1].is_ours):
        root = Path(tempfile.gettempdir())
        remove_stale(root)
        _MADE[:] = [PrivateFolder(root)]
        atexit.register(_MADE[-1].remove)
    return _MADE[-1]


def remove_of_this_process() -> None:
    """Remove this process's folder, where it has one."""
    if _MADE:
        _MADE[-1].remove()


class _Part:
    """One folder with its note, whose lock is held from before the note can be seen."""

    def __init__(self, parent: Path) -> None:
        with _compute_errors("making a private folder below", parent):
            root = parent.resolve(strict=True)
            _warn_where_others_may_rename(root)
            self.path = root / f"{PREFIX}{secrets.token_hex(16)}"
            self.path.mkdir(mode=_MODE)
            self.path.chmod(_MODE)  # a umask may have taken what we need ourselves
            unfinished = self.path / f".{NOTE}"
            self.descriptor = os.open(unfinished, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
            self.note([])
            with contextlib.suppress(OSError):  # a file system without locks: then the process's own signs decide
                fcntl.flock(self.descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            unfinished.rename(self.path / NOTE)
        _LOG.debug("private folder %s made", self.path, extra={"action": Action.OPENED})

    def note(self, foreign: Sequence[str]) -> None:
        """Write whose folder this is, and which others go with it."""
        text = note_bytes(foreign)
        os.pwrite(self.descriptor, text, 0)
        os.ftruncate(self.descriptor, len(text))

    def remove(self, foreign: Sequence[Path]) -> None:
        """Remove the folder with the others that go with it, and let go of its lock."""
        remove_folder(self.path, foreign)
        os.close(self.descriptor)


def _warn_where_others_may_rename(parent: Path) -> None:
    """Say where others may put a folder of theirs in the place of ours.

    That is no reason to stop: volumes of containers are often so, where nobody else lives, and what is written is for
    us alone in any folder.
    """
    state = parent.stat()
    # The group of our own folders is most often ours alone.
    strangers = stat.S_IWOTH if state.st_uid == os.geteuid() else stat.S_IWOTH | stat.S_IWGRP
    is_known = state.st_uid in (os.geteuid(), 0)
    if not is_known or (state.st_mode & strangers and not state.st_mode & stat.S_ISVTX):
        _LOG.warning(
            "making a private folder below %s: its owner or others may rename what lies there (mode %04o, user %d), "
            "expected a folder of our own, or one with the sticky bit; where others work on this machine, set TMPDIR "
            "(for Spark's files SPARK_LOCAL_DIRS or spark.local.dir) to such a folder",
            parent,
            stat.S_IMODE(state.st_mode),
            state.st_uid,
            extra={"action": Action.PLACE_NOT_PRIVATE},
        )


def _restore_temporary_files(environment: MutableMapping[str, str], variable: str | None, python: str | None) -> None:
    tempfile.tempdir = python
    if variable is None:
        environment.pop("TMPDIR", None)
    else:
        environment["TMPDIR"] = variable


class _compute_errors:  # noqa: N801 - reads as a clause where it is used
    """Turns failures of the system into `ComputeError`, saying what was being done to which place."""

    def __init__(self, action: str, place: Path) -> None:
        self._action, self._place = action, str(place)

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, OSError):
            raise ComputeError(
                self._action,
                object=self._place,
                got=cause_of(error),
                remedy="Spark needs space and rights there, or set TMPDIR to another folder",
            ) from None
