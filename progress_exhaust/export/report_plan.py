"""The one plan of a set of reports: from the input tables to the lines of all their files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from pyspark.sql import DataFrame, SparkSession, Window
from pyspark.sql import functions as F
from pyspark.sql import types as T

from progress_exhaust.export.fixed_texts import fixed_texts
from progress_exhaust.export.lookup_keys import activity_keys, attempt_keys, batch_keys, key_counts, organisation_keys
from progress_exhaust.export.reference_data import ReferenceData
from progress_exhaust.output.lines import report_lines
from progress_exhaust.report import inputs
from progress_exhaust.report.activity import activity_per_learner, wanted_activity
from progress_exhaust.report.enrolments import (
    DATE_UNREADABLE,
    OUT_OF_RANGE,
    Counts,
    counts_per_batch,
    is_without_content_status,
    wanted_enrolments,
)
from progress_exhaust.report.inputs import StageLines, read_lines
from progress_exhaust.report.learners import known_learners, located_learners, organisation_places
from progress_exhaust.report.model import Report, layouts_of
from progress_exhaust.report.profiles import LEARNER_COLUMNS
from progress_exhaust.report.rows import LearnerFrames, learner_rows
from progress_exhaust.report.scores import best_attempts, scores_per_learner, wanted_attempts
from progress_exhaust.settings.sections import ReadBy, Settings
from progress_exhaust.tables import schemas
from progress_exhaust.tables.cached import CachedFrames
from progress_exhaust.tables.port import Tables
from progress_exhaust.tables.strategy import LookupKeyCount

FEW_LEARNERS = 50_000
"""Up to so many learners their ids are broadcast, so that rows of others are left out before the exchange."""


@dataclass(frozen=True)
class SourceFrames:
    """The rows of the input tables that a set of reports needs, not yet put together by learner."""

    enrolments: DataFrame
    activity: DataFrame
    attempts: DataFrame
    learners: DataFrame
    failures: DataFrame | None


class ReportPlan:
    """Builds the frames of a set of reports; nothing runs until one is written or counted."""

    def __init__(
        self,
        spark: SparkSession,
        tables: Tables,
        settings: Settings,
        reference: ReferenceData,
        stage: StageLines,
        cached: CachedFrames,
    ) -> None:
        self._spark = spark
        self._tables = tables
        self._settings = settings
        self._reference = reference
        self._stage = stage
        self._cached = cached

    def enrolments(self, reports: Sequence[Report]) -> DataFrame:
        """Return the enrolments of the reports' batches, cached: they are counted, then joined."""
        layouts = list(layouts_of(reports).values())
        batches = self._small(inputs.BATCHES, "batches", inputs.batch_rows(reports, {}))
        leaves = self._small(inputs.LEAVES, "leaves", inputs.leaf_rows(layouts))
        number = key_counts(reports, {})[schemas.USER_ENROLMENTS.setting]
        of_batches = self._tables.read(schemas.USER_ENROLMENTS, batch_keys(batches), number, self._cached)
        return self._cached.cache(wanted_enrolments(of_batches, batches, leaves))

    def counts(self, enrolments: DataFrame) -> dict[int, Counts]:
        """Count what becomes of the enrolments, by batch_no: one small job that also fills the cached frame."""
        return {
            row["batch_no"]: Counts(
                retained=row["retained"],
                no_key=row["no_key"],
                inactive=row["inactive"],
                dates_unreadable=row[DATE_UNREADABLE],
                out_of_range=row[OUT_OF_RANGE],
                without_content_status=row["without_content_status"],
            )
            for row in counts_per_batch(enrolments).collect()
        }

    def report_counts(
        self, reports: Sequence[Report], sources: SourceFrames, counts: dict[int, Counts]
    ) -> dict[int, Counts]:
        """Return what becomes of the enrolments, by report_no; where all are for everyone, nothing is counted anew.

        Args:
            reports: the reports.
            sources: the rows they need.
            counts: as given by `counts`.
        """
        of_batch = {report.report_no: counts.get(report.batch.batch_no, Counts()) for report in reports}
        narrowed = [report for report in reports if report.audience is not None]
        if not narrowed:
            return of_batch
        audiences = self._small(inputs.AUDIENCES, "audiences", inputs.audience_rows(narrowed))
        roots = sources.learners.select("user_id", F.col("root_org_id").alias("audience"))
        permitted = sources.enrolments.join(roots, on="user_id", how="inner").join(
            audiences, on=["batch_no", "audience"], how="inner"
        )
        counted = permitted.groupBy("report_no").agg(
            F.count(F.lit(1)).alias("retained"),
            F.count_if("date_unreadable").alias(DATE_UNREADABLE),
            F.sum("out_of_range").alias(OUT_OF_RANGE),
        )
        found = {
            row["report_no"]: (row["retained"], row[DATE_UNREADABLE], row[OUT_OF_RANGE]) for row in counted.collect()
        }
        for report in narrowed:
            whole = of_batch[report.report_no]
            retained, dates_unreadable, out_of_range = found.get(report.report_no, (0, 0, 0))
            of_batch[report.report_no] = replace(
                whole,
                retained=retained,
                dates_unreadable=dates_unreadable,
                out_of_range=out_of_range,
                other_organisation=whole.retained - retained,
            )
        return of_batch

    def sources(
        self, reports: Sequence[Report], enrolments: DataFrame, counts: Mapping[int, Counts], wave_of: Mapping[int, int]
    ) -> SourceFrames:
        """Return the rows that the reports need of every table, each table read once.

        Args:
            reports: the reports of all waves.
            enrolments: as given by `enrolments`.
            counts: as given by `counts`.
            wave_of: the wave of each batch_no, which is carried along.
        """
        numbers = key_counts(reports, counts)

        def read(table: schemas.Table, keys: DataFrame) -> DataFrame:
            return self._tables.read(table, keys, numbers[table.setting], self._cached)

        retained = enrolments.filter(F.col("dropped").isNull())
        layouts = list(layouts_of(reports).values())
        batches = self._small(inputs.BATCHES, "wave_batches", inputs.batch_rows(reports, wave_of))
        activities = self._small(inputs.ACTIVITIES, "activities", inputs.activity_rows(layouts))
        assessments = self._small(inputs.ASSESSMENTS, "assessments", inputs.assessment_rows(layouts))
        counters = read(schemas.USER_ACTIVITY_AGG, activity_keys(retained, activities))
        without_content_status = None
        if sum(of_batch.without_content_status for of_batch in counts.values()) <= FEW_LEARNERS:
            without_content_status = retained.filter(is_without_content_status()).select("user_id", "batch_no")
        activity = wanted_activity(counters, batches, activities, without_content_status)
        attempts = wanted_attempts(read(schemas.ASSESSMENT_AGGREGATOR, attempt_keys(retained)), batches, assessments)
        failures = None
        if self._tables.exists(schemas.CERTIFICATE_FAILURES):
            failed = read(schemas.CERTIFICATE_FAILURES, batches.select(F.col("batch_id").alias("batchid")))
            of_batches = failed.join(batches, F.col("batchid") == F.col("batch_id"), how="inner")
            failures = of_batches.select(F.col("userid").alias("user_id"), "batch_no", "collection_id").distinct()
        located = self._learners(retained, numbers)
        if len(set(wave_of.values())) == 1 and any(report.audience is not None for report in reports):
            # Counted by their organisation before they are joined; with more waves they are staged.
            located = self._cached.cache(located)
        return SourceFrames(retained, activity, attempts, located, failures)

    def lines(self, reports: Sequence[Report], sources: SourceFrames, starts: Mapping[int, Sequence[str]]) -> DataFrame:
        """Return the lines of all these reports."""
        guard = self._settings.output.formula_guard
        report_rows = (
            inputs.report_row(
                report,
                starts.get(report.report_no, []),
                first_cells=(texts := fixed_texts(report, formula_guard=guard)).first_cells,
                header=texts.header,
            )
            for report in reports
        )
        wanted_reports = self._small(inputs.REPORTS, "reports", report_rows)
        rows_of_learner = F.count(F.lit(1)).over(Window.partitionBy("user_id", "batch_no"))
        frames = LearnerFrames(
            enrolments=sources.enrolments.repartition("user_id").withColumn("rows_of_learner", rows_of_learner),
            learners=sources.learners,
            activity=activity_per_learner(sources.activity.repartition("user_id")),
            scores=scores_per_learner(best_attempts(sources.attempts.repartition("user_id"))),
            failures=sources.failures,
        )
        rows = learner_rows(frames, wanted_reports)
        return report_lines(rows, wanted_reports, LEARNER_COLUMNS, formula_guard=guard)

    def _learners(self, retained: DataFrame, numbers: dict[str, LookupKeyCount]) -> DataFrame:
        ids = retained.select(F.col("user_id").alias("id"))
        users = self._tables.read(schemas.USER, ids, key_count := numbers[schemas.USER.setting], self._cached)
        if key_count.whole <= FEW_LEARNERS:
            users = users.join(F.broadcast(ids), on="id", how="left_semi")
        learners = known_learners(
            users,
            self._reference.locations,
            self._reference.custodian_id,
            with_names=self._settings.privacy.user_name,
        )
        if not self._reference.has_organisations:
            return located_learners(learners, None)
        learners = self._cached.cache(learners)
        memberships, organisations = self._organisations(learners.filter("asks_organisations"), numbers)
        by_organisation = organisation_places(learners, memberships, organisations, self._reference.locations)
        return located_learners(learners, by_organisation)

    def _organisations(self, asking: DataFrame, numbers: dict[str, LookupKeyCount]) -> tuple[DataFrame, DataFrame]:
        """Return the memberships of the learners who ask, and the organisations that may place them."""
        ids = asking.select(F.col("user_id").alias("userid"))
        number = numbers[schemas.USER_ORGANISATION.setting]
        memberships = self._tables.read(schemas.USER_ORGANISATION, ids, number, self._cached)
        number = numbers[schemas.ORGANISATION.setting]
        if self._tables.reading(schemas.ORGANISATION, number).by is ReadBy.KEYS:
            # Memberships give keys, and are joined: read once.
            memberships = self._cached.cache(memberships.join(ids, on="userid", how="left_semi"))
        keys = organisation_keys(asking, memberships)
        return memberships, self._tables.read(schemas.ORGANISATION, keys, number, self._cached)

    def _small(self, schema: T.StructType, name: str, rows: Iterable[str]) -> DataFrame:
        """Stage a small frame; broadcast it, unless it is too big for that."""
        url, size_bytes = self._stage(f"{name}.jsonl", rows)
        frame = read_lines(self._spark, schema, url)
        return F.broadcast(frame) if size_bytes <= self._settings.spark.broadcast_bytes else frame
