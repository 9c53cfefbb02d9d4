"""Whether the text of an option can be used."""

from __future__ import annotations


def faults_of_text(text: str) -> list[str]:
    """Return what is wrong with it; nothing where it can be stored, and looked for."""
    if not text.strip():
        return ["expected text, got nothing"]
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return ["expected UTF-8, got other bytes"]
    return []
