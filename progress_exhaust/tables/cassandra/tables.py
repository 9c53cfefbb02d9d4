"""The input tables in Cassandra, through the spark-cassandra-connector."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from threading import Thread
from typing import TypeVar

from py4j.protocol import Py4JJavaError
from pyspark.errors import AnalysisException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import types as T

from progress_exhaust.errors import DataShapeError
from progress_exhaust.settings.sections import CassandraSettings, ReadBy, Settings
from progress_exhaust.tables.cassandra.columns import as_declared
from progress_exhaust.tables.cassandra.direct_join import LOOKUP_ONLY, SCAN_ONLY, looked_up, partition_key_of, size_of
from progress_exhaust.tables.cassandra.errors import FORMAT, causes, connection_fault, no_answer
from progress_exhaust.tables.schemas import COURSE_BATCH, Table, empty, table_names
from progress_exhaust.tables.strategy import ReadStrategy, TableSize, WantedKeys, choose_strategy

_Result = TypeVar("_Result")

# The connector's own two, with RSA for the key exchange, are refused by nodes with an EC key or of today's defaults.
_CIPHER_SUITES = (
    "TLS_AES_256_GCM_SHA384",
    "TLS_AES_128_GCM_SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
)

_ACCEPTED_INSTEAD = {
    "array<map<string,string>>": {"string"},
    "int": {"bigint", "smallint", "tinyint"},
    "double": {"float", "int", "bigint"},
}


def connector_options(settings: CassandraSettings) -> dict[str, str]:
    """Return the connector's settings, without secrets. It stops at a name it does not know."""
    prefix = "spark.cassandra"
    options = {
        f"{prefix}.connection.host": ",".join(settings.hosts),
        f"{prefix}.connection.port": str(settings.port),
        f"{prefix}.connection.timeoutMS": str(round(settings.connect_timeout_s * 1000)),
        f"{prefix}.connection.keepAliveMS": "600000",
        f"{prefix}.read.timeoutMS": str(round(settings.read_timeout_s * 1000)),
        f"{prefix}.query.retry.count": str(settings.retries),
        f"{prefix}.input.consistency.level": settings.consistency,
        f"{prefix}.input.fetch.sizeInRows": str(settings.fetch_rows),
        f"{prefix}.input.split.sizeInMB": str(settings.split_mb),
        f"{prefix}.concurrent.reads": str(settings.concurrent_reads),
    }
    if settings.local_datacenter:
        options[f"{prefix}.connection.localDC"] = settings.local_datacenter
    if settings.reads_per_s:
        options[f"{prefix}.input.readsPerSec"] = str(settings.reads_per_s)
    if settings.tls:
        options[f"{prefix}.connection.ssl.enabled"] = "true"
        options[f"{prefix}.connection.ssl.enabledAlgorithms"] = ",".join(_CIPHER_SUITES)
        if settings.trust_store:
            options[f"{prefix}.connection.ssl.trustStore.path"] = settings.trust_store
        if settings.key_store:
            options[f"{prefix}.connection.ssl.clientAuth.enabled"] = "true"
            options[f"{prefix}.connection.ssl.keyStore.path"] = settings.key_store
    return options


def connector_secrets(settings: CassandraSettings) -> dict[str, str]:
    """Return the connector's settings that are secret; they must not reach a command line."""
    prefix = "spark.cassandra"
    secrets = {f"{prefix}.auth.username": settings.username} if settings.username else {}
    for name, secret in (
        ("auth.password", settings.password),
        ("connection.ssl.trustStore.password", settings.trust_store_password),
        ("connection.ssl.keyStore.password", settings.key_store_password),
    ):
        if secret is not None:
            secrets[f"{prefix}.{name}"] = secret.get_secret_value()
    return secrets


