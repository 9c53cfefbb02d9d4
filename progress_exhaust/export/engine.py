"""What makes reports: from what is asked for to files that are handed over to be delivered."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Protocol

from progress_exhaust.export.delivery import Delivery
from progress_exhaust.export.report_plan import ReferenceData, read_reference_data
from progress_exhaust.export.run import Outcome, Phase, Ports, Run
from progress_exhaust.export.selection import ReportQuery, Selection, select_for_all
from progress_exhaust.export.spark_errors import SPARK_FAILURES, classify
from progress_exhaust.export.waves import WaveRunner
from progress_exhaust.output.staging import Staging
from progress_exhaust.report.model import Report
from progress_exhaust.settings.sections import Settings


class Engine(Protocol):
    """Selects batches and makes their reports; its own failures come out as errors of this package, or as defects."""

    def select(self, asked: Sequence[ReportQuery]) -> list[Selection]:
        """Find out what each asks for; see `select_for_all`."""

    def make(self, reports: Sequence[Report], delivery: Delivery) -> None:
        """Make the reports, and hand each over in some end: delivered or refused; see `WaveRunner.make`."""

    def release(self) -> None:
        """Let go of what was kept for one round; never fails."""

    def is_alive(self) -> bool:
        """Whether it can make anything yet."""


class SparkEngine:
    """Makes reports by one plan of Spark.

    Args:
        ports: the outside.
        settings: all settings.
        run: identity, clock, listener.
        staging: where small frames and parts are staged.
        outcome: grows.
    """

    def __init__(self, ports: Ports, settings: Settings, run: Run, staging: Staging, outcome: Outcome) -> None:
        self._ports = ports
        self._settings = settings
        self._run = run
        self._staging = staging
        self._outcome = outcome
        self._places: ReferenceData | None = None

    def select(self, asked: Sequence[ReportQuery]) -> list[Selection]:
        """Read the table of batches once for all, and fetch each tree once."""
        try:
            return select_for_all(
                asked,
                self._ports.spark,
                self._ports.tables,
                self._ports.catalogue,
                self._settings,
                self._staging.stage_lines,
            )
        except SPARK_FAILURES as error:
            raise classify(error, self._settings) or error from error

    def make(self, reports: Sequence[Report], delivery: Delivery) -> None:
        """Make them in as few waves as their learners need."""
        try:
            if self._places is None:
                with self._outcome.phase(Phase.READ):
                    self._places = read_reference_data(self._ports.tables)
            runner = WaveRunner(
                self._ports, self._settings, self._run, self._staging, self._places, self._outcome, delivery
            )
            runner.make(reports)
        except SPARK_FAILURES as error:
            raise classify(error, self._settings) or error from error

    def release(self) -> None:
        """Release all frames that are kept."""
        with suppress(*SPARK_FAILURES, OSError):  # of a JVM that is gone nothing need be freed
            self._ports.spark.catalog.clearCache()

    def is_alive(self) -> bool:
        """Ask Spark."""
        try:
            return not self._ports.spark._jsc.sc().isStopped()
        except (*SPARK_FAILURES, OSError, AttributeError):  # PySpark lets go of what has been stopped
            return False
