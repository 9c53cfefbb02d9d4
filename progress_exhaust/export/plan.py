"""The command `plan`: what an export with the same arguments would do; nothing is written at the output place."""

from __future__ import annotations

import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from functools import partial
from itertools import count
from pathlib import Path

from pyspark.sql import SparkSession

from progress_exhaust.catalogue.layout import Layout
from progress_exhaust.errors import SkippedReport
from progress_exhaust.export.lookup_keys import key_counts
from progress_exhaust.export.publishing import file_name
from progress_exhaust.export.report_plan import ReportPlan, read_reference_data
from progress_exhaust.export.run import Event, Phase, Ports
from progress_exhaust.export.selection import ReportQuery, select_batches
from progress_exhaust.export.spark_errors import SPARK_FAILURES, classify
from progress_exhaust.export.waves import cut_waves
from progress_exhaust.output.staging import Staging
from progress_exhaust.output.stores.port import Store
from progress_exhaust.paths import ROOT
from progress_exhaust.report.enrolments import INACTIVE, NO_KEY, Counts
from progress_exhaust.report.inputs import StageLines
from progress_exhaust.report.model import Report
from progress_exhaust.report.profiles import columns_of
from progress_exhaust.settings.sections import Settings
from progress_exhaust.tables.port import Tables
from progress_exhaust.tables.schemas import INPUT_TABLES, Table, table_names
from progress_exhaust.tables.strategy import WantedKeys


@dataclass(frozen=True)
class PlannedBatch:
    """One report that would be made.

    Attributes:
        batch_id: its batch.
        collection_id: its collection.
        path: the place of its file under the output root.
        rows: enrolments that would become a row.
        rows_dropped: enrolments that would not, by reason.
    """

    batch_id: str
    collection_id: str
    path: str
    rows: int
    rows_dropped: Mapping[str, int]


@dataclass(frozen=True)
class PlannedCollection:
    """One collection whose reports would be made.

    Attributes:
        collection_id: its id.
        name: its human name.
        columns: columns of each of its files.
        leaves: mandatory leaves its Progress is counted over.
        nested: nested collections.
        assessments: assessments.
        warnings: what was left out of its tree or cut, by reason.
        batches: reports of it.
        rows: enrolments of them that would become a row.
        rows_dropped: enrolments that would not.
    """

    collection_id: str
    name: str
    columns: int
    leaves: int
    nested: int
    assessments: int
    warnings: Mapping[str, int]
    batches: int
    rows: int
    rows_dropped: int


@dataclass(frozen=True)
class TableRead:
    """How an input table would be read.

    Attributes:
        table: `<keyspace>.<table>`.
        strategy: `scan`, `keys`, or `none` where it does not exist.
        reason: why, in words.
    """

    table: str
    strategy: str
    reason: str


@dataclass
class PlanOutcome:
    """What a plan has found; grows while it works.

    Attributes:
        collections: in order of id.
        batches: in order of id.
        not_made: what was asked for and would not be made.
        reads: how each table would be read.
        waves: how many times the one plan would run.
    """

    collections: list[PlannedCollection] = field(default_factory=list)
    batches: list[PlannedBatch] = field(default_factory=list)
    not_made: list[SkippedReport] = field(default_factory=list)
    reads: list[TableRead] = field(default_factory=list)
    waves: int = 0

    @property
    def rows_dropped(self) -> int:
        """Enrolments of the planned batches that would not become a row."""
        return sum(sum(batch.rows_dropped.values()) for batch in self.batches)


