"""One warm session over one world, which all variants that use Spark share."""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Self

from pyspark import SparkContext
from pyspark.sql import SparkSession

from benchmarks import floor
from benchmarks.rounds import Figures, measured
from benchmarks.worlds import ROOT, is_made, make_world, settings_for
from progress_exhaust.catalogue.files import FilesCatalogue
from progress_exhaust.export.export import export
from progress_exhaust.export.run import Outcome, Phase, Ports, Run
from progress_exhaust.export.selection import ReportQuery
from progress_exhaust.output.stores.open import open_store
from progress_exhaust.settings.sections import Settings
from progress_exhaust.spark.private import of_this_process
from progress_exhaust.spark.session import start_session
from progress_exhaust.tables.port import Tables
from progress_exhaust.tables.snapshot import SnapshotTables

MASTER = "local[2,4]"
DAY = date(2026, 1, 1)
DAY_IN_NAMES = "01_01_2026"


@dataclass(frozen=True)
class WarmSession:
    """A session of its own JVM, and the world it works on.

    Attributes:
        world: the name of the world.
        settings: those of the export, and of the session.
        spark: the session.
        start_s: seconds it took to start.
    """

    world: str
    settings: Settings
    spark: SparkSession
    start_s: float

    @classmethod
    def open(cls, world: str) -> Self:
        """Start Spark, and make the world unless it is there."""
        settings = settings_for(world, MASTER)
        begin = time.monotonic()
        spark = start_session(settings, of_this_process())
        start_s = round(time.monotonic() - begin, 3)
        make_world(spark, world)
        return cls(world, settings, spark, start_s)

    @property
    def folder(self) -> Path:
        """The world's folder."""
        return ROOT / self.world

    def tables(self, spark: SparkSession) -> Tables:
        """Return the world's tables, as a session of this JVM reads them."""
        return SnapshotTables(spark, self.settings)

    def ports(self) -> Ports:
        """Open the outside of a run anew, so that nothing is known from an earlier one."""
        return Ports(
            self.spark,
            self.tables(self.spark),
            FilesCatalogue(self.settings.catalogue.directory, self.settings.catalogue.max_tree_bytes),
            open_store(self.settings.output.url, self.spark),
        )

    def export(self) -> Figures:
        """Make all reports of the world with our job; return what it took, phase by phase, and what it made.

        Raises:
            SystemExit: a report is missing.
        """
        shutil.rmtree(self.settings.output.url, ignore_errors=True)
        outcome = Outcome()
        run = Run("bench", DAY, lambda: datetime.now(UTC), lambda event: None)
        figures = measured(
            self.spark, lambda: export(ReportQuery(everything=True), self.ports(), self.settings, run, outcome)
        )
        if outcome.not_made:
            raise SystemExit(f"{len(outcome.not_made)} reports of {self.world} are not made: {outcome.not_made[0]}")
        return {
            **figures,
            **{f"{phase.value}_s": round(outcome.phase_s.get(phase, 0.0), 3) for phase in Phase},
            "files": len(outcome.made),
            "rows": sum(file.rows for file in outcome.made),
            "bytes": sum(file.size_bytes for file in outcome.made),
        }

    def floor(self) -> Figures:
        """Make the same files with DuckDB, in this process; return what it took, by step too."""
        output = self.folder / "floor"
        shutil.rmtree(output, ignore_errors=True)
        snapshot, catalogue = self.folder / "snapshot", self.folder / "catalogue"
        steps: Figures = {}
        figures = measured(self.spark, lambda: steps.update(floor.make_reports(snapshot, catalogue, output)))
        return {**steps, **figures}

    def close(self) -> None:
        """End the session and its JVM; the next one gets a JVM of its own."""
        gateway: Any = self.spark.sparkContext._gateway
        self.spark.stop()
        gateway.shutdown()
        gateway.proc.stdin.close()
        gateway.proc.wait()
        SparkContext._gateway = SparkContext._jvm = None


def require_world(world: str) -> None:
    """Make a world, unless it is there, in a session of its own."""
    if not is_made(world):
        WarmSession.open(world).close()
