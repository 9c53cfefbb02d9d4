"""Reports through one plan, in as many waves as their learners need; a wave that fails is halved."""

from __future__ import annotations

import math
import re
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from itertools import groupby, pairwise
from pathlib import Path

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from progress_exhaust.errors import Reason, SkippedReport, SourceError
from progress_exhaust.export.delivery import Delivery
from progress_exhaust.export.publishing import Parts, check_report, staged_parts, whole_parts
from progress_exhaust.export.refusals import unknown_batch
from progress_exhaust.export.report_plan import ReferenceData, ReportPlan, SourceFrames
from progress_exhaust.export.run import Outcome, Phase, Ports, Run
from progress_exhaust.export.spark_errors import SPARK_FAILURES, classify, full_text
from progress_exhaust.output.lines import in_file_order
from progress_exhaust.output.staging import Staging
from progress_exhaust.paths import as_glob
from progress_exhaust.report.enrolments import Counts
from progress_exhaust.report.model import Report
from progress_exhaust.settings.sections import Settings
from progress_exhaust.text import pluralize

_SAMPLES_PER_SLICE = 100
_PLAIN_LOCAL_FILES = {
    "fs.file.impl": "org.apache.hadoop.fs.RawLocalFileSystem",
    "fs.file.impl.disable.cache": "true",
}
"""Without checksum files beside local ones: for each, Hadoop may start a process, and we read all files ourselves."""
_ERROR_CLASS = re.compile(r"^\s*(?:Caused by: )?(?:\w+\.)+(\w+(?:Exception|Error))(?::|$)", re.MULTILINE | re.ASCII)


@dataclass(frozen=True)
class Wave:
    """Reports that go through the plan together.

    Attributes:
        number: from 0, within one attempt.
        reports: they.
        learners: how many rows they have.
    """

    number: int
    reports: Sequence[Report]
    learners: int


def cut_waves(reports: Sequence[Report], counts: dict[int, Counts], most_learners: int) -> list[Wave]:
    """Cut reports into waves of at most so many learners, by batch; a bigger batch is a wave of its own.

    The reports of a batch stay together: they differ in their audience, and share all the heavy steps.
    """
    waves: list[list[Report]] = [[]]
    learners = [0]
    for batch_no, same in groupby(sorted(reports, key=_batch_no), key=_batch_no):
        size = counts.get(batch_no, Counts()).kept
        if waves[-1] and learners[-1] + size > most_learners:
            waves.append([])
            learners.append(0)
        waves[-1] += same
        learners[-1] += size
    return [Wave(number, *wave) for number, wave in enumerate(zip(waves, learners, strict=True))]


