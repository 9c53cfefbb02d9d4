"""What a session is started with."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from py4j.clientserver import ClientServerConnection
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from progress_exhaust.settings.sections import Settings
from progress_exhaust.spark.object_stores import limits, set_limits
from progress_exhaust.spark.session import start_options

TEMPORARY = Path("/tmp/private/tmp")


def test_resolver_settings_are_named_by_a_url_so_that_their_folder_may_hold_a_blank() -> None:
    url = urlsplit(start_options(Settings(), temporary=TEMPORARY, debug=False)["spark.jars.ivySettings"])
    assert url.scheme == "file"
    assert " " not in url.path
    assert Path(unquote(url.path)).read_text(encoding="utf-8").endswith("</ivysettings>\n")


def test_jvm_is_started_in_utc(spark: SparkSession) -> None:
    options = start_options(Settings(), temporary=TEMPORARY, debug=True)["spark.driver.extraJavaOptions"]
    assert "-Duser.timezone=UTC" in shlex.split(options)
    jvm: Any = spark._jvm
    assert jvm.java.time.ZoneId.systemDefault().getId() == "UTC"


def test_no_secret_is_among_what_the_jvm_is_started_with() -> None:
    settings = Settings.model_validate({"cassandra": {"username": "reader", "password": "hidden-word", "tls": True}})
    assert "hidden-word" not in str(start_options(settings, temporary=TEMPORARY, debug=False))


def test_collector_of_the_jvm_is_ours_only_where_nobody_has_chosen_one() -> None:
    options = "spark.driver.extraJavaOptions"
    assert "UseParallelGC" in start_options(Settings(), temporary=TEMPORARY, debug=False)[options]
    assert "GC" not in start_options(Settings(), temporary=TEMPORARY, debug=False, has_collector=True)[options]
    on_cluster = Settings.model_validate({"spark": {"master": "spark://host:7077"}})
    assert "GC" not in start_options(on_cluster, temporary=TEMPORARY, debug=False)[options]


def test_java_is_asked_once_for_what_each_column_needs(spark: SparkSession, monkeypatch: pytest.MonkeyPatch) -> None:
    F.lit(1) + F.col("first")
    asked = []
    send_command = ClientServerConnection.send_command

    def noting(self: ClientServerConnection, command: str) -> Any:
        asked.append(command.splitlines()[:3])
        return send_command(self, command)

    monkeypatch.setattr(ClientServerConnection, "send_command", noting)
    F.when(F.col("first") > 1, F.array(F.col("second"), F.lit(2)))
    assert any("array" in command for command in asked)
    assert not [name for kind, *name in asked if kind == "r" and name[:1] == ["u"]]


# Limits of the clients of object stores.


@pytest.mark.rule("S6")
def test_clients_of_object_stores_give_up_in_time(spark: SparkSession) -> None:
    jvm: Any = spark._jvm
    hadoop: Any = spark._jsc.hadoopConfiguration()
    by_default = jvm.org.apache.hadoop.conf.Configuration(True)

    assert {name: hadoop.get(name) for name in limits(120)} == limits(120)
    assert by_default.get("fs.s3a.attempts.maximum") == "20"


def test_limit_that_somebody_has_set_stays(spark: SparkSession) -> None:
    hadoop: Any = spark._jsc.hadoopConfiguration()
    hadoop.set("fs.s3a.retry.limit", "9")
    try:
        set_limits(spark.sparkContext, 240)
        assert hadoop.get("fs.s3a.retry.limit") == "9"
        assert hadoop.get("fs.s3a.retry.throttle.limit") == limits(120)["fs.s3a.retry.throttle.limit"]
    finally:
        hadoop.set("fs.s3a.retry.limit", limits(120)["fs.s3a.retry.limit"])
