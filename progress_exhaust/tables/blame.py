"""How an executor tells which file it has found at fault: as a mark within the text of its failure.

A failure comes from an executor as a text and nothing else, with whatever Spark and Java put around it. So the mark is
a fixed beginning and a JSON object, which ends where it ends; written and read here alone.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from pyspark.sql import Column
from pyspark.sql import functions as F

_BEGINNING = "progress-exhaust: a line does not fit: "


@dataclass(frozen=True, slots=True)
class Blame:
    """A file with a line that does not fit.

    Attributes:
        table: `<keyspace>.<table>`.
        file: the URL of the file.
    """

    table: str
    file: str


def blame_column(table: str, file: Column) -> Column:
    """Return the mark as an executor makes it.

    Args:
        table: `<keyspace>.<table>`.
        file: the URL of the file at hand.
    """
    return F.concat(F.lit(_BEGINNING), F.to_json(F.struct(F.lit(table).alias("table"), file.alias("file"))))


def blame_text(blame: Blame) -> str:
    """Return the mark as a text."""
    return f"{_BEGINNING}{json.dumps(asdict(blame))}"


def blame_in(text: str) -> Blame | None:
    """Return the first blame that stands in the text of a failure, or None."""
    # Whatever else has the beginning, such as the text of a plan with our expression in it, is no mark.
    for rest in text.split(_BEGINNING)[1:]:
        try:
            found, _ = json.JSONDecoder().raw_decode(rest)
            return Blame(**found)
        except (ValueError, TypeError):
            continue
    return None
