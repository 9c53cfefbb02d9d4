"""Drafts: the files of reports on this machine, before they are published."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass

from progress_exhaust.output.digest import Digest, GrowingDigest
from progress_exhaust.output.stores.failures import told
from progress_exhaust.output.stores.local import LocalStore


@dataclass(frozen=True, slots=True)
class Draft:
    """A whole private file of this machine.

    Attributes:
        path: where it is, in the store of drafts.
        digest: what its bytes told while they were written.
    """

    path: str
    digest: Digest


class DraftWriter:
    """Writes a draft; each byte is looked at once, on its way."""

    def __init__(self, drafts: LocalStore, path: str) -> None:
        self._path = path
        self._place = drafts.place(path)
        self._growing = GrowingDigest()
        self._file = drafts.new_file(path)

    def write(self, piece: bytes) -> None:
        """Append to it.

        Raises:
            OutputError: there is no space.
        """
        with told("writing", self._place):
            self._file.write(piece)
        self._growing.add(piece)

    def close(self) -> None:
        """Close it, whole or not; nothing where that is done.

        Raises:
            OutputError: there is no space.
        """
        with told("writing", self._place):
            self._file.close()

    def finish(self) -> Draft:
        """Close it, and return what it has become.

        Raises:
            OutputError: there is no space.
        """
        self.close()
        return Draft(self._path, self._growing.digest())


def joined_draft(drafts: LocalStore, sources: Iterable[Draft], path: str) -> Draft:
    """Make one draft of several, in order.

    Raises:
        OutputError: one of them is gone, or there is no space.
    """
    with closing(DraftWriter(drafts, path)) as whole:
        for source in sources:
            for piece in drafts.pieces(source.path):
                whole.write(piece)
        return whole.finish()
