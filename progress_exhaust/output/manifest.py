"""The manifest: what a run made, from what, and what it did not make."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from progress_exhaust.errors import SkippedReport
from progress_exhaust.published_file import Column, PublishedFile

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

    def texts(self) -> Iterator[str]:
        """Give the manifest's text in pieces, one for each file: a hundred thousand of them have 300 MB."""
        content: dict[str, object] = {
            "schema_version": SCHEMA_VERSION,
            "run_id": self.run_id,
            "version": self.version,
            "started_at": self.started_at,
            "finished_at": self.finished_at,
            "settings": self.settings,
            "files": None,
            "not_made": [
                {"id": refusal.subject, "reason": refusal.reason.value, "why": str(refusal)}
                for refusal in self.not_made
            ],
        }
        if self.request is not None:
            content["request"] = self.request
        before, behind = _around("files", content)
        yield f"{before}["
        between = "\n    "
        for text in _texts_of(self.files):
            yield between + text
            between = ",\n    "
        yield f"\n  ]{behind}\n" if self.files else f"]{behind}\n"


def _texts_of(files: Iterable[PublishedFile]) -> Iterator[str]:
    """Give the text of each file, as the manifest lists it; those of one collection share that of their columns."""
    of_columns: dict[tuple[Column, ...], str] = {}
    for file in files:
        columns = tuple(file.columns)
        if columns not in of_columns:
            of_columns[columns] = _indented(_text([_content(column) for column in columns]), 2)
        before, behind = _around("columns", _content(file))
        yield _indented(f"{before}{of_columns[columns]}{behind}", 4)


def _around(name: str, content: Mapping[str, object]) -> tuple[str, str]:
    """Return what stands before and behind the value of a member in the middle of an object's text."""
    names = list(content)
    at = names.index(name)
    before = _text({one: content[one] for one in names[:at]}).removesuffix("\n}")
    behind = _text({one: content[one] for one in names[at + 1 :]}).removeprefix("{")
    return f"{before},\n  {json.dumps(name)}: ", f",{behind}"


def _content(value: PublishedFile | Column) -> dict[str, Any]:
    return {field.name: getattr(value, field.name) for field in fields(value)}


def _text(content: object) -> str:
    return json.dumps(content, ensure_ascii=False, indent=2)


def _indented(text: str, blanks: int) -> str:
    """Indent all lines of a JSON text but the first; no text in it holds a line end as it is."""
    return text.replace("\n", "\n" + " " * blanks)
