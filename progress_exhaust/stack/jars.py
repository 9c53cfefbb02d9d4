"""Fetches Maven artifacts, with all they depend on, into a folder of the user's cache; once, and checked.

Spark's own resolver needs nothing beside Python and Java. It works one file after another, so for an artifact with a
hundred jars Maven goes first where it is installed (8 s instead of 60 s for Cassandra). Both take what the repository
and its own checksums say; so each jar must have a SHA-256 that is kept here, in `checksums/`, as `sha256sum` writes it.
"""

from __future__ import annotations

import fcntl
import hashlib
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
from importlib.resources.abc import Traversable
from os import getuid
from pathlib import Path

from progress_exhaust.errors import OperatorError, SettingsError, Value, cause_of

CASSANDRA = "org.apache.cassandra:cassandra-all:5.0.9"

_CHECKSUMS = resources.files("progress_exhaust.stack") / "checksums"
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


def connector_jars(
    coordinates: str, *, cache: Path, java: Path, environment: Mapping[str, str], checksums: Traversable = _CHECKSUMS
) -> Path:
    """Return the folder of jars to give to Spark; what Spark brings itself is left out of it.

    Args:
        coordinates: `group:artifact:version` of the connector.
        cache: folder for fetched jars, made where it is missing.
        java: home of a Java 17.
        environment: variables for the processes that fetch.
        checksums: folder with a file of checksums for each artifact.

    Raises:
        OperatorError: the jars can not be had, or one is not what it should be; then all are removed.
        SettingsError: the cache folder or the coordinates are wrong, or there are no checksums of them.
    """
    # Never by Maven: it would add the Scala library and others that Spark has in versions of its own.
    return _fetch(coordinates, cache, [_spark({**environment, "JAVA_HOME": str(java)})], checksums)


def cassandra_jars(
    *, cache: Path, java: Path, environment: Mapping[str, str], checksums: Traversable = _CHECKSUMS
) -> Path:
    """Return the folder of jars that a Cassandra node runs from; see `connector_jars`."""
    with_java = {**environment, "JAVA_HOME": str(java)}
    maven = shutil.which("mvn", path=environment.get("PATH", ""))
    resolvers = [*([_maven(maven, with_java)] if maven else []), _spark(with_java)]
    return _fetch(CASSANDRA, cache, resolvers, checksums)


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


def _fetch(coordinates: str, cache: Path, resolvers: Sequence[_Resolver], checksums: Traversable) -> Path:
    name = coordinates.replace(":", "_")
    known = _known(coordinates, checksums / f"{name}.sha256")
    folder = cache / name
    if not folder.is_dir():
        with _locked(cache, name) as prefix:
            # Whoever left a working folder behind is gone: the lock is ours.
            for stale in cache.glob(f"{prefix}*"):
                shutil.rmtree(stale, ignore_errors=True)
            if not folder.is_dir():
                with tempfile.TemporaryDirectory(prefix=prefix, dir=cache) as work_dir:
                    jars = _first_success(coordinates, Path(work_dir), resolvers)
                    _check(coordinates, jars, known)
                    # The folder appears whole or not at all, so a killed fetch is simply done again.
                    jars.rename(folder)
                    return folder
    # Also what an earlier call has fetched: it costs 0.1 s, and a cache is a place that others may write to.
    _check(coordinates, folder, known)
    return folder


def _known(coordinates: str, file: Traversable) -> frozenset[str]:
    if not re.fullmatch(r"[\w.-]+:[\w.-]+:[\w.-]+", coordinates):
        raise SettingsError(
            "fetching", object="jars", expected="coordinates group:artifact:version", got=Value(f'"{coordinates}"')
        )
    if not file.is_file():
        raise SettingsError(
            "fetching", object="jars", got=f"no checksums are kept for {coordinates}, so it is not fetched"
        )
    return frozenset(line.split()[0] for line in file.read_text(encoding="ascii").splitlines())


def _check(coordinates: str, jars: Path, known: frozenset[str]) -> None:
    """Remove all jars if one of them is not what it should be; which name a jar has depends on who fetched it."""
    for jar in sorted(jars.iterdir()):
        with jar.open("rb") as opened:
            sha256 = hashlib.file_digest(opened, "sha256").hexdigest()
        if sha256 not in known:
            shutil.rmtree(jars, ignore_errors=True)
            raise OperatorError(
                "fetching",
                object=coordinates,
                got=f"{jar.name} has SHA-256 {sha256}, which is none of those we know, so all its jars are removed",
                remedy="try again, or ask what stands between here and the central Maven repository",
            )


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
