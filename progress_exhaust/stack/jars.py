"""Fetches Maven artifacts, with all they depend on, into a folder of the user's cache; once.

Spark's own resolver needs nothing beside Python and Java. It works one file after another, so for an artifact with a
hundred jars Maven goes first where it is installed (8 s instead of 60 s for Cassandra).
"""

from __future__ import annotations

import fcntl
import importlib.util
import pwd
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import resources
from os import getuid
from pathlib import Path

from progress_exhaust.errors import OperatorError, SettingsError, Value, cause_of

CASSANDRA = "org.apache.cassandra:cassandra-all:5.0.9"

_FETCH_S = 900.0
_POM = """<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>progress-exhaust</groupId><artifactId>fetch</artifactId><version>1</version><packaging>pom</packaging>
  <dependencies><dependency>
    <groupId>{}</groupId><artifactId>{}</artifactId><version>{}</version>
  </dependency></dependencies>
</project>
"""


def cache_folder(environment: Mapping[str, str]) -> Path:
    """Return the folder that fetched jars are kept in: that of XDG_CACHE_HOME, else of the user's home."""
    if environment.get("XDG_CACHE_HOME"):
        return Path(environment["XDG_CACHE_HOME"], "progress-exhaust")
    home = environment.get("HOME") or pwd.getpwuid(getuid()).pw_dir
    return Path(home, ".cache", "progress-exhaust")


def connector_jars(coordinates: str, *, cache: Path, java: Path, environment: Mapping[str, str]) -> Path:
    """Return the folder of jars to give to Spark; what Spark brings itself is left out of it.

    Args:
        coordinates: `group:artifact:version` of the connector.
        cache: folder for fetched jars, made where it is missing.
        java: home of a Java 17.
        environment: variables for the processes that fetch.

    Raises:
        OperatorError: the jars can not be had.
        SettingsError: the coordinates or the cache folder are wrong.
    """
    # Never by Maven: it would add the Scala library and others that Spark has in versions of its own.
    return _fetch(coordinates, cache, [_spark({**environment, "JAVA_HOME": str(java)})])


def cassandra_jars(*, cache: Path, java: Path, environment: Mapping[str, str]) -> Path:
    """Return the folder of jars that a Cassandra node runs from; see `connector_jars`."""
    with_java = {**environment, "JAVA_HOME": str(java)}
    maven = shutil.which("mvn", path=environment.get("PATH", ""))
    return _fetch(CASSANDRA, cache, [*([_maven(maven, with_java)] if maven else []), _spark(with_java)])


_Resolver = Callable[[str, Path], Path]
"""Fetches coordinates into a folder under a working folder, and returns that folder."""


def _maven(binary: str, environment: Mapping[str, str]) -> _Resolver:
    def fetch(coordinates: str, work_dir: Path) -> Path:
        work_dir.joinpath("pom.xml").write_text(_POM.format(*coordinates.split(":")), encoding="utf-8")
        jars = work_dir / "maven-jars"
        _run(
            [
                *(binary, "--batch-mode", "--quiet"),
                # A repository of its own: the user's may be read-only, or hold poms without jars.
                f"-Dmaven.repo.local={work_dir / 'repository'}",
                "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies",
                *("-DincludeScope=runtime", f"-DoutputDirectory={jars}"),
            ],
            work_dir,
            environment,
        )
        return jars

    return fetch


def _spark(environment: Mapping[str, str]) -> _Resolver:
    spark = importlib.util.find_spec("pyspark")
    if spark is None or spark.origin is None:
        raise SettingsError(
            "fetching",
            object="jars",
            got="Spark's resolver is needed",
            remedy="pip install pyspark into this environment",
        )
    home = Path(spark.origin).parent

    def fetch(coordinates: str, work_dir: Path) -> Path:
        script = work_dir / "nothing.py"
        script.write_text("", encoding="utf-8")
        with resources.as_file(resources.files("progress_exhaust.spark") / "ivysettings.xml") as ivy_settings:
            _run(
                [
                    *(str(home / "bin" / "spark-submit"), "--master", "local[1]"),
                    *("--packages", coordinates),
                    *("--conf", f"spark.jars.ivy={work_dir / 'ivy'}"),
                    *("--conf", f"spark.jars.ivySettings={ivy_settings.as_uri()}"),
                    str(script),
                ],
                work_dir,
                {**environment, "SPARK_HOME": str(home), "PYSPARK_PYTHON": sys.executable},
            )
        return work_dir / "ivy" / "jars"

    return fetch


def _run(command: Sequence[str], work_dir: Path, environment: Mapping[str, str]) -> None:
    done = subprocess.run(
        command,
        cwd=work_dir,
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        timeout=_FETCH_S,
        check=False,
    )
    if done.returncode:
        raise _FetchError(_last_lines(done.stdout) or f"exit code {done.returncode}")


class _FetchError(Exception):
    """One try of one resolver failed; its text is the gist of what the resolver said."""


def _fetch(coordinates: str, cache: Path, resolvers: Sequence[_Resolver]) -> Path:
    if not re.fullmatch(r"[\w.-]+:[\w.-]+:[\w.-]+", coordinates):
        raise SettingsError(
            "fetching", object="jars", expected="coordinates group:artifact:version", got=Value(f'"{coordinates}"')
        )
    name = coordinates.replace(":", "_")
    folder = cache / name
    if folder.is_dir():
        return folder
    with _locked(cache, name) as prefix:
        if folder.is_dir():
            return folder
        # Whoever left a working folder behind is gone: the lock is ours.
        for left_over in cache.glob(f"{prefix}*"):
            shutil.rmtree(left_over, ignore_errors=True)
        with tempfile.TemporaryDirectory(prefix=prefix, dir=cache) as work_dir:
            jars = _first_success(coordinates, Path(work_dir), resolvers)
            # The folder appears whole or not at all, so a killed fetch is simply done again.
            jars.rename(folder)
    return folder


def _first_success(coordinates: str, work_dir: Path, resolvers: Sequence[_Resolver]) -> Path:
    artifact, version = coordinates.split(":")[1:]
    faults: list[str] = []
    for fetch in [*resolvers, resolvers[-1]]:
        try:
            jars = fetch(coordinates, work_dir)
        except (_FetchError, OSError, subprocess.TimeoutExpired) as error:
            faults.append(str(error))
            continue
        if any(jars.glob(f"*{artifact}-{version}.jar")):
            return jars
        faults.append(f"no jar of {artifact}-{version} among what came")
    raise OperatorError(
        "fetching",
        object=f"{coordinates} from the central Maven repository",
        got=f"{faults[-1]}; tried {len(faults)} times",
        remedy="check the network, or fetch once on a machine that has it and copy its cache folder here",
    )


@contextmanager
def _locked(cache: Path, name: str) -> Iterator[str]:
    """Hold the lock of one artifact, and give the name prefix of its working folders."""
    try:
        cache.mkdir(parents=True, exist_ok=True)
        lock = cache.joinpath(f"{name}.lock").open("w")
    except OSError as error:
        raise SettingsError(
            "fetching",
            object=f"jars into {cache}",
            got=cause_of(error),
            remedy="set XDG_CACHE_HOME to a folder that can be written",
        ) from None
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield f".{name}@"


def _last_lines(output: str) -> str:
    telling = [
        line.strip()
        for line in output.splitlines()
        if re.search(r"unresolved dependency|not found|\[ERROR\]|Exception|Server access error", line)
        and not line.lstrip().startswith("at ")
    ]
    return "; ".join(telling[-2:])[:600]
