"""The manifest: what a run made, from what, and what it did not make."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from progress_exhaust.errors import SkippedReport
from progress_exhaust.published_file import Column, PublishedFile

SCHEMA_VERSION = 1
"""Of the manifest's form; one more wherever a key goes, or changes what it means. A new key is no change."""

_FILES, _COLUMNS = "\x00files", "\x00columns"
"""What stands in the place of texts that are put in later; no text of a file has such a character."""


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
            "files": [_FILES] if self.files else [],
            "not_made": [
                {"id": refusal.subject, "reason": refusal.reason.value, "why": str(refusal)}
                for refusal in self.not_made
            ],
        }
        if self.request is not None:
            content["request"] = self.request
        return _text(content).replace(json.dumps(_FILES), _texts_of(self.files)) + "\n"


def _texts_of(files: Sequence[PublishedFile]) -> str:
    """Return the files as the manifest lists them; those of one collection share the text of their columns.

    There may be a hundred thousand, each with the same twenty columns as thousands of others.
    """
    of_columns: dict[tuple[Column, ...], str] = {}
    texts = []
    for file in files:
        columns = tuple(file.columns)
        if columns not in of_columns:
            of_columns[columns] = _indented(_text([_content(column) for column in columns]), 2)
        content = {**_content(file), "columns": _COLUMNS}
        texts.append(_indented(_text(content).replace(json.dumps(_COLUMNS), of_columns[columns]), 4))
    return ",\n    ".join(texts)


def _content(value: PublishedFile | Column) -> dict[str, Any]:
    return {field.name: getattr(value, field.name) for field in fields(value)}


def _text(content: object) -> str:
    return json.dumps(content, ensure_ascii=False, indent=2)


def _indented(text: str, blanks: int) -> str:
    """Indent all lines of a JSON text but the first; no text in it holds a line end as it is."""
    return text.replace("\n", "\n" + " " * blanks)
