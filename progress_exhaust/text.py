"""Texts from outside, made fit to be stored, shown and counted with."""

from __future__ import annotations

import json
import re

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
SURROGATES = "\ud800-\udfff"
"""Halves of pairs, as a range of a pattern: JSON and file names can carry them, UTF-8 can not."""

_SURROGATE = re.compile(f"[{SURROGATES}]")
_MOVES_THE_CURSOR = re.compile(rf"[\x00-\x1f\x7f-\x9f\u2028\u2029{SURROGATES}]")
_NOT_STORABLE = dict.fromkeys((0, *range(0xD800, 0xE000)))
_MOST_SHOWN = 100
_ELLIPSIS = "..."


def clean(text: str) -> str:
    r"""Replace lone surrogates, which JSON can carry and UTF-8 can not.

    >>> clean("a\ud800b") == "a" + REPLACEMENT + "b"
    True
    """
    return text if text.isascii() else _SURROGATE.sub(REPLACEMENT, text)


def shown(text: str) -> str:
    r"""Return the text in quotes, on one line, in ASCII and of bounded length, for a message.

    >>> print(shown("do_1\n"))
    "do_1\n"
    """
    cut = text if len(text) <= _MOST_SHOWN else text[:_MOST_SHOWN] + _ELLIPSIS
    return json.dumps(cut)


def printable(text: str) -> str:
    r"""Return the text with what would move a terminal's cursor, or forge a line, written as an escape.

    >>> print(printable("Course\x1b[2J 1\n"))
    Course\x1b[2J 1\n
    """
    return _MOVES_THE_CURSOR.sub(lambda found: ascii(found.group())[1:-1], text)


def storable(text: str) -> str:
    """Return a text without what PostgreSQL can not store: U+0000 and lone surrogates."""
    return text.translate(_NOT_STORABLE)


def truncated(text: str, width: int | None) -> str:
    r"""Return a text as one storable line of at most `width` characters, cut at a word that ends in its second half.

    >>> truncated("Not made:\nb-1, b-2", 14)
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


def pluralize(number: int, singular: str, plural: str = "") -> str:
    """Return a number with its noun.

    >>> pluralize(1, "row"), pluralize(1200, "row"), pluralize(0, "batch", "batches")
    ('1 row', '1,200 rows', '0 batches')
    """
    return f"{number:,} {singular if number == 1 else plural or singular + 's'}"
