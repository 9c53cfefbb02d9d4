"""What somebody else on the machine can read below a folder."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

NOBODY = 65534
_READ_ALL = f"""
import os, sys
os.chdir(sys.argv[1])
os.setgroups([]); os.setgid({NOBODY}); os.setuid({NOBODY})
for folder, _, files in os.walk("."):
    for name in files:
        try:
            with open(os.path.join(folder, name), "rb") as file:
                file.read(1)
        except OSError:
            continue
        print(os.path.join(folder, name)[2:])
"""


def readable_by_others(root: Path) -> list[str]:
    """Return the files below a folder that another user can read; where we are root, one really tries."""
    by_mode = sorted(_readable(root, root, enter=stat.S_IXOTH, read=stat.S_IROTH))
    if os.geteuid() == 0:
        seen = subprocess.run([sys.executable, "-c", _READ_ALL, str(root)], capture_output=True, text=True, check=True)
        # What a stranger can not list, they can still open by its name: the modes tell more than a walk.
        assert set(seen.stdout.splitlines()) <= set(by_mode)
    return by_mode


def readable_by_group(root: Path) -> list[str]:
    """Return the files below a folder that our group can read."""
    return sorted(_readable(root, root, enter=stat.S_IXGRP, read=stat.S_IRGRP))


def files_with(root: Path, text: bytes) -> list[str]:
    """Return the files below a folder that hold a text, as far as they are there long enough to look."""
    return [str(path.relative_to(root)) for path in sorted(root.rglob("*")) if text in _content(path)]


def _readable(root: Path, folder: Path, *, enter: int, read: int) -> Iterator[str]:
    try:
        entries = list(os.scandir(folder)) if folder == root or folder.stat().st_mode & enter else []
    except FileNotFoundError:
        return
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            yield from _readable(root, Path(entry.path), enter=enter, read=read)
        elif _mode(entry) & read:
            yield os.path.relpath(entry.path, root)


def _mode(entry: os.DirEntry[str]) -> int:
    try:
        return entry.stat(follow_symlinks=False).st_mode
    except FileNotFoundError:
        return 0


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes() if path.is_file() and not path.is_symlink() else b""
    except FileNotFoundError:
        return b""
