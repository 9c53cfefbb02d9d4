"""The Spark session: the connector, its extensions, its private places, and the settings that the plan relies on."""

from __future__ import annotations

import logging
import os
import secrets
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import resources
from pathlib import Path
from typing import Any

from py4j.protocol import Py4JJavaError
from pyspark import SparkConf, SparkContext
from pyspark.java_gateway import launch_gateway
from pyspark.sql import SparkSession

from progress_exhaust.errors import SettingsError
from progress_exhaust.jvm_end import SUBMITTED
from progress_exhaust.log_actions import Action
from progress_exhaust.settings.sections import Settings, SourceKind
from progress_exhaust.spark.encryption import OPTIONS, SECRET, encryption_of
from progress_exhaust.spark.object_stores import set_limits, set_unless_chosen
from progress_exhaust.spark.private import UMASK, PrivateFolder
from progress_exhaust.tables.cassandra.tables import connector_options, connector_secrets

_LOG = logging.getLogger(__name__)

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
_EXECUTOR_OPTIONS = "spark.executor.extraJavaOptions"
_IN_UTC = "-Duser.timezone=UTC"
"""Spark moves old instants by the rules of the JVM's zone; only text is shaped by that of the session."""
_HADOOP_PLACE = "hadoop.tmp.dir"
_LOCAL_DIRS = "SPARK_LOCAL_DIRS"
_JAVA_NAMES = ("functions", "Column", "PythonUtils", "SparkSession", "SparkSession$", "org")


def start_session(
    settings: Settings, private: PrivateFolder, *, debug: bool = False, has_collector: bool = False
) -> SparkSession:
    """Start the session, or take the JVM that spark-submit has made, and whose arguments then win.

    Secrets are set in the running JVM, because the configuration given at its start stands in its arguments.

    Args:
        settings: all settings.
        private: gets what Spark writes on this machine.
        debug: whether Spark's own logging is wanted.
        has_collector: whether somebody has chosen a garbage collector for the JVM, which starts with one choice only.

    Raises:
        SettingsError: the tables are in Cassandra and the connector is not on the class path, or there is no secret to
            encrypt by.
    """
    at_start = SparkConf(loadDefaults=False)
    options = start_options(settings, temporary=private.temporary, debug=debug, has_collector=has_collector)
    for key, value in options.items():
        at_start.set(key, value)
    local_dirs = _ensure_jvm(at_start, private, debug=debug)
    running = SparkConf(_jvm=SparkContext._jvm)
    for key, value in at_start.getAll():
        running.setIfMissing(key, value)
    for key, value in (_RELIED_ON | _secrets(settings)).items():
        running.set(key, value)
    _work_in_utc(SparkContext._jvm, running)
    running.set("spark.sql.session.timeZone", settings.report.time_zone)
    _keep_private(running, private, local_dirs)
    _encrypt(running, settings)
    context = SparkContext.getOrCreate(running)
    private.adopt(_local_folders(context))
    _keep_hadoop_private(context, private)
    set_limits(context, settings.output.give_up_s)
    if not debug:
        context.setLogLevel("OFF")
    _cache_java_names(context._jvm)
    session = SparkSession(context)
    # Until the learners are counted, and the tasks cut by their number: Spark's own 200 are far too many to count in.
    session.conf.set("spark.sql.shuffle.partitions", str(context.defaultParallelism))
    _log_options(context, asked=options)
    if settings.source.kind is SourceKind.CASSANDRA:
        _require_connector(session, settings)
    return session


def _log_options(context: SparkContext, asked: dict[str, str]) -> None:
    """Log what Spark runs with; values that somebody else has given are not shown, since they may hold a secret."""
    _LOG.debug("Spark %s runs on %s", context.version, context.master, extra={"action": Action.SPARK_SET})
    running = dict(context.getConf().getAll())
    for option, value in sorted((asked | _RELIED_ON | dict.fromkeys(OPTIONS, "true")).items()):
        if option in running:
            shown = value if running[option] == value else "as somebody else has set it"
            _LOG.debug("%s is %s", option, shown, extra={"action": Action.SPARK_SET})


def start_options(settings: Settings, *, temporary: Path, debug: bool, has_collector: bool = False) -> dict[str, str]:
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
    # Java's own counters are a file in the temporary folder that a killed JVM leaves; nobody reads them.
    java_options = [_IN_UTC, f"-Djava.io.tmpdir={temporary}", "-XX:-UsePerfData"]
    if spark.master.startswith("local"):
        options |= {"spark.driver.host": "127.0.0.1", "spark.driver.bindAddress": "127.0.0.1"}
        if not has_collector:
            java_options.append("-XX:+UseParallelGC")  # half the work of Java's default, whose short pauses help nobody
    if not debug:
        quiet = resources.files("progress_exhaust.spark") / "log4j2-quiet.properties"
        java_options.append(f"-Dlog4j2.configurationFile={Path(str(quiet)).as_uri()}")
    options["spark.driver.extraJavaOptions"] = " ".join(map(_quoted, java_options))
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
                str(resources.files("progress_exhaust.spark") / "ivysettings.xml")
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


