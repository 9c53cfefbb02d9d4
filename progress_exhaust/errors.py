"""Every error this package raises, by who must act on it.

    ProgressExhaustError
    ├── SettingsError            the operator: a setting or an argument is wrong             exit 2
    ├── RequestError             the requester: what was asked for can not be had            exit 1
    │   └── SkippedReport        one batch or collection is not made, the others are
    ├── StepFailed               one request: a step for it failed while the services answer exit 1
    ├── DataShapeError           the data's owner: an input does not have the agreed shape   exit 1
    └── OperatorError            the operator of a service                                   exit 1
        ├── SourceError          tables: Cassandra or a snapshot
        ├── CatalogueError       the content service or a folder of its answers
        ├── OutputError          the place the files go to
        ├── QueueError           the request queue in PostgreSQL
        │   └── RowLockedError   a row of it that someone else has locked for the moment
        └── ComputeError         Spark itself

A message says what was being done, to which object, what was got and expected, and the next step. It never holds a
secret, a stack trace or a learner's data.
"""

from __future__ import annotations

from enum import StrEnum


class ProgressExhaustError(Exception):
    """Base of all errors raised on purpose; its text is fit for an operator's screen."""

    exit_code = 1


class SettingsError(ProgressExhaustError):
    """A setting, environment variable or argument is wrong; the text lists all faults at once, a line each."""

    exit_code = 2


class RequestError(ProgressExhaustError):
    """What was asked for can not be delivered, through no fault of a service."""


class Reason(StrEnum):
    """Why a batch or a collection that was asked for is not made; the words stand in the manifest."""

    UNKNOWN_BATCH = "unknown_batch"
    NO_BATCH = "no_batch"
    UNKNOWN_COLLECTION = "unknown_collection"
    RETIRED_COLLECTION = "retired_collection"
    BAD_ID = "bad_id"
    AMBIGUOUS_BATCH = "ambiguous_batch"
    TREE_UNAVAILABLE = "tree_unavailable"
    BAD_TREE = "bad_tree"
    TREE_TOO_LARGE = "tree_too_large"
    DOUBLED_KEY = "doubled_key"
    TASK_FAILED = "task_failed"
    COUNT_MISMATCH = "count_mismatch"
    NOT_PUBLISHED = "not_published"


UNFINISHED = frozenset({Reason.TREE_UNAVAILABLE, Reason.TASK_FAILED, Reason.COUNT_MISMATCH, Reason.NOT_PUBLISHED})
"""Reasons that speak of this run, not of what was asked for: they leave something unfinished."""


class SkippedReport(RequestError):
    """One batch or collection is not made; the others of the run are.

    Attributes:
        reason: the machine-readable word for it.
        subject: the batch id or collection id it is about.
    """

    def __init__(self, reason: Reason, subject: str, sentence: str) -> None:
        super().__init__(sentence)
        self.reason = reason
        self.subject = subject


class StepFailed(ProgressExhaustError):
    """A step for one request failed while the service itself answers: the request is tried again, and its try counts.

    Raised only after a look at the service, so that an outage is never charged to who happened to meet it.
    """


class DataShapeError(ProgressExhaustError):
    """An input does not have the shape it was agreed to have: a table or column missing, a value of a wrong type."""


class OperatorError(ProgressExhaustError):
    """A service did not do its part.

    Attributes:
        transient: whether the same run may succeed later without anyone changing anything.
    """

    transient = True


class SourceError(OperatorError):
    """The tables can not be read: Cassandra is away, refuses us, or a snapshot is damaged.

    Attributes:
        is_local: whether a part of the rows may be at fault, so that others can be read.
    """

    is_local = False


class CatalogueError(OperatorError):
    """The content service does not answer, or answers what can not be read."""


class OutputError(OperatorError):
    """The output place can not be written: no space, no right, not there."""


class QueueError(OperatorError):
    """The request queue does not answer, or does not let us do what we must."""


class RowLockedError(QueueError):
    """Someone else has a row locked, or its table: nothing is written, and the same may be asked again."""


class ComputeError(OperatorError):
    """Spark failed in a way that no batch is at fault for."""
