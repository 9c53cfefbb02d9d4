"""Size, SHA-256 and number of rows of a CSV file, from one read of it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from progress_exhaust.errors import OutputError, cause_of
from progress_exhaust.local_files import opened_file

_PIECE_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Digest:
    """What one read of a file tells.

    Attributes:
        size_bytes: its length.
        sha256: its SHA-256, in hex.
        row_count: its CSV rows, the header included; a line end inside quotes ends none.
    """

    size_bytes: int
    sha256: str
    row_count: int


def digest_of(file: Path) -> Digest:
    """Read a CSV file once, which must be a regular one: in a folder of reports others may have put something else.

    A row ends at a line feed that an even number of quotes stands before. Between two quotes nothing ends, so the
    pieces of a split at quotes are outside and inside by turns.

    Raises:
        OutputError: it is gone, or can not be read.
    """
    sha256 = hashlib.sha256()
    size_bytes = row_count = 0
    is_inside = False
    try:
        with opened_file(file) as stream:
            while piece := stream.read(_PIECE_BYTES):
                sha256.update(piece)
                size_bytes += len(piece)
                between_quotes = piece.split(b'"')
                outside = between_quotes[1 if is_inside else 0 :: 2]
                row_count += sum(part.count(b"\n") for part in outside)
                is_inside ^= len(between_quotes) % 2 == 0
    except FileNotFoundError:
        raise OutputError(
            "reading", object=str(file), got="it is gone", remedy="find out what else removes files there"
        ) from None
    except OSError as error:
        raise OutputError(
            "reading", object=str(file), got=cause_of(error), remedy="check output.url and its rights"
        ) from None
    return Digest(size_bytes, sha256.hexdigest(), row_count)
