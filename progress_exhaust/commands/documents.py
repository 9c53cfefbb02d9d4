"""Parts of results that several commands show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from progress_exhaust.console.result import Refusal
from progress_exhaust.errors import SkippedReport
from progress_exhaust.paths import local_folder

if TYPE_CHECKING:
    from progress_exhaust.published_file import PublishedFile


def output_root(url: str) -> str:
    """Return the output root as people look for it: a path of this machine in full, any other URL as it is."""
    folder = local_folder(url)
    return url if folder is None else str(folder)


def not_made_content(not_made: Sequence[SkippedReport]) -> list[dict[str, str]]:
    """Return refusals as documents and the manifest have them."""
    return [{"id": refusal.subject, "reason": refusal.reason.value, "why": str(refusal)} for refusal in not_made]


def refusals_of(not_made: Sequence[SkippedReport]) -> list[Refusal]:
    """Return refusals as summaries have them."""
    return [(refusal.subject, refusal.reason.value, str(refusal)) for refusal in not_made]


def file_content(file: PublishedFile) -> dict[str, object]:
    """Return a file as documents have it."""
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


def phases_content(phase_s: Mapping[str, float]) -> dict[str, float]:
    """Return the seconds of each phase as documents have them."""
    return {name: round(seconds, 3) for name, seconds in phase_s.items()}


def time_note(phase_s: Mapping[str, float]) -> str:
    """Return the seconds of each phase as a note of a summary."""
    return f"time: {', '.join(f'{name} {seconds:.1f} s' for name, seconds in phase_s.items())}"
