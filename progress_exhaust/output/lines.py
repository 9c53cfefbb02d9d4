"""From report rows to the lines of the files, and to the few notes that the driver must hear of."""

from __future__ import annotations

from collections.abc import Iterable

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from progress_exhaust.output.csv_text import are_plain, cell, guarded, has_control, needs_guard, without_control

LINE_COLUMNS = ("report_no", "part", "kind", "user_id", "value")
NOTES = "notes"
"""What the part of a report is called that holds its notes."""
GUARDED_NOTE, CONTROL_NOTE, DOUBLED_NOTE = "guarded", "control", "doubled"

_GUARDED = ("user_id", "user_name", "state", "district")
_UNGUARDED = ("enrolment_date", "completion_date", "progress", "certificate_status", "total_score")
_HEADER, _ROW = 0, 1


def report_lines(rows: DataFrame, reports: DataFrame, *, formula_guard: bool) -> DataFrame:
    """Make the lines of all reports, headers and notes among them.

    Grain: line. Columns: report_no, part (`<report_no>.<slice>`, the place it is staged at, or `<report_no>.notes`),
    kind (0 the header, 1 a row), user_id, value (the line's text). Sorted by (part, kind, user_id) within a report, the
    values are the file. A note is `guarded=<cells>`, `control=<cells>` (those in which a control character is replaced)
    or `doubled=<tables>`, one for each row that needs it.

    Args:
        rows: `report.rows.learner_rows`.
        reports: wanted reports, unique by report_no; their headers make the first lines.
        formula_guard: whether cells are made inert.
    """
    texts = [F.col(name) for name in _GUARDED]
    readable = [without_control(text) for text in texts]
    guards = _how_many(needs_guard(text) for text in readable) if formula_guard else F.lit(0)
    made_safe = [cell(guarded(text) if formula_guard else text) for text in readable]
    is_plain = F.col("is_plain")
    cells = [
        *(F.when(is_plain, _or_blank(text)).otherwise(safe) for text, safe in zip(texts, made_safe, strict=True)),
        *(_or_blank(F.col(name)) for name in _UNGUARDED),
    ]
    dynamic = F.when(F.size("dynamic_cells") > 0, F.array_join("dynamic_cells", ",", ""))
    # Texts are made first: what explode has below it Spark interprets as a whole where a lambda is among it.
    texts_made = rows.withColumn("is_plain", are_plain(texts, formula_guard=formula_guard)).select(
        "report_no",
        "user_id",
        F.size(F.filter("slice_starts", lambda start: start <= F.col("user_id"))).alias("slice_no"),
        F.concat_ws(",", F.col("first_cells"), *cells, dynamic).alias("text"),
        F.when(is_plain, 0).otherwise(guards).alias("guards"),
        F.when(is_plain, 0).otherwise(_how_many(has_control(text) for text in texts)).alias("controls"),
        "doubled",
    )
    entries = texts_made.select("report_no", "user_id", F.explode(_line_and_notes()).alias("line"))
    lines = entries.filter(F.col("line").isNotNull())
    learners = lines.select("report_no", "line.part", F.lit(_ROW).alias("kind"), "user_id", "line.value")
    return learners.unionByName(_headers(reports))


def in_file_order(lines: DataFrame, tasks: int) -> DataFrame:
    """Bring each part of a report into one task, in the order of its file; adds nothing."""
    return lines.repartition(tasks, "part").sortWithinPartitions("part", "kind", "user_id").select("part", "value")


def _how_many(conditions: Iterable[Column]) -> Column:
    return sum((condition.cast("int") for condition in conditions), F.lit(0))


def _or_blank(text: Column) -> Column:
    return F.coalesce(text, F.lit(""))


def _line_and_notes() -> Column:
    part = F.concat_ws(".", F.col("report_no"), F.lpad(F.col("slice_no").cast("string"), 6, "0"))
    notes_part = F.concat_ws(".", F.col("report_no"), F.lit(NOTES))

    def note(name: str, value: Column) -> Column:
        return F.struct(notes_part.alias("part"), F.concat(F.lit(f"{name}="), value).alias("value"))

    return F.array(
        F.struct(part.alias("part"), F.col("text").alias("value")),
        F.when(F.col("guards") > 0, note(GUARDED_NOTE, F.col("guards"))),
        F.when(F.col("controls") > 0, note(CONTROL_NOTE, F.col("controls"))),
        F.when(F.col("doubled").isNotNull(), note(DOUBLED_NOTE, F.col("doubled"))),
    )


def _headers(reports: DataFrame) -> DataFrame:
    return reports.select(
        "report_no",
        F.concat_ws(".", F.col("report_no"), F.lpad(F.lit("0"), 6, "0")).alias("part"),
        F.lit(_HEADER).alias("kind"),
        F.lit("").alias("user_id"),
        F.col("header").alias("value"),
    )
