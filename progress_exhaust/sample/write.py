"""The command `sample-data`: a seeded synthetic world, as a snapshot or in Cassandra, with its catalogue.

The world always holds the batch of the specification's sample rows, whatever its size.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, Observation, SparkSession
from pyspark.sql import functions as F

from progress_exhaust.errors import OutputError, cause_of
from progress_exhaust.sample.batch import sample_tree
from progress_exhaust.sample.frames import world_tables
from progress_exhaust.sample.locations import districts, root_organisation_id
from progress_exhaust.sample.trees import TreeMaker, write_answer
from progress_exhaust.sample.world import FileFormat, WorldSize
from progress_exhaust.settings.sections import Settings
from progress_exhaust.tables.cassandra.errors import FORMAT
from progress_exhaust.tables.schemas import table_names

_JSON = {"timestampFormat": "yyyy-MM-dd'T'HH:mm:ss.SSSXXX", "timeZone": "UTC"}


def write_snapshot(
    spark: SparkSession, size: WorldSize, snapshot_url: str, catalogue_dir: Path, file_format: FileFormat
) -> dict[str, int]:
    """Write the world as a folder of files, and its catalogue. Folders of its tables are replaced.

    Args:
        spark: the session.
        size: how big the world is, and its seed.
        snapshot_url: folder, local or at any Hadoop URL; gets a sub-folder `<keyspace>.<table>` for each table.
        catalogue_dir: local folder; gets a `<collection_id>.json` for each course.
        file_format: Parquet, or JSON lines.

    Returns:
        The rows written, by `<keyspace>.<table>`.

    Raises:
        OutputError: a folder can not be written.
    """

    def write(frame: DataFrame, name: str) -> None:
        folder = f"{snapshot_url.rstrip('/')}/{name}"
        if file_format == FileFormat.PARQUET:
            frame.write.mode("overwrite").parquet(folder)
        else:
            frame.select(F.to_json(F.struct("*"), _JSON)).write.mode("overwrite").text(folder)
            _rename_to_jsonl(spark, folder)

    return _write_world(spark, size, catalogue_dir, table_names(Settings()), write, f"the snapshot {snapshot_url}")


def write_cassandra(
    spark: SparkSession, size: WorldSize, catalogue_dir: Path, names: Mapping[str, str]
) -> dict[str, int]:
    """Write the world into Cassandra tables that exist, over what they hold, and its catalogue into a folder.

    Args:
        spark: a session with the connector.
        size: how big the world is, and its seed.
        catalogue_dir: local folder; gets a `<collection_id>.json` for each course.
        names: `<keyspace>.<table>` by `Table.setting`; see `schemas.table_names`.

    Returns:
        The rows written, by `<keyspace>.<table>`.

    Raises:
        OutputError: a table or the folder can not be written.
    """

    def write(frame: DataFrame, name: str) -> None:
        keyspace, table = name.split(".")
        # A null is written as a deletion; leaving it out spares the node a tombstone for each.
        options = {"keyspace": keyspace, "table": table, "spark.cassandra.output.ignoreNulls": "true"}
        frame.write.format(FORMAT).options(**options).mode("append").save()

    return _write_world(spark, size, catalogue_dir, names, write, "Cassandra")


def write_catalogue(size: WorldSize, directory: Path) -> None:
    """Write the hierarchy answers of all courses.

    Raises:
        OutputError: the folder can not be written.
    """
    maker = TreeMaker(size.seed, size.leaves, size.nested, size.depth, size.assessments)
    states = sorted({district.state for district in districts()})
    try:
        directory.mkdir(parents=True, exist_ok=True)
        write_answer(directory, sample_tree())
        for collection in range(size.collections):
            channel = root_organisation_id(states[collection % len(states)])
            write_answer(directory, maker.tree(collection, channel))
    except OSError as error:
        raise OutputError(
            "writing",
            object=f"the catalogue {directory}",
            got=cause_of(error),
            remedy="give a folder that can be written",
        ) from None


def _write_world(
    spark: SparkSession,
    size: WorldSize,
    catalogue_dir: Path,
    names: Mapping[str, str],
    write: Callable[[DataFrame, str], None],
    place: str,
) -> dict[str, int]:
    write_catalogue(size, catalogue_dir)
    rows: dict[str, int] = {}
    for table, frame in world_tables(spark, size):
        name = names[table.setting]
        counted = Observation()
        try:
            write(frame.observe(counted, F.count(F.lit(1)).alias("rows")), name)
        except (Py4JJavaError, PySparkException) as error:
            raise OutputError(
                "writing",
                object=f"sample data to {place}, table {name}",
                got=_first_line(error),
                remedy="is there the space and the right?",
            ) from error
        rows[name] = int(counted.get["rows"])
    return rows


def _rename_to_jsonl(spark: SparkSession, folder: str) -> None:
    """Give Spark's text files the ending by which a snapshot tells its format."""
    jvm: Any = spark._jvm
    path = jvm.org.apache.hadoop.fs.Path(folder)
    file_system = path.getFileSystem(spark._jsc.hadoopConfiguration())
    for status in file_system.listStatus(path):
        name = status.getPath().getName()
        if name.endswith(".txt"):
            file_system.rename(
                status.getPath(), jvm.org.apache.hadoop.fs.Path(path, name.removesuffix("txt") + "jsonl")
            )


def _first_line(error: Exception) -> str:
    text = str(error.java_exception) if isinstance(error, Py4JJavaError) else str(error)
    return text.splitlines()[0]
