"""One private folder a process: where Spark spills, where reports are copied to be read, and all that is temporary.

What Spark keeps on disk holds the names of learners, and it makes its folders readable by everyone. So they lie in one
folder that only we can enter, which is removed when the process ends; what a killed process has left there, the next
one on the machine removes.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import logging
import os
import re
import secrets
import shutil
import stat
import tempfile
from dataclasses import asdict
from functools import cache
from pathlib import Path

from progress_exhaust.errors import OutputError
from progress_exhaust.output.staging import is_gone, owner_of, this_process

PREFIX = "progress-exhaust-"

_NAME = re.compile(rf"{PREFIX}[0-9a-f]{{16}}")
_OWNER = "owner.json"
_MOST_OWNER_BYTES = 4096
_LOG = logging.getLogger(__name__)


class PrivateFolder:
    """A folder of mode 0700 with a name that nobody could foresee, under a note of whose it is.

    Attributes:
        path: where it is.
    """

    def __init__(self, parent: Path) -> None:
        """Make it.

        Raises:
            OutputError: it can not be made.
        """
        self.path = parent / f"{PREFIX}{secrets.token_hex(8)}"
        try:
            self.path.mkdir(mode=0o700)  # fails where anything stands there, a link too
            (self.path / _OWNER).write_text(json.dumps(asdict(this_process())), encoding="utf-8")
        except OSError as error:
            raise OutputError(
                f"making a private folder in {parent}: {error.strerror}; set TMPDIR to a folder that can be written"
            ) from None

    def make(self, name: str) -> Path:
        """Make a folder in it, unless it is there, and return its path."""
        (self.path / name).mkdir(mode=0o700, exist_ok=True)
        return self.path / name

    def remove(self) -> None:
        """Remove it with all that is in it."""
        shutil.rmtree(self.path, ignore_errors=True)


@cache
def of_this_process() -> PrivateFolder:
    """Return the folder of this process, which is made when it is first asked for, and removed when the process ends.

    From then on all temporary files of this process lie in it. What killed processes have left is removed before.

    Raises:
        OutputError: it can not be made.
    """
    parent = Path(tempfile.gettempdir())
    remove_left_over(parent)
    folder = PrivateFolder(parent)
    atexit.register(folder.remove)
    tempfile.tempdir = str(folder.make("tmp"))
    return folder


def remove() -> None:
    """Remove the folder of this process now, where it has one and no exit handler will."""
    if of_this_process.cache_info().currsize:
        of_this_process().remove()


def remove_left_over(parent: Path) -> list[str]:
    """Remove the private folders of our own processes that are gone; return their names.

    Only folders with a name of our own form are looked at, that are ours and no links. What can not be removed is told,
    and stops nobody.
    """
    removed = []
    with contextlib.suppress(OSError):
        names = [entry.name for entry in os.scandir(parent) if _NAME.fullmatch(entry.name)]
        for name in sorted(names):
            if _is_left_over(parent / name):
                shutil.rmtree(parent / name, ignore_errors=True)
                if (parent / name).exists():
                    _LOG.warning("%s is left over, and can not be removed", parent / name)
                else:
                    removed.append(name)
    return removed


def _is_left_over(folder: Path) -> bool:
    try:
        status = folder.lstat()
        if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid():
            return False
        descriptor = os.open(folder / _OWNER, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with open(descriptor, "rb") as note:  # noqa: PTH123 - a descriptor, not a path
            text = note.read(_MOST_OWNER_BYTES).decode("utf-8", "replace")
    except OSError:
        return False
    owner = owner_of(text)
    return owner is not None and is_gone(owner)
