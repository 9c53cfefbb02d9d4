"""What tests of single transforms share: a session with few tasks, in UTC, and small frames."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from pyspark.sql import DataFrame, SparkSession

from progress_exhaust.report import inputs
from tests.support.builders import rows_frame


@pytest.fixture(scope="module", autouse=True)
def few_tasks_in_utc(spark: SparkSession) -> Iterator[None]:
    spark.conf.set("spark.sql.session.timeZone", "UTC")
    before = spark.conf.get("spark.sql.shuffle.partitions")
    spark.conf.set("spark.sql.shuffle.partitions", "2")
    yield
    spark.conf.set("spark.sql.shuffle.partitions", str(before))


@pytest.fixture(scope="module")
def batches(spark: SparkSession) -> DataFrame:
    """Two batches of one collection, and one of another."""
    rows = [("b-1", "do_1"), ("b-2", "do_1"), ("b-3", "do_2")]
    return rows_frame(
        spark,
        inputs.BATCHES,
        *(
            {"batch_no": number, "batch_id": batch_id, "collection_id": collection_id, "wave_no": number % 2}
            for number, (batch_id, collection_id) in enumerate(rows)
        ),
    )