class CassandraTables:
    """Reads tables from a Cassandra cluster with the rights of the configured role."""

    def __init__(self, spark: SparkSession, settings: Settings) -> None:
        self._spark = spark
        self._settings = settings.cassandra
        self._names = table_names(settings)
        self._loaded: dict[str, DataFrame | None] = {}
        self._sizes: dict[str, TableSize | None] = {}

    def frame(self, table: Table) -> DataFrame:
        """Return the table; see `port.Tables`."""
        return self._scanned(table, self._checked(table)) if self.exists(table) else empty(self._spark, table)

    def read(self, table: Table, keys: DataFrame, wanted: WantedKeys) -> DataFrame:
        """Return the rows with these keys, looked up or scanned; see `port.Tables`."""
        if not self.exists(table):
            return empty(self._spark, table)
        whole = self._checked(table)
        if self.reading(table, wanted).by is ReadBy.SCAN:
            return self._scanned(table, whole)
        columns = [name for name in table.columns.fieldNames() if name in whole.columns]
        found = looked_up(whole.select(columns), keys, partition_key_of(whole))
        return self._scanned(table, whole) if found is None else as_declared(table, found)

    def reading(self, table: Table, wanted: WantedKeys) -> ReadStrategy:
        """Return how the table is read when so many keys are wanted; see `port.Tables`."""
        if not self.exists(table):
            return ReadStrategy(ReadBy.SCAN, "it does not exist, and counts as empty")
        whole = self._found(table)
        if table.setting not in self._sizes:
            self._sizes[table.setting] = self._asked(lambda: size_of(self._spark, whole))
        asked, size = self._settings.read_by(table.setting), self._sizes[table.setting]
        cores = self._spark.sparkContext.defaultParallelism
        partition_key = partition_key_of(whole)
        return choose_strategy(asked, partition_key, table.known, wanted.of(partition_key), size, cores)

    def exists(self, table: Table) -> bool:
        """Return whether Cassandra has the table.

        Raises:
            DataShapeError: it has not, and the table must be there.
            SourceError: Cassandra does not answer.
        """
        if self._load(table) is not None:
            return True
        if table.may_be_missing:
            return False
        raise self._missing(table)

    def absent_columns(self, table: Table) -> tuple[str, ...]:
        """Return the columns that Cassandra's table lacks; see `port.Tables`."""
        return table.absent(self._found(table).columns) if self.exists(table) else ()

    def check(self) -> None:
        """Ask Cassandra for one table's columns."""
        self._look_at(COURSE_BATCH)

    def _scanned(self, table: Table, checked: DataFrame) -> DataFrame:
        """Return all rows of the table; one that was loaded for lookups is loaded anew."""
        whole = self._asked(lambda: self._relation(table, SCAN_ONLY)) if table.known else checked
        return as_declared(table, whole)

    def _checked(self, table: Table) -> DataFrame:
        """Return the table as Cassandra has it, whose columns are those that it should have.

        One of which keys may be known is loaded for lookups, and is not to be joined but by `looked_up`.
        """
        found = self._found(table)
        types = {field.name: field.dataType for field in found.schema}
        if refused := table.refused(table.absent(types)):
            raise DataShapeError(
                f"reading table {self._names[table.setting]}: columns missing: {json.dumps(refused)}"
                f"{table.so(refused)}; got {json.dumps(sorted(types))}; was the table altered?"
            )
        for field in table.columns:
            self._check_type(table, field, types.get(field.name))
        return found

    def _found(self, table: Table) -> DataFrame:
        found = self._load(table)
        if found is None:
            raise self._missing(table)
        return found

    def _missing(self, table: Table) -> DataShapeError:
        return DataShapeError(
            f"reading table {self._names[table.setting]}: Cassandra has no such table; was it dropped, and does the "
            "setting tables.* name it right?"
        )

    def _load(self, table: Table) -> DataFrame | None:
        """Return the table as Cassandra has it, or None; it is looked at once a run."""
        if table.setting not in self._loaded:
            self._loaded[table.setting] = self._look_at(table)
        return self._loaded[table.setting]

    def _look_at(self, table: Table) -> DataFrame | None:
        return self._asked(lambda: self._relation_if_any(table))

    def _asked(self, question: Callable[[], _Result]) -> _Result:
        """Return what Cassandra answers, in time."""
        try:
            return _in_time(question, self._settings.connect_timeout_s + self._settings.read_timeout_s)
        except TimeoutError:
            raise no_answer(self._settings) from None
        except Py4JJavaError as error:
            raise connection_fault(error, self._settings) from None

    def _relation_if_any(self, table: Table) -> DataFrame | None:
        try:
            return self._relation(table, LOOKUP_ONLY if table.known else SCAN_ONLY)
        except AnalysisException:
            return None
        except Py4JJavaError as error:
            if any("Couldn't find" in text or "NoSuchElementException" in text for text in causes(error)):
                return None
            raise

    def _relation(self, table: Table, options: Mapping[str, str]) -> DataFrame:
        keyspace, name = self._names[table.setting].split(".")
        frame = self._spark.read.format(FORMAT).options(keyspace=keyspace, table=name, **options).load()
        # Planning looks at the table once more. Done here, it is within our time, and no later plan does it again.
        frame._jdf.queryExecution().optimizedPlan()
        return frame

    def _check_type(self, table: Table, field: T.StructField, found: T.DataType | None) -> None:
        expected = field.dataType.simpleString()
        if found is None or found.simpleString() == expected:
            return
        if field.name in table.also_numeric or found.simpleString() in _ACCEPTED_INSTEAD.get(expected, ()):
            return
        raise DataShapeError(
            f"reading table {self._names[table.setting]}: column {field.name} is {found.simpleString()}, "
            f"expected {expected}; was the table altered?"
        )


def _in_time(work: Callable[[], _Result], timeout_s: float) -> _Result:
    """Return what the work returns.

    The Java driver waits for ever where it looks for tables just when its own connection is gone (and can not be
    interrupted), so the work gets a thread, which is given up when its time is over.

    Raises:
        TimeoutError: it took too long.
    """
    answer: Future[_Result] = Future()

    def run() -> None:
        try:
            answer.set_result(work())
        except BaseException as error:  # noqa: BLE001 - handed to the caller as it is
            answer.set_exception(error)

    Thread(target=run, name="look at a table", daemon=True).start()
    return answer.result(timeout_s)