def _quoted(option: str) -> str:
    """Return an option of Java's as Spark reads it from a line of them."""
    escaped = option.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _ensure_jvm(at_start: SparkConf, private: PrivateFolder, *, debug: bool) -> list[str]:
    """Start the JVM unless there is one; return the folders that it is to write to, where somebody has said so.

    Our JVM keeps the private folder's lock: where we are killed, it lives a moment longer.
    """
    asked: list[str] = []
    if SparkContext._gateway is None and SUBMITTED not in os.environ:
        with _without(_LOCAL_DIRS) as variable:
            asked = _split(variable)
            private.local_dirs(asked)
            # Unless asked for, what the JVM says of itself while it starts (jars it fetches) is not for the screen.
            streams = {} if debug else {"stderr": subprocess.DEVNULL}
            started = {"umask": UMASK, "pass_fds": private.descriptors(), **streams}
            SparkContext._ensure_initialized(gateway=launch_gateway(at_start, started))  # type: ignore[no-untyped-call]
    else:
        SparkContext._ensure_initialized(gateway=SparkContext._gateway or launch_gateway(at_start))  # type: ignore[no-untyped-call]
    return asked


@contextmanager
def _without(variable: str) -> Iterator[str]:
    """Take a variable out of the environment for a while, and give what it says."""
    value = os.environ.pop(variable, None)
    try:
        yield value or ""
    finally:
        if value is not None:
            os.environ[variable] = value


def _split(folders: str) -> list[str]:
    return [folder for folder in folders.split(",") if folder]


def _keep_private(running: SparkConf, private: PrivateFolder, asked: list[str]) -> None:
    """Send what Spark is about to write to the private folder, or to one beside each of the places asked for."""
    folders = private.local_dirs(asked or _split(running.get("spark.local.dir") or ""))
    running.set("spark.local.dir", ",".join(map(str, folders)))
    jvm: Any = SparkContext._jvm
    # A JVM of spark-submit's has another one, which libraries ask for again and again.
    jvm.java.lang.System.setProperty("java.io.tmpdir", str(private.temporary))


def _encrypt(running: SparkConf, settings: Settings) -> None:
    encryption = encryption_of(settings.spark.encryption, dict(running.getAll()))
    if not encryption.is_on:
        return
    for option in OPTIONS:
        if encryption.is_forced:
            running.set(option, "true")
        else:
            running.setIfMissing(option, "true")
    if encryption.needs_secret:
        running.set(SECRET, secrets.token_hex(32))


def _keep_hadoop_private(context: SparkContext, private: PrivateFolder) -> None:
    """Have object stores buffer in the private folder what they are to send, unless somebody has chosen a place.

    In local mode only: executors on other machines would get the path, too, and have places of their own.
    """
    if str(context.master).startswith("local"):
        set_unless_chosen(context._jsc.hadoopConfiguration(), _HADOOP_PLACE, str(private.hadoop))


def _local_folders(context: SparkContext) -> list[Path]:
    """Return the folders that Spark has made; the environment of its JVM may have had others for it than we have."""
    blocks: Any = context._jsc.sc().env().blockManager().diskBlockManager()
    return [*(Path(folder.getPath()) for folder in blocks.localDirs()), Path(context._temp_dir).parent]


def _cache_java_names(jvm: Any) -> None:
    """Keep what PySpark asks Java for anew at each column it makes: over a thousand times a plan, 0.4 ms each."""
    for name in _JAVA_NAMES:
        setattr(jvm, name, getattr(jvm, name))


def _secrets(settings: Settings) -> dict[str, str]:
    return connector_secrets(settings.cassandra) if settings.source.kind is SourceKind.CASSANDRA else {}


def _require_connector(session: SparkSession, settings: Settings) -> None:
    jvm: Any = session._jvm
    try:
        jvm.java.lang.Thread.currentThread().getContextClassLoader().loadClass(CONNECTOR_EXTENSIONS)
    except Py4JJavaError:
        raise SettingsError(
            "reading",
            object="tables from Cassandra",
            got="the connector is not on Spark's class path",
            remedy=f"submit with --packages {settings.spark.connector_package} or with --jars",
        ) from None
