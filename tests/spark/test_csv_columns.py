"""Cells of CSV as Spark makes them: the same as the Python twins make, and read back by three readers as written."""

from __future__ import annotations

import csv
import itertools
from pathlib import Path
from random import Random

import pandas as pd
import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T

from progress_exhaust.output.csv_text import (
    are_plain,
    cell,
    cell_text,
    escaped,
    escaped_text,
    has_control,
    has_control_text,
    line_text,
    needs_escape,
    without_control,
    without_control_text,
)
from progress_exhaust.output.parts import NoteKind, PartName, begin_mark, begin_text, note, note_text
from tests.reference import csv_text as reference

TRIGGERS = "=+-@|%\uff1d\uff0b\uff0d\uff20"
SKIPPED = "".join(map(chr, range(0x21))) + "\u00a0\u200b\u200c\u200d\u200e\u200f\u2060\ufeff"
ENDS = ("", "1", "SUM(A1)\n=2", '"', ",")
OTHERS = ("a", "é", "अ", "😀", "\u2028", "\u0085", "\u3000", "\u202e", "$1", "\\", "\\n", "'", '"', ",", ";", "\x7f")


def prefixed_triggers() -> list[str]:
    """Every trigger behind every blank or invisible character, behind text, and at line starts."""
    prefixes = ["", *SKIPPED, *OTHERS, "a\n", "a\r", "a\r\n", "\n\r", " \t\ufeff", "a\n ", "=\n", "'\n"]
    return ["".join(parts) for parts in itertools.product(prefixes, TRIGGERS, ENDS)]


def random_texts(count: int) -> list[str]:
    rng = Random("cells")
    alphabet = [*TRIGGERS, *SKIPPED, *OTHERS, "\n", "\r", '"', ","]
    return ["".join(rng.choices(alphabet, k=rng.randint(0, 9))) for _ in range(count)]


@pytest.fixture(scope="module")
def texts() -> list[str]:
    return prefixed_triggers() + random_texts(3000)


@pytest.fixture(scope="module")
def frame(spark: SparkSession, texts: list[str]) -> DataFrame:
    """The texts with their numbers."""
    schema = T.StructType([T.StructField("number", T.IntegerType()), T.StructField("text", T.StringType())])
    return spark.createDataFrame(list(enumerate(texts)), schema)


def test_spark_and_python_make_the_same_cells(frame: DataFrame, texts: list[str]) -> None:
    text = F.col("text")
    rows = frame.select("number", escaped(text), needs_escape(text), cell(escaped(text)), cell(text)).collect()

    made = [tuple(row)[1:] for row in sorted(rows)]

    assert len(texts) > 3000
    for number, text_ in enumerate(texts):
        inert = reference.guarded(text_)
        assert escaped_text(text_) == inert
        assert made[number] == (inert, inert != text_, cell_text(inert), reference.quoted(text_)), ascii(text_)


@pytest.mark.parametrize("formula_guard", [True, False])
def test_text_that_is_told_plain_stands_as_it_is_wherever_it_is_among_others(
    frame: DataFrame, texts: list[str], formula_guard: bool
) -> None:
    columns = [F.lit("before"), F.col("text"), F.lit("behind")]
    orders = [are_plain(columns[turn:] + columns[:turn], formula_guard=formula_guard) for turn in range(3)]
    rows = sorted(frame.select("number", *orders).collect())

    told = [[text for text, row in zip(texts, rows, strict=True) if row[1 + turn]] for turn in range(3)]

    for plain in told:
        assert len(plain) > 300
        for text in plain:
            readable = reference.readable(text)
            assert reference.quoted(reference.guarded(readable) if formula_guard else readable) == text, ascii(text)


def test_spark_and_python_replace_and_find_the_same_control_characters(frame: DataFrame, texts: list[str]) -> None:
    text = F.col("text")
    rows = sorted(frame.select("number", without_control(text), has_control(text)).collect())

    for text_, (_, replaced, is_found) in zip(texts, rows, strict=True):
        readable, has_one = reference.readable(text_), reference.has_control_character(text_)
        assert (replaced, is_found) == (readable, has_one), ascii(text_)
        assert (without_control_text(text_), has_control_text(text_)) == (readable, has_one), ascii(text_)
    assert sum(row[2] for row in rows) > 500


def test_spark_and_python_write_marks_alike(spark: SparkSession) -> None:
    places = [(report_no, slice_no) for report_no in (0, 7, 12345) for slice_no in (0, 9, 10, 1_000_000)]
    report_no, slice_no = F.col("report_no"), F.col("slice_no")
    rows = spark.createDataFrame(places, "report_no int, slice_no int").select(
        report_no, slice_no, begin_mark(report_no, slice_no), note(NoteKind.CONTROL, slice_no)
    )

    for report, number, begin, noted in rows.collect():
        assert begin == begin_text(PartName(report, number))
        assert noted == note_text(NoteKind.CONTROL, str(number))


def test_null_is_an_empty_cell_that_needs_no_guard(spark: SparkSession) -> None:
    text = F.lit(None).cast("string")
    (row,) = spark.range(1).select(escaped(text), needs_escape(text), cell(text), cell(escaped(text))).collect()

    assert tuple(row) == (None, False, "", "")


@pytest.mark.rule("S1")
def test_three_readers_read_what_spark_wrote(
    spark: SparkSession, frame: DataFrame, texts: list[str], tmp_path: Path
) -> None:
    line = F.concat_ws(",", F.col("number"), cell(escaped(without_control(F.col("text")))), F.lit("end"))
    in_order = frame.select("number", line.alias("value")).coalesce(1).sortWithinPartitions("number")
    in_order.select("value").write.text(f"file://{tmp_path}/lines")
    (part,) = (tmp_path / "lines").glob("part-*")
    file = tmp_path / "cells.csv"
    file.write_bytes(f"{line_text(('number', 'text', 'end'))}\n".encode() + part.read_bytes())
    readable = [without_control_text(text) for text in texts]
    expected = [[str(number), escaped_text(text), "end"] for number, text in enumerate(readable)]

    with file.open(encoding="utf-8", newline="") as stream:
        by_python = list(csv.reader(stream, strict=True))[1:]
    by_pandas = pd.read_csv(file, dtype=str, na_filter=False, lineterminator="\n").to_numpy().tolist()
    by_spark = spark.read.csv(f"file://{file}", header=True, multiLine=True, escape='"', lineSep="\n").collect()

    assert by_python == expected
    assert by_pandas == expected
    assert [[row[0], row[1] or "", row[2]] for row in by_spark] == expected
