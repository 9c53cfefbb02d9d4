"""What becomes of whom after an error: the table in `worker/moves.py`, row by row."""

from __future__ import annotations

import re
import signal

import pytest
from py4j.protocol import Py4JError

from progress_exhaust.console.signals import Interrupted
from progress_exhaust.errors import (
    CatalogueError,
    ComputeError,
    DataShapeError,
    OutputError,
    QueueError,
    Reason,
    RequestError,
    RowLockedError,
    SettingsError,
    SkippedReport,
    SourceError,
    StepFailed,
)
from progress_exhaust.jvm_end import JvmEnd
from progress_exhaust.worker.moves import Move, Step, caught_at, end_of_run, move_for, sentence_for

STOP = Interrupted(signal.SIGTERM)


def skipped(reason: Reason) -> SkippedReport:
    return SkippedReport(reason, "b-1", "it is not made")


@pytest.mark.parametrize(
    ("error", "requests", "jvm", "move"),
    [
        pytest.param(CatalogueError("down"), 3, JvmEnd.ALIVE, Move.GIVE_BACK, id="service"),
        pytest.param(OutputError("full"), 1, JvmEnd.ALIVE, Move.GIVE_BACK, id="place"),
        pytest.param(DataShapeError("altered"), 1, JvmEnd.ALIVE, Move.GIVE_BACK, id="shape of an input"),
        pytest.param(STOP, 3, JvmEnd.ALIVE, Move.GIVE_BACK, id="signal"),
        pytest.param(STOP, 3, JvmEnd.KILLED, Move.SPARE, id="time-out"),
        pytest.param(STOP, 3, JvmEnd.LOST, Move.CHARGE_AND_END, id="crash told by a signal"),
        pytest.param(STOP, 3, JvmEnd.STOPPED, Move.GIVE_BACK, id="JVM stopped"),
        pytest.param(ConnectionError(), 1, JvmEnd.KILLED, Move.SPARE, id="time-out met first"),
        pytest.param(ConnectionError(), 2, JvmEnd.LOST, Move.CHARGE_AND_END, id="crash"),
        pytest.param(ConnectionError(), 2, JvmEnd.STOPPED, Move.GIVE_BACK, id="JVM stopped met first"),
        pytest.param(ComputeError("memory"), 2, JvmEnd.ALIVE, Move.ISOLATE, id="Spark, several"),
        pytest.param(ComputeError("memory"), 1, JvmEnd.ALIVE, Move.CHARGE, id="Spark, one"),
        pytest.param(KeyError("defect"), 2, JvmEnd.ALIVE, Move.ISOLATE, id="defect, several"),
        pytest.param(KeyError("defect"), 1, JvmEnd.ALIVE, Move.CHARGE, id="defect, one"),
    ],
)
def test_move_for_each_failure_of_a_round(error: BaseException, requests: int, jvm: JvmEnd, move: Move) -> None:
    assert move_for(error, Step.ROUND, requests=requests, jvm=jvm) is move


OF_STEPS = {
    (Step.READ_REQUEST, RequestError("is none")): Move.FAIL,
    (Step.READ_MANIFEST, OutputError("no right")): Move.CHARGE,
    (Step.READ_MANIFEST, OSError(5, "Input/output error")): Move.GIVE_BACK,
    (Step.USE_AGAIN, OutputError("no right")): Move.GO_ON,
    (Step.USE_AGAIN, OSError(5, "Input/output error")): Move.GO_ON,
    (Step.SEARCH, RequestError("refused")): Move.FAIL,
    (Step.SEARCH, StepFailed("HTTP 500")): Move.CHARGE,
    (Step.SEARCH, CatalogueError("down")): Move.GIVE_BACK,
    (Step.FETCH_TREE, skipped(Reason.TREE_UNAVAILABLE)): Move.CHARGE,
    (Step.FETCH_TREE, skipped(Reason.BAD_TREE)): Move.REFUSE,
    (Step.FETCH_TREE, skipped(Reason.UNKNOWN_BATCH)): Move.REFUSE,
    (Step.FETCH_TREE, CatalogueError("down")): Move.GIVE_BACK,
    (Step.PUBLISH, skipped(Reason.NOT_PUBLISHED)): Move.CHARGE,
    (Step.PUBLISH, OutputError("a part is gone")): Move.GIVE_BACK,
    (Step.PUBLISH, QueueError("away")): Move.GIVE_BACK,
    (Step.WRITE_MANIFEST, OutputError("no right")): Move.CHARGE,
    (Step.WRITE_MANIFEST, OSError(28, "No space left on device")): Move.CHARGE,
    (Step.WRITE_MANIFEST, KeyError("defect")): Move.GIVE_BACK,
    (Step.CLOSE, RowLockedError("locked")): Move.WAIT,
    (Step.CLOSE, QueueError("refused")): Move.CHARGE,
    (Step.END, RowLockedError("locked")): Move.WAIT,
    (Step.END, QueueError("away")): Move.GIVE_BACK,
    (Step.LAST_MANIFEST, OutputError("no right")): Move.GO_ON,
    (Step.LAST_MANIFEST, OSError(5, "Input/output error")): Move.GO_ON,
    (Step.LAST_MANIFEST, Py4JError("the gateway is gone")): Move.GO_ON,
    (Step.LAST_MANIFEST, QueueError("away")): Move.GIVE_BACK,
    (Step.GIVE_BACK, QueueError("away")): Move.LEAVE,
    (Step.GIVE_BACK, RowLockedError("locked")): Move.LEAVE,
    (Step.GIVE_BACK, KeyError("defect")): Move.GIVE_BACK,
    (Step.NOTE_PROGRESS, OutputError("full")): Move.GO_ON,
}


