"""Fetching jars, by a Maven that is a script: what is kept, what is done again."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from progress_exhaust.errors import SettingsError
from progress_exhaust.stack.jars import cache_folder, cassandra_jars, connector_jars

_MAVEN = """#!/bin/sh
echo run >> {calls}
for argument; do case "$argument" in -DoutputDirectory=*) folder="${{argument#*=}}";; esac; done
sleep 0.2
mkdir "$folder" && touch "$folder/cassandra-all-5.0.9.jar" "$folder/guava.jar"
"""


@pytest.fixture
def calls(tmp_path: Path) -> Path:
    return tmp_path / "calls"


@pytest.fixture
def environment(tmp_path: Path, calls: Path) -> dict[str, str]:
    maven = tmp_path / "bin" / "mvn"
    maven.parent.mkdir()
    maven.write_text(_MAVEN.format(calls=calls))
    maven.chmod(0o755)
    return {"PATH": f"{maven.parent}:/usr/bin:/bin"}


def _fetch(tmp_path: Path, environment: dict[str, str]) -> Path:
    return cassandra_jars(cache=tmp_path / "cache", java=tmp_path, environment=environment)


def test_jars_are_fetched_once_and_whole(tmp_path: Path, environment: dict[str, str], calls: Path) -> None:
    folder = _fetch(tmp_path, environment)
    assert sorted(jar.name for jar in folder.iterdir()) == ["cassandra-all-5.0.9.jar", "guava.jar"]
    assert _fetch(tmp_path, environment) == folder
    assert calls.read_text() == "run\n"


def test_two_at_once_fetch_once(tmp_path: Path, environment: dict[str, str], calls: Path) -> None:
    threads = [threading.Thread(target=_fetch, args=(tmp_path, environment)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert calls.read_text() == "run\n"


def test_killed_fetch_is_done_again_and_its_rest_goes(tmp_path: Path, environment: dict[str, str]) -> None:
    rest = tmp_path / "cache" / ".org.apache.cassandra_cassandra-all_5.0.9@killed" / "maven-jars"
    rest.mkdir(parents=True)
    (rest / "cassandra-all-5.0.9.jar").touch()
    folder = _fetch(tmp_path, environment)
    assert (folder / "guava.jar").exists()
    assert sorted(path.name for path in folder.parent.iterdir()) == [folder.name, f"{folder.name}.lock"]


def test_cache_is_found_without_a_home() -> None:
    assert cache_folder({"XDG_CACHE_HOME": "/x"}) == Path("/x/progress-exhaust")
    assert cache_folder({"HOME": "/h", "XDG_CACHE_HOME": ""}) == Path("/h/.cache/progress-exhaust")
    assert cache_folder({"HOME": ""}).is_absolute()


def test_wrong_coordinates_and_places_are_told(tmp_path: Path, environment: dict[str, str]) -> None:
    with pytest.raises(SettingsError, match=r"expected coordinates group:artifact:version, got \"a:b\""):
        connector_jars("a:b", cache=tmp_path, java=tmp_path, environment=environment)
    (tmp_path / "cache").write_text("a file")
    with pytest.raises(SettingsError, match="set XDG_CACHE_HOME"):
        _fetch(tmp_path, environment)
