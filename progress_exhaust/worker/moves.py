"""From what has gone wrong while requests were at work to what becomes of them: one table, in one function."""

from __future__ import annotations

from enum import StrEnum

from progress_exhaust.errors import ComputeError, ProgressExhaustError
from progress_exhaust.jvm_end import JvmEnd


class Move(StrEnum):
    """What becomes of the requests that were at work together."""

    GIVE_BACK = "give back"  # as they were; the run ends
    SPARE = "spare"  # given back uncounted, but not for ever; the run ends
    CHARGE_AND_END = "charge and end"  # given back, each with its try counted; the run ends
    CHARGE = "charge"  # given back with its try counted; the run goes on
    ISOLATE = "isolate"  # each is tried again, by itself, in this run


def move_for(error: BaseException, *, requests: int, jvm: JvmEnd) -> Move:
    """Return what becomes of requests whose round has ended with an error.

    | what has happened | move |
    |---|---|
    | the JVM was killed, and not for want of memory: a scheduler's time is over | spare |
    | the JVM was stopped by a signal, or we were | give back |
    | the JVM is gone for any other reason | charge and end |
    | a service failed, or an input has not the agreed shape | give back |
    | anything else, met by several requests together | isolate |
    | anything else, met by one alone | charge |

    Args:
        error: what ended the round; a fault of Spark as `spark_fault` has told it.
        requests: how many were at work.
        jvm: what has become of the JVM.
    """
    if jvm is JvmEnd.KILLED:
        return Move.SPARE
    if jvm is JvmEnd.LOST:
        return Move.CHARGE_AND_END
    is_stop = not isinstance(error, Exception)
    is_of_a_service = isinstance(error, ProgressExhaustError) and not isinstance(error, ComputeError)
    if jvm is JvmEnd.STOPPED or is_stop or is_of_a_service:
        return Move.GIVE_BACK
    return Move.ISOLATE if requests > 1 else Move.CHARGE
