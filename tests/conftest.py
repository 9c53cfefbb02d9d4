"""The one Spark session of a test run, started as a run of the command starts it.

A JVM holds one Spark context, so the session has the Cassandra connector on its class path where any test of the run
asks for it, and needs nothing fetched where none does.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import hypothesis
import pytest
from pyspark.sql import SparkSession

from progress_exhaust.java import java_home
from progress_exhaust.settings.sections import Settings, SparkSettings
from progress_exhaust.spark.private import of_this_process
from progress_exhaust.spark.session import start_session
from progress_exhaust.stack.jars import cache_folder, connector_jars
from tests.support.services import require_or_skip

# How long an example takes says more about what else the machine does.
hypothesis.settings.register_profile(
    "at any speed", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("at any speed")


@pytest.fixture(scope="session")
def spark(request: pytest.FixtureRequest) -> Iterator[SparkSession]:
    """A session that reads no source of its own: each test makes readers for its own tables."""
    needs_connector = any("cassandra_spark" in getattr(item, "fixturenames", ()) for item in request.session.items)
    session = start_session(_settings(_connector_folder() if needs_connector else None), of_this_process())
    yield session
    session.stop()


@pytest.fixture(scope="session")
def cassandra_spark(spark: SparkSession) -> SparkSession:
    """The same session; asking for it by this name is what puts the connector on its class path."""
    return spark


def _settings(connector_folder: str | None) -> Settings:
    spark = {"master": "local[2,4]", "driver_memory": "1g"}
    if connector_folder is None:
        return Settings.model_validate(
            {"source": {"kind": "snapshot", "snapshot_dir": "no-such-folder"}, "spark": spark}
        )
    return Settings.model_validate(
        {"source": {"kind": "cassandra"}, "spark": {**spark, "connector_jars": connector_folder}}
    )


def _connector_folder() -> str:
    with require_or_skip("the Spark Cassandra connector"):
        java = java_home(os.environ)
        package = SparkSettings().connector_package
        return str(connector_jars(package, cache=cache_folder(os.environ), java=java, environment=os.environ))
