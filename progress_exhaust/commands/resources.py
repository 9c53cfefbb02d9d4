"""Opens the outside of a run, as the settings say: Java, Spark, tables, catalogue, output place."""

from __future__ import annotations

import atexit
import contextlib
import logging
import subprocess
from collections.abc import Callable, MutableMapping
from pathlib import Path
from typing import Any

from py4j.protocol import Py4JError, Py4JJavaError
from pyspark import SparkContext
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

from progress_exhaust.catalogue.files import FilesCatalogue
from progress_exhaust.catalogue.http.catalogue import HttpCatalogue
from progress_exhaust.catalogue.port import Catalogue
from progress_exhaust.errors import ComputeError
from progress_exhaust.export.run import Ports
from progress_exhaust.java import java_home
from progress_exhaust.jvm_end import SUBMITTED, JvmWatch
from progress_exhaust.log_actions import Action
from progress_exhaust.output.stores.open import open_store
from progress_exhaust.output.stores.patience import Patience
from progress_exhaust.output.stores.port import Store
from progress_exhaust.settings.sections import CatalogueKind, Settings, SourceKind
from progress_exhaust.spark.private import of_this_process, remove_of_this_process
from progress_exhaust.spark.session import start_session
from progress_exhaust.tables.cassandra.tables import CassandraTables
from progress_exhaust.tables.port import Tables
from progress_exhaust.tables.snapshot import SnapshotTables

_LOG = logging.getLogger(__name__)
_JAVA_OPTIONS = ("JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS", "_JAVA_OPTIONS", "SPARK_SUBMIT_OPTS")
_JVM_END_S = 4.0


class Resources:
    """What a run works with; each part is opened when it is first asked for, and all are closed together.

    Args:
        settings: all settings.
        environment: the process's own, which a JVM that we start inherits.
        debug: whether Spark's own logging is wanted.
        jvm: is told which JVM we start; None where nobody asks what becomes of it.
        is_stopping: whether the run is to stop, and nothing is worth waiting for.
    """

    def __init__(
        self,
        settings: Settings,
        environment: MutableMapping[str, str],
        *,
        debug: bool,
        jvm: JvmWatch | None = None,
        is_stopping: Callable[[], bool] = lambda: False,
    ) -> None:
        self._settings = settings
        self._environment = environment
        self._debug = debug
        self._jvm = jvm
        self._is_stopping = is_stopping
        self._session: SparkSession | None = None
        self._catalogue: Catalogue | None = None

    @property
    def opened_session(self) -> SparkSession | None:
        """Spark's session; None before it is started, and where its JVM was let go of."""
        return self._session

    @property
    def is_open(self) -> bool:
        """Whether Spark has been started."""
        return self._session is not None

    def ports(self) -> Ports:
        """Open everything.

        Raises:
            SettingsError: there is no Java, or no connector.
            OutputError: the output place can not be opened.
        """
        return Ports(self.session(), self.tables(), self.catalogue(), self.store())

    def java(self) -> Path | None:
        """Find Java and have a JVM that we start run on it; None where spark-submit has started one already."""
        if self._environment.get(SUBMITTED):
            return None
        home = java_home(self._environment)
        self._environment["JAVA_HOME"] = str(home)
        _log_opened("Java", home)
        return home

    def session(self) -> SparkSession:
        """Start Spark.

        Raises:
            SettingsError: there is no Java, or no connector.
            OutputError: there is no place for a private folder.
            ComputeError: Spark does not start.
        """
        if self._session is None:
            self.java()
            private = of_this_process()
            private.take_temporary_files(self._environment)
            atexit.unregister(end_jvm)
            atexit.register(end_jvm)
            try:
                has_collector = any("GC" in self._environment.get(name, "") for name in _JAVA_OPTIONS)
                self._session = start_session(self._settings, private, debug=self._debug, has_collector=has_collector)
            except Py4JJavaError as error:
                raise self._not_started(str(error.java_exception).splitlines()[0][:200]) from error
            except (Py4JError, PySparkException) as error:
                # It ends so when its arguments are refused, and when the connector can not be fetched.
                raise self._not_started("its JVM ended before it answered") from error
            if self._jvm is not None:
                self._jvm.follow(_own_jvm())
            _log_opened("Spark", self._settings.spark.master)
        return self._session

    def tables(self) -> Tables:
        """Return the input tables."""
        source = self._settings.source
        _log_opened("tables", source.snapshot_dir or source.kind)
        if source.kind is SourceKind.SNAPSHOT:
            return SnapshotTables(self.session(), self._settings)
        return CassandraTables(self.session(), self._settings)

    def catalogue(self) -> Catalogue:
        """Return the catalogue."""
        settings = self._settings.catalogue
        if self._catalogue is None:
            if settings.kind is CatalogueKind.FILES:
                self._catalogue = FilesCatalogue(settings.directory, settings.max_tree_bytes)
                _log_opened("catalogue", settings.directory)
            else:
                self._catalogue = HttpCatalogue(settings)
                _log_opened("catalogue", settings.search_url)
        return self._catalogue

    def store(self) -> Store:
        """Return the output place."""
        output = self._settings.output
        _log_opened("output", output.url)
        patience = Patience(output.url, output.give_up_s, self._is_stopping)
        return open_store(output.url, self.session(), patience)

    def cancel(self) -> None:
        """Break off what a run waits for; from any thread."""
        self._hang_up()
        if self._session is not None:
            self._session.sparkContext.cancelAllJobs()

    def end_jvm(self) -> None:
        """See `end_jvm`."""
        end_jvm()

    def let_go_of_jvm(self) -> bool:
        """Forget a JVM of ours that is of no use any more, so that the next session starts another.

        Returns:
            whether it was ours; that of spark-submit can not be replaced.
        """
        if _own_jvm() is None:
            return False
        with contextlib.suppress(Exception):  # it may be gone already
            self.end_jvm()
        SparkContext._gateway = SparkContext._jvm = SparkContext._active_spark_context = None
        SparkSession._instantiatedSession = None
        self._session = None
        _LOG.debug("the JVM is let go of; another starts when Spark is next asked for", extra={"action": Action.RETRY})
        return True

    def close(self) -> None:
        """Close everything that was opened."""
        self._hang_up()
        if self._session is not None:
            with contextlib.suppress(Exception):  # a JVM that is gone can not be stopped any more
                self._session.stop()

    def _not_started(self, cause: str) -> ComputeError:
        return ComputeError(
            "starting",
            object=f"Spark with master {self._settings.spark.master}",
            got=cause,
            remedy="check the settings spark.*, whether the connector's jars can be had, and what --debug shows",
        )

    def _hang_up(self) -> None:
        if isinstance(self._catalogue, HttpCatalogue):
            self._catalogue.close()


def _log_opened(what: str, place: object) -> None:
    _LOG.debug("%s opened: %s", what, place, extra={"action": Action.OPENED})


def _own_jvm() -> subprocess.Popen[bytes] | None:
    """Return the process of the JVM that we have started; None where there is none, or it is spark-submit's."""
    process: subprocess.Popen[bytes] | None = getattr(SparkContext._gateway, "proc", None)
    return process


def end_jvm() -> None:
    """End the JVM that we have started, and remove the private folder: until it is gone, it may write there."""
    gateway: Any = SparkContext._gateway
    process = _own_jvm()
    if process is not None and process.stdin is not None:
        # Else each object of Java's that Python lets go of from now on would be told to a JVM that is not there.
        gateway._gateway_client.is_connected = False
        process.stdin.close()  # it ends itself when nobody holds the other end any more
        try:
            process.wait(_JVM_END_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    remove_of_this_process()
