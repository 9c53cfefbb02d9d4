"""Size, SHA-256 and number of rows of a CSV file, from one look at each of its bytes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Digest:
    """What the bytes of a file tell.

    Attributes:
        size_bytes: their number.
        sha256: their SHA-256, in hex.
        row_count: the CSV rows in them, the header included; a line end inside quotes ends none.
    """

    size_bytes: int
    sha256: str
    row_count: int


class GrowingDigest:
    """The digest of a file whose bytes come piece by piece.

    A row ends at a line feed that an even number of quotes stands before. Between two quotes nothing ends, so the
    pieces of a split at quotes are outside and inside by turns.
    """

    def __init__(self) -> None:
        self._sha256 = hashlib.sha256()
        self._size_bytes = self._row_count = 0
        self._is_inside = False

    def add(self, piece: bytes) -> None:
        """Take in the next bytes."""
        self._sha256.update(piece)
        self._size_bytes += len(piece)
        between_quotes = piece.split(b'"')
        outside = between_quotes[1 if self._is_inside else 0 :: 2]
        self._row_count += sum(part.count(b"\n") for part in outside)
        self._is_inside ^= len(between_quotes) % 2 == 0

    def digest(self) -> Digest:
        """Return what the bytes so far tell."""
        return Digest(self._size_bytes, self._sha256.hexdigest(), self._row_count)


def digest_of(pieces: Iterable[bytes]) -> Digest:
    """Return what all pieces of a file tell, in their order."""
    growing = GrowingDigest()
    for piece in pieces:
        growing.add(piece)
    return growing.digest()
