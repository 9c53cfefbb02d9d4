"""How many bytes of trees are in memory at once, over all threads that fetch and walk them.

A thread takes what arrives, waits where others hold too much, and gives all back when its tree has been walked. One at
a time may go over its part, up to the most that a tree may have, and that much is kept free for it: so whoever holds a
part of a tree can always get the rest, and nobody waits for ever.

A parsed tree takes several times its bytes, and parsing holds Python's lock anyway, so one tree at a time is parsed and
walked: eight threads at it would take eight times the memory, and hardly less time. Eight trees of 65 MB at once take
650 MB so, and 2 GB without.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from progress_exhaust.settings.sections import CatalogueSettings


class Room(Protocol):
    """Where the bytes of one answer go."""

    def has_taken(self, size: int) -> bool:
        """Take so many more bytes where there is room for them, and tell whether there was."""

    def take(self, size: int) -> None:
        """Take so many more bytes; wait until there is room for them."""

    def walk(self) -> None:
        """Wait until the answer that has arrived may be parsed and walked."""

    def empty(self) -> None:
        """Give everything back."""


class Boundless:
    """Room for whatever has a bound of its own."""

    def has_taken(self, size: int) -> bool:
        """There always is."""
        return True

    def take(self, size: int) -> None:
        """Take them."""

    def walk(self) -> None:
        """It may be at once."""

    def empty(self) -> None:
        """Nothing is held."""


class BytesInFlight:
    """The bytes of trees that all threads hold together.

    Args:
        most: how many there may be.
        largest: most bytes of one tree; where that is more than `most`, one tree at a time is held.
    """

    def __init__(
        self,
        most: int = CatalogueSettings().max_bytes_in_flight,
        largest: int = CatalogueSettings().max_tree_bytes,
    ) -> None:
        self._most_shared = most - largest
        self._shared = 0
        self._over: Share | None = None
        self._changed = threading.Condition()
        self._walking = threading.Lock()

    @contextmanager
    def share(self) -> Iterator[Share]:
        """Give room for one tree, from its first byte to the end of its walk."""
        share = Share(self)
        try:
            yield share
        finally:
            share.empty()

    def _may_take(self, share: Share, size: int) -> bool:
        if self._over is share or self._shared + size <= self._most_shared:
            return True
        if self._over is None:
            self._over = share
            self._shared -= share.held
            return True
        return False


class Share:
    """The room of one tree; for one thread.

    Attributes:
        held: bytes taken so far.
    """

    def __init__(self, all_bytes: BytesInFlight) -> None:
        self._all = all_bytes
        self._is_walking = False
        self.held = 0

    def has_taken(self, size: int) -> bool:
        """Take so many more bytes where there is room for them, and tell whether there was."""
        with self._all._changed:
            return self._take(size)

    def take(self, size: int) -> None:
        """Take so many more bytes; wait until there is room for them."""
        with self._all._changed:
            self._all._changed.wait_for(lambda: self._take(size))

    def walk(self) -> None:
        """Wait until no other tree is being parsed or walked; this one is, until the room is empty again."""
        if not self._is_walking:
            self._all._walking.acquire()
            self._is_walking = True

    def empty(self) -> None:
        """Give everything back: the tree has been walked, or has not come."""
        with self._all._changed:
            if self._all._over is self:
                self._all._over = None
            else:
                self._all._shared -= self.held
            self.held = 0
            self._all._changed.notify_all()
        if self._is_walking:
            self._is_walking = False
            self._all._walking.release()

    def _take(self, size: int) -> bool:
        if not self._all._may_take(self, size):
            return False
        if self._all._over is not self:
            self._all._shared += size
        self.held += size
        return True
