"""Whether a table in Cassandra is read by key or scanned: a rule from its size and from the keys that are wanted."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from progress_exhaust.settings.sections import ReadBy

LOOKUP_BYTES = 1700
"""A lookup costs as much as to scan its rows and so many bytes more. Measured: `make bench-cassandra`."""
START_BYTES = 800_000
"""What each core scans, of small rows, in the tenth of a second in which lookups are planned and get their keys."""
FEW_KEYS = 1000
"""So many lookups take a second at most, however big the table is."""


@dataclass(frozen=True, slots=True)
class TableSize:
    """How big a table is, without its replicas, as far as it has been written to disk.

    Attributes:
        partitions: different values of its partition key.
        size_bytes: what they take, not compressed.
    """

    partitions: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class WantedKeys:
    """How many different keys a run wants of a table, or a little more; which ones, is known only to Spark.

    A table may be keyed by a few of the columns that a run knows: its own partition key then has fewer values.

    Attributes:
        whole: different values of all known columns together.
        by_column: different values of single columns, where they may be fewer.
    """

    whole: int
    by_column: Mapping[str, int] = field(default_factory=dict)

    def of(self, partition_key: Sequence[str]) -> int:
        """Return how many different values of a partition key are wanted at most.

        >>> WantedKeys(3000, {"course_id": 2}).of(("user_id", "course_id"))
        3000
        >>> WantedKeys(3000, {"course_id": 2}).of(("course_id",))
        2
        """
        return min(self.whole, math.prod(self.by_column.get(name, self.whole) for name in partition_key))


@dataclass(frozen=True, slots=True)
class ReadStrategy:
    """How a table is read.

    Attributes:
        by: `KEYS` or `SCAN`.
        reason: why, in words and numbers.
    """

    by: ReadBy
    reason: str


def choose_strategy(
    asked: ReadBy, partition_key: Sequence[str], known: Sequence[str], keys: int, size: TableSize | None, cores: int
) -> ReadStrategy:
    """Choose how to read a table.

    The cheaper way is taken; the cost of both is told in bytes scanned.

    Args:
        asked: what the settings say.
        partition_key: the table's, from the catalogue of Cassandra.
        known: the columns of which all wanted values are known.
        keys: how many different keys are wanted.
        size: the size of the table; None where Cassandra has no estimate.
        cores: how many tasks run at once.
    """
    if not known:
        return ReadStrategy(ReadBy.SCAN, "once a run, only the columns needed")
    if not set(partition_key) <= set(known):
        key = f"its partition key is {', '.join(partition_key)}"
        return ReadStrategy(ReadBy.SCAN, f"{key}; only {' and '.join(known)} are known before it is read")
    if asked is not ReadBy.AUTO:
        return ReadStrategy(asked, f"the settings ask for it; {keys:,} keys are wanted")
    if size is None:
        few = f"{keys:,} keys are wanted, of a table without an estimate of its size"
        return ReadStrategy(ReadBy.KEYS if keys <= FEW_KEYS else ReadBy.SCAN, few)
    row_bytes = size.size_bytes / size.partitions
    lookups = cores * START_BYTES + min(keys, size.partitions) * (LOOKUP_BYTES + row_bytes)
    numbers = f"{keys:,} of about {size.partitions:,} keys are wanted, each of about {row_bytes:,.0f} bytes"
    return ReadStrategy(ReadBy.KEYS if lookups < size.size_bytes else ReadBy.SCAN, numbers)
