"""What is asked of a synthetic world: its size, and the form of its files."""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any

from progress_exhaust.errors import SettingsError

_BOUNDS: dict[str, tuple[int, int]] = {
    "seed": (-(2**63), 2**63 - 1),
    "learners": (1, 100_000_000),
    "batches": (0, 1_000_000),
    "collections": (1, 999_999),
    "leaves": (1, 10_000),
    "nested": (0, 1_000),
    "depth": (1, 50),
    "assessments": (0, 1_000),
    "attempts": (1, 1_000),
}


class FileFormat(StrEnum):
    """How the files of a snapshot look."""

    PARQUET = "parquet"
    JSON_LINES = "jsonl"


@dataclass(frozen=True, slots=True)
class WorldSize:
    """How big a synthetic world is. The defaults make the world that is measured, 200,000 enrolments.

    Attributes:
        seed: the same seed and sizes give the same data.
        learners: learners of a batch; the world has half as many learners as enrolments, but as many as a batch.
        batches: batches, dealt to the collections in turn; the sample batch comes on top.
        collections: courses; the sample course comes on top.
        leaves: leaves of a course, its assessments among them.
        nested: nested collections of a course.
        depth: level of the deepest of them: 1 is right below the root, from 3 on some stand inside others.
        assessments: assessments of a course.
        attempts: attempts of each learner at each assessment.
        odd_share: share of odd rows, 0 to 1: missing, unreadable, absurd; the sample batch is never odd.

    Raises:
        SettingsError: a size is out of its bounds; the sentence names it.
    """

    seed: int = 1
    learners: int = 1000
    batches: int = 200
    collections: int = 20
    leaves: int = 40
    nested: int = 5
    depth: int = 2
    assessments: int = 4
    attempts: int = 2
    odd_share: float = 0.0

    def __post_init__(self) -> None:
        for name in (field.name for field in fields(self) if field.name in _BOUNDS):
            low, high = _BOUNDS[name]
            if not low <= getattr(self, name) <= high:
                raise _out_of_bounds(name, getattr(self, name), f"a whole number from {low} to {high}")
        # Written so that NaN is refused as well.
        if not 0 <= self.odd_share <= 1:
            raise _out_of_bounds("odd_share", self.odd_share, "a share from 0 to 1")
        for name in ("nested", "assessments"):
            if getattr(self, name) > self.leaves:
                raise _out_of_bounds(name, getattr(self, name), f"at most as many as leaves, {self.leaves}")

    @property
    def enrolments(self) -> int:
        """Enrolments, without those of the sample batch."""
        return self.batches * self.learners

    @property
    def users(self) -> int:
        """Learners of the world: most are in two batches."""
        return max(self.learners, -(-self.enrolments // 2))


def _out_of_bounds(name: str, got: Any, expected: str) -> SettingsError:
    return SettingsError("making", object="sample data", got=f"{name} is {got}", expected=expected)
