"""JSON texts from outside, parsed by one rule; what a place allows or refuses beyond it are arguments.

The rule: the whole text is one value. Python's parser takes NaN, Infinity and -Infinity, too, which are no JSON, and is
told not to. Nesting beyond what it can follow, and integers of more digits than Python converts, are faults like any
other. No fault quotes the text, which may hold anything.
"""

from __future__ import annotations

import json
import math
from enum import StrEnum
from typing import Any, NoReturn

_MOST_DIGITS = 20
"""Of an integer that is counted with: 2^63 has 19."""


class JsonFault(StrEnum):
    """What is wrong with a text."""

    SIZE = "size"  # more bytes than may be
    SYNTAX = "syntax"  # not JSON
    NUMBER = "number"  # NaN, an infinity, or a number too big
    DEPTH = "depth"  # nested deeper than can be parsed
    KEY_TWICE = "key_twice"  # an object names a key twice


class StrictJsonError(ValueError):
    """A text that is not what was asked for.

    Attributes:
        fault: what is wrong.
        position: characters before the place where it is no JSON any more; None where that is not known.
    """

    def __init__(self, fault: JsonFault, position: int | None = None) -> None:
        super().__init__(fault.value)
        self.fault = fault
        self.position = position


def parse_json(
    text: str,
    *,
    max_bytes: int | None = None,
    keys_once: bool = False,
    finite: bool = False,
    constants: bool = False,
    huge_integers: bool = False,
) -> Any:
    """Return what a whole text says.

    >>> parse_json('{"a": [1, 2.5, null]}')
    {'a': [1, 2.5, None]}

    Args:
        text: the text.
        max_bytes: most bytes of it, as UTF-8; None for any number.
        keys_once: whether an object that names a key twice is refused; else the last one counts.
        finite: whether a number too big for a double, such as 1e999, is refused; else it is infinite.
        constants: whether NaN, Infinity and -Infinity are taken all the same, as in what Python has written.
        huge_integers: whether an integer of any number of digits is taken; one of more than 20 is infinite then.

    Raises:
        StrictJsonError: it is no such text.
    """
    if max_bytes is not None and is_longer_than(text, max_bytes):
        raise StrictJsonError(JsonFault.SIZE)
    hooks: dict[str, Any] = {}
    if keys_once:
        hooks["object_pairs_hook"] = _each_key_once
    if finite:
        hooks["parse_float"] = _finite
    if not constants:
        hooks["parse_constant"] = _refuse
    if huge_integers:
        hooks["parse_int"] = _integer_or_infinite
    try:
        return json.loads(text, **hooks)
    except StrictJsonError:
        raise
    except RecursionError:
        raise StrictJsonError(JsonFault.DEPTH) from None
    except json.JSONDecodeError as error:
        raise StrictJsonError(JsonFault.SYNTAX, error.pos) from None
    except ValueError:  # an integer of thousands of digits
        raise StrictJsonError(JsonFault.NUMBER) from None


def is_longer_than(text: str, max_bytes: int) -> bool:
    """Return whether a text has more bytes as UTF-8 than may be."""
    return len(text) > max_bytes or len(text.encode("utf-8", "surrogatepass")) > max_bytes


def is_deeper_than(content: object, levels: int) -> bool:
    """Return whether a value has more levels of lists and objects than code that recurs may be given.

    >>> is_deeper_than([[1]], 2), is_deeper_than({"a": [[1]]}, 2)
    (False, True)
    """
    level = [content]
    for _ in range(levels):
        level = [
            inner
            for outer in level
            for inner in (outer.values() if isinstance(outer, dict) else outer if isinstance(outer, list) else ())
            if isinstance(inner, dict | list)
        ]
    return bool(level)


def _each_key_once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    content = dict(pairs)
    if len(content) < len(pairs):
        raise StrictJsonError(JsonFault.KEY_TWICE)
    return content


def _finite(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise StrictJsonError(JsonFault.NUMBER)
    return number


def _refuse(constant: str) -> NoReturn:
    raise StrictJsonError(JsonFault.NUMBER)


def _integer_or_infinite(digits: str) -> int | float:
    return int(digits) if len(digits) <= _MOST_DIGITS else math.inf
