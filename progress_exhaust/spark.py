"""The Spark session: the connector, its extensions, and the settings that the plan relies on."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
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
_AGREES_BY_ITSELF = re.compile(r"local(\[[^\]]*\])?|yarn|k8s://.*")
"""Masters with which Spark hands out a secret of its own making."""
_EXECUTOR_OPTIONS = "spark.executor.extraJavaOptions"
_IN_UTC = "-Duser.timezone=UTC"
"""Spark moves old instants by the rules of the JVM's zone; only text is shaped by that of the session."""
_NAMES_OF_COLUMNS = ("functions", "Column", "PythonUtils", "SparkSession", "SparkSession$", "org")


def start_session(
    settings: Settings, *, debug: bool = False, has_collector: bool = False, private: Path | None = None
) -> SparkSession:
    """Start the session, or take the JVM that spark-submit has made, and whose arguments then win.

    Secrets are set in the running JVM, because the configuration given at its start stands in its arguments.

    Args:
        settings: all settings.
        debug: whether Spark's own logging is wanted.
        has_collector: whether somebody has chosen a garbage collector for the JVM, which starts with one choice only.
        private: a folder that only we can enter, for all that Spark keeps on disk; None leaves that to Spark.

    Raises:
        SettingsError: the tables are in Cassandra and the connector is not on the class path, or encryption is asked
            for where it can not be had.
    """
    at_start = SparkConf(loadDefaults=False)
    for key, value in start_options(
        settings, debug=debug, has_collector=has_collector, private=private, environment=os.environ
    ).items():
        at_start.set(key, value)
    # Unless asked for, what the JVM says of itself while it starts (jars it fetches, or can not) is not for the screen.
    # What it writes is for us alone; files that are published get their modes by themselves.
    how: dict[str, Any] = {"umask": 0o077} | ({} if debug else {"stderr": subprocess.DEVNULL})
    SparkContext._ensure_initialized(gateway=SparkContext._gateway or launch_gateway(at_start, how))  # type: ignore[no-untyped-call]
    jvm: Any = SparkContext._jvm
    if private is not None:
        # Of a JVM that spark-submit has started, what is temporary from now on lies there, too.
        jvm.java.lang.System.setProperty("java.io.tmpdir", str(private))
    running = SparkConf(_jvm=jvm)
    for key, value in at_start.getAll():
        running.setIfMissing(key, value)
    for key, value in (_RELIED_ON | _secrets(settings)).items():
        running.set(key, value)
    for key, value in encryption_of(settings, running).options().items():
        running.setIfMissing(key, value)
    _work_in_utc(SparkContext._jvm, running)
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


@dataclass(frozen=True, slots=True)
class Encryption:
    """Whether Spark's processes prove who they are to each other, and encrypt what they send and spill.

    Attributes:
        is_on: whether they do.
        why: in words.
        remedy: how to turn it on; empty where it is on.
    """

    is_on: bool
    why: str
    remedy: str = ""

    def options(self) -> dict[str, str]:
        """Return the settings of Spark that say so."""
        names = ("spark.authenticate", "spark.network.crypto.enabled", "spark.io.encryption.enabled")
        return dict.fromkeys(names, "true") if self.is_on else {}


def encryption_of(settings: Settings, running: SparkConf) -> Encryption:
    """Return whether there is encryption: by itself wherever Spark's processes get a common secret without our doing.

    Args:
        settings: all settings.
        running: of the JVM, in which spark-submit's own arguments stand, too.

    Raises:
        SettingsError: it is asked for where there is no common secret.
    """
    asked, master = settings.spark.encryption, running.get("spark.master", "") or ""
    if asked == "off":
        return Encryption(False, "the settings turn it off", "set spark.encryption = auto")
    if _AGREES_BY_ITSELF.fullmatch(master):
        has_service = running.get("spark.shuffle.service.enabled", "false") == "true"
        if asked == "on" or not (has_service and master == "yarn"):
            return Encryption(True, f"with master {master} Spark makes a secret by itself")
        return Encryption(
            False,
            "the nodes' shuffle service would have to ask for the secret, too",
            "configure it so, and set spark.encryption = on",
        )
    if running.contains("spark.authenticate.secret") or running.contains("spark.authenticate.secret.file"):
        return Encryption(True, f"by the secret that is configured for master {master}")
    remedy = "configure spark.authenticate.secret in all processes of the cluster"
    if asked == "on":
        raise SettingsError(f"spark.encryption: on, but master {master} has no common secret; {remedy}")
    return Encryption(False, f"master {master} has no common secret", remedy)


def start_options(
    settings: Settings,
    *,
    debug: bool,
    has_collector: bool = False,
    private: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> dict[str, str]:
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
    java_options = [_IN_UTC]
    if private is not None:
        if not (environment or {}).get("SPARK_LOCAL_DIRS"):  # which wins, and is somebody's own choice
            options["spark.local.dir"] = str(private)
        java_options.append(f'"-Djava.io.tmpdir={private}"')
    if spark.master.startswith("local"):
        options |= {"spark.driver.host": "127.0.0.1", "spark.driver.bindAddress": "127.0.0.1"}
        if not has_collector:
            java_options.append("-XX:+UseParallelGC")  # half the work of Java's default, whose short pauses help nobody
    if not debug:
        quiet = resources.files("progress_exhaust") / "log4j2-quiet.properties"
        java_options.append(f"-Dlog4j2.configurationFile={Path(str(quiet)).as_uri()}")
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


def _work_in_utc(jvm: Any, running: SparkConf) -> None:
    """Let driver and executors work in UTC, whatever the zone of their machines; whoever has started the JVM."""
    zones = jvm.java.util.TimeZone
    zones.setDefault(zones.getTimeZone("UTC"))
    # Of an option that is given twice the last counts.
    running.set(_EXECUTOR_OPTIONS, f"{running.get(_EXECUTOR_OPTIONS, '')} {_IN_UTC}".strip())


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
