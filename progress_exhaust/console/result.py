"""What came of a command: typed values, and how people see them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

Refusal = tuple[str, str, str]
"""What is not made: its id, the reason's word, and the sentence."""


@dataclass(frozen=True)
class Table:
    """A table of a summary.

    Attributes:
        headers: of its columns.
        rows: its cells.
        right: positions of the columns that hold numbers.
    """

    headers: Sequence[str]
    rows: Sequence[Sequence[str]]
    right: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Summary:
    """A result as people see it.

    Attributes:
        closing: the last line.
        tables: the main things of it.
        notes: sentences below the tables.
        refusals: what was asked for and is not made.
    """

    closing: str
    tables: Sequence[Table] = ()
    notes: Sequence[str] = ()
    refusals: Sequence[Refusal] = ()


@dataclass(frozen=True, kw_only=True)
class Result(ABC):
    """What came of a command. Each command has one, in its own file, with both ways to see it.

    Attributes:
        duration_s: seconds since the command began.
        error: the sentence of what stopped the work; empty where nothing did.
    """

    duration_s: float
    error: str

    @abstractmethod
    def summary(self) -> Summary:
        """Return what people see."""

    @abstractmethod
    def content(self) -> dict[str, object]:
        """Return what the JSON document says, beside what all documents say; see `document.document_of`."""
