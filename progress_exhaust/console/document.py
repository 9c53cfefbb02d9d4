"""A result as programs read it: one JSON document, whose form has a version."""

from __future__ import annotations

import json

from progress_exhaust.console.result import Result

SCHEMA_VERSION = 1
"""Of all commands' documents; one more where a key goes, or changes what it means. A new key is no change."""


def document_of(result: Result) -> dict[str, object]:
    """Return the document of a result: its version first, what stopped the command and how long it took last."""
    return {
        "schema_version": SCHEMA_VERSION,
        **result.content(),
        "error": result.error or None,
        "duration_s": round(result.duration_s, 3),
    }


def document_text(result: Result) -> str:
    """Return the document's text; in ASCII, since names may hold what the terminal's encoding has no sign for."""
    return json.dumps(document_of(result), indent=2) + "\n"
