"""Each command's result stands beside the command, and every JSON that we write says which form it has."""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from pathlib import Path
from types import ModuleType

import pytest

from progress_exhaust import commands
from progress_exhaust.commands.base import Command
from progress_exhaust.console.result import Result
from progress_exhaust.output.manifest import Manifest

COMMANDS = ("cancel", "doctor", "export", "plan", "run", "sample_data", "status", "submit")


def made_in(module: ModuleType, base: type) -> Iterator[type]:
    for value in vars(module).values():
        if isinstance(value, type) and issubclass(value, base) and value.__module__ == module.__name__:
            yield value


@pytest.mark.parametrize("name", COMMANDS)
def test_command_and_its_one_result_stand_in_one_file(name: str) -> None:
    module = importlib.import_module(f"{commands.__name__}.{name}")
    [command] = made_in(module, Command)
    [result] = made_in(module, Result)
    assert {"work", "work_with_resources"} & vars(command).keys()
    assert "result" in vars(command)
    assert {"summary", "content"} <= vars(result).keys()
    assert is_dataclass(result)
    assert {"duration_s", "error"} < {field.name for field in fields(result)}


def test_no_other_file_of_the_room_shows_anything() -> None:
    for path in Path(commands.__path__[0]).glob("*.py"):
        if path.stem not in COMMANDS:
            assert not list(made_in(importlib.import_module(f"{commands.__name__}.{path.stem}"), Result)), path


def test_manifest_says_its_form_first() -> None:
    manifest = Manifest("r", "1.0", "2026-11-23T08:30:00Z", "2026-11-23T08:31:00Z", {}, [], [])
    assert list(json.loads("".join(manifest.texts())))[:2] == ["schema_version", "run_id"]
    assert json.loads("".join(manifest.texts()))["schema_version"] == 1
