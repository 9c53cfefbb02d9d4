"""A store elsewhere that is waited for, but not for ever."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from typing import TypeVar

from progress_exhaust.output.stores.local import LocalStore
from progress_exhaust.output.stores.patience import Patience
from progress_exhaust.output.stores.port import MOST_TEXT_BYTES, Store

_T = TypeVar("_T")


class PatientStore:
    """Has each call to another store answered in time, or fail with a sentence; see `Patience`.

    Args:
        store: on another machine, or believed to be.
        patience: how long it is waited for.
    """

    def __init__(self, store: Store, patience: Patience) -> None:
        self._store = store
        self._patience = patience

    @property
    def is_here(self) -> bool:
        """Whether the other is."""
        return self._store.is_here

    @property
    def staging(self) -> Store:
        """This store, where it is that of the other too; one of this machine is waited for by nobody."""
        staging = self._store.staging
        return self if staging is self._store else staging

    @property
    def drafts(self) -> LocalStore:
        """That of the other."""
        return self._store.drafts

    def url(self, path: str) -> str:
        """Return that of the other."""
        return self._store.url(path)

    def make_private_directory(self, path: str) -> None:
        """Make the directory."""
        self._call("making", path, lambda: self._store.make_private_directory(path))

    def write_text(self, path: str, lines: Iterable[str]) -> int:
        """Write the file; its lines are made here, so that what they raise is nobody else's."""
        content = list(lines)
        size_bytes = sum(map(len, content))
        return self._call("writing", path, lambda: self._store.write_text(path, content), size_bytes)

    def read_text(self, path: str, most_bytes: int = MOST_TEXT_BYTES) -> str | None:
        """Read the file."""
        return self._call("reading", path, lambda: self._store.read_text(path, most_bytes))

    def size_bytes(self, path: str) -> int | None:
        """Look at the file."""
        return self._call("looking at", path, lambda: self._store.size_bytes(path))

    def list_names(self, path: str) -> list[str]:
        """List the directory."""
        return self._call("listing", path, lambda: self._store.list_names(path))

    def age_s(self, path: str, now: float) -> float | None:
        """Look at the file or directory."""
        return self._call("looking at", path, lambda: self._store.age_s(path, now))

    def pieces(self, path: str) -> Iterator[bytes]:
        """Read the file; what takes the time is to get it to this machine, before its first piece."""
        size_bytes = self.size_bytes(path) or 0
        pieces = self._store.pieces(path)
        first = self._call("reading", path, lambda: next(pieces, b""), size_bytes)
        yield from chain([first] if first else [], pieces)

    def publish(self, draft: str, target: str) -> None:
        """Publish the draft."""
        size_bytes = self.drafts.size_bytes(draft) or 0
        self._call("publishing", target, lambda: self._store.publish(draft, target), size_bytes)

    def remove(self, path: str) -> None:
        """Remove the tree."""
        self._call("removing", path, lambda: self._store.remove(path))

    def check(self) -> None:
        """Write and remove a probe."""
        self._call("writing", "", self._store.check)

    def _call(self, doing: str, path: str, work: Callable[[], _T], size_bytes: int = 0) -> _T:
        return self._patience.call(doing, self.url(path), work, size_bytes=size_bytes)
