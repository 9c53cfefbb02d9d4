"""Column functions on JSON texts that Spark's own readers take too easily."""

from __future__ import annotations

from pyspark.sql import Column
from pyspark.sql import functions as F


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
