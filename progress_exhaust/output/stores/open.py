"""Which store a URL means."""

from __future__ import annotations

from pyspark.sql import SparkSession

from progress_exhaust.output.stores.hadoop import HadoopStore
from progress_exhaust.output.stores.local import LocalStore
from progress_exhaust.output.stores.port import Store
from progress_exhaust.paths import local_folder


def open_store(url: str, spark: SparkSession) -> Store:
    """Return the store at a local path or any URL that Hadoop knows."""
    folder = local_folder(url)
    return HadoopStore(url, spark) if folder is None else LocalStore(folder)
