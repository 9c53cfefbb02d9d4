"""Makes the input tables in a Cassandra that has none of them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib import resources

from cassandra.cluster import Session

KEYSPACES = ("sunbird_courses", "sunbird")


def create_schema(session: Session, keyspaces: Mapping[str, str] | None = None) -> None:
    """Make keyspaces, types and tables; those that are there are kept as they are.

    Args:
        session: that of a role that may create them.
        keyspaces: other names for `KEYSPACES`, so that several worlds find room in one node.
    """
    names = keyspaces or {}
    text = resources.files("progress_exhaust.stack").joinpath("schema.cql").read_text(encoding="utf-8")
    without_comments = re.sub(r"^--.*$", "", text, flags=re.MULTILINE)
    renamed = re.sub(rf"\b({'|'.join(KEYSPACES)})\b", lambda found: names.get(found[1], found[1]), without_comments)
    for statement in renamed.split(";"):
        if statement.strip():
            session.execute(statement)
