"""Ids that become part of a path or an address."""

from __future__ import annotations

import re

_SAFE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")


def is_safe_id(identifier: str) -> bool:
    """Return whether an id is safe to build a file name or an address from.

    >>> is_safe_id("do_1130934466492252161819"), is_safe_id("../do_1"), is_safe_id("a..b"), is_safe_id("")
    (True, False, False, False)
    """
    return _SAFE.fullmatch(identifier) is not None and ".." not in identifier
