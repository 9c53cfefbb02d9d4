"""Writes `conf/progress_exhaust.toml` from the settings; print it by `python -m tests.support.conf_file`."""

from __future__ import annotations

import json
import typing
from collections.abc import Iterator
from enum import StrEnum
from typing import Any

from pydantic.fields import FieldInfo

from progress_exhaust.settings.load import secret_keys
from progress_exhaust.settings.sections import ENVIRONMENT_PREFIX, Section, Settings

HEADER = """\
# Every setting of progress_exhaust, with its default.
#
# Name a copy of this file with --config or in PROGRESS_EXHAUST_CONFIG; what it leaves out keeps its default. An
# environment variable PROGRESS_EXHAUST__<SECTION>__<KEY> wins over it, lists with commas between their parts, and an
# option of the command line wins over both. Secrets never stand here: they come from the environment, or from the file
# that a ..._file setting names.
"""


def sections() -> dict[str, type[Section]]:
    return {name: typing.cast(type[Section], field.annotation) for name, field in Settings.model_fields.items()}


def conf_file() -> str:
    return HEADER + "".join(f"{line}\n" for name, model in sections().items() for line in section_lines(name, model))


def section_lines(name: str, model: type[Section]) -> Iterator[str]:
    summary = (model.__doc__ or "").strip()
    yield ""
    yield f"# {summary}"
    yield f"[{name}]"
    for key, field in model.model_fields.items():
        yield f"# {field.description}{choices(field)}"
        if (name, key) in secret_keys():
            yield f"#   {ENVIRONMENT_PREFIX}{name.upper()}__{key.upper()}"
        else:
            yield f"{key} = {toml_value(field.default)}"


def choices(field: FieldInfo) -> str:
    """Say what a choice is between, where its description does not."""
    words = [str(word) for word in typing.get_args(field.annotation)]
    is_choice = typing.get_origin(field.annotation) is typing.Literal
    return f"; one of {', '.join(words)}" if is_choice else ""


def toml_value(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return f"[{', '.join(toml_value(part) for part in value)}]"
    if isinstance(value, StrEnum):
        return json.dumps(value.value)
    return json.dumps(value)


if __name__ == "__main__":
    print(conf_file(), end="")
