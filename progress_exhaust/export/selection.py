"""Which batches are meant, and what is known of them before anything heavy is read."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T

from progress_exhaust.catalogue.in_flight import BytesInFlight
from progress_exhaust.catalogue.layout import Layout
from progress_exhaust.catalogue.port import Catalogue, layouts
from progress_exhaust.catalogue.tree import TreeRules
from progress_exhaust.errors import SkippedReport
from progress_exhaust.export import refusals
from progress_exhaust.identifiers import is_safe_id
from progress_exhaust.report.inputs import StageLines, read_lines
from progress_exhaust.report.model import Batch
from progress_exhaust.settings.sections import Settings
from progress_exhaust.tables.port import Tables
from progress_exhaust.tables.schemas import COURSE_BATCH

_ASKED = T.StructType([T.StructField("asked_id", T.StringType())])


@dataclass(frozen=True)
class ReportQuery:
    """What one asks for; batches and collections together mean those batches of those collections.

    Attributes:
        batches: batch ids.
        collections: collection ids.
        everything: all batches of the table.
    """

    batches: tuple[str, ...] = ()
    collections: tuple[str, ...] = ()
    everything: bool = False


@dataclass(frozen=True)
class Selection:
    """The batches to report on, in order of batch id, and what was asked for and can not be had."""

    batches: list[Batch]
    not_made: list[SkippedReport] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _BatchRow:
    batch_id: str
    collection_id: str
    name: str


def select_batches(
    asked: ReportQuery, spark: SparkSession, tables: Tables, catalogue: Catalogue, settings: Settings, stage: StageLines
) -> Selection:
    """Select for one; see `select_for_all`."""
    [selection] = select_for_all([asked], spark, tables, catalogue, settings, stage)
    return selection


def select_for_all(
    all_asked: Sequence[ReportQuery],
    spark: SparkSession,
    tables: Tables,
    catalogue: Catalogue,
    settings: Settings,
    stage: StageLines,
) -> list[Selection]:
    """Find the batches that each asks for, fetch the trees of their collections, and refuse what can not be made.

    The table of batches is read once for all, and each tree fetched once; whoever asks for the same batch gets the
    same one.

    Raises:
        OperatorError: the tables or the catalogue do not answer.
        DataShapeError: the table of batches is missing or altered.
    """
    usable = [_usable(asked) for asked in all_asked]
    rows = _batch_rows(usable, spark, tables, stage)
    rows_of_each = [_meant(rows, asked) for asked in usable]
    known = _layouts({row.collection_id for rows in rows_of_each for row in rows}, catalogue, settings)
    made: dict[tuple[str, str], Batch] = {}
    selections = []
    for asked, whole, meant in zip(all_asked, usable, rows_of_each, strict=True):
        selection = _select(meant, known, made)
        bad_ids = [refusals.bad_id(one) for one in asked.batches + asked.collections if not is_safe_id(one)]
        selections.append(Selection(selection.batches, [*bad_ids, *_not_found(whole, meant), *selection.not_made]))
    return selections


def _usable(asked: ReportQuery) -> ReportQuery | None:
    """Return what is asked for without the ids that are refused; None where nothing is left of it."""
    usable = ReportQuery(
        tuple(dict.fromkeys(filter(is_safe_id, asked.batches))),
        tuple(dict.fromkeys(filter(is_safe_id, asked.collections))),
        asked.everything,
    )
    lost_all_batches = asked.batches and not usable.batches
    lost_all_collections = asked.collections and not usable.collections
    is_empty = not (usable.batches or usable.collections or usable.everything)
    return None if lost_all_batches or lost_all_collections or is_empty else usable


def _meant(rows: Sequence[_BatchRow], asked: ReportQuery | None) -> list[_BatchRow]:
    if asked is None:
        return []
    batches, collections = frozenset(asked.batches), frozenset(asked.collections)
    return [
        row
        for row in rows
        if (not batches or row.batch_id in batches) and (not collections or row.collection_id in collections)
    ]


def _select(
    rows: Sequence[_BatchRow], known: Mapping[str, Layout | SkippedReport], made: dict[tuple[str, str], Batch]
) -> Selection:
    """Return the batches of the rows; those that nobody has asked for before get a number, and are added to `made`."""
    by_batch: dict[str, list[_BatchRow]] = defaultdict(list)
    for row in rows:
        by_batch[row.batch_id].append(row)
    selection = Selection([])
    for same in by_batch.values():
        key = (same[0].batch_id, same[0].collection_id)
        try:
            batch = _batch(made[key].batch_no if key in made else len(made), same, known)
        except SkippedReport as refusal:
            selection.not_made.append(refusal)
        else:
            selection.batches.append(made.setdefault(key, batch))
    return selection


def _layouts(
    collection_ids: set[str], catalogue: Catalogue, settings: Settings
) -> Mapping[str, Layout | SkippedReport]:
    safe = sorted(filter(is_safe_id, collection_ids))
    rules = TreeRules.of(settings.catalogue, settings.assessment)
    refused = {identifier: refusals.bad_id(identifier) for identifier in collection_ids if not is_safe_id(identifier)}
    in_flight = BytesInFlight(settings.catalogue.max_bytes_in_flight, settings.catalogue.max_tree_bytes)
    return layouts(catalogue, safe, rules, settings.catalogue.concurrency, in_flight) | refused


def _batch(batch_no: int, same: Sequence[_BatchRow], known: Mapping[str, Layout | SkippedReport]) -> Batch:
    """Return the batch of these rows, which have one batch id.

    Raises:
        SkippedReport: the id is refused, stands under several collections or twice, or its collection has no layout.
    """
    row = same[0]
    collections = sorted({row.collection_id for row in same})
    if not is_safe_id(row.batch_id):
        raise refusals.bad_id(row.batch_id)
    if len(collections) > 1:
        raise refusals.ambiguous_batch(row.batch_id, collections)
    layout = known[row.collection_id]
    if isinstance(layout, SkippedReport):
        raise refusals.of_collection(row.batch_id, layout)
    if len(same) > 1:
        raise refusals.doubled_batch(row.batch_id, len(same))
    return Batch(batch_no, row.batch_id, row.name, layout)


def _batch_rows(
    all_asked: Sequence[ReportQuery | None], spark: SparkSession, tables: Tables, stage: StageLines
) -> list[_BatchRow]:
    """Collect the rows of course_batch that anyone means, in order of batch id; doubled rows are still in it."""
    wanted = [asked for asked in all_asked if asked is not None]
    if not wanted:
        return []
    frame = tables.frame(COURSE_BATCH).filter((F.col("batchid") != "") & (F.col("courseid") != ""))
    if not any(asked.everything for asked in wanted):
        batches = [one for asked in wanted for one in asked.batches]
        # Whoever names batches, too, gets those of them that are of the collections.
        collections = [one for asked in wanted if not asked.batches for one in asked.collections]
        is_asked = F.lit(False)
        for column, ids in (("batchid", batches), ("courseid", collections)):
            if ids:
                url, _ = stage(f"asked_{column}.jsonl", _lines(ids))
                frame = _marked(frame, column, read_lines(spark, _ASKED, url))
                is_asked = is_asked | F.col(f"is_asked_{column}")
        frame = frame.filter(is_asked)
    collected = frame.select("batchid", "courseid", "name").collect()
    rows = [_BatchRow(row["batchid"], row["courseid"], row["name"] or "") for row in collected]
    return sorted(rows, key=lambda row: (row.batch_id, row.collection_id))


def _marked(frame: DataFrame, column: str, asked_ids: DataFrame) -> DataFrame:
    """Add whether a column's id is asked for; the ids are unique."""
    mark = f"is_asked_{column}"
    marks = asked_ids.select(F.col("asked_id").alias(column), F.lit(True).alias("found"))
    joined = frame.join(F.broadcast(marks), on=column, how="left")
    return joined.withColumn(mark, F.col("found").isNotNull()).drop("found")


def _lines(identifiers: Iterable[str]) -> Iterable[str]:
    return (f'{{"asked_id":"{identifier}"}}' for identifier in dict.fromkeys(identifiers))


def _not_found(asked: ReportQuery | None, rows: Sequence[_BatchRow]) -> Iterable[SkippedReport]:
    if asked is None:
        return
    found_batches = {row.batch_id for row in rows}
    found_collections = {row.collection_id for row in rows}
    for batch_id in asked.batches:
        if batch_id not in found_batches:
            yield refusals.unknown_batch(batch_id)
    if asked.batches:
        return
    for collection_id in asked.collections:
        if collection_id not in found_collections:
            yield refusals.without_batch(collection_id)