class WaveRunner:
    """Makes reports: plans, writes and checks them, and hands each over to be delivered."""

    def __init__(
        self,
        ports: Ports,
        settings: Settings,
        run: Run,
        staging: Staging,
        places: ReferenceData,
        outcome: Outcome,
        delivery: Delivery,
    ) -> None:
        self._ports = ports
        self._settings = settings
        self._run = run
        self._staging = staging
        self._outcome = outcome
        self._delivery = delivery
        self._plan = ReportPlan(ports.spark, ports.tables, settings, places, staging.stage_lines)

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
                if len(failed) > 1:
                    middle = len(failed) // 2
                    pending += [failed[middle:], failed[:middle]]
                elif fault is None:
                    self._refuse(failed[0], _task_failed(failed[0], error))
                else:
                    suspects.append((failed[0], fault))
                    if len(suspects) > 1 and not self._outcome.has_computed:
                        raise fault from error
        # A fault of a table that follows these batches, while others are made, is theirs.
        for report, fault in suspects:
            if not self._outcome.has_computed:
                raise fault
            self._refuse(report, _unreadable(report, fault))

    def _refuse(self, report: Report, refusal: SkippedReport) -> None:
        self._delivery.refuse(report, refusal)
        self._delivery.end_wave()

    def _attempt(self, reports: list[Report]) -> list[tuple[list[Report], Exception]]:
        """Make the reports once; return what failed."""
        reports = self._delivery.still_wanted(reports)
        if not reports:
            return []
        try:
            with self._outcome.phase(Phase.READ):
                self._tell(Phase.READ, f"reading enrolments of {pluralize(len(reports), 'batch', 'batches')}")
                enrolments = self._plan.enrolments(reports)
                counts = self._plan.counts(enrolments)
            waves = cut_waves(reports, counts, self._settings.spark.learners_per_wave)
            self._set_partitions(max(wave.learners for wave in waves))
            with self._outcome.phase(Phase.PLAN):
                slice_starts = self._slice_starts(reports, counts, enrolments)
            sources = self._sources(waves, enrolments, counts)
            with self._outcome.phase(Phase.READ):
                report_counts = self._plan.report_counts(reports, sources, counts)
            failures = []
            for wave in waves:
                try:
                    self._make_wave(wave, _of_wave(sources, wave, len(waves)), report_counts, slice_starts)
                except SPARK_FAILURES as error:
                    failures.append((list(wave.reports), error))
        except SPARK_FAILURES as error:
            return [(reports, error)]
        finally:
            self._ports.spark.catalog.clearCache()
        return failures

    def _sources(self, waves: Sequence[Wave], enrolments: DataFrame, counts: dict[int, Counts]) -> SourceFrames:
        """Return the rows the waves need; where there are several, from staging, so each table is read once."""
        reports = [report for wave in waves for report in wave.reports]
        learners = sum(wave.learners for wave in waves)
        wave_of = {report.batch.batch_no: wave.number for wave in waves for report in wave.reports}
        with self._outcome.phase(Phase.PLAN):
            sources = self._plan.sources(reports, enrolments, counts, wave_of)
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
        url = self._ports.store.url(self._staging.new_path(name))
        frame.write.partitionBy(*partition_columns).parquet(url)
        return self._ports.spark.read.schema(frame.schema).parquet(as_glob(url))

    def _make_wave(
        self, wave: Wave, sources: SourceFrames, counts: dict[int, Counts], slice_starts: dict[int, list[str]]
    ) -> None:
        reports = self._with_learners(self._delivery.still_wanted(wave.reports), counts)
        if not reports:
            self._delivery.end_wave()
            return
        with self._outcome.phase(Phase.PLAN):
            lines = self._plan.lines(reports, sources, slice_starts)
            parts = len(reports) + sum(len(slice_starts.get(report.report_no, ())) for report in reports)
            in_order = in_file_order(lines, min(parts, 4 * self._parallelism()))
        folder = self._staging.new_path("wave")
        with self._outcome.phase(Phase.COMPUTE):
            learners = pluralize(wave.learners, "learner")
            self._tell(Phase.COMPUTE, f"computing {pluralize(len(reports), 'report')} of {learners}")
            in_order.write.options(**_PLAIN_LOCAL_FILES).partitionBy("part").text(self._ports.store.url(folder))
            self._outcome.has_computed = True
        with self._outcome.phase(Phase.PUBLISH), tempfile.TemporaryDirectory(prefix="progress-exhaust-") as scratch:
            staged = staged_parts(self._ports.store, folder)
            slices = {report.report_no: _sure_slices(report, slice_starts) for report in reports}
            publish = partial(self._publish, staged=staged, slices=slices, counts=counts, scratch=Path(scratch))
            with ThreadPoolExecutor(self._settings.output.publish_threads) as pool:
                refusals = list(pool.map(publish, reports))
            self._ports.store.remove(folder)
        for report, refusal in zip(reports, refusals, strict=True):
            if refusal is not None:
                self._delivery.refuse(report, refusal)
        self._delivery.end_wave()

    def _publish(
        self,
        report: Report,
        *,
        staged: dict[int, Parts],
        slices: dict[int, int],
        counts: dict[int, Counts],
        scratch: Path,
    ) -> SkippedReport | None:
        number = report.report_no
        try:
            parts = whole_parts(report, staged.get(number), slices[number])
            checked = check_report(report, parts, counts[number], self._ports.store, self._settings.output, scratch)
            self._delivery.deliver(checked)
        except SkippedReport as refusal:
            return refusal
        return None

    def _with_learners(self, reports: Sequence[Report], counts: dict[int, Counts]) -> list[Report]:
        """Return the reports to make: one whose audience has nobody in the batch is refused, as if there were none."""
        made = []
        for report in reports:
            if report.audience is not None and not counts[report.report_no].kept:
                self._delivery.refuse(report, unknown_batch(report.batch.batch_id))
            else:
                made.append(report)
        return made

    def _slice_starts(
        self, reports: Sequence[Report], counts: dict[int, Counts], enrolments: DataFrame
    ) -> dict[int, list[str]]:
        """Choose where reports too big for one task are cut: the user id each slice but the first starts with.

        The cut decides how the work is spread, not what is written, so ids from an even sample are good enough.
        """
        most = self._settings.spark.learners_per_slice
        slices = {
            report.report_no: math.ceil(counts[report.batch.batch_no].kept / most)
            for report in reports
            if counts.get(report.batch.batch_no, Counts()).kept > most
        }
        if not slices:
            return {}
        big = {report.batch.batch_no for report in reports if report.report_no in slices}
        one_in = max(1, most // _SAMPLES_PER_SLICE)
        sample = enrolments.filter(
            F.col("batch_no").isin(*big)
            & F.col("dropped").isNull()
            & (F.crc32(F.col("user_id").cast("binary")) % one_in == 0)
        )
        ids: dict[int, list[str]] = {batch_no: [] for batch_no in big}
        for row in sample.select("batch_no", "user_id").collect():
            ids[row["batch_no"]].append(row["user_id"])
        return {
            report.report_no: _evenly(sorted(ids[report.batch.batch_no]), slices[report.report_no])
            for report in reports
            if report.report_no in slices
        }

    def _set_partitions(self, learners: int) -> None:
        """Give each task of an exchange so many learners, but every core work where there is any."""
        by_size = math.ceil(learners / self._settings.spark.learners_per_task)
        by_cores = min(self._parallelism(), math.ceil(learners / 1000))
        self._ports.spark.conf.set("spark.sql.shuffle.partitions", str(max(1, by_size, by_cores)))

    def _parallelism(self) -> int:
        return self._ports.spark.sparkContext.defaultParallelism

    def _tell(self, action: str, sentence: str) -> None:
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
    numbers = [report.batch.batch_no for report in wave.reports]
    is_of_wave = F.col("batch_no").between(min(numbers), max(numbers))
    return replace(
        sources,
        enrolments=sources.enrolments.filter(is_of_wave),
        activity=sources.activity.filter(F.col("wave_no") == wave.number),
        attempts=sources.attempts.filter(F.col("wave_no") == wave.number),
    )


def _sure_slices(report: Report, slice_starts: dict[int, list[str]]) -> int:
    """Return how many slices of a report have a line for certain.

    The first has the header. Each other one has the learner whose id it starts with, where the report has everyone;
    which of them an audience has nobody can say.
    """
    return 1 + (len(slice_starts.get(report.report_no, ())) if report.audience is None else 0)


def _batch_no(report: Report) -> int:
    return report.batch.batch_no


def _evenly(sorted_ids: Sequence[str], pieces: int) -> list[str]:
    """Return the ids at which to cut into pieces of even size; fewer where the ids are few."""
    places = [round(len(sorted_ids) * piece / pieces) for piece in range(1, pieces)]
    starts = [sorted_ids[place] for place in places if 0 < place < len(sorted_ids)]
    return [start for before, start in pairwise(["", *starts]) if before != start]


def _unreadable(report: Report, fault: SourceError) -> SkippedReport:
    batch_id = report.batch.batch_id
    return SkippedReport(
        Reason.TASK_FAILED, batch_id, f'batch "{batch_id}" is not made: its rows can not be read, others can: {fault}'
    )


def _task_failed(report: Report, error: Exception) -> SkippedReport:
    """Name the batch at fault; the cause is a class of error, since a message may hold a learner's data."""
    kinds = _ERROR_CLASS.findall(full_text(error))
    kind = kinds[-1] if kinds else type(error).__name__
    return SkippedReport(
        Reason.TASK_FAILED,
        report.batch.batch_id,
        f'batch "{report.batch.batch_id}" is not made: its task failed every time ({kind}) while all services answer; '
        "look at its rows, or run it alone with --debug",
    )
