"""Spark's bare start: a plain session that writes one small text file; a process that `cold_start` compares us with."""

from __future__ import annotations

import sys

from pyspark.sql import SparkSession


def main(folder: str) -> None:
    """Write a line into a new folder."""
    spark = (
        SparkSession.builder.master("local[2]")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.ui.enabled", "false")
        .getOrCreate()
    )
    spark.sparkContext.setLogLevel("OFF")
    spark.range(1).selectExpr("'a line' AS value").coalesce(1).write.text(folder)
    spark.stop()


if __name__ == "__main__":
    main(sys.argv[1])
