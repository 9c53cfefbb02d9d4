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

An error holds what went wrong in parts (`Fault`): what was being done, to which object, what was got and expected, and
the next step. Its sentence is made of these in one place, and nobody takes a sentence apart: who needs a part asks for
it. No part ever holds a secret, a stack trace or a learner's data.

    >>> error = SourceError(doing="reading", object="file a.parquet", got="it is gone", remedy="mend the file")
    >>> str(error)
    'reading file a.parquet: it is gone; mend the file'
    >>> error.fault.remedy, error.transient
    ('mend the file', True)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypedDict, Unpack


@dataclass(frozen=True, slots=True)
class Value:
    """A value that came where another was expected: told by itself, and after what was expected."""

    text: str


@dataclass(frozen=True, slots=True)
class Fault:
    """What went wrong, in parts; each may be left out.

    Attributes:
        doing: what was being done, such as `reading`; or what is wrong, such as `--date`.
        object: to which object.
        got: what was found, as a clause, such as `it is gone`; or the value that came.
        expected: what should have been.
        remedy: the next step.
    """

    doing: str = ""
    object: str = ""
    got: str | Value = ""
    expected: str = ""
    remedy: str = ""

    @property
    def finding(self) -> str:
        """The sentence without its next step.

        >>> Fault("--date", got=Value('"today"'), expected="a day").finding
        '--date: expected a day, got "today"'
        >>> Fault(got="batchFilter is empty", expected="a batch id", remedy="name one").finding
        'batchFilter is empty, expected a batch id'
        """
        expected = f"expected {self.expected}" if self.expected else ""
        found = (expected, f"got {self.got.text}") if isinstance(self.got, Value) else (self.got, expected)
        return _joined(": ", _joined(" ", self.doing, self.object), _joined(", ", *found))

    def __str__(self) -> str:
        """The whole sentence."""
        return _joined("; ", self.finding, self.remedy)


class Parts(TypedDict, total=False):
    """The parts of a fault but for what was being done, as arguments of an error."""

    object: str
    got: str | Value
    expected: str
    remedy: str


class WrongValue(ValueError):
    """What a setting's own check raises; pydantic gathers it with all others, to be told in one `SettingsError`.

    Attributes:
        fault: what is wrong, in parts.
    """

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault)
        self.fault = fault


def cause_of(error: OSError) -> str:
    """Return what the operating system says went wrong, without the path."""
    return error.strerror or type(error).__name__


def _joined(mark: str, *parts: str) -> str:
    return mark.join(part for part in parts if part)


class ProgressExhaustError(Exception):
    """Base of all errors raised on purpose; its text is fit for an operator's screen.

    Attributes:
        fault: what went wrong, in parts.
    """

    exit_code = 1

    def __init__(self, doing: str = "", **parts: Unpack[Parts]) -> None:
        self.fault = Fault(doing, **parts)
        super().__init__(str(self.fault))

    def __reduce__(self) -> tuple[Any, ...]:
        # By its attributes: what a class asks for to be made need not be what it keeps.
        return _made_again, (type(self), self.args, self.__dict__)


def _made_again(kind: type[ProgressExhaustError], args: tuple[Any, ...], state: Mapping[str, Any]) -> Any:
    error = kind.__new__(kind, *args)
    error.__dict__.update(state)
    return error


class SettingsError(ProgressExhaustError):
    """A setting, environment variable or argument is wrong; the text lists all faults at once, a line each.

    Attributes:
        faults: all of them.
    """

    exit_code = 2

    def __init__(self, doing: str = "", *, faults: Sequence[Fault] = (), **parts: Unpack[Parts]) -> None:
        if faults:
            parts["got"] = "\n".join(map(str, faults))
        super().__init__(doing, **parts)
        self.faults = tuple(faults) or (self.fault,)


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

    def __init__(self, reason: Reason, subject: str, doing: str = "", **parts: Unpack[Parts]) -> None:
        super().__init__(doing, **parts)
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

    def __init__(self, doing: str = "", *, transient: bool | None = None, **parts: Unpack[Parts]) -> None:
        super().__init__(doing, **parts)
        if transient is not None:
            self.transient = transient


class SourceError(OperatorError):
    """The tables can not be read: Cassandra is away, refuses us, or a snapshot is damaged.

    Attributes:
        is_local: whether a part of the rows may be at fault, so that others can be read.
    """

    def __init__(
        self, doing: str = "", *, transient: bool | None = None, is_local: bool = False, **parts: Unpack[Parts]
    ) -> None:
        super().__init__(doing, transient=transient, **parts)
        self.is_local = is_local


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
