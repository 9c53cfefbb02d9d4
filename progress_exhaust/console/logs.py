"""Logging: one line an event on stderr, a sentence for people or a JSON object for machines.

Every room logs through `logging.getLogger(__name__)`, with the event's word as `extra={"action": …}` and whatever else
belongs to it beside that. What serves only to find a cause is logged at the level `DEBUG`, and shown with `--debug`.
"""

from __future__ import annotations

import json
import logging
import sys
import warnings
from datetime import UTC, datetime
from enum import StrEnum

from progress_exhaust.log_actions import Action
from progress_exhaust.text import printable

_LOG = logging.getLogger("progress_exhaust")
_OF_EVERY_RECORD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}


class LogFormat(StrEnum):
    """How lines on stderr look."""

    TEXT = "text"
    JSON = "json"


def set_up(log_format: LogFormat, *, debug: bool) -> None:
    """Send our events to stderr, and keep libraries quiet unless someone looks for a defect.

    What the rooms tell their own loggers of what they have mended by themselves (`log_actions`) is for such a one, too.
    What libraries log is not ours to vouch for: it may hold a learner's data, or a stack trace.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_JsonLines() if log_format is LogFormat.JSON else _Sentences())
    _LOG.handlers = [handler]
    _LOG.propagate = False
    _LOG.setLevel(logging.DEBUG if debug else logging.INFO)
    if not debug:
        logging.getLogger().handlers = [logging.NullHandler()]
        warnings.simplefilter("ignore")


def info(sentence: str, **fields: object) -> None:
    """Log an event."""
    _LOG.info("%s", sentence, extra=fields)


def warning(sentence: str, **fields: object) -> None:
    """Log what is not as asked for."""
    _LOG.warning("%s", sentence, extra=fields)


def error(sentence: str) -> None:
    """Log what ends the command; each line of the sentence is a line of its own."""
    for line in sentence.splitlines():
        _LOG.error("%s", line, extra={"action": Action.ERROR})


class _Sentences(logging.Formatter):
    """Events with their time; what is wrong as it is."""

    def format(self, record: logging.LogRecord) -> str:
        sentence = printable(record.getMessage())
        if record.levelno >= logging.ERROR:
            return f"error: {sentence}"
        if record.levelno >= logging.WARNING:
            return sentence
        return f"{_instant(record):%Y-%m-%dT%H:%M:%SZ} {sentence}"


class _JsonLines(logging.Formatter):
    """One JSON object a line; in ASCII, so that no line can be taken for two."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "at": _instant(record).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "action": Action.LOG,
            **{name: value for name, value in vars(record).items() if name not in _OF_EVERY_RECORD},
            "sentence": record.getMessage(),
        }
        return json.dumps(line, default=str)


def _instant(record: logging.LogRecord) -> datetime:
    return datetime.fromtimestamp(record.created, UTC)
