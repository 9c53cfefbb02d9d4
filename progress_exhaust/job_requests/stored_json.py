"""JSON that the job has stored where others may write too: read so that no content of it can do harm."""

from __future__ import annotations

import json
import math
from typing import Any, TypeGuard

MOST = 2**63 - 1
"""The biggest number that is one: what a bigint holds."""

_MOST_DIGITS = 20


def json_of(text: str | None) -> Any:
    """Return what a text says; None where it is no JSON. An integer of more digits than any count has is infinite.

    >>> json_of('[1, 9' + 5000 * '9' + ']'), json_of('{')
    ([1, inf], None)
    """
    try:
        return json.loads(text, parse_int=_integer) if text else None
    except (ValueError, RecursionError):
        return None


def is_count(value: object) -> TypeGuard[int]:
    """Whether a value is an integer from 0 to 2^63 - 1.

    >>> is_count(7), is_count(2**63), is_count(True), is_count(7.0)
    (True, False, False, False)
    """
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MOST


def _integer(text: str) -> int | float:
    return int(text) if len(text) <= _MOST_DIGITS else math.inf
