"""From report rows to the lines of the files, and to the few notes that the driver must hear of."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from progress_exhaust.output.csv_text import are_plain, cell, escaped, has_control, needs_escape, without_control
from progress_exhaust.output.parts import END, NoteKind, begin_mark, note

_BEGIN, _HEADER, _ROW, _NOTE, _END = range(5)


class CellColumn(Protocol):
    """A column of rows that is a cell of each line."""

    @property
    def name(self) -> str:
        """What the column is called."""

    @property
    def is_escaped(self) -> bool:
        """Whether it holds what others have typed, which is made readable and inert."""


def report_lines(
    rows: DataFrame, reports: DataFrame, columns: Sequence[CellColumn], *, formula_guard: bool
) -> DataFrame:
    """Make the lines of all reports, with the marks and notes that `output.parts` tells of.

    Grain: line. Columns: report_no, slice_no, kind (0 the begin of a part, 1 the header, 2 a row, 3 a note, 4 the end),
    user_id, value (the line's text). Sorted by all of them but the last, the values are the staged parts.

    Args:
        rows: `report.rows.learner_rows`.
        reports: wanted reports, unique by report_no; their headers make the first lines.
        columns: the cells between the first and the dynamic ones, in order.
        formula_guard: whether cells are made inert.
    """
    texts = [F.col(column.name) for column in columns if column.is_escaped]
    readable = [without_control(text) for text in texts]
    escapes = _how_many(needs_escape(text) for text in readable) if formula_guard else F.lit(0)
    is_plain = F.col("is_plain")

    def made_cell(column: CellColumn) -> Column:
        text = F.col(column.name)
        if not column.is_escaped:
            return _or_blank(text)
        clean = without_control(text)
        return F.when(is_plain, _or_blank(text)).otherwise(cell(escaped(clean) if formula_guard else clean))

    dynamic = F.when(F.size("dynamic_cells") > 0, F.array_join("dynamic_cells", ",", ""))
    # Texts are made first: what explode has below it Spark interprets as a whole where a lambda is among it.
    texts_made = rows.withColumn("is_plain", are_plain(texts, formula_guard=formula_guard)).select(
        "report_no",
        "user_id",
        F.size(F.filter("slice_starts", lambda start: start <= F.col("user_id"))).alias("slice_no"),
        F.concat_ws(",", F.col("first_cells"), *map(made_cell, columns), dynamic).alias("text"),
        F.when(is_plain, 0).otherwise(escapes).alias("escapes"),
        F.when(is_plain, 0).otherwise(_how_many(has_control(text) for text in texts)).alias("controls"),
        "duplicate",
    )
    return _exploded(texts_made, _line_and_notes()).unionByName(_frames_of_parts(reports))


def in_file_order(lines: DataFrame, tasks: int) -> DataFrame:
    """Bring each part of a report into one task, in the order of its file; column value, adds nothing."""
    of_part = lines.repartition(tasks, "report_no", "slice_no")
    return of_part.sortWithinPartitions("report_no", "slice_no", "kind", "user_id").select("value")


def _exploded(frame: DataFrame, entries: Column) -> DataFrame:
    """Make a line of each entry that is there."""
    lines = frame.select("report_no", "slice_no", "user_id", F.explode(entries).alias("line"))
    return lines.filter(F.col("line").isNotNull()).select("report_no", "slice_no", "line.kind", "user_id", "line.value")


def _entry(kind: int, value: Column) -> Column:
    return F.struct(F.lit(kind).alias("kind"), value.alias("value"))


def _how_many(conditions: Iterable[Column]) -> Column:
    return sum((condition.cast("int") for condition in conditions), F.lit(0))


def _or_blank(text: Column) -> Column:
    return F.coalesce(text, F.lit(""))


def _line_and_notes() -> Column:
    escapes, controls, duplicate = F.col("escapes"), F.col("controls"), F.col("duplicate")
    return F.array(
        _entry(_ROW, F.col("text")),
        F.when(escapes > 0, _entry(_NOTE, note(NoteKind.ESCAPED, escapes))),
        F.when(controls > 0, _entry(_NOTE, note(NoteKind.CONTROL, controls))),
        F.when(duplicate.isNotNull(), _entry(_NOTE, note(NoteKind.DUPLICATE, duplicate))),
    )


def _frames_of_parts(reports: DataFrame) -> DataFrame:
    """Make the marks around each part, and the header within the first of a report."""
    slices = F.explode(F.sequence(F.lit(0), F.size("slice_starts"))).alias("slice_no")
    parts = reports.select("report_no", "header", slices, F.lit("").alias("user_id"))
    entries = F.array(
        _entry(_BEGIN, begin_mark(F.col("report_no"), F.col("slice_no"))),
        F.when(F.col("slice_no") == 0, _entry(_HEADER, F.col("header"))),
        _entry(_END, F.lit(END)),
    )
    return _exploded(parts, entries)
