"""What every run has: its ports, its identity, what it tells, and what comes of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum

from pyspark.sql import SparkSession

from progress_exhaust.catalogue.port import Catalogue
from progress_exhaust.errors import SkippedReport
from progress_exhaust.jvm_end import JvmEnd
from progress_exhaust.log_actions import Action
from progress_exhaust.output.stores.port import Store
from progress_exhaust.published_file import PublishedFile
from progress_exhaust.tables.port import Tables


class Phase(StrEnum):
    """What a run does at a time; the words stand in logs, the manifest and benchmarks."""

    CATALOGUE = "catalogue"
    PLAN = "plan"
    READ = "read"
    COMPUTE = "compute"
    PUBLISH = "publish"


@dataclass(frozen=True, slots=True)
class Event:
    """Something a run has to tell while it works.

    Attributes:
        action: the phase the run is in, or what it has to tell of a report or a request.
        sentence: the same for people; holds no learner's data.
        finished: reports made or refused so far.
        wanted: reports of the run, 0 while that is not known.
        batch_id: the batch it is about, if any.
        rows: the rows of a file made, or of a request's files.
        request_id: the request it is about, if any.
    """

    action: Phase | Action
    sentence: str
    finished: int = 0
    wanted: int = 0
    batch_id: str = ""
    rows: int = 0
    request_id: str = ""


@dataclass(frozen=True)
class Ports:
    """The outside of a run."""

    spark: SparkSession
    tables: Tables
    catalogue: Catalogue
    store: Store


@dataclass(frozen=True)
class Run:
    """What the composition root decides for a run.

    Attributes:
        run_id: names its staging and its manifest.
        day: the date in file names.
        now: the wall clock, aware.
        tell: hears of events; may be called from several threads.
        jvm_end: tells what has become of the JVM, given how many seconds it may take until that is seen.
    """

    run_id: str
    day: date
    now: Callable[[], datetime]
    tell: Callable[[Event], None]
    jvm_end: Callable[[float], JvmEnd] = lambda settle_s: JvmEnd.ALIVE


@dataclass
class Outcome:
    """What a run has come to; grows while it works.

    Attributes:
        made: published files.
        not_made: what was asked for and not made.
        wanted: reports of the run.
        phase_s: seconds spent, by phase.
        duration_s: seconds of the whole run.
        manifest_path: its place under the output root; empty before it is written.
        has_computed: whether Spark has computed any report, so that the tables can be read.
        current: the phase the run is in; None between two, and before and after them.
    """

    made: list[PublishedFile] = field(default_factory=list)
    not_made: list[SkippedReport] = field(default_factory=list)
    wanted: int = 0
    phase_s: dict[Phase, float] = field(default_factory=dict)
    duration_s: float = 0.0
    manifest_path: str = ""
    has_computed: bool = False
    current: Phase | None = None

    @property
    def finished(self) -> int:
        """Reports made or refused so far."""
        return len(self.made) + len(self.not_made)

    def event(
        self, action: Phase | Action, sentence: str, *, batch_id: str = "", rows: int = 0, request_id: str = ""
    ) -> Event:
        """Return an event that says how far the run is now."""
        return Event(action, sentence, self.finished, self.wanted, batch_id, rows, request_id)

    @property
    def rows_dropped(self) -> int:
        """Enrolments of the files made that did not become a row."""
        return sum(sum(file.rows_dropped.values()) for file in self.made)

    @contextmanager
    def phase(self, phase: Phase) -> Iterator[None]:
        """Add the time of a block to a phase."""
        begin = time.monotonic()
        self.current = phase
        try:
            yield
        finally:
            self.current = None
            self.phase_s[phase] = self.phase_s.get(phase, 0.0) + time.monotonic() - begin
