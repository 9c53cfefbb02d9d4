"""Text from outside, made fit to be stored and shown."""

from __future__ import annotations

import json
import re

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"

_SURROGATE = re.compile("[\ud800-\udfff]")
_MOST_SHOWN = 100


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
    cut = text if len(text) <= _MOST_SHOWN else text[:_MOST_SHOWN] + "..."
    return json.dumps(cut)
