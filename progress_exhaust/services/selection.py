"""Which batches a command means, and what is known of them before anything heavy is read."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T

from progress_exhaust.catalogue.layout import Layout
from progress_exhaust.catalogue.port import Catalogue, layouts
from progress_exhaust.catalogue.tree import TreeRules
from progress_exhaust.errors import NotMade, Reason
from progress_exhaust.ids import is_safe_id
from progress_exhaust.report.wanted import Batch, StageLines, read_lines
from progress_exhaust.settings import Settings
from progress_exhaust.tables.port import Tables
from progress_exhaust.tables.schemas import COURSE_BATCH

_ASKED = T.StructType([T.StructField("asked_id", T.StringType())])


@dataclass(frozen=True)
class Asked:
    """What a command asks for; batches and collections together mean those batches of those collections.

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
    not_made: list[NotMade] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _BatchRow:
    batch_id: str
    collection_id: str
    name: str


def select_batches(
    asked: Asked, spark: SparkSession, tables: Tables, catalogue: Catalogue, settings: Settings, stage: StageLines
) -> Selection:
    """Find the batches asked for, fetch the trees of their collections, and refuse what can not be made.

    Raises:
        OperatorError: the tables or the catalogue do not answer.
        DataShapeError: the table of batches is missing or altered.
    """
    not_made = [_bad_id(identifier) for identifier in asked.batches + asked.collections if not is_safe_id(identifier)]
    usable = Asked(
        tuple(dict.fromkeys(filter(is_safe_id, asked.batches))),
        tuple(dict.fromkeys(filter(is_safe_id, asked.collections))),
        asked.everything,
    )
    if not (usable.batches or usable.collections or usable.everything):
        return Selection([], not_made)
    rows = _batch_rows(usable, asked, spark, tables, stage)
    not_made += _not_found(usable, rows)
    by_batch: dict[str, list[_BatchRow]] = defaultdict(list)
    for row in rows:
        by_batch[row.batch_id].append(row)
    known = _layouts({row.collection_id for row in rows}, catalogue, settings)
    batches: list[Batch] = []
    for same in by_batch.values():
        try:
            batches.append(_batch(len(batches), same, known))
        except NotMade as refusal:
            not_made.append(refusal)
    return Selection(batches, not_made)


def _layouts(collection_ids: set[str], catalogue: Catalogue, settings: Settings) -> Mapping[str, Layout | NotMade]:
    safe = sorted(filter(is_safe_id, collection_ids))
    rules = TreeRules.of(settings.catalogue, settings.assessment)
    refused = {identifier: _bad_id(identifier) for identifier in collection_ids if not is_safe_id(identifier)}
    return layouts(catalogue, safe, rules, settings.catalogue.concurrency) | refused


def _batch(batch_no: int, same: Sequence[_BatchRow], known: Mapping[str, Layout | NotMade]) -> Batch:
    """Return the batch of these rows, which have one batch id.

    Raises:
        NotMade: the id is refused, stands under several collections or twice, or its collection has no layout.
    """
    row = same[0]
    collections = sorted({row.collection_id for row in same})
    if not is_safe_id(row.batch_id):
        raise _bad_id(row.batch_id)
    if len(collections) > 1:
        raise NotMade(
            Reason.AMBIGUOUS_BATCH,
            row.batch_id,
            f'batch "{row.batch_id}" is not made: it stands under {len(collections)} collections '
            f"({', '.join(collections[:3])}); name one with --collection",
        )
    layout = known[row.collection_id]
    if isinstance(layout, NotMade):
        raise NotMade(layout.reason, row.batch_id, f'batch "{row.batch_id}" is not made: {layout}')
    if len(same) > 1:
        raise NotMade(
            Reason.DOUBLED_KEY,
            row.batch_id,
            f'batch "{row.batch_id}" is not made: course_batch holds {len(same)} rows of it, expected one; '
            "remove the doubled rows",
        )
    return Batch(batch_no, row.batch_id, row.name, layout)


def _batch_rows(usable: Asked, asked: Asked, spark: SparkSession, tables: Tables, stage: StageLines) -> list[_BatchRow]:
    """Collect the rows of course_batch that are meant, in order of batch id; doubled rows are still in it."""
    frame = tables.frame(COURSE_BATCH).filter((F.col("batchid") != "") & (F.col("courseid") != ""))
    if asked.batches:
        asked_batches, _ = stage("asked_batches.jsonl", _lines(usable.batches))
        frame = _only(frame, "batchid", read_lines(spark, _ASKED, asked_batches))
    if asked.collections:
        asked_collections, _ = stage("asked_collections.jsonl", _lines(usable.collections))
        frame = _only(frame, "courseid", read_lines(spark, _ASKED, asked_collections))
    collected = frame.select("batchid", "courseid", "name").collect()
    rows = [_BatchRow(row["batchid"], row["courseid"], row["name"] or "") for row in collected]
    return sorted(rows, key=lambda row: (row.batch_id, row.collection_id))


def _only(frame: DataFrame, column: str, asked_ids: DataFrame) -> DataFrame:
    is_asked = F.col(column) == F.col("asked_id")
    return frame.join(F.broadcast(asked_ids), is_asked, how="left_semi")


def _lines(identifiers: Iterable[str]) -> Iterable[str]:
    return (f'{{"asked_id":"{identifier}"}}' for identifier in identifiers)


def _not_found(usable: Asked, rows: list[_BatchRow]) -> Iterable[NotMade]:
    found_batches = {row.batch_id for row in rows}
    found_collections = {row.collection_id for row in rows}
    for batch_id in usable.batches:
        if batch_id not in found_batches:
            yield NotMade(
                Reason.UNKNOWN_BATCH, batch_id, f'batch "{batch_id}" is not made: course_batch has no such batch'
            )
    if usable.batches:
        return
    for collection_id in usable.collections:
        if collection_id not in found_collections:
            yield NotMade(
                Reason.NO_BATCH,
                collection_id,
                f'collection "{collection_id}" is not made: course_batch has no batch of it',
            )


def _bad_id(identifier: str) -> NotMade:
    shown = identifier if len(identifier) <= 40 else f"{identifier[:40]}…"
    return NotMade(
        Reason.BAD_ID,
        identifier,
        f"id {shown!a} is refused: expected up to 100 letters, digits, _ . - that start with a letter or digit, "
        "without ..",
    )
