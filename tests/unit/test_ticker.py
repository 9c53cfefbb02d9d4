"""A run that is silent for long says how far it is, and nothing where something else was just told."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

import pytest

from progress_exhaust.commands.ticker import QUIET_S, Tasks, Ticker
from progress_exhaust.export.run import Event, Outcome, Phase
from progress_exhaust.log_actions import Action

READING = Event(Phase.READ, "reading enrolments of 3 batches")
COMPUTING = Event(Phase.COMPUTE, "computing 3 reports of 9 learners", wanted=3)


@dataclass
class Watched:
    """A run, its clock, and what was told of it."""

    outcome: Outcome = field(default_factory=Outcome)
    tasks: Tasks | None = None
    now: float = 100.0
    told: list[Event] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.ticker = Ticker(self.told.append, lambda: self.outcome, lambda: self.tasks, lambda: self.now)

    def sentences_after(self, seconds: float) -> list[str]:
        self.now += seconds
        self.told.clear()
        self.ticker.look()
        return [event.sentence for event in self.told]


@pytest.fixture
def run() -> Watched:
    return Watched()


def test_tasks_of_spark_are_told_where_nothing_was_for_long(run: Watched) -> None:
    run.tasks = Tasks(1_300, 4_000)
    run.ticker.heard(COMPUTING)
    run.outcome.wanted = 3
    with run.outcome.phase(Phase.COMPUTE):
        assert run.sentences_after(QUIET_S - 1) == []
        assert run.sentences_after(1) == ["computing 3 reports of 9 learners: 1,300 of 4,000 tasks done"]
        [event] = run.told
        assert (event.action, event.finished, event.wanted) == (Phase.COMPUTE, 0, 3)
        assert run.sentences_after(1) == []
        assert run.sentences_after(QUIET_S) == ["computing 3 reports of 9 learners: 1,300 of 4,000 tasks done"]


def test_seconds_are_told_where_spark_is_at_nothing(run: Watched) -> None:
    run.ticker.heard(READING)
    with run.outcome.phase(Phase.PLAN):
        assert run.sentences_after(8) == ["reading enrolments of 3 batches: 8 s so far"]
        assert run.sentences_after(8) == ["reading enrolments of 3 batches: 16 s so far"]


def test_reports_are_told_while_they_are_published(run: Watched) -> None:
    run.tasks = Tasks(1, 2)
    run.outcome.wanted = 100_000
    run.ticker.heard(COMPUTING)
    with run.outcome.phase(Phase.PUBLISH):
        assert run.sentences_after(8) == ["publishing: 0 of 100,000 reports"]


def test_whatever_is_told_otherwise_counts_as_a_word(run: Watched) -> None:
    run.ticker.heard(COMPUTING)
    with run.outcome.phase(Phase.PUBLISH):
        for _ in range(3):
            run.now += QUIET_S - 1
            run.ticker.heard(Event(Action.MADE, "b.csv: 3 learners"))
            assert run.sentences_after(0) == []
        assert run.sentences_after(QUIET_S) == ["publishing: 0 of 0 reports"]


def test_step_is_told_of_between_phases_too(run: Watched) -> None:
    run.ticker.heard(Event(Action.START, "starting Spark"))

    assert run.sentences_after(9) == ["starting Spark: 9 s so far"]


def test_nothing_is_told_before_the_first_step_and_after_the_last(run: Watched) -> None:
    assert run.sentences_after(60) == []
    run.ticker.heard(COMPUTING)
    run.ticker.forget()

    assert run.sentences_after(60) == []


def test_nothing_is_told_after_the_end(run: Watched) -> None:
    looked = threading.Event()

    def tasks() -> None:
        run.ticker._ended.set()  # the run ends while Spark is asked
        looked.set()

    run.ticker = Ticker(run.told.append, lambda: run.outcome, tasks, lambda: run.now)
    run.ticker.heard(COMPUTING)
    with run.outcome.phase(Phase.COMPUTE):
        assert run.sentences_after(60) == []
    assert looked.is_set()


def test_thread_looks_by_itself_and_ends_with_the_block() -> None:
    told = threading.Event()
    outcome = Outcome()
    clock = iter(range(0, 10_000, 5))
    ticker = Ticker(lambda event: told.set(), lambda: outcome, lambda: None, lambda: float(next(clock)))
    with ticker, outcome.phase(Phase.READ):
        ticker.heard(READING)
        assert told.wait(10)

    assert "ticker" not in [thread.name for thread in threading.enumerate()]
