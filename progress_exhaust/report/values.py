"""How numbers, percentages and instants become text, as Column functions; null stays null, a blank cell."""

from __future__ import annotations

from pyspark.sql import Column
from pyspark.sql import functions as F

INSTANT_PATTERN = "yyyy-MM-dd HH:mm:ss:SSSZ"

_LEGACY_INSTANT = r"\A(\d{4}-\d{2}-\d{2}) (\d{2}:\d{2}:\d{2}):(\d{3})([+-]\d{2})(\d{2})\z"
_TOO_LARGE = 1e15
_FIRST_YEAR, _LAST_YEAR = 1, 9999


def is_number(value: Column) -> Column:
    """Whether a double is one to count with: not null, NaN or infinite.

    >>> counters = spark.sql("VALUES (7.5D), (double('NaN')), (1e15D) AS counters(counter)")
    >>> counters.select("counter", is_number(F.col("counter")).alias("is_number")).show()
    +-------+---------+
    |counter|is_number|
    +-------+---------+
    |    7.5|     true|
    |    NaN|    false|
    | 1.0E15|     true|
    +-------+---------+
    <BLANKLINE>
    """
    # Of NaN and infinity it makes NaN, and asks for the value once.
    return F.coalesce(value * 0 == 0, F.lit(False))


def is_usable_score(score: Column) -> Column:
    """Whether a score of an attempt counts: a number below 10^15.

    >>> scores = spark.sql("VALUES (7.5D), (double('NaN')), (1e15D) AS scores(score)")
    >>> scores.select("score", is_usable_score(F.col("score")).alias("is_usable")).show()
    +------+---------+
    | score|is_usable|
    +------+---------+
    |   7.5|     true|
    |   NaN|    false|
    |1.0E15|    false|
    +------+---------+
    <BLANKLINE>
    """
    return is_number(score) & (score < _TOO_LARGE)


def shown_score(score: Column) -> Column:
    """Return a score as the decimal its cell shows: 2 decimals, half up away from zero of its shortest text.

    Null from 10^36 on. The cast goes through the double's decimal text, not its binary value; whole numbers need no
    text. The score is asked for several times: it should be a column.

    >>> scores = spark.sql("VALUES (2.675D), (-2.675D), (-0.004D) AS scores(score)")
    >>> scores.select("score", shown_score(F.col("score")).alias("shown")).show()
    +------+-----+
    | score|shown|
    +------+-----+
    | 2.675| 2.68|
    |-2.675|-2.68|
    |-0.004| 0.00|
    +------+-----+
    <BLANKLINE>
    """
    whole = F.floor(score)
    is_whole = (score == whole) & (F.abs(score) < _TOO_LARGE)
    rounded = F.round(score.cast("decimal(38,20)"), 2)  # null from 10^18 on, where doubles are whole
    shown = F.coalesce(rounded.cast("decimal(38,2)"), score.cast("decimal(38,2)"))
    return F.when(is_whole, whole.cast("decimal(38,2)")).otherwise(shown)


def number_text(shown: Column) -> Column:
    """Return a decimal of scale 2 without trailing zeros.

    >>> scores = spark.sql("VALUES (100.00BD), (2.50BD), (0.00BD) AS scores(shown)")
    >>> scores.select("shown", number_text(F.col("shown")).alias("text")).show()
    +------+----+
    | shown|text|
    +------+----+
    |100.00| 100|
    |  2.50| 2.5|
    |  0.00|   0|
    +------+----+
    <BLANKLINE>
    """
    return _without_trailing(".", _without_trailing("0", shown.cast("string")))


def completion_percent(completed: Column, leaves: Column) -> Column:
    """Return whole percents of the leaves completed, half up, at most 100; null where there is no leaf, or no number.

    >>> counts = spark.sql("VALUES (1, 8), (9, 7), (0, 0) AS counts(completed, leaves)")
    >>> counts.select("*", completion_percent(F.col("completed"), F.col("leaves")).alias("percent")).show()
    +---------+------+-------+
    |completed|leaves|percent|
    +---------+------+-------+
    |        1|     8|     13|
    |        9|     7|    100|
    |        0|     0|   NULL|
    +---------+------+-------+
    <BLANKLINE>
    """
    at_most_all = F.least(completed.cast("double"), leaves.cast("double"))
    percent = F.floor((at_most_all * 200 + leaves) / (leaves * 2))
    return F.when((leaves > 0) & completed.isNotNull(), percent)


def instant_text(instant: Column) -> Column:
    """Return a timestamp in the session's time zone, milliseconds cut; null where `is_out_of_range`.

    >>> texts = [f"(timestamp '{text}Z')" for text in ("2020-08-25T13:45:54.150999", "+10000-01-01T00:00:00")]
    >>> instants = spark.sql(f"VALUES {', '.join(texts)} AS instants(instant)")
    >>> instants.select(instant_text(F.col("instant")).alias("text")).show(truncate=False)
    +----------------------------+
    |text                        |
    +----------------------------+
    |2020-08-25 13:45:54:150+0000|
    |NULL                        |
    +----------------------------+
    <BLANKLINE>
    """
    return F.when(~is_out_of_range(instant), F.date_format(instant, INSTANT_PATTERN))


def is_out_of_range(instant: Column) -> Column:
    """Whether a timestamp lies in no year from 0001 to 9999 of the session's time zone; false for null.

    >>> texts = [f"(timestamp '{text}Z')" for text in ("2020-08-25T13:45:54", "0000-12-31T23:59:59.999")]
    >>> instants = spark.sql(f"VALUES {', '.join(texts)}, (null) AS instants(instant)")
    >>> instants.select("instant", is_out_of_range(F.col("instant")).alias("is_out_of_range")).show(truncate=False)
    +-----------------------+---------------+
    |instant                |is_out_of_range|
    +-----------------------+---------------+
    |2020-08-25 13:45:54    |false          |
    |0000-12-31 23:59:59.999|true           |
    |NULL                   |false          |
    +-----------------------+---------------+
    <BLANKLINE>
    """
    return F.coalesce(~F.year(instant).between(_FIRST_YEAR, _LAST_YEAR), F.lit(False))


def legacy_instant(text: Column) -> Column:
    """Read a legacy enrolment date; null where the text is anything but exactly that pattern and a real date.

    >>> dates = [f"('{day} 13:45:54:150+0530')" for day in ("2020-08-25", "2020-8-25", "2020-02-30")]
    >>> texts = spark.sql(f"VALUES {', '.join(dates)} AS texts(text)")
    >>> texts.select("text", legacy_instant(F.col("text")).alias("instant")).show(truncate=False)
    +----------------------------+----------------------+
    |text                        |instant               |
    +----------------------------+----------------------+
    |2020-08-25 13:45:54:150+0530|2020-08-25 08:15:54.15|
    |2020-8-25 13:45:54:150+0530 |NULL                  |
    |2020-02-30 13:45:54:150+0530|NULL                  |
    +----------------------------+----------------------+
    <BLANKLINE>
    """
    iso = F.regexp_replace(text, _LEGACY_INSTANT, "$1T$2.$3$4:$5")
    is_in_era = ~text.startswith("0000")
    return F.when(text.rlike(_LEGACY_INSTANT) & is_in_era, iso.cast("timestamp"))


def _without_trailing(sign: str, text: Column) -> Column:
    return F.call_function("rtrim", F.lit(sign), text)
