"""JSON that the job has stored where others may write too: read so that no content of it can do harm."""

from __future__ import annotations

from typing import Any, TypeGuard

from progress_exhaust.strict_json import StrictJsonError, parse_json

MOST = 2**63 - 1
"""The biggest number that is one: what a bigint holds."""


def json_of(text: str | None) -> Any:
    """Return what a text says; None where it is no JSON. An integer of more digits than any count has is infinite.

    >>> json_of('[1, 9' + 5000 * '9' + ']'), json_of('{')
    ([1, inf], None)
    """
    try:
        return parse_json(text, constants=True, huge_integers=True) if text else None
    except StrictJsonError:
        return None


def is_count(value: object) -> TypeGuard[int]:
    """Whether a value is an integer from 0 to 2^63 - 1.

    >>> is_count(7), is_count(2**63), is_count(True), is_count(7.0)
    (True, False, False, False)
    """
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MOST
