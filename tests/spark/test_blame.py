"""What an executor blames is read back from the text of the failure that Spark makes of it."""

from __future__ import annotations

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from progress_exhaust.export.spark_errors import SPARK_FAILURES
from progress_exhaust.tables.blame import Blame, blame_column, blame_in


@pytest.mark.parametrize(
    "file",
    ["file:///a/b.jsonl", "file:///a%20b/ü $5 {7}.jsonl", 'odd "quotes" \\ and\nlines', ""],
    ids=["plain", "escaped", "quotes", "empty"],
)
def test_blame_made_by_an_executor_is_read_back(spark: SparkSession, file: str) -> None:
    with pytest.raises(SPARK_FAILURES) as failed:
        spark.range(1).select(F.raise_error(blame_column("ks.table", F.lit(file)))).collect()
    assert blame_in(str(failed.value)) == Blame("ks.table", file)
