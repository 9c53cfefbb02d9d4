"""The Spark session: the connector, its extensions, and the settings that the plan relies on."""

from __future__ import annotations

import subprocess
from importlib import resources
from pathlib import Path
from typing import Any

from py4j.protocol import Py4JJavaError
from pyspark import SparkConf, SparkContext
from pyspark.java_gateway import launch_gateway
from pyspark.sql import SparkSession

from progress_exhaust.errors import SettingsError
from progress_exhaust.settings import Settings, SourceKind
from progress_exhaust.tables.cassandra import connector_options, connector_secrets

CONNECTOR_EXTENSIONS = "com.datastax.spark.connector.CassandraSparkExtensions"

_RELIED_ON = {
    # The plan knows its sizes from a count of its own: the number of jobs then does not depend on the data.
    "spark.sql.adaptive.enabled": "false",
    "spark.sql.autoBroadcastJoinThreshold": "-1",
    # What is partitioned by learner serves every join and aggregate by learner and batch: one exchange a table.
    "spark.sql.requireAllClusterKeysForCoPartition": "false",
    # Inputs of aggregates are sorted by their keys already: no hash table is built, and joins need no second sort.
    "spark.sql.execution.replaceHashWithSortAgg": "true",
    "spark.sql.ansi.enabled": "false",
    "spark.sql.json.enablePartialResults": "false",
    # Instants in Parquet are taken, and staged, as they are; whoever wrote them has the calendar we have.
    "spark.sql.parquet.datetimeRebaseModeInRead": "CORRECTED",
    "spark.sql.parquet.int96RebaseModeInRead": "CORRECTED",
    "spark.sql.parquet.datetimeRebaseModeInWrite": "CORRECTED",
    "spark.sql.parquet.int96RebaseModeInWrite": "CORRECTED",
    "spark.sql.parquet.int96TimestampConversion": "false",
    "spark.sql.files.ignoreMissingFiles": "false",
    "spark.sql.files.ignoreCorruptFiles": "false",
    # What is kept between two reads is kept for seconds: looking for the best way to compress it costs more.
    "spark.sql.inMemoryColumnarStorage.compressed": "false",
    "spark.speculation": "false",
    "spark.task.maxFailures": "4",
    "spark.hadoop.mapreduce.fileoutputcommitter.marksuccessfuljobs": "false",
    # The dictionary of places is a constant of the plan; its text is of no use on a screen.
    "spark.sql.maxPlanStringLength": "200000",
    "spark.ui.showConsoleProgress": "false",
}
_NAMES_OF_COLUMNS = ("functions", "Column", "PythonUtils", "SparkSession", "SparkSession$", "org")


def start_session(settings: Settings, *, debug: bool = False, has_collector: bool = False) -> SparkSession:
    """Start the session, or take the JVM that spark-submit has made, and whose arguments then win.

    Secrets are set in the running JVM, because the configuration given at its start stands in its arguments.

    Args:
        settings: all settings.
        debug: whether Spark's own logging is wanted.
        has_collector: whether somebody has chosen a garbage collector for the JVM, which starts with one choice only.

    Raises:
        SettingsError: the tables are in Cassandra and the connector is not on the class path.
    """
    at_start = SparkConf(loadDefaults=False)
    for key, value in start_options(settings, debug=debug, has_collector=has_collector).items():
        at_start.set(key, value)
    # Unless asked for, what the JVM says of itself while it starts (jars it fetches, or can not) is not for the screen.
    streams = {} if debug else {"stderr": subprocess.DEVNULL}
    SparkContext._ensure_initialized(gateway=SparkContext._gateway or launch_gateway(at_start, streams))  # type: ignore[no-untyped-call]
    running = SparkConf(_jvm=SparkContext._jvm)
    for key, value in at_start.getAll():
        running.setIfMissing(key, value)
    for key, value in (_RELIED_ON | _secrets(settings)).items():
        running.set(key, value)
    running.set("spark.sql.session.timeZone", settings.report.time_zone)
    context = SparkContext.getOrCreate(running)
    if not debug:
        context.setLogLevel("OFF")
    _keep_names(context._jvm)
    session = SparkSession(context)
    # Until the learners are counted, and the tasks cut by their number: Spark's own 200 are far too many to count in.
    session.conf.set("spark.sql.shuffle.partitions", str(context.defaultParallelism))
    if settings.source.kind is SourceKind.CASSANDRA:
        _require_connector(session, settings)
    return session


def start_options(settings: Settings, *, debug: bool, has_collector: bool = False) -> dict[str, str]:
    """Return what Spark has to know before its JVM starts; no secret is among it. See `start_session`."""
    spark = settings.spark
    options = {
        "spark.app.name": "progress-exhaust",
        "spark.master": spark.master,
        "spark.driver.memory": spark.driver_memory,
        "spark.ui.enabled": str(spark.ui).lower(),
        # The classes generated for one run are over 200; of a smaller cache each run compiles all of them anew.
        "spark.sql.codegen.cache.maxEntries": "1000",
    }
    java_options = []
    if spark.master.startswith("local"):
        options |= {"spark.driver.host": "127.0.0.1", "spark.driver.bindAddress": "127.0.0.1"}
        if not has_collector:
            java_options.append("-XX:+UseParallelGC")  # half the work of Java's default, whose short pauses help nobody
    if not debug:
        quiet = resources.files("progress_exhaust") / "log4j2-quiet.properties"
        java_options.append(f"-Dlog4j2.configurationFile={Path(str(quiet)).as_uri()}")
    if java_options:
        options["spark.driver.extraJavaOptions"] = " ".join(java_options)
    if settings.source.kind is SourceKind.CASSANDRA:
        options |= connector_options(settings.cassandra)
        options["spark.sql.extensions"] = CONNECTOR_EXTENSIONS
        if spark.connector_jars:
            jars = sorted(str(jar) for jar in Path(spark.connector_jars).glob("*.jar"))
            options["spark.jars"] = ",".join(jars)
        else:
            options["spark.jars.packages"] = spark.connector_package
            # As a URL, since Spark reads it as one: a blank in a path would end it.
            options["spark.jars.ivySettings"] = Path(
                str(resources.files("progress_exhaust") / "ivysettings.xml")
            ).as_uri()
            if spark.jar_cache:
                options["spark.jars.ivy"] = spark.jar_cache
    return options


def _keep_names(jvm: Any) -> None:
    """Keep what PySpark asks Java for anew at each column it makes: over a thousand times a plan, 0.4 ms each."""
    for name in _NAMES_OF_COLUMNS:
        setattr(jvm, name, getattr(jvm, name))


def _secrets(settings: Settings) -> dict[str, str]:
    return connector_secrets(settings.cassandra) if settings.source.kind is SourceKind.CASSANDRA else {}


def _require_connector(session: SparkSession, settings: Settings) -> None:
    jvm: Any = session._jvm
    try:
        jvm.java.lang.Thread.currentThread().getContextClassLoader().loadClass(CONNECTOR_EXTENSIONS)
    except Py4JJavaError:
        raise SettingsError(
            "reading tables from Cassandra: the connector is not on Spark's class path; "
            f"submit with --packages {settings.spark.connector_package} or with --jars"
        ) from None
