"""The shapes that the table of requests has in the field, and what each command must be allowed to do with it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Self

from progress_exhaust.errors import QueueError

PROCESSED = "processed_batches"
ENCRYPTION_KEY = "encryption_key"

_SHOWN = (
    *("tag", "request_id", "job_id", "status", "requested_channel", "dt_job_submitted", "dt_job_completed"),
    *("iteration", "download_urls", "err_message"),
)
_WRITTEN = (
    *("status", "iteration", "dt_job_completed", "err_message", "dt_file_created", "execution_time", "download_urls"),
    PROCESSED,
)
_PUT_IN = (
    *("tag", "request_id", "job_id", "status", "request_data", "requested_by", "requested_channel"),
    "dt_job_submitted",
)
_CANCELLED = ("status", "err_message", "dt_job_completed")

NEEDS: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("run", "SELECT", tuple(dict.fromkeys((*_SHOWN, *_WRITTEN, "request_data", ENCRYPTION_KEY)))),
    ("run", "UPDATE", _WRITTEN),
    ("submit", "SELECT", ("tag", "request_id", "job_id", "dt_job_submitted", "requested_by")),
    ("submit", "INSERT", _PUT_IN),
    ("status", "SELECT", _SHOWN),
    ("cancel", "SELECT", ("tag", "request_id", "job_id", *_CANCELLED)),
    ("cancel", "UPDATE", _CANCELLED),
)
"""Command, privilege, columns; those that the table may lack are left out where it does."""

_MUST_BE_THERE = frozenset(column for _, _, columns in NEEDS for column in columns) - {PROCESSED, ENCRYPTION_KEY}
_LONGEST = {"smallint": 2**15 - 1, "integer": 2**31 - 1}
_VARCHAR = re.compile(r"character varying|character")
_VARCHAR_HEADER = 4


@dataclass(frozen=True, slots=True)
class TableShape:
    """What the table can hold.

    Attributes:
        columns: their names.
        err_width: characters that err_message takes; None for any number.
        longest_ms: most milliseconds that execution_time takes.
    """

    columns: frozenset[str]
    err_width: int | None
    longest_ms: int

    @classmethod
    def of(cls, table: str, rows: Iterable[tuple[Any, ...]]) -> Self:
        """Return the shape that the catalogue tells: name, type and the type's modifier of each column.

        Raises:
            QueueError: there is no such table, or columns are missing.
        """
        types = {str(name): (str(kind), int(modifier)) for name, kind, modifier in rows}
        if not types:
            raise QueueError(
                "looking at",
                object=f"the table {table}",
                got="there is none, or not for our role",
                remedy="check queue.table",
            )
        if missing := sorted(_MUST_BE_THERE - types.keys()):
            raise QueueError(
                "looking at",
                object=f"the table {table}",
                got=f"columns missing: {', '.join(missing)}; got {', '.join(sorted(types))}",
                remedy="is it the table of requests?",
            )
        kind, modifier = types["err_message"]
        has_width = _VARCHAR.fullmatch(kind) and modifier > _VARCHAR_HEADER
        longest_ms = _LONGEST.get(types["execution_time"][0], 2**63 - 1)
        return cls(frozenset(types), modifier - _VARCHAR_HEADER if has_width else None, longest_ms)

    @property
    def keeps_processed(self) -> bool:
        """Whether there is a place for the list of what a request has."""
        return PROCESSED in self.columns
