"""The sample file of settings shows every setting, with its description and default, in the order of the code."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from progress_exhaust.settings.load import load, secret_keys
from progress_exhaust.settings.sections import ENVIRONMENT_PREFIX, Settings
from tests.support.conf_file import conf_file, sections

FILE = Path(__file__).parents[2] / "conf" / "progress_exhaust.toml"


def test_file_is_what_the_settings_say() -> None:
    assert FILE.read_text(encoding="utf-8") == conf_file(), (
        "run: python -m tests.support.conf_file > conf/progress_exhaust.toml"
    )


def test_file_as_it_is_gives_the_defaults() -> None:
    assert load(FILE, {}, {}) == Settings()


def test_secrets_stand_in_it_only_as_names_of_variables() -> None:
    lines = FILE.read_text(encoding="utf-8").splitlines()
    for section, key in secret_keys():
        assert f"#   {ENVIRONMENT_PREFIX}{section.upper()}__{key.upper()}" in lines
        assert not any(line.startswith(f"{key} =") for line in lines)


@pytest.mark.parametrize(("section", "model"), sections().items())
def test_every_number_names_its_unit(section: str, model: type) -> None:
    units = {
        "seconds", "bytes", "megabytes", "port", "tries", "rows", "keys", "reads", "share", "trees", "ids", "level",
        "nodes", "files", "learners", "report", "reports", "calls",
    }  # fmt: skip
    for key, field in model.model_fields.items():  # type: ignore[attr-defined]
        if isinstance(field.default, int | float) and not isinstance(field.default, bool):
            words = re.findall(r"[a-z]+", f"{key} {field.description}")
            assert units & set(words), f"{section}.{key}"
