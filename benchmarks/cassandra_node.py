"""The node that `benchmarks.cassandra` reads, with a world and a copy of its enrolments that is keyed by batch."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from pyspark.sql import DataFrame, SparkSession

from benchmarks.worlds import ROOT
from progress_exhaust.catalogue.files import FilesCatalogue
from progress_exhaust.java import java_home
from progress_exhaust.sample.world import WorldSize
from progress_exhaust.sample.write import write_cassandra
from progress_exhaust.settings.load import load
from progress_exhaust.settings.sections import ReadBy, Settings, SparkSettings
from progress_exhaust.stack.cassandra import CassandraNode
from progress_exhaust.stack.jars import cache_folder, cassandra_jars, connector_jars
from progress_exhaust.stack.schema import KEYSPACES, create_schema
from progress_exhaust.tables.cassandra.direct_join import DIRECT_JOIN_OFF
from progress_exhaust.tables.cassandra.errors import FORMAT
from progress_exhaust.tables.cassandra.tables import CassandraTables
from progress_exhaust.tables.schemas import INPUT_TABLES, USER_ENROLMENTS, Table, table_names

FOLDER = ROOT / "cassandra"
WORLD = WorldSize(
    seed=1,
    learners=1000,
    batches=200,
    collections=20,
    leaves=40,
    nested=5,
    depth=2,
    assessments=4,
    attempts=2,
    odd_share=0.01,
)
BY_BATCH = "sunbird_courses.enrolments_by_batch"
_MADE = FOLDER / "made.json"
_CONTENT = json.dumps(asdict(WORLD))
_COPY = f"""CREATE TABLE IF NOT EXISTS {BY_BATCH} (
    batchid text, courseid text, userid text, active boolean, enrolled_date timestamp, enrolleddate text,
    completedon timestamp, contentstatus map<text, int>, certificates list<frozen<map<text, text>>>,
    issued_certificates list<frozen<map<text, text>>>, PRIMARY KEY (batchid, courseid, userid))"""


@dataclass(frozen=True)
class Bench:
    """A running node.

    Attributes:
        node: it.
        connector: folder of the connector's jars.
    """

    node: CassandraNode
    connector: Path

    def load(self, spark: SparkSession) -> None:
        """Load the world, unless it is there, and wait until the node knows how big its tables are."""
        if not _is_loaded():
            with self.node.session() as session:
                create_schema(session)
                session.execute(_COPY)
            write_cassandra(spark, WORLD, FOLDER / "catalogue", table_names(self.settings()))
            keyspace, copy = BY_BATCH.split(".")
            enrolments = self.bare(spark, USER_ENROLMENTS).write.format(FORMAT).options(keyspace=keyspace, table=copy)
            enrolments.mode("append").save()
            self.node.flush(KEYSPACES)
            _MADE.write_text(_CONTENT, encoding="utf-8")
        for table in INPUT_TABLES:
            self.node.wait_for_estimates(*table_names(self.settings())[table.setting].split("."))

    def settings(self, read_by: ReadBy = ReadBy.AUTO, enrolments: str = "") -> Settings:
        """Return the settings of a run over the world; `enrolments` names another table of them."""
        read = {f"read_{table.setting}": read_by for table in INPUT_TABLES if table.known}
        return load(
            None,
            {},
            {
                "cassandra": {"hosts": (self.node.host,), "port": self.node.port, **read},
                "tables": {"user_enrolments": enrolments} if enrolments else {},
                "catalogue": {"kind": "files", "directory": str(FOLDER / "catalogue")},
                "output": {"url": str(FOLDER / "reports")},
                "spark": {"master": "local[2,4]", "connector_jars": str(self.connector)},
            },
        )

    def tables(self, spark: SparkSession, read_by: ReadBy = ReadBy.AUTO, enrolments: str = "") -> CassandraTables:
        """Return the tables, all read in one way."""
        return CassandraTables(spark, self.settings(read_by, enrolments))

    def catalogue(self) -> FilesCatalogue:
        """Return the trees."""
        settings = self.settings().catalogue
        return FilesCatalogue(settings.directory, settings.max_tree_bytes)

    def bare(self, spark: SparkSession, table: Table) -> DataFrame:
        """Return the columns that a run reads of a table, as the connector gives them."""
        keyspace, name = table_names(self.settings())[table.setting].split(".")
        frame = spark.read.format(FORMAT).options(keyspace=keyspace, table=name, **DIRECT_JOIN_OFF).load()
        return frame.select([column for column in table.columns.fieldNames() if column in frame.columns])


@contextmanager
def running_node() -> Iterator[Bench]:
    """Start the node on the data that it has, and stop it at the end."""
    java = java_home(os.environ)
    os.environ["JAVA_HOME"] = str(java)
    cache = cache_folder(os.environ)
    connector = connector_jars(SparkSettings().connector_package, cache=cache, java=java, environment=os.environ)
    jars = cassandra_jars(cache=cache, java=java, environment=os.environ)
    if not _is_loaded():
        shutil.rmtree(FOLDER, ignore_errors=True)
    node = CassandraNode(FOLDER / "node", jars=jars, java=java, environment=os.environ, heap="1g")
    node.start()
    try:
        yield Bench(node, connector)
    finally:
        node.stop()


def _is_loaded() -> bool:
    return _MADE.exists() and _MADE.read_text(encoding="utf-8") == _CONTENT
