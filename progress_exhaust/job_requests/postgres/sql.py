"""Reads `queries.sql`."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from functools import cache
from importlib import resources

_TITLE = re.compile(r"^-- (part|name): (\w+)$", re.MULTILINE)
_CONDITION = re.compile(r" *--(if|unless) (\w+)$")


def queries(table: str, columns: Collection[str]) -> Mapping[str, str]:
    """Return each statement by its name.

    Args:
        table: name of the table, which has been checked: it is put in as it is.
        columns: those that the table has.
    """
    parts = {"table": table}
    statements = {}
    for kind, name, text in _sections():
        lines = [_CONDITION.sub("", line) for line in text.splitlines() if _is_meant(line, columns)]
        statement = "\n".join(line for line in lines if not line.startswith("-- ")).strip()
        for part, replacement in parts.items():
            statement = statement.replace(f"{{{part}}}", replacement)
        if kind == "part":
            parts[name] = statement
        else:
            statements[name] = statement
    return statements


@cache
def _sections() -> tuple[tuple[str, str, str], ...]:
    text = resources.files("progress_exhaust.job_requests.postgres").joinpath("queries.sql").read_text(encoding="utf-8")
    pieces = _TITLE.split(text)[1:]
    return tuple(zip(pieces[0::3], pieces[1::3], pieces[2::3], strict=True))


def _is_meant(line: str, columns: Collection[str]) -> bool:
    condition = _CONDITION.search(line)
    return condition is None or (condition[2] in columns) == (condition[1] == "if")
