"""Makes reports through one plan, in as many waves as their learners need; a wave that fails is halved."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from progress_exhaust.errors import SkippedReport, SourceError
from progress_exhaust.export import refusals
from progress_exhaust.export.delivery import Delivery
from progress_exhaust.export.reference_data import ReferenceData
from progress_exhaust.export.report_plan import ReportPlan, SourceFrames
from progress_exhaust.export.run import Outcome, Phase, Ports, Run
from progress_exhaust.export.slices import slice_starts
from progress_exhaust.export.spark_errors import SPARK_FAILURES, classify, kind_of
from progress_exhaust.export.wave_publisher import WavePublisher
from progress_exhaust.export.waves import Wave, cut_waves, halves, wave_numbers
from progress_exhaust.output.lines import in_file_order
from progress_exhaust.output.staging import Staging
from progress_exhaust.paths import as_glob
from progress_exhaust.report.enrolments import Counts
from progress_exhaust.report.model import Report
from progress_exhaust.settings.sections import Settings
from progress_exhaust.tables.cached import CachedFrames
from progress_exhaust.text import pluralize

_LOG = logging.getLogger(__name__)
_PLAIN_LOCAL_FILES = {
    "fs.file.impl": "org.apache.hadoop.fs.RawLocalFileSystem",
    "fs.file.impl.disable.cache": "true",
}
"""Without checksum files beside local ones: for each, Hadoop may start a process, and we read all files ourselves."""


class Action(StrEnum):
    """What is told of waves."""

    HALVED = "wave_halved"


@dataclass(frozen=True)
class _Attempt:
    """What the waves of one attempt share.

    Attributes:
        plan: builds frames; what it caches goes when the attempt ends.
        counts: what becomes of the enrolments, by report_no.
        starts: where big reports are cut; see `slice_starts`.
    """

    plan: ReportPlan
    counts: Mapping[int, Counts]
    starts: Mapping[int, Sequence[str]]


class WaveRunner:
    """Makes reports: plans, writes and checks them, and hands each over to be delivered."""

    def __init__(
        self,
        ports: Ports,
        settings: Settings,
        run: Run,
        staging: Staging,
        reference: ReferenceData,
        outcome: Outcome,
        delivery: Delivery,
    ) -> None:
        self._ports = ports
        self._settings = settings
        self._run = run
        self._staging = staging
        self._outcome = outcome
        self._delivery = delivery
        self._reference = reference

    def make(self, reports: Sequence[Report]) -> None:
        """Make the reports.

        Raises:
            OperatorError: a service failed.
            DataShapeError: an input does not have the agreed shape.
        """
        pending = [list(reports)]
        suspects: list[tuple[Report, SourceError]] = []
        while pending:
            for failed, error in self._attempt(pending.pop()):
                self._tell(Phase.COMPUTE, "looking for what has failed")
                fault = self._fault_of_rows(error)
                if smaller := halves(failed):
                    _tell_of_halving(failed, error)
                    pending += reversed(smaller)
                elif fault is None:
                    self._refuse(failed[0], refusals.task_failed(failed[0].batch.batch_id, kind_of(error)))
                else:
                    suspects.append((failed[0], fault))
                    if len(suspects) > 1 and not self._outcome.has_computed:
                        raise fault from error
        # A fault of a table that follows these batches, while others are made, is theirs.
        for report, fault in suspects:
            if not self._outcome.has_computed:
                raise fault
            self._refuse(report, refusals.unreadable(report.batch.batch_id, fault))

    def _refuse(self, report: Report, refusal: SkippedReport) -> None:
        self._delivery.refuse(report, refusal)
        self._delivery.end_wave()

    def _attempt(self, reports: list[Report]) -> list[tuple[list[Report], Exception]]:
        """Make the reports once; return what failed."""
        reports = self._delivery.still_wanted(reports)
        if not reports:
            return []
        with CachedFrames() as cached:
            try:
                return self._attempt_waves(reports, cached)
            except SPARK_FAILURES as error:
                return [(reports, error)]

    def _attempt_waves(self, reports: Sequence[Report], cached: CachedFrames) -> list[tuple[list[Report], Exception]]:
        spark, stage = self._ports.spark, self._staging.stage_lines
        plan = ReportPlan(spark, self._ports.tables, self._settings, self._reference, stage, cached)
        with self._outcome.phase(Phase.READ):
            self._tell(Phase.READ, f"reading enrolments of {pluralize(len(reports), 'batch', 'batches')}")
            enrolments = plan.enrolments(reports)
            counts = plan.counts(enrolments)
        with self._outcome.phase(Phase.PLAN):
            waves = cut_waves(reports, counts, self._settings.spark.learners_per_wave)
            self._set_partitions(max(wave.learners for wave in waves))
            starts = slice_starts(reports, counts, enrolments, self._settings.spark.learners_per_slice)
        sources = self._sources(plan, waves, enrolments, counts)
        with self._outcome.phase(Phase.READ):
            report_counts = plan.report_counts(reports, sources, counts)
        attempt = _Attempt(plan, report_counts, starts)
        failures: list[tuple[list[Report], Exception]] = []
        for wave in waves:
            try:
                self._make_wave(attempt, wave, _of_wave(sources, wave, len(waves)))
            except SPARK_FAILURES as error:
                failures.append((list(wave.reports), error))
        return failures

    def _sources(
        self, plan: ReportPlan, waves: Sequence[Wave], enrolments: DataFrame, counts: dict[int, Counts]
    ) -> SourceFrames:
        """Return the rows the waves need; where there are several, from staging, so each table is read once."""
        reports = [report for wave in waves for report in wave.reports]
        learners = sum(wave.learners for wave in waves)
        with self._outcome.phase(Phase.PLAN):
            sources = plan.sources(reports, enrolments, counts, wave_numbers(waves))
        if len(waves) == 1:
            return sources
        with self._outcome.phase(Phase.READ):
            self._tell(Phase.READ, f"reading what {pluralize(learners, 'learner')} have done, for {len(waves)} waves")
            return replace(
                sources,
                activity=self._staged(sources.activity, "activity", "wave_no"),
                attempts=self._staged(sources.attempts, "attempts", "wave_no"),
                learners=self._staged(sources.learners, "learners"),
            )

    def _staged(self, frame: DataFrame, name: str, *partition_columns: str) -> DataFrame:
        url = self._staging.store.url(self._staging.new_path(name))
        frame.write.partitionBy(*partition_columns).parquet(url)
        return self._ports.spark.read.schema(frame.schema).parquet(as_glob(url))

    def _make_wave(self, attempt: _Attempt, wave: Wave, sources: SourceFrames) -> None:
        starts = attempt.starts
        reports = self._with_learners(self._delivery.still_wanted(wave.reports), attempt.counts)
        if not reports:
            self._delivery.end_wave()
            return
        with self._outcome.phase(Phase.PLAN):
            lines = attempt.plan.lines(reports, sources, starts)
            slices = {report.report_no: 1 + len(starts.get(report.report_no, ())) for report in reports}
            in_order = in_file_order(lines, min(sum(slices.values()), 4 * self._parallelism()))
        folder = self._staging.new_path("wave")
        with self._outcome.phase(Phase.COMPUTE):
            learners = pluralize(wave.learners, "learner")
            self._tell(Phase.COMPUTE, f"computing {pluralize(len(reports), 'report')} of {learners}")
            in_order.write.options(**_PLAIN_LOCAL_FILES).text(self._staging.store.url(folder))
            self._outcome.has_computed = True
        with self._outcome.phase(Phase.PUBLISH):
            publisher = WavePublisher(
                reports,
                slices=slices,
                counts=attempt.counts,
                staging=self._staging,
                settings=self._settings.output,
                deliver=self._delivery.deliver,
            )
            refused = publisher.publish(folder)
            self._staging.store.remove(folder)
        for report, refusal in refused:
            self._delivery.refuse(report, refusal)
        self._delivery.end_wave()

    def _with_learners(self, reports: Sequence[Report], counts: Mapping[int, Counts]) -> list[Report]:
        """Return the reports to make: one whose audience has nobody in the batch is refused, as if there were none."""
        made = []
        for report in reports:
            if report.audience is not None and not counts[report.report_no].retained:
                self._delivery.refuse(report, refusals.unknown_batch(report.batch.batch_id))
            else:
                made.append(report)
        return made

    def _set_partitions(self, learners: int) -> None:
        """Give each task of an exchange so many learners, but every core work where there is any."""
        by_size = math.ceil(learners / self._settings.spark.learners_per_task)
        by_cores = min(self._parallelism(), math.ceil(learners / 1000))
        self._ports.spark.conf.set("spark.sql.shuffle.partitions", str(max(1, by_size, by_cores)))

    def _parallelism(self) -> int:
        return self._ports.spark.sparkContext.defaultParallelism

    def _tell(self, action: Phase, sentence: str) -> None:
        self._run.tell(self._outcome.event(action, sentence))

    def _fault_of_rows(self, error: Exception) -> SourceError | None:
        """Return the fault of a table that some of the batches may be at fault for; None where it is no table's.

        Raises:
            OperatorError: a service is at fault.
            DataShapeError: an input does not have the agreed shape.
        """
        fault = classify(error, self._settings)
        rows_fault = fault if isinstance(fault, SourceError) and fault.is_local else None
        if fault is not None and rows_fault is None:
            raise fault from error
        self._ports.tables.check()
        self._ports.store.check()
        return rows_fault


def _of_wave(sources: SourceFrames, wave: Wave, waves: int) -> SourceFrames:
    """Return the rows of one wave."""
    if waves == 1:
        return sources
    first, last = wave.batch_nos
    return replace(
        sources,
        enrolments=sources.enrolments.filter(F.col("batch_no").between(first, last)),
        activity=sources.activity.filter(F.col("wave_no") == wave.number),
        attempts=sources.attempts.filter(F.col("wave_no") == wave.number),
    )


def _tell_of_halving(failed: Sequence[Report], error: Exception) -> None:
    sentence = "%d reports have failed together (%s) while all services answer: each half of them is tried by itself"
    _LOG.debug(sentence, len(failed), kind_of(error), extra={"action": Action.HALVED})
