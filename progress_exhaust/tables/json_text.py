"""Column functions on JSON texts that Spark's own readers take too easily."""

from __future__ import annotations

from pyspark.sql import Column
from pyspark.sql import functions as F

_HALF = r"\\u[dD][89a-fA-F][0-9a-fA-F]{2}"
_PAIR = r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
_OTHER_ESCAPE = r"\\(?!u[dD][89a-fA-F])."
# Read token by token from the last match on, so that a half is known from a pair, and `\\ud800` from an escape.
_UP_TO_LONE_HALF = rf"\G((?:[^\\]++|{_PAIR}|{_OTHER_ESCAPE})*+){_HALF}"
_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"


def is_one_value(text: Column) -> Column:
    """Whether a text is exactly one JSON value; false for null.

    Spark's readers stop after the first value, so the text is made the only element of a list, and the first of two:
    what would end the list early, or add to it, shows in its length.

    >>> texts = spark.sql("VALUES ('[1, 2]'), ('[1]]'), ('[1] x') AS texts(text)")
    >>> texts.select("text", is_one_value(F.col("text")).alias("is_one_value")).show()
    +------+------------+
    |  text|is_one_value|
    +------+------------+
    |[1, 2]|        true|
    |  [1]]|       false|
    | [1] x|       false|
    +------+------------+
    <BLANKLINE>
    """
    alone = F.json_array_length(F.concat(F.lit("["), text, F.lit("]")))
    followed = F.json_array_length(F.concat(F.lit("["), text, F.lit(",0]")))
    return F.coalesce((alone == 1) & (followed == 2), F.lit(False))


def without_halves(text: Column) -> Column:
    r"""Replace what JSON writes as half of a surrogate pair by U+FFFD: Spark's parser makes a question mark of it.

    >>> texts = spark.sql(r"VALUES (r'[a\ud83d]'), (r'[\ud83d\ude00]'), (r'[\\ud83d]') AS texts(text)")
    >>> texts.select(without_halves(F.col("text")).alias("text")).show()
    +--------------+
    |          text|
    +--------------+
    |          [a�]|
    |[\ud83d\ude00]|
    |     [\\ud83d]|
    +--------------+
    <BLANKLINE>
    """
    whole = F.regexp_replace(text, _UP_TO_LONE_HALF, f"$1{_REPLACEMENT}")
    return F.when(text.rlike(_HALF), whole).otherwise(text)
