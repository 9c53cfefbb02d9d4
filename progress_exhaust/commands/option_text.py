"""Whether the text of an option can be used."""

from __future__ import annotations

from progress_exhaust.errors import Fault, Value


def fault_of_text(option: str, text: str) -> Fault | None:
    """Return what is wrong with an option's text; None where it can be stored, and looked for."""
    if not text.strip():
        return Fault(option, expected="text", got=Value("nothing"))
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return Fault(option, expected="UTF-8", got=Value("other bytes"))
    return None
