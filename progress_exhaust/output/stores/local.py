"""The output place in a folder of this machine."""

from __future__ import annotations

import stat
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO

from progress_exhaust.errors import OutputError
from progress_exhaust.local_files import (
    made_file,
    make_folders,
    make_private_folder,
    move_file,
    names_in,
    opened_below,
    opened_folder,
    pieces_of,
    read_bytes,
    remove_tree,
    status_of,
    write_whole,
)
from progress_exhaust.output.stores.failures import told
from progress_exhaust.output.stores.port import MOST_TEXT_BYTES, write_probe
from progress_exhaust.paths import file_url


class LocalStore:
    """The store in a folder of this machine; below it no link is followed."""

    def __init__(self, root: Path) -> None:
        self._root = root.absolute()
        self._held: dict[str, int] = {}

    @property
    def is_here(self) -> bool:
        """It is."""
        return True

    @property
    def staging(self) -> LocalStore:
        """This store: a move within one file system is one step."""
        return self

    @property
    def drafts(self) -> LocalStore:
        """This store, likewise."""
        return self

    def place(self, path: str) -> Path:
        """Return where a path is on this machine."""
        return self._root / path

    def url(self, path: str) -> str:
        """Return a file URL as Hadoop reads it: every character stands for itself, `%` and `#` too."""
        return file_url(self._root / path)

    def make_private_directory(self, path: str) -> None:
        """Make the directory with mode 0700."""
        with told("making", self._root / path):
            make_folders(self._root)
            make_private_folder(self._root, path)

    def write_text(self, path: str, lines: Iterable[str]) -> int:
        """Write beside the target, then rename."""
        with told("writing", self._root / path):
            make_folders(self._root)
            return write_whole(self._root, path, lines)

    def read_text(self, path: str, most_bytes: int = MOST_TEXT_BYTES) -> str | None:
        """Read the file; what is not UTF-8 in it comes out as U+FFFD."""
        with told("reading", self._root / path):
            try:
                return read_bytes(self._root, path, most_bytes).decode("utf-8", errors="replace")
            except FileNotFoundError:
                return None

    def size_bytes(self, path: str) -> int | None:
        """Look at the file."""
        with told("looking at", self._root / path):
            try:
                status = status_of(self._root, path)
            except (FileNotFoundError, NotADirectoryError):
                return None
            return status.st_size if stat.S_ISREG(status.st_mode) else None

    def list_names(self, path: str) -> list[str]:
        """List the directory."""
        with told("listing", self._root / path):
            try:
                return names_in(self._root, path)
            except FileNotFoundError:
                return []

    def age_s(self, path: str, now: float) -> float | None:
        """Compare with the time of last change."""
        with told("looking at", self._root / path):
            try:
                return now - status_of(self._root, path).st_mtime
            except FileNotFoundError:
                return None

    def pieces(self, path: str) -> Iterator[bytes]:
        """Read the file itself."""
        place = self._root / path
        with told("reading", place):
            try:
                with opened_below(self._root, path) as stream:
                    yield from pieces_of(stream)
            except FileNotFoundError:
                raise OutputError(
                    "reading", object=str(place), got="it is gone", remedy="find out what else removes files there"
                ) from None

    @contextmanager
    def holding(self, path: str) -> Iterator[None]:
        """Make a private directory, and keep it open for a block: thousands of drafts need no walk to it.

        Nobody but us can put anything into it, so there is nothing to be met on the way.
        """
        self.make_private_directory(path)
        with ExitStack() as opened:
            with told("opening", self._root / path):
                self._held[path] = opened.enter_context(opened_folder(self._root, path))
            try:
                yield
            finally:
                del self._held[path]

    def new_file(self, path: str) -> BinaryIO:
        """Make a new, private file in a directory that is there, to be written and closed."""
        with told("writing", self._root / path):
            return made_file(self._root, path, self._held)

    def publish(self, draft: str, target: str) -> None:
        """Sync, then rename within the file system."""
        with told("publishing", self._root / target):
            move_file(self._root, draft, target, held=self._held)

    def remove(self, path: str) -> None:
        """Remove the tree."""
        with told("removing", self._root / path):
            remove_tree(self._root, path)

    def check(self) -> None:
        """Write and remove a probe."""
        with told("making", self._root):
            make_folders(self._root)
        write_probe(self)
