"""What killed processes have left of private folders, and how a private folder is removed.

A folder is stale when nobody holds the lock on its note. The note goes last, so what could not be removed is still
known for what it is.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import logging
import os
import re
import shutil
import stat
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, ValidationError, ValidatorFunctionWrapHandler, field_validator

from progress_exhaust.log_actions import Action
from progress_exhaust.owner import Owner, this_process

PREFIX = "progress-exhaust-private-"
NOTE = "owner.json"

_LOG = logging.getLogger(__name__)
_NAME = re.compile(re.escape(PREFIX) + "[0-9a-f]{32}")
_SPARKS_NAME = re.compile(r"(?:blockmgr|spark)-[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_MOST_NOTE_BYTES = 1 << 20
_WITHOUT_NOTE_S = 3600.0
"""A folder without a note is being made at this moment, or its process died while it made it."""


class Note(BaseModel):
    """What the note of a private folder says.

    Attributes:
        owner: whose the folder is; None where that can not be read.
        foreign: folders of Spark's elsewhere that go with it.
    """

    model_config = ConfigDict(strict=True, frozen=True)

    owner: Owner | None = None
    foreign: tuple[str, ...] = ()

    @field_validator("owner", mode="wrap")
    @classmethod
    def _none_where_unreadable(cls, owner: object, read: ValidatorFunctionWrapHandler) -> Owner | None:
        """An owner of another version's form must not keep what goes with the folder from being found."""
        try:
            found: Owner | None = read(owner)
        except ValidationError:
            return None
        return found


def note_bytes(foreign: Sequence[str]) -> bytes:
    """Return the note of a folder of this process's, with the others that go with it."""
    return json.dumps({"owner": asdict(this_process()), "foreign": list(foreign)}).encode()


def remove_stale(parent: Path) -> list[Path]:
    """Remove the folders below a parent whose processes are gone; return them.

    Only folders of our own form and of our own user are looked at. None is entered through a link.
    """
    removed = []
    for folder in _own_folders(parent):
        with _LockedNote(folder) as note:
            if not note.is_stale:
                continue
            remove_folder(folder, note.foreign)
        if not folder.exists():
            removed.append(folder)
            _LOG.info("removed %s, which a killed process had left", folder, extra={"action": Action.LEFTOVER_REMOVED})
    return removed


def remove_folder(folder: Path, foreign: Sequence[Path]) -> None:
    """Remove a folder and others, its note last, so that what could not be removed is still known to be ours."""
    for other in foreign:
        shutil.rmtree(other, ignore_errors=True)
    try:
        entries = [entry for entry in folder.iterdir() if entry.name != NOTE]
    except OSError:
        return
    for entry in entries:
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry, ignore_errors=True)
        else:
            with contextlib.suppress(OSError):
                entry.unlink()
    if not any(entry.name != NOTE for entry in folder.iterdir()) and not any(map(_is_own, foreign)):
        shutil.rmtree(folder, ignore_errors=True)


def is_spark_folder(path: Path) -> bool:
    """Whether it is a folder of our own user's that is called as Spark calls its own."""
    return _SPARKS_NAME.fullmatch(path.name) is not None and _is_own(path)


class _LockedNote:
    """The note of a folder that may be stale; as long as it is open, nobody else takes the folder for that."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._descriptor: int | None = None
        self._note = Note()

    def __enter__(self) -> Self:
        with contextlib.suppress(OSError):
            self._descriptor = os.open(self._folder / NOTE, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK)
            with contextlib.suppress(ValidationError):
                self._note = Note.model_validate_json(os.pread(self._descriptor, _MOST_NOTE_BYTES, 0))
        return self

    def __exit__(self, *_error: object) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)

    @property
    def is_stale(self) -> bool:
        """Whether nobody lives who needs the folder."""
        if self._descriptor is None:
            with contextlib.suppress(OSError):
                return time.time() - self._folder.lstat().st_mtime > _WITHOUT_NOTE_S
            return False
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:
            return self._note.owner is not None and self._note.owner.is_gone()
        return True

    @property
    def foreign(self) -> list[Path]:
        """Folders of Spark's that go with it, as far as they are what the note says."""
        return [path for path in map(Path, self._note.foreign) if is_spark_folder(path)]


def _own_folders(parent: Path) -> Iterator[Path]:
    try:
        names = sorted(name for name in os.listdir(parent) if _NAME.fullmatch(name))  # noqa: PTH208 - names are wanted
    except OSError:
        return
    yield from (path for path in (parent / name for name in names) if _is_own(path))


def _is_own(path: Path) -> bool:
    try:
        state = path.lstat()
    except (OSError, ValueError):  # no path at all, in a note
        return False
    return stat.S_ISDIR(state.st_mode) and state.st_uid == os.geteuid()
