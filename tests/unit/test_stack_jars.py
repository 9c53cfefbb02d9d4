"""Fetching jars, by a Maven that is a script: what is kept, what is done again."""

from __future__ import annotations

import re
import threading
from hashlib import sha256
from pathlib import Path

import pytest

from progress_exhaust.errors import OperatorError, SettingsError
from progress_exhaust.settings.sections import SparkSettings
from progress_exhaust.stack.jars import CASSANDRA, cache_folder, cassandra_jars, connector_jars

CHECKSUMS = Path(__file__).parents[2] / "progress_exhaust" / "stack" / "checksums"

_MAVEN = """#!/bin/sh
echo run >> {calls}
for argument; do case "$argument" in -DoutputDirectory=*) folder="${{argument#*=}}";; esac; done
sleep 0.2
mkdir "$folder" && touch "$folder/cassandra-all-5.0.9.jar" && printf guava > "$folder/guava.jar"
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


@pytest.fixture(autouse=True)
def checksums(tmp_path: Path) -> Path:
    folder = tmp_path / "checksums"
    folder.mkdir()
    _know(folder, b"", b"guava")
    return folder


def _know(checksums: Path, *contents: bytes) -> None:
    lines = (f"{sha256(content).hexdigest()}  a.jar\n" for content in contents)
    (checksums / f"{CASSANDRA.replace(':', '_')}.sha256").write_text("".join(lines), encoding="ascii")


def _fetch(tmp_path: Path, environment: dict[str, str]) -> Path:
    checksums = tmp_path / "checksums"
    return cassandra_jars(cache=tmp_path / "cache", java=tmp_path, environment=environment, checksums=checksums)


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


def test_jar_with_a_wrong_byte_is_refused_and_nothing_of_it_kept(
    tmp_path: Path, environment: dict[str, str], calls: Path, checksums: Path
) -> None:
    _know(checksums, b"", b"guavA")
    with pytest.raises(OperatorError) as told:
        _fetch(tmp_path, environment)
    assert str(told.value) == (
        f"fetching {CASSANDRA}: guava.jar has SHA-256 {sha256(b'guava').hexdigest()}, which is none of those we know, "
        "so all its jars are removed; try again, or ask what stands between here and the central Maven repository"
    )
    assert [path.suffix for path in (tmp_path / "cache").iterdir()] == [".lock"]
    assert calls.read_text() == "run\n", "what is wrong is not asked for again, in the hope that it goes away"


def test_jar_that_changes_in_the_cache_is_refused_and_fetched_anew(
    tmp_path: Path, environment: dict[str, str], calls: Path
) -> None:
    folder = _fetch(tmp_path, environment)
    (folder / "guava.jar").write_bytes(b"guavA")
    with pytest.raises(OperatorError, match=r"guava\.jar has SHA-256"):
        _fetch(tmp_path, environment)
    assert (_fetch(tmp_path, environment) / "guava.jar").read_bytes() == b"guava"
    assert calls.read_text() == "run\nrun\n"


@pytest.mark.parametrize("coordinates", [SparkSettings().connector_package, CASSANDRA])
def test_checksums_are_kept_of_all_that_is_fetched(coordinates: str) -> None:
    text = (CHECKSUMS / f"{coordinates.replace(':', '_')}.sha256").read_text(encoding="ascii")
    assert re.fullmatch(r"(?:[0-9a-f]{64}  [\w.-]+\.jar\n)+", text)


def test_cache_is_found_without_a_home() -> None:
    assert cache_folder({"XDG_CACHE_HOME": "/x"}) == Path("/x/progress-exhaust")
    assert cache_folder({"HOME": "/h", "XDG_CACHE_HOME": ""}) == Path("/h/.cache/progress-exhaust")
    assert cache_folder({"HOME": ""}).is_absolute()


def test_wrong_coordinates_and_places_are_told(tmp_path: Path, environment: dict[str, str]) -> None:
    with pytest.raises(SettingsError, match=r"expected coordinates group:artifact:version, got \"a:b\""):
        connector_jars("a:b", cache=tmp_path, java=tmp_path, environment=environment)
    with pytest.raises(SettingsError, match=r"no checksums are kept for a:b:c, so it is not fetched"):
        connector_jars("a:b:c", cache=tmp_path, java=tmp_path, environment=environment)
    (tmp_path / "cache").write_text("a file")
    with pytest.raises(SettingsError, match="set XDG_CACHE_HOME"):
        _fetch(tmp_path, environment)
