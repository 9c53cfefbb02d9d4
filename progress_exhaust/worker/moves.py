"""From what has gone wrong to what becomes of whom: one table, in one function."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum

from progress_exhaust.errors import (
    ComputeError,
    OutputError,
    ProgressExhaustError,
    QueueError,
    Reason,
    RequestError,
    RowLockedError,
    SkippedReport,
    StepFailed,
)
from progress_exhaust.export.spark_errors import SPARK_FAILURES
from progress_exhaust.jvm_end import JvmEnd

MOST_JVM_KILLS = 2
"""How often a submission is spared because the JVM was killed under it; from then on its try counts."""


class Step(StrEnum):
    """What was being done: for all requests of a round, or for one alone."""

    ROUND = "make a round"
    READ_REQUEST = "read request_data"
    READ_MANIFEST = "read the manifest of an earlier try"
    USE_AGAIN = "look at a finished file"
    SEARCH = "search"
    FETCH_TREE = "fetch a tree"
    PUBLISH = "publish a file"
    WRITE_MANIFEST = "write the manifest"
    CLOSE = "close"
    END = "end, or give back, what is done"
    LAST_MANIFEST = "write the manifest of what is given back"
    GIVE_BACK = "give back what is not done"
    NOTE_PROGRESS = "write a progress file"


class Move(StrEnum):
    """What becomes of a request, or of those that were at work together."""

    GIVE_BACK = "give back"  # as they were; the run ends
    SPARE = "spare"  # given back uncounted, but not for ever; the run ends
    CHARGE_AND_END = "charge and end"  # given back, each with its try counted; the run ends
    CHARGE = "charge"  # given back with its try counted, once all that can be made is; the run goes on
    ISOLATE = "isolate"  # each is tried again, by itself, in this run
    FAIL = "fail"  # it ends FAILED
    REFUSE = "refuse"  # a report is not made, and that is final
    WAIT = "wait"  # the same is asked again later in this run
    LEAVE = "leave"  # its row stays as it is, for the next run to take up
    GO_ON = "go on"  # nothing: the file is made anew, or was of use to nobody but this run


_STEPS: Mapping[Step, Sequence[tuple[tuple[type[Exception], ...], Move]]] = {
    Step.READ_REQUEST: [((RequestError,), Move.FAIL)],
    Step.READ_MANIFEST: [((OutputError,), Move.CHARGE)],
    Step.USE_AGAIN: [((OutputError, OSError), Move.GO_ON)],
    Step.SEARCH: [((RequestError,), Move.FAIL), ((StepFailed,), Move.CHARGE)],
    Step.FETCH_TREE: [((SkippedReport,), Move.REFUSE)],
    Step.PUBLISH: [((SkippedReport,), Move.CHARGE)],
    Step.WRITE_MANIFEST: [((OutputError, OSError), Move.CHARGE)],
    Step.CLOSE: [((RowLockedError,), Move.WAIT), ((QueueError,), Move.CHARGE)],
    Step.END: [((RowLockedError,), Move.WAIT)],
    Step.LAST_MANIFEST: [((OutputError, OSError, *SPARK_FAILURES), Move.GO_ON)],
    Step.GIVE_BACK: [((QueueError,), Move.LEAVE)],
    Step.NOTE_PROGRESS: [((OutputError,), Move.GO_ON)],
}

ASKS_THE_PLACE = frozenset({Step.READ_MANIFEST, Step.USE_AGAIN, Step.PUBLISH, Step.WRITE_MANIFEST})
"""Steps after whose failure the output place is looked at first; what fails of the place itself ends the run."""


def move_for(error: BaseException, step: Step, *, requests: int = 1, jvm: JvmEnd = JvmEnd.ALIVE) -> Move:
    """Return what becomes of whom after an error.

    | step | what has happened | move |
    |---|---|---|
    | make a round | the JVM was killed, and not for want of memory: a scheduler's time is over | spare |
    | make a round | the JVM was stopped by a signal, or we were | give back |
    | make a round | the JVM is gone for any other reason | charge and end |
    | make a round | a service failed, or an input has not the agreed shape | give back |
    | make a round | anything else, met by several requests together | isolate |
    | make a round | anything else, met by one alone | charge |
    | read request_data | it is none, or asks for what nobody may have | fail |
    | read the manifest of an earlier try | it can not be read, while the place answers | charge |
    | look at a finished file | it can not be read, while the place answers | go on |
    | search | the catalogue refuses it | fail |
    | search | it fails, while the catalogue answers | charge |
    | fetch a tree | it can not be had, while the catalogue answers | charge |
    | fetch a tree | anything else for which a batch is not made | refuse |
    | publish a file | it can not be moved, while the place answers | charge |
    | write the manifest | it can not be written, while the place answers | charge |
    | close | somebody else has locked the row | wait |
    | close | the database does not take it, while it answers | charge |
    | end, or give back, what is done | somebody else has locked the row | wait |
    | write the manifest of what is given back | it can not be written | go on |
    | give back what is not done | the queue does not let us | leave |
    | write a progress file | it can not be written | go on |
    | any but a round | anything else: it is for the round | give back |

    Args:
        error: what has come up; a fault of Spark as `spark_fault` has told it.
        step: what was being done.
        requests: how many were at work together.
        jvm: what has become of the JVM.
    """
    if step is Step.ROUND:
        return _move_for_round(error, requests, jvm)
    if step is Step.FETCH_TREE and isinstance(error, SkippedReport) and error.reason is Reason.TREE_UNAVAILABLE:
        return Move.CHARGE
    return next((move for types, move in _STEPS[step] if isinstance(error, types)), Move.GIVE_BACK)


def caught_at(step: Step) -> tuple[type[Exception], ...]:
    """Return the errors that are dealt with at a step; all others are for the round."""
    return tuple(dict.fromkeys(one for types, _ in _STEPS[step] for one in types))


def end_of_run(error: BaseException, move: Move) -> BaseException | None:
    """Return what the run ends with after an error in a round; None where it goes on."""
    if move in (Move.ISOLATE, Move.CHARGE):
        return None
    if move is Move.GIVE_BACK or isinstance(error, ComputeError) or not isinstance(error, Exception):
        return error
    return ComputeError("making reports: the JVM of the Spark driver is gone; see its own log")


def sentence_for(error: BaseException, step: Step, move: Move) -> str:
    """Return why a try has failed, in words fit for a row."""
    if move in (Move.SPARE, Move.CHARGE_AND_END):
        return "the JVM of its driver came to an end"
    if isinstance(error, ProgressExhaustError):
        return str(error)
    if isinstance(error, OSError) and step is not Step.ROUND:
        return f"reading what is out already: {error.strerror or type(error).__name__}; check output.url and its rights"
    return f"an unforeseen {type(error).__name__}; see the log of the job"


def _move_for_round(error: BaseException, requests: int, jvm: JvmEnd) -> Move:
    if jvm is JvmEnd.KILLED:
        return Move.SPARE
    if jvm is JvmEnd.LOST:
        return Move.CHARGE_AND_END
    is_stop = not isinstance(error, Exception)
    is_of_a_service = isinstance(error, ProgressExhaustError) and not isinstance(error, ComputeError)
    if jvm is JvmEnd.STOPPED or is_stop or is_of_a_service:
        return Move.GIVE_BACK
    return Move.ISOLATE if requests > 1 else Move.CHARGE