def plan(
    asked: ReportQuery,
    ports: Ports,
    settings: Settings,
    day: date,
    stage: StageLines,
    tell: Callable[[Event], None],
    outcome: PlanOutcome,
) -> None:
    """Find out what an export would do: select, fetch trees, and count enrolments, which reads that one table.

    Args:
        asked: which batches.
        ports: the outside; its store is not touched.
        settings: all settings.
        day: the date in file names.
        stage: writes small frames where Spark can read them; see `private_stage`.
        tell: hears of events.
        outcome: what is found.

    Raises:
        OperatorError: a service failed.
        DataShapeError: an input does not have the agreed shape.
    """
    try:
        tell(Event(Phase.CATALOGUE, "finding batches and fetching the trees of their collections"))
        selection = select_batches(asked, ports.spark, ports.tables, ports.catalogue, settings, stage)
        outcome.not_made += selection.not_made
        reports = [Report(number, batch) for number, batch in enumerate(selection.batches)]
        counts: dict[int, Counts] = {}
        if reports:
            tell(Event(Phase.READ, f"counting enrolments of {len(reports)} batches"))
            report_plan = ReportPlan(ports.spark, ports.tables, settings, read_reference_data(ports.tables), stage)
            counts = report_plan.counts(report_plan.enrolments(reports))
            outcome.waves = len(cut_waves(reports, counts, settings.spark.learners_per_wave))
        outcome.batches = [
            _batch(report, counts.get(report.batch.batch_no, Counts()), settings, day) for report in reports
        ]
        outcome.collections = list(_collections(reports, outcome.batches))
        outcome.reads = table_reads(ports.tables, settings, key_counts(reports, counts))
    except SPARK_FAILURES as error:
        fault = classify(error, settings)
        if fault is None:
            raise
        raise fault from error
    finally:
        ports.spark.catalog.clearCache()


def table_reads(tables: Tables, settings: Settings, keys: Mapping[str, WantedKeys]) -> list[TableRead]:
    """Return how each input table would be read.

    Args:
        tables: they.
        settings: all settings.
        keys: how many keys are wanted, by `Table.setting`.

    Raises:
        SourceError: the source does not answer.
    """
    names = table_names(settings)
    return [_table_read(table, names[table.setting], tables, keys) for table in INPUT_TABLES]


@contextmanager
def private_stage(spark: SparkSession, store: Store, run_id: str) -> Iterator[StageLines]:
    """Stage small frames where only we can enter and Spark can read, and remove them in every outcome.

    With a local master that is a temporary folder of this machine. Executors on other machines can not read that, so
    with any other master it is the store's staging, the only thing that a plan ever writes there.
    """
    if not str(spark.sparkContext.master).startswith("local"):
        with Staging(store, run_id) as staging:
            yield staging.stage_lines
        return
    with tempfile.TemporaryDirectory(prefix="progress-exhaust-") as folder:
        yield partial(_stage_lines, Path(folder), count())


def _stage_lines(folder: Path, numbers: Iterator[int], name: str, lines: Iterable[str]) -> tuple[str, int]:
    file = folder / f"{next(numbers):04d}-{name}"
    with file.open("w", encoding="utf-8", newline="") as content:
        content.writelines(f"{line}\n" for line in lines)
    # As Hadoop reads it, to whom `%20` is no blank.
    return f"file://{file}", file.stat().st_size


def _batch(report: Report, counts: Counts, settings: Settings, day: date) -> PlannedBatch:
    batch = report.batch
    dropped = {NO_KEY: counts.no_key, INACTIVE: counts.inactive}
    return PlannedBatch(
        batch_id=batch.batch_id,
        collection_id=batch.layout.collection_id,
        path=f"{ROOT}/{file_name(settings.output, batch.batch_id, day)}",
        rows=counts.kept,
        rows_dropped={reason: rows for reason, rows in dropped.items() if rows},
    )


def _collections(reports: Sequence[Report], batches: Sequence[PlannedBatch]) -> Iterator[PlannedCollection]:
    layouts = {report.batch.layout.collection_id: report.batch.layout for report in reports}
    of_collection: dict[str, list[PlannedBatch]] = defaultdict(list)
    for batch in batches:
        of_collection[batch.collection_id].append(batch)
    for collection_id, layout in sorted(layouts.items()):
        yield _collection(layout, of_collection[collection_id])


def _collection(layout: Layout, batches: Sequence[PlannedBatch]) -> PlannedCollection:
    return PlannedCollection(
        collection_id=layout.collection_id,
        name=layout.name,
        columns=sum(1 for _ in columns_of(layout)),
        leaves=len(layout.leaves),
        nested=len(layout.nested),
        assessments=len(layout.assessments),
        warnings={reason.value: nodes for reason, nodes in layout.warnings.items()},
        batches=len(batches),
        rows=sum(batch.rows for batch in batches),
        rows_dropped=sum(sum(batch.rows_dropped.values()) for batch in batches),
    )


def _table_read(table: Table, name: str, tables: Tables, keys: Mapping[str, WantedKeys]) -> TableRead:
    if not tables.exists(table):
        return TableRead(name, "none", "it does not exist, and counts as empty")
    reading = tables.reading(table, keys.get(table.setting, WantedKeys(0)))
    return TableRead(name, reading.by, reading.reason)
