"""Parts of results that several commands show."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from progress_exhaust.console.screen import Refusal
from progress_exhaust.errors import SkippedReport
from progress_exhaust.paths import local_folder

if TYPE_CHECKING:
    from progress_exhaust.output.manifest import MadeFile


def output_root(url: str) -> str:
    """Return the output root as people look for it: a path of this machine in full, any other URL as it is."""
    folder = local_folder(url)
    return url if folder is None else str(folder)


def ending(duration_s: float, error: str) -> dict[str, object]:
    """Return what every document ends with."""
    return {"error": error or None, "duration_s": round(duration_s, 3)}


def not_made_in(not_made: Sequence[SkippedReport]) -> list[dict[str, str]]:
    """Return refusals as the manifest writes them."""
    return [{"id": refusal.subject, "reason": refusal.reason.value, "why": str(refusal)} for refusal in not_made]


def refusals_of(not_made: Sequence[SkippedReport]) -> list[Refusal]:
    """Return refusals as the screen takes them."""
    return [(refusal.subject, refusal.reason.value, str(refusal)) for refusal in not_made]


def file_in(file: MadeFile) -> dict[str, object]:
    """Return a file as documents tell it."""
    return {
        "path": file.path,
        "batch_id": file.batch_id,
        "collection_id": file.collection_id,
        "rows": file.rows,
        "columns": len(file.columns),
        "size_bytes": file.size_bytes,
        "sha256": file.sha256,
        "rows_dropped": dict(file.rows_dropped),
        "warnings": dict(file.warnings),
        "guarded_cells": file.guarded_cells,
    }
