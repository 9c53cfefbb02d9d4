"""The port of the output place."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from secrets import token_hex
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from progress_exhaust.output.stores.local import LocalStore

MOST_TEXT_BYTES = 64 << 20
"""What a file that is read into memory may have, where nothing else is said."""


class Store(Protocol):
    """A tree of files under one root; paths are relative to it, with `/` between their parts.

    Others may have put things into the folders below the root: what is not a folder or a regular file of its own is
    refused, and never followed. Folders that a method makes can be entered by us and read by our group.

    Every method raises `OutputError`, naming the place, when the store does not do its part.
    """

    @property
    def is_here(self) -> bool:
        """Whether it is a folder of this machine, into which others may look without Spark."""

    @property
    def staging(self) -> Store:
        """The store where a run stages what Spark writes and reads: this one, or one that only this machine sees."""

    @property
    def drafts(self) -> LocalStore:
        """The store on this machine from which files are published."""

    def url(self, path: str) -> str:
        """Return the URL that Spark reads or writes the path by."""

    def make_private_directory(self, path: str) -> None:
        """Make a directory, and those above it, that only we can enter."""

    def write_text(self, path: str, lines: Iterable[str]) -> int:
        """Write a small file anew, whole or not at all, and the folders above it; return its bytes."""

    def read_text(self, path: str, most_bytes: int = MOST_TEXT_BYTES) -> str | None:
        """Return a file's text, or None where there is none; one that is longer is an error."""

    def size_bytes(self, path: str) -> int | None:
        """Return a file's length, or None where there is no file."""

    def list_names(self, path: str) -> list[str]:
        """Return the names in a directory, in order; empty where there is no such directory."""

    def age_s(self, path: str, now: float) -> float | None:
        """Return the seconds since the file or directory last changed, or None where there is none."""

    def pieces(self, path: str) -> Iterator[bytes]:
        """Read a regular file to its end, in small pieces; one that is not there is an error."""

    def publish(self, draft: str, target: str) -> None:
        """Have a draft, which is used up, appear at a place, over an older file; readers see the old one or the new.

        Its group may read it then. A link in its place is replaced, a directory is an error.

        Args:
            draft: its path in `drafts`.
            target: its path here.
        """

    def remove(self, path: str) -> None:
        """Remove a file or a directory with all in it; nothing where there is none. What a link leads to stays."""

    def check(self) -> None:
        """Write and remove a small file; several threads and runs may do so at once."""


def write_probe(store: Store) -> None:
    """Write and remove a small file of a name that nobody else takes.

    Raises:
        OutputError: the store does not do its part.
    """
    probe = f".probe-{token_hex(8)}"
    store.write_text(probe, ["probe"])
    store.remove(probe)
