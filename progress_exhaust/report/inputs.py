"""The small frames of a run: its batches, its layouts, its reports.

They enter Spark as JSON lines that the driver stages and executors read by a schema: a Python list would start Python
workers, and thousands of literals would burden every plan.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import types as T

from progress_exhaust.catalogue.layout import Layout
from progress_exhaust.paths import as_glob
from progress_exhaust.report.model import Report

_ID = T.StringType()

# Grain and key: batch_no; (batch_id, collection_id) is unique, too.
BATCHES = T.StructType(
    [
        T.StructField("batch_no", T.IntegerType()),
        T.StructField("batch_id", _ID),
        T.StructField("collection_id", _ID),
        T.StructField("wave_no", T.IntegerType()),
    ]
)
# Grain and key: collection_id. Nested collections stand in groups, in the order of the layout: nested has the leaves of
# each, leaves those of all, and is null where there is one group.
LEAVES = T.StructType(
    [
        T.StructField("collection_id", _ID),
        T.StructField("leaves", T.ArrayType(_ID)),
        T.StructField(
            "nested_groups",
            T.ArrayType(
                T.StructType(
                    [T.StructField("leaves", T.ArrayType(_ID)), T.StructField("nested", T.ArrayType(T.ArrayType(_ID)))]
                )
            ),
        ),
    ]
)
ONE_GROUP = 16
"""Up to so many nested collections are one group."""
# Key: (collection_id, activity_id). Position 0 is the collection itself, n its n-th nested one; score_keys, the
# counters of its assessments in the order of the layout, is set where position is 0.
ACTIVITIES = T.StructType(
    [
        T.StructField("collection_id", _ID),
        T.StructField("activity_id", _ID),
        T.StructField("position", T.IntegerType()),
        T.StructField("score_keys", T.ArrayType(_ID)),
    ]
)
# Key: (collection_id, content_id). Ordinal n of the layout, from 0, stands in block n // SLOTS at n % SLOTS.
ASSESSMENTS = T.StructType(
    [
        T.StructField("collection_id", _ID),
        T.StructField("content_id", _ID),
        T.StructField("block", T.IntegerType()),
        T.StructField("slot", T.IntegerType()),
    ]
)
SLOTS = 16
"""Assessments a pivot holds side by side; a collection with more has several rows before they are put together."""
# Grain and key: report_no; reports whose audience is not everyone.
AUDIENCES = T.StructType(
    [
        T.StructField("report_no", T.IntegerType()),
        T.StructField("batch_no", T.IntegerType()),
        T.StructField("audience", _ID),
    ]
)
# Grain and key: report_no. Audience null is everyone; first_cells and header are texts as they stand in the file;
# leaf_counts has the collection itself first, then its nested ones, as levels has them.
REPORTS = T.StructType(
    [
        T.StructField("report_no", T.IntegerType()),
        T.StructField("batch_no", T.IntegerType()),
        T.StructField("audience", _ID),
        T.StructField("leaf_counts", T.ArrayType(T.IntegerType())),
        T.StructField("levels", T.ArrayType(_ID)),
        T.StructField("are_self_assess", T.ArrayType(T.BooleanType())),
        T.StructField("slice_starts", T.ArrayType(_ID)),
        T.StructField("first_cells", T.StringType()),
        T.StructField("header", T.StringType()),
    ]
)


StageLines = Callable[[str, Iterable[str]], tuple[str, int]]
"""Stages JSON lines under a name, and returns the URL to read them from, and their bytes."""


def batch_rows(reports: Iterable[Report], wave_of: Mapping[int, int]) -> Iterator[str]:
    """Give `BATCHES` as JSON lines, each batch once."""
    for batch in {report.batch.batch_no: report.batch for report in reports}.values():
        yield _line(
            batch_no=batch.batch_no,
            batch_id=batch.batch_id,
            collection_id=batch.layout.collection_id,
            wave_no=wave_of.get(batch.batch_no, 0),
        )


def leaf_rows(layouts: Iterable[Layout]) -> Iterator[str]:
    """Give `LEAVES` as JSON lines."""
    for layout in layouts:
        yield _line(
            collection_id=layout.collection_id,
            leaves=layout.leaves,
            nested_groups=_nested_groups([nested.leaves for nested in layout.nested]),
        )


def activity_rows(layouts: Iterable[Layout]) -> Iterator[str]:
    """Give `ACTIVITIES` as JSON lines."""
    for layout in layouts:
        score_keys = [f"score:{assessment.identifier}" for assessment in layout.assessments]
        yield _line(
            collection_id=layout.collection_id,
            activity_id=layout.collection_id,
            position=0,
            score_keys=score_keys,
        )
        for position, nested in enumerate(layout.nested, start=1):
            yield _line(collection_id=layout.collection_id, activity_id=nested.identifier, position=position)


def assessment_rows(layouts: Iterable[Layout]) -> Iterator[str]:
    """Give `ASSESSMENTS` as JSON lines."""
    for layout in layouts:
        for ordinal, assessment in enumerate(layout.assessments):
            block, slot = divmod(ordinal, SLOTS)
            yield _line(collection_id=layout.collection_id, content_id=assessment.identifier, block=block, slot=slot)


def audience_rows(reports: Iterable[Report]) -> Iterator[str]:
    """Give `AUDIENCES` as JSON lines."""
    for report in reports:
        yield _line(report_no=report.report_no, batch_no=report.batch.batch_no, audience=report.audience)


def report_row(report: Report, slice_starts: Sequence[str], *, first_cells: str, header: str) -> str:
    """Give one row of `REPORTS` as a JSON line."""
    layout = report.batch.layout
    return _line(
        report_no=report.report_no,
        batch_no=report.batch.batch_no,
        audience=report.audience,
        leaf_counts=[len(layout.leaves), *(len(nested.leaves) for nested in layout.nested)],
        levels=[nested.level for nested in layout.nested],
        are_self_assess=[assessment.is_self_assess for assessment in layout.assessments],
        slice_starts=slice_starts,
        first_cells=first_cells,
        header=header,
    )


def read_lines(spark: SparkSession, schema: T.StructType, url: str) -> DataFrame:
    """Read staged JSON lines by their schema."""
    return spark.read.schema(schema).option("mode", "FAILFAST").json(as_glob(url))


def _nested_groups(nested: Sequence[Sequence[str]]) -> list[dict[str, object]]:
    """Cut into groups of the square root of their number: what a learner has done is looked through fewest times."""
    if len(nested) <= ONE_GROUP:
        return [{"leaves": None, "nested": nested}]
    size = math.isqrt(len(nested))
    groups = [nested[at : at + size] for at in range(0, len(nested), size)]
    return [{"leaves": list(dict.fromkeys(chain.from_iterable(group))), "nested": group} for group in groups]


def _line(**fields: object) -> str:
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":"))
