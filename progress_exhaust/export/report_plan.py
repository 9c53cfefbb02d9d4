"""The one plan of a set of reports: from the input tables to the lines of all their files."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from pyspark import StorageLevel
from pyspark.sql import Column, DataFrame, SparkSession, Window
from pyspark.sql import functions as F
from pyspark.sql import types as T

from progress_exhaust.errors import SourceError
from progress_exhaust.export.lookup_keys import activity_keys, attempt_keys, batch_keys, key_counts, organisation_keys
from progress_exhaust.output.csv_text import guarded_text, has_control_text, line_text, without_control_text
from progress_exhaust.output.lines import report_lines
from progress_exhaust.report import inputs
from progress_exhaust.report.activity import activity_per_learner, wanted_activity
from progress_exhaust.report.enrolments import (
    DATE_UNREADABLE,
    OUT_OF_RANGE,
    Counts,
    counts_per_batch,
    is_uncounted,
    wanted_enrolments,
)
from progress_exhaust.report.inputs import StageLines, read_lines
from progress_exhaust.report.learners import known_learners, located_learners, organisation_places
from progress_exhaust.report.locations import DISTRICT, STATE, Location, dictionary
from progress_exhaust.report.model import Report, layouts_of
from progress_exhaust.report.profiles import columns_of
from progress_exhaust.report.rows import LearnerFrames, learner_rows
from progress_exhaust.report.scores import best_attempts, scores_per_learner, wanted_attempts
from progress_exhaust.settings.sections import ReadBy, Settings
from progress_exhaust.tables import schemas
from progress_exhaust.tables.port import Tables
from progress_exhaust.tables.strategy import WantedKeys

MOST_LOCATIONS = 100_000
FEW_LEARNERS = 50_000
"""Up to so many learners their ids are broadcast, so that rows of others are left out before the exchange."""
CUSTODIAN_ROW = "custodianOrgId"


@dataclass(frozen=True)
class ReferenceData:
    """What is read once a run to place learners.

    Attributes:
        dictionary: states and districts, as a constant of the plan.
        custodian_id: the root organisation of self-signed-up learners; None where there is no such row.
        has_organisations: whether there are organisations to ask.
    """

    dictionary: Column
    custodian_id: str | None
    has_organisations: bool


@dataclass(frozen=True)
class SourceFrames:
    """The rows of the input tables that a set of reports needs, not yet put together by learner."""

    enrolments: DataFrame
    activity: DataFrame
    attempts: DataFrame
    learners: DataFrame
    failures: DataFrame | None


def read_reference_data(tables: Tables) -> ReferenceData:
    """Collect states, districts and the custodian organisation, in one small job.

    Raises:
        SourceError: there are more states and districts than can be true.
    """
    is_known = F.col("type").isin(STATE, DISTRICT) & (F.col("name") != "") & (F.col("id") != "")
    locations = tables.frame(schemas.LOCATION).filter(is_known).select("id", "type", "name", "parentid")
    custodian = tables.frame(schemas.SYSTEM_SETTINGS).filter(F.col("id") == CUSTODIAN_ROW)
    as_location = custodian.select(
        "id", F.lit(None).alias("type"), F.col("value").alias("name"), F.lit(None).alias("parentid")
    )
    rows = locations.limit(MOST_LOCATIONS + 1).unionByName(as_location).collect()
    found = [Location(row["id"], row["type"], row["name"], row["parentid"]) for row in rows if row["type"]]
    if len(found) > MOST_LOCATIONS:
        raise SourceError(
            f"reading table location: more than {MOST_LOCATIONS} states and districts; is the table the right one?"
        )
    custodian_id = next((row["name"] for row in rows if not row["type"] and row["name"]), None)
    has_organisations = tables.exists(schemas.ORGANISATION)
    return ReferenceData(dictionary(sorted(found, key=lambda place: place.identifier)), custodian_id, has_organisations)


class ReportPlan:
    """Builds the frames of a set of reports; nothing runs until one is written or counted."""

    def __init__(
        self, spark: SparkSession, tables: Tables, settings: Settings, places: ReferenceData, stage: StageLines
    ) -> None:
        self._spark = spark
        self._tables = tables
        self._settings = settings
        self._places = places
        self._stage = stage

    def enrolments(self, reports: Sequence[Report]) -> DataFrame:
        """Return the enrolments of the reports' batches, to be persisted: they are counted, then joined."""
        layouts = list(layouts_of(reports).values())
        batches = self._small(inputs.BATCHES, "batches", inputs.batch_rows(reports, {}))
        leaves = self._small(inputs.LEAVES, "leaves", inputs.leaf_rows(layouts))
        number = key_counts(reports, {})[schemas.USER_ENROLMENTS.setting]
        of_batches = self._tables.read(schemas.USER_ENROLMENTS, batch_keys(batches), number)
        return wanted_enrolments(of_batches, batches, leaves).persist(StorageLevel.MEMORY_AND_DISK)

    def counts(self, enrolments: DataFrame) -> dict[int, Counts]:
        """Count what becomes of the enrolments, by batch_no: one small job that also fills the persisted frame."""
        return {
            row["batch_no"]: Counts(
                kept=row["kept"],
                no_key=row["no_key"],
                inactive=row["inactive"],
                dates_unreadable=row[DATE_UNREADABLE],
                out_of_range=row[OUT_OF_RANGE],
                uncounted=row["uncounted"],
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
            F.count(F.lit(1)).alias("kept"),
            F.count_if("date_unreadable").alias(DATE_UNREADABLE),
            F.sum("out_of_range").alias(OUT_OF_RANGE),
        )
        found = {row["report_no"]: (row["kept"], row[DATE_UNREADABLE], row[OUT_OF_RANGE]) for row in counted.collect()}
        for report in narrowed:
            whole = of_batch[report.report_no]
            kept, dates_unreadable, out_of_range = found.get(report.report_no, (0, 0, 0))
            of_batch[report.report_no] = replace(
                whole,
                kept=kept,
                dates_unreadable=dates_unreadable,
                out_of_range=out_of_range,
                other_organisation=whole.kept - kept,
            )
        return of_batch

    def sources(
        self, reports: Sequence[Report], enrolments: DataFrame, counts: dict[int, Counts], wave_of: dict[int, int]
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
            return self._tables.read(table, keys, numbers[table.setting])

        kept = enrolments.filter(F.col("dropped").isNull())
        layouts = list(layouts_of(reports).values())
        batches = self._small(inputs.BATCHES, "wave_batches", inputs.batch_rows(reports, wave_of))
        activities = self._small(inputs.ACTIVITIES, "activities", inputs.activity_rows(layouts))
        assessments = self._small(inputs.ASSESSMENTS, "assessments", inputs.assessment_rows(layouts))
        counters = read(schemas.USER_ACTIVITY_AGG, activity_keys(kept, activities))
        uncounted = None
        if sum(of_batch.uncounted for of_batch in counts.values()) <= FEW_LEARNERS:
            uncounted = kept.filter(is_uncounted()).select("user_id", "batch_no")
        activity = wanted_activity(counters, batches, activities, uncounted)
        attempts = wanted_attempts(read(schemas.ASSESSMENT_AGGREGATOR, attempt_keys(kept)), batches, assessments)
        failures = None
        if self._tables.exists(schemas.CERTIFICATE_FAILURES):
            failed = read(schemas.CERTIFICATE_FAILURES, batches.select(F.col("batch_id").alias("batchid")))
            of_batches = failed.join(batches, F.col("batchid") == F.col("batch_id"), how="inner")
            failures = of_batches.select(F.col("userid").alias("user_id"), "batch_no", "collection_id").distinct()
        located = self._learners(kept, numbers)
        if len(set(wave_of.values())) == 1 and any(report.audience is not None for report in reports):
            # Counted by their organisation before they are joined; with more waves they are staged.
            located = located.persist(StorageLevel.MEMORY_AND_DISK)
        return SourceFrames(kept, activity, attempts, located, failures)

    def lines(self, reports: Sequence[Report], sources: SourceFrames, slice_starts: dict[int, list[str]]) -> DataFrame:
        """Return the lines of all these reports."""
        guard = self._settings.output.formula_guard
        report_rows = (
            inputs.report_row(
                report,
                slice_starts.get(report.report_no, []),
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
        return report_lines(learner_rows(frames, wanted_reports), wanted_reports, formula_guard=guard)

    def _learners(self, kept: DataFrame, numbers: dict[str, WantedKeys]) -> DataFrame:
        ids = kept.select(F.col("user_id").alias("id"))
        users = self._tables.read(schemas.USER, ids, wanted_users := numbers[schemas.USER.setting])
        if wanted_users.whole <= FEW_LEARNERS:
            users = users.join(F.broadcast(ids), on="id", how="left_semi")
        learners = known_learners(
            users,
            self._places.dictionary,
            self._places.custodian_id,
            with_names=self._settings.privacy.user_name,
        )
        if not self._places.has_organisations:
            return located_learners(learners, None)
        learners = learners.persist(StorageLevel.MEMORY_AND_DISK)
        memberships, organisations = self._organisations(learners.filter("asks_organisations"), numbers)
        by_organisation = organisation_places(learners, memberships, organisations, self._places.dictionary)
        return located_learners(learners, by_organisation)

    def _organisations(self, asking: DataFrame, numbers: dict[str, WantedKeys]) -> tuple[DataFrame, DataFrame]:
        """Return the memberships of the learners who ask, and the organisations that may place them."""
        ids = asking.select(F.col("user_id").alias("userid"))
        memberships = self._tables.read(schemas.USER_ORGANISATION, ids, numbers[schemas.USER_ORGANISATION.setting])
        number = numbers[schemas.ORGANISATION.setting]
        if self._tables.reading(schemas.ORGANISATION, number).by is ReadBy.KEYS:
            # They give keys, and are joined: read once, they are kept.
            memberships = memberships.join(ids, on="userid", how="left_semi").persist(StorageLevel.MEMORY_AND_DISK)
        keys = organisation_keys(asking, memberships)
        return memberships, self._tables.read(schemas.ORGANISATION, keys, number)

    def _small(self, schema: T.StructType, name: str, rows: Iterable[str]) -> DataFrame:
        """Stage a small frame; broadcast it, unless it is too big for that."""
        url, size_bytes = self._stage(f"{name}.jsonl", rows)
        frame = read_lines(self._spark, schema, url)
        return F.broadcast(frame) if size_bytes <= self._settings.spark.broadcast_bytes else frame


@dataclass(frozen=True, slots=True)
class FixedTexts:
    """What is the same on every line of a report.

    Attributes:
        first_cells: the first four cells, as they stand in the file.
        header: the header line.
        guarded_in_row: how many of the first cells were made inert.
        guarded_in_header: how many cells of the header were.
        control_in_row: how many of the first cells had a control character.
        control_in_header: how many cells of the header had one.
    """

    first_cells: str
    header: str
    guarded_in_row: int
    guarded_in_header: int
    control_in_row: int
    control_in_header: int


def fixed_texts(report: Report, *, formula_guard: bool) -> FixedTexts:
    """Make the texts that a report's own data fix."""
    layout = report.batch.layout
    first = [layout.collection_id, layout.name, report.batch.batch_id, report.batch.name]
    headers = [column.header for column in columns_of(layout)]
    row, header = (_fixed_line(texts, formula_guard=formula_guard) for texts in (first, headers))
    return FixedTexts(row.text, header.text, row.guarded, header.guarded, row.control, header.control)


@dataclass(frozen=True, slots=True)
class _FixedLine:
    text: str
    guarded: int
    control: int


def _fixed_line(texts: Sequence[str], *, formula_guard: bool) -> _FixedLine:
    readable = [without_control_text(text) for text in texts]
    shown = [guarded_text(text) for text in readable] if formula_guard else readable
    return _FixedLine(
        text=line_text(shown),
        guarded=sum(before != after for before, after in zip(readable, shown, strict=True)),
        control=sum(has_control_text(text) for text in texts),
    )
