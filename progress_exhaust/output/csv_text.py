"""Cells and lines of CSV: once as Column functions for what learners bring, once in Python for what a report fixes.

Spark's CSV writer is not used: it trims cells, and escapes quotes by backslashes.

A cell is quoted if and only if it holds a comma, a quote, CR or LF. Control characters, with which not every program
can read a file, are replaced before all else. The formula guard puts a `'` in front of each line of a cell that a
spreadsheet would run: whose first character that is not blank or invisible is a trigger. The two sides are held
together by a test that feeds both the same texts.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from pyspark.sql import Column
from pyspark.sql import functions as F

from progress_exhaust.text import REPLACEMENT, SURROGATES

# Blank or invisible, and no line end: U+0000-U+0020 less LF and CR, then the wide and zero-width ones.
_SKIPPED = "\x00-\x09\x0b\x0c\x0e-\x20\u00a0\u200b-\u200f\u2060\ufeff"
_TRIGGERS = r"=+\-@|%" + "\uff1d\uff0b\uff0d\uff20"
_FORMULA_START = f"[{_SKIPPED}]*[{_TRIGGERS}]"
_FORMULA_LINE = rf"(^|[\r\n])({_FORMULA_START})"
_FORMULA_LINE_PYTHON = re.compile(_FORMULA_LINE)
_NEEDS_QUOTES = '[,"\r\n]'
_CONTROL = "\x00-\x08\x0b\x0c\x0e-\x1f\x7f"  # TAB, LF and CR are text
_CONTROL_PYTHON = re.compile(f"[{_CONTROL}]")
# Halves of surrogate pairs can be in a text of Python's; none of Spark's, which are UTF-8, has one.
_UNSHOWABLE_PYTHON = re.compile(f"[{_CONTROL}{SURROGATES}]")
_NOT_PLAIN = f'[{_CONTROL},"\r\n]'
# Of ASCII, for a text of nothing else is looked through fastest; in a text itself it costs a second look at most.
_BETWEEN_TEXTS = "~"


def without_control(text: Column) -> Column:
    """Replace each control character but TAB, LF and CR; null stays null.

    >>> texts = spark.sql("VALUES ('a' || chr(1) || 'b'), ('a b') AS texts(text)")
    >>> texts.select(without_control(F.col("text")).alias("text")).show()
    +----+
    |text|
    +----+
    | a�b|
    | a b|
    +----+
    <BLANKLINE>
    """
    return F.regexp_replace(text, f"[{_CONTROL}]", REPLACEMENT)


def has_control(text: Column) -> Column:
    """Whether `without_control` would change the text; false for null.

    >>> texts = spark.sql("VALUES (1, 'a' || chr(127)), (2, 'a' || chr(9)), (3, null) AS texts(number, text)")
    >>> texts.select("number", has_control(F.col("text")).alias("has_control")).show()
    +------+-----------+
    |number|has_control|
    +------+-----------+
    |     1|       true|
    |     2|      false|
    |     3|      false|
    +------+-----------+
    <BLANKLINE>
    """
    return F.coalesce(text.rlike(f"[{_CONTROL}]"), F.lit(False))


def escaped(text: Column) -> Column:
    """Make inert what a spreadsheet would run as a formula; null stays null.

    >>> texts = spark.sql("VALUES ('=1+1'), (' @a'), ('a=b') AS texts(text)")
    >>> texts.select("text", escaped(F.col("text")).alias("escaped")).show()
    +----+-------+
    |text|escaped|
    +----+-------+
    |=1+1|  '=1+1|
    |  @a|   ' @a|
    | a=b|    a=b|
    +----+-------+
    <BLANKLINE>
    """
    return F.regexp_replace(text, _FORMULA_LINE, "$1'$2")


def needs_escape(text: Column) -> Column:
    """Whether `escaped` would change the text; false for null.

    >>> texts = spark.sql("VALUES ('=1+1'), ('a=b'), (null) AS texts(text)")
    >>> texts.select("text", needs_escape(F.col("text")).alias("needs_escape")).show()
    +----+------------+
    |text|needs_escape|
    +----+------------+
    |=1+1|        true|
    | a=b|       false|
    |NULL|       false|
    +----+------------+
    <BLANKLINE>
    """
    return F.coalesce(text.rlike(_FORMULA_LINE), F.lit(False))


def cell(text: Column) -> Column:
    """Return the text as it stands between two commas; nothing for null.

    >>> texts = spark.sql('''VALUES ('a,b'), ('a"b'), ('a b') AS texts(text)''')
    >>> texts.select("text", cell(F.col("text")).alias("cell")).show()
    +----+------+
    |text|  cell|
    +----+------+
    | a,b| "a,b"|
    | a"b|"a""b"|
    | a b|   a b|
    +----+------+
    <BLANKLINE>
    """
    quoted = F.concat(F.lit('"'), F.replace(text, F.lit('"'), F.lit('""')), F.lit('"'))
    return F.coalesce(F.when(text.rlike(_NEEDS_QUOTES), quoted).otherwise(text), F.lit(""))


def are_plain(texts: Sequence[Column], *, formula_guard: bool) -> Column:
    """Whether all texts can stand as they are: one look, which nearly all rows pass, in place of several at each text.

    False may be wrong, true never is.

    >>> pairs = spark.sql("VALUES ('a', 'b'), (null, 'a=b'), ('a', '=b'), ('a,b', 'c') AS pairs(one, other)")
    >>> plain = are_plain([F.col("one"), F.col("other")], formula_guard=True)
    >>> pairs.withColumn("plain", plain).show()
    +----+-----+-----+
    | one|other|plain|
    +----+-----+-----+
    |   a|    b| true|
    |NULL|  a=b| true|
    |   a|   =b|false|
    | a,b|    c|false|
    +----+-----+-----+
    <BLANKLINE>
    """
    # A later line of a text needs no look: its line end is not plain already.
    not_plain = f"{_NOT_PLAIN}|(^|{_BETWEEN_TEXTS}){_FORMULA_START}" if formula_guard else _NOT_PLAIN
    return ~F.concat_ws(_BETWEEN_TEXTS, *texts).rlike(not_plain)


def without_control_text(text: str) -> str:
    r"""Replace each control character but TAB, LF and CR, and each half of a surrogate pair; as `without_control`.

    >>> without_control_text("a\x00b\tc\ud800") == "a\ufffdb\tc\ufffd"
    True
    """
    return _UNSHOWABLE_PYTHON.sub(REPLACEMENT, text)


def has_control_text(text: str) -> bool:
    r"""Whether the text has a control character to replace; halves of surrogate pairs are none. As `has_control`.

    >>> has_control_text("a\x00b"), has_control_text("a\tb\ud800")
    (True, False)
    """
    return _CONTROL_PYTHON.search(text) is not None


def escaped_text(text: str) -> str:
    """Make inert what a spreadsheet would run as a formula; as `escaped`, for one text.

    >>> escaped_text("=1+1"), escaped_text("a=b")
    ("'=1+1", 'a=b')
    """
    return _FORMULA_LINE_PYTHON.sub(r"\1'\2", text)


def cell_text(text: str) -> str:
    """Return the text as it stands between two commas; as `cell`, for one text.

    >>> cell_text("a,b"), cell_text("a b")
    ('"a,b"', 'a b')
    """
    if re.search(_NEEDS_QUOTES, text):
        return '"' + text.replace('"', '""') + '"'
    return text


def line_text(texts: Iterable[str]) -> str:
    """Return the cells as one line, without its line end.

    >>> line_text(["a,b", "", "c"])
    '"a,b",,c'
    """
    return ",".join(cell_text(text) for text in texts)
