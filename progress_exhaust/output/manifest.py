"""The manifest: what a run made, from what, and what it did not make."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from progress_exhaust.errors import SkippedReport
from progress_exhaust.published_file import PublishedFile

SCHEMA_VERSION = 1
"""Of the manifest's form; one more wherever a key goes, or changes what it means. A new key is no change."""


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
    files: Sequence[PublishedFile]
    not_made: Sequence[SkippedReport]
    request: Mapping[str, object] | None = None

    def to_json(self) -> str:
        """Return the manifest's text."""
        content: dict[str, object] = {
            "schema_version": SCHEMA_VERSION,
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
