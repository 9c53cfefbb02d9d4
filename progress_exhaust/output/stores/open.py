"""Which store a URL means."""

from __future__ import annotations

from pyspark.sql import SparkSession

from progress_exhaust.output.stores.hadoop import HadoopStore
from progress_exhaust.output.stores.local import LocalStore
from progress_exhaust.output.stores.object_store import ObjectStore
from progress_exhaust.output.stores.patience import Patience
from progress_exhaust.output.stores.patient import PatientStore
from progress_exhaust.output.stores.port import Store
from progress_exhaust.paths import local_folder, scheme_of

WITH_ATOMIC_RENAME = frozenset({"file", "hdfs", "viewfs"})
"""File systems where a rename over an existing file is one step; everywhere else files are uploaded."""


def open_store(url: str, spark: SparkSession, patience: Patience | None = None) -> Store:
    """Return the store at a local path or any URL that Hadoop knows.

    Args:
        url: of its root.
        spark: whose JVM has the file systems.
        patience: how long one on another machine is waited for; None for ever.

    Raises:
        OutputError: Hadoop has no class for it, or can not open it.
    """
    folder = local_folder(url)
    if folder is not None:
        return LocalStore(folder)
    if patience is None:
        return _hadoop_store(url, spark)
    return PatientStore(patience.call("opening", url, lambda: _hadoop_store(url, spark)), patience)


def _hadoop_store(url: str, spark: SparkSession) -> Store:
    if scheme_of(url) not in WITH_ATOMIC_RENAME:
        return ObjectStore(url, spark)
    store = HadoopStore(url, spark)
    return store if store.schemes() <= WITH_ATOMIC_RENAME else ObjectStore(url, spark)
