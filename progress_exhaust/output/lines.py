"""From report rows to the lines of the files, and to the few notes that the driver must hear of."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from progress_exhaust.output.csv_text import are_plain, cell, escaped, has_control, needs_escape, without_control
from progress_exhaust.output.parts import PART, NoteKind, note, notes_part, slice_part

_HEADER, _ROW = 0, 1


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
    """Make the lines of all reports, headers and notes among them.

    Grain: line. Columns: report_no, part (the place it is staged at, see `output.parts`), kind (0 the header, 1 a row),
    user_id, value (the line's text). Sorted by (part, kind, user_id) within a report, the values are the file.

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
    entries = texts_made.select("report_no", "user_id", F.explode(_line_and_notes()).alias("line"))
    lines = entries.filter(F.col("line").isNotNull())
    learners = lines.select("report_no", f"line.{PART}", F.lit(_ROW).alias("kind"), "user_id", "line.value")
    return learners.unionByName(_headers(reports))


def in_file_order(lines: DataFrame, tasks: int) -> DataFrame:
    """Bring each part of a report into one task, in the order of its file; adds nothing."""
    return lines.repartition(tasks, PART).sortWithinPartitions(PART, "kind", "user_id").select(PART, "value")


def _how_many(conditions: Iterable[Column]) -> Column:
    return sum((condition.cast("int") for condition in conditions), F.lit(0))


def _or_blank(text: Column) -> Column:
    return F.coalesce(text, F.lit(""))


def _line_and_notes() -> Column:
    report_no = F.col("report_no")
    escapes, controls, duplicate = F.col("escapes"), F.col("controls"), F.col("duplicate")

    def entry(part: Column, value: Column) -> Column:
        return F.struct(part.alias(PART), value.alias("value"))

    notes = notes_part(report_no)
    return F.array(
        entry(slice_part(report_no, F.col("slice_no")), F.col("text")),
        F.when(escapes > 0, entry(notes, note(NoteKind.ESCAPED, escapes))),
        F.when(controls > 0, entry(notes, note(NoteKind.CONTROL, controls))),
        F.when(duplicate.isNotNull(), entry(notes, note(NoteKind.DUPLICATE, duplicate))),
    )


def _headers(reports: DataFrame) -> DataFrame:
    return reports.select(
        "report_no",
        slice_part(F.col("report_no"), F.lit(0)).alias(PART),
        F.lit(_HEADER).alias("kind"),
        F.lit("").alias("user_id"),
        F.col("header").alias("value"),
    )
