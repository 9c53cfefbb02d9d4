"""How values of the queue are written into columns of the table, and read from them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from progress_exhaust.job_requests.model import Delivered
from progress_exhaust.text import storable, truncated

_LAST_WORDS = "Failed; see the log of the job"
_SURE_WIDTH = 100


def naive(instant: datetime | None) -> datetime | None:
    """Return an instant as its column has it: in UTC, without saying so."""
    return None if instant is None else instant.astimezone(UTC).replace(tzinfo=None)


def aware(instant: datetime | None) -> datetime | None:
    """Return the instant that a column has, as one that says that it is in UTC."""
    if instant is None:
        return None
    return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)


def files(delivered: Delivered) -> dict[str, Any]:
    """Return the parameters that tell what a request has; null leaves a column as it is."""
    urls, processed = delivered.urls, delivered.processed
    return {
        "urls": None if urls is None else [storable(url) for url in urls],
        "processed": None if processed is None else storable(processed),
    }


def plainer_texts(text: str, width: int | None) -> list[str]:
    """Return an err_message, and what to write where the database does not take it: the end itself must be told.

    Args:
        text: the message.
        width: characters that the column takes; None for any number.
    """
    sure_width = min(width or _SURE_WIDTH, _SURE_WIDTH)
    ascii_text = text.encode("ascii", "replace").decode("ascii")
    return [truncated(text, width), truncated(ascii_text, sure_width), truncated(_LAST_WORDS, sure_width)]
