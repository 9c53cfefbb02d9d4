"""Texts as a column can hold them."""

from __future__ import annotations

_ELLIPSIS = "..."
_SURROGATES = dict.fromkeys(range(0xD800, 0xE000))


def storable(text: str) -> str:
    """Return a text without what PostgreSQL can not store: U+0000 and lone surrogates."""
    return text.translate(_SURROGATES | {0: None})


def fitted(text: str, width: int | None) -> str:
    r"""Return a text as one line of at most `width` characters, cut at a word where one ends in its second half.

    >>> fitted("Not made:\nb-1, b-2", 14)
    'Not made:...'
    """
    line = " ".join(storable(text).splitlines()).strip()
    if width is None or len(line) <= width:
        return line
    if width <= len(_ELLIPSIS):
        return line[:width]
    # One character more than fits: a word that ends just there is whole.
    room = width - len(_ELLIPSIS)
    end = line.rfind(" ", 0, room + 1)
    return line[: end if end > width // 2 else room].rstrip() + _ELLIPSIS
