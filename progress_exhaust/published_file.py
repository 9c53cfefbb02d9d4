"""A file that is out: what manifests, the queue's rows and results tell of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a file, as the manifest tells it."""

    header: str
    kind: str
    name: str
    level: str


@dataclass(frozen=True, slots=True)
class PublishedFile:
    """One published file; the manifest has these fields under these names, in this order.

    A file that is read back from a row of the queue has neither columns nor counts, nor its collection's name: the row
    does not keep them.

    Attributes:
        path: its place under the output root, `progress-exhaust/…/<name>`.
        batch_id: its batch.
        collection_id: its collection; empty where it is not told.
        collection_name: the collection's human name.
        audience: the root organisation whose learners it shows; None for everyone.
        rows: learners, the header not counted.
        size_bytes: its length.
        sha256: its SHA-256, in hex.
        columns: its columns, in order.
        rows_dropped: enrolments that did not become a row, by reason.
        warnings: what was left out or blanked, by reason.
        guarded_cells: cells made inert, the header's included.
    """

    path: str
    batch_id: str
    collection_id: str
    collection_name: str
    audience: str | None
    rows: int
    size_bytes: int
    sha256: str
    columns: Sequence[Column] = ()
    rows_dropped: Mapping[str, int] = field(default_factory=dict)
    warnings: Mapping[str, int] = field(default_factory=dict)
    guarded_cells: int = 0
