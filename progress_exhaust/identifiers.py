"""Ids that become part of a path or an address, and the names of runs."""

from __future__ import annotations

import re

_SAFE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")
_RUN = re.compile(r"[0-9]{8}T[0-9]{6}Z-[0-9a-f]{6}")


def is_safe_id(identifier: str) -> bool:
    """Return whether an id is safe to build a file name or an address from.

    >>> is_safe_id("do_1130934466492252161819"), is_safe_id("../do_1"), is_safe_id("a..b"), is_safe_id("")
    (True, False, False, False)
    """
    return _SAFE.fullmatch(identifier) is not None and ".." not in identifier


def is_run_id(name: str) -> bool:
    """Return whether a name is that of a run: its start in UTC, and six random characters.

    What is called otherwise was not made by a run, and is not ours to read or to remove.

    >>> is_run_id("20261123T083000Z-0a1b2c"), is_run_id("backup"), is_run_id("20261123T083000Z-0a1b2c.old")
    (True, False, False)
    """
    return _RUN.fullmatch(name) is not None
