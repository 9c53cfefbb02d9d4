"""Says how far a run is where it would be silent for long: in a big job of Spark's, or while it writes one big file."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from types import TracebackType
from typing import NamedTuple, Self

from py4j.protocol import Py4JError
from pyspark.sql import SparkSession

from progress_exhaust.export.run import Event, Outcome, Phase
from progress_exhaust.log_actions import Action
from progress_exhaust.text import pluralize

QUIET_S = 7.0
"""Seconds without a word after which one is said; with the time it takes to look, under ten."""
_LOOK_EVERY_S = 0.5


class Tasks(NamedTuple):
    """Tasks of the stages that Spark is at."""

    done: int
    known: int


class Ticker:
    """Looks at a run while its `with` block lasts, and tells where nothing else was told for a while.

    Args:
        tell: shows an event.
        outcome: returns what the run has come to so far.
        tasks: returns what Spark is at; None where it is at nothing, or does not say.
        monotonic: a clock that only goes forward.
    """

    def __init__(
        self,
        tell: Callable[[Event], None],
        outcome: Callable[[], Outcome],
        tasks: Callable[[], Tasks | None],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._tell = tell
        self._outcome = outcome
        self._tasks = tasks
        self._now = monotonic
        self._lock = threading.Lock()
        self._step: Event | None = None
        self._step_at = self._told_at = 0.0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look_on, name="ticker", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()

    def heard(self, event: Event) -> None:
        """Take note of what is told otherwise."""
        with self._lock:
            self._told_at = self._now()
            if isinstance(event.action, Phase) or event.action is Action.START:  # what else is told of is a report's
                self._step, self._step_at = event, self._told_at

    def forget(self) -> None:
        """Be silent until the next step is told: the last one is over."""
        with self._lock:
            self._step = None

    def look(self) -> None:
        """Tell how far the run is, where it has been silent for long."""
        outcome = self._outcome()
        with self._lock:
            step, now = self._step, self._now()
            if step is None or now - self._told_at < QUIET_S:
                return
            self._told_at = now
            seconds = now - self._step_at
        sentence = how_far(step, outcome, self._tasks(), seconds)
        if not self._ended.is_set():
            action = outcome.current or step.action
            event = replace(step, action=action, sentence=sentence, finished=outcome.finished, wanted=outcome.wanted)
            self._tell(event)

    def _look_on(self) -> None:
        while not self._ended.wait(_LOOK_EVERY_S):
            self.look()


def how_far(step: Event, outcome: Outcome, tasks: Tasks | None, seconds: float) -> str:
    """Say how far a run is.

    Args:
        step: what it has told that it does.
        outcome: what it has come to.
        tasks: what Spark is at.
        seconds: since the step was told.
    """
    if outcome.current is Phase.PUBLISH:
        return f"publishing: {outcome.finished:,} of {pluralize(outcome.wanted, 'report')}"
    if tasks is not None:
        return f"{step.sentence}: {tasks.done:,} of {pluralize(tasks.known, 'task')} done"
    return f"{step.sentence}: {seconds:.0f} s so far"


def tasks_of(session: SparkSession | None) -> Tasks | None:
    """Ask Spark what it is at; a JVM that is just ending says nothing."""
    with contextlib.suppress(Py4JError, OSError, AttributeError):  # PySpark lets go of what has been stopped
        if session is not None:
            tracker = session.sparkContext.statusTracker()
            stages = [tracker.getStageInfo(stage) for stage in tracker.getActiveStageIds()]
            known = [stage for stage in stages if stage is not None]
            if known:
                return Tasks(sum(stage.numCompletedTasks for stage in known), sum(stage.numTasks for stage in known))
    return None
