"""What a session is started with."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote, urlsplit

from progress_exhaust.settings import Settings
from progress_exhaust.spark import start_options


def test_resolver_settings_are_named_by_a_url_so_that_their_folder_may_hold_a_blank() -> None:
    url = urlsplit(start_options(Settings(), debug=False)["spark.jars.ivySettings"])
    assert url.scheme == "file"
    assert " " not in url.path
    assert Path(unquote(url.path)).read_text(encoding="utf-8").endswith("</ivysettings>\n")


def test_no_secret_is_among_what_the_jvm_is_started_with() -> None:
    settings = Settings.model_validate({"cassandra": {"username": "reader", "password": "hidden-word", "tls": True}})
    assert "hidden-word" not in str(start_options(settings, debug=False))


def test_collector_of_the_jvm_is_ours_only_where_nobody_has_chosen_one() -> None:
    options = "spark.driver.extraJavaOptions"
    assert "UseParallelGC" in start_options(Settings(), debug=False)[options]
    assert "GC" not in start_options(Settings(), debug=False, has_collector=True)[options]
    on_cluster = Settings.model_validate({"spark": {"master": "spark://host:7077"}})
    assert "GC" not in start_options(on_cluster, debug=False)[options]
