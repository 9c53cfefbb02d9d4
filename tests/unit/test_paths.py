"""One rule for what the URL of the output place means."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from progress_exhaust.commands.documents import output_root
from progress_exhaust.errors import SettingsError
from progress_exhaust.paths import as_glob, local_folder
from progress_exhaust.settings.load import load

NAMES = st.text(st.characters(codec="utf-8", exclude_characters="/\0"), min_size=1).filter(
    lambda name: name not in (".", "..")
)


@pytest.mark.rule("S3")
@given(st.lists(NAMES, min_size=1, max_size=3))
@example(["out#1?x=50%"])
@example(["a b", "é", "%2e%2e"])
@example(["hdfs:", "x"])
def test_every_character_of_a_path_stands_for_itself_in_every_form(names: list[str]) -> None:
    path = "/" + "/".join(names)
    for url in (path, f"file:{path}", f"file://{path}", f"file://localhost{path}", f"FILE:{path}", f"file:///{path}"):
        assert local_folder(url) == Path(path)
        assert output_root(url) == str(Path(path))


@pytest.mark.parametrize("url", ["out#1?x=50%", "./a:b", "a b:c", "var/reports", "2026:out", "é:x"])
def test_relative_path_is_a_folder_of_where_we_are(url: str) -> None:
    assert local_folder(url) == Path.cwd() / url


@pytest.mark.parametrize("form", ["{}", "file:{}", "file://{}"])
def test_folder_above_a_link_is_the_one_that_the_system_finds(tmp_path: Path, form: str) -> None:
    # Hadoop takes link/../out for out beside the link, whatever the link leads to.
    (tmp_path / "disk" / "reports").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "disk" / "reports")
    (tmp_path / "link" / ".." / "out").mkdir()

    assert (tmp_path / "disk" / "out").is_dir()
    assert local_folder(form.format(f"{tmp_path}/link/../out")) == tmp_path.resolve() / "disk" / "out"
    assert local_folder(form.format(f"{tmp_path}/link/out")) == tmp_path / "link" / "out"


@pytest.mark.parametrize(
    "url", ["hdfs://nodes/out", "hdfs:/out", "hdfs:///out#1?x=50%", "s3a://bucket/out", "ABFS://c/"]
)
def test_other_urls_are_hadoops_and_are_shown_as_they_are(url: str) -> None:
    assert local_folder(url) is None
    assert output_root(url) == url


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("s3a:bucket/out", r'expected a folder .*, or a URL such as .*, got "s3a:bucket/out"'),
        ("file:out", r'expected a folder .*, or a URL such as .*, got "file:out"'),
        ("file://reports/out", r'expected file:///folder, a folder of this machine, got "file://reports/out"'),
        ("/out\0", r'expected a folder or a URL without control characters, got "/out\\x00"'),
        ("/out\n", r'expected a folder or a URL without control characters, got "/out\\n"'),
        ("/out\udcff", "unable to parse raw data as a unicode string"),
    ],
)
def test_url_that_means_nothing_sure_is_a_fault_of_the_settings(url: str, sentence: str) -> None:
    with pytest.raises(SettingsError, match=rf"output\.url.*{sentence}"):
        load(None, {}, {"output": {"url": url}})


@given(NAMES)
def test_glob_of_a_url_has_no_character_that_stands_for_others(name: str) -> None:
    escaped = as_glob(name)

    assert "".join(escaped[1:] if escaped[:1] == "\\" else escaped for escaped in _units(escaped)) == name
    assert not any(unit in set("{}[]*?\\") for unit in _units(escaped))


def _units(text: str) -> list[str]:
    """Cut a text into characters, each with the backslash before it."""
    units, rest = [], text
    while rest:
        length = 2 if rest[0] == "\\" else 1
        units.append(rest[:length])
        rest = rest[length:]
    return units