@pytest.mark.parametrize(
    ("step", "error", "move"),
    [pytest.param(step, error, move, id=f"{step}: {type(error).__name__}") for (step, error), move in OF_STEPS.items()],
)
def test_move_for_each_failure_of_a_step_for_one_request(step: Step, error: Exception, move: Move) -> None:
    assert move_for(error, step) is move
    # What is for the round is not caught at the step.
    assert isinstance(error, caught_at(step)) == (move is not Move.GIVE_BACK)


@pytest.mark.parametrize("step", [step for step in Step if step is not Step.ROUND])
def test_signals_and_services_of_others_are_for_the_round_at_each_step(step: Step) -> None:
    for error in (STOP, SourceError("no node"), SettingsError("wrong"), KeyError("defect")):
        assert move_for(error, step) is Move.GIVE_BACK
        assert not isinstance(error, caught_at(step))


def test_docstring_has_every_step_and_every_move() -> None:
    lines = [line.strip(" |").split(" | ") for line in (move_for.__doc__ or "").splitlines()]
    rows = [line for line in lines if len(line) == 3][1:]
    assert {row[0] for row in rows} >= {step.value for step in Step}
    assert {row[2] for row in rows} == {move.value for move in Move}
    told = {(row[0], row[2]) for row in rows}
    assert {(step.value, move.value) for (step, _), move in OF_STEPS.items() if move is not Move.GIVE_BACK} <= told


@pytest.mark.parametrize(
    ("move", "error", "end"),
    [
        pytest.param(Move.ISOLATE, KeyError("defect"), None, id="isolated"),
        pytest.param(Move.CHARGE, KeyError("defect"), None, id="charged"),
        pytest.param(Move.GIVE_BACK, CatalogueError("down"), "down", id="service"),
        pytest.param(Move.GIVE_BACK, STOP, "signal", id="signal"),
        pytest.param(Move.SPARE, STOP, "signal", id="time-out told by a signal"),
        pytest.param(Move.SPARE, ConnectionError("gone"), "JVM of the Spark driver", id="time-out"),
        pytest.param(Move.CHARGE_AND_END, ComputeError("out of memory"), "out of memory", id="crash that Spark tells"),
        pytest.param(Move.CHARGE_AND_END, KeyError("x"), "JVM of the Spark driver", id="crash"),
    ],
)
def test_run_ends_with_what_its_operator_can_use(move: Move, error: BaseException, end: str | None) -> None:
    raised = end_of_run(error, move)
    if end is None:
        assert raised is None
    elif end == "signal":
        assert raised is error
    else:
        assert isinstance(raised, Exception)
        assert re.search(end, str(raised))


@pytest.mark.parametrize(
    ("error", "step", "move", "sentence"),
    [
        (KeyError("secret"), Step.ROUND, Move.CHARGE, "an unforeseen KeyError; see the log of the job"),
        (OSError(5, "secret"), Step.ROUND, Move.CHARGE, "an unforeseen OSError; see the log of the job"),
        (ComputeError("out of memory"), Step.ROUND, Move.CHARGE, "out of memory"),
        (KeyError("secret"), Step.ROUND, Move.SPARE, "the JVM of its driver came to an end"),
        (STOP, Step.ROUND, Move.CHARGE_AND_END, "the JVM of its driver came to an end"),
        (OutputError("no right"), Step.WRITE_MANIFEST, Move.CHARGE, "no right"),
        (
            OSError(20, "Not a directory"),
            Step.WRITE_MANIFEST,
            Move.CHARGE,
            "reading what is out already: Not a directory; check output.url and its rights",
        ),
    ],
)
def test_sentence_for_a_row_tells_no_more_than_it_may(
    error: BaseException, step: Step, move: Move, sentence: str
) -> None:
    assert sentence_for(error, step, move) == sentence
