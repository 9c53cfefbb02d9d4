"""The manifest: what a run made, from what, and what it did not make."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from progress_exhaust.errors import SkippedReport


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a file, as the manifest tells it."""

    header: str
    kind: str
    name: str
    level: str


@dataclass(frozen=True, slots=True)
class MadeFile:
    """One published file.

    Attributes:
        path: its place under the output root.
        batch_id: its batch.
        collection_id: its collection.
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
    columns: Sequence[Column]
    rows_dropped: Mapping[str, int] = field(default_factory=dict)
    warnings: Mapping[str, int] = field(default_factory=dict)
    guarded_cells: int = 0


@dataclass(frozen=True, slots=True)
class Manifest:
    """A run's manifest.

    Attributes:
        run_id: the run.
        version: of this package.
        started_at: ISO 8601, UTC.
        finished_at: ISO 8601, UTC.
        settings: those that shape content.
        files: what was made, in the order of batch ids asked for.
        not_made: what was asked for and not made.
        request: the request that the files were made for; None without one.
    """

    run_id: str
    version: str
    started_at: str
    finished_at: str
    settings: Mapping[str, Any]
    files: Sequence[MadeFile]
    not_made: Sequence[SkippedReport]
    request: Mapping[str, object] | None = None

    def to_json(self) -> str:
        """Return the manifest's text."""
        content: dict[str, object] = {
            "run_id": self.run_id,
            "version": self.version,
            "started_at": self.started_at,
            "finished_at": self.finished_at,
            "settings": self.settings,
            "files": [asdict(file) for file in self.files],
            "not_made": [
                {"id": refusal.subject, "reason": refusal.reason.value, "why": str(refusal)}
                for refusal in self.not_made
            ],
        }
        if self.request is not None:
            content["request"] = self.request
        return json.dumps(content, ensure_ascii=False, indent=2) + "\n"
