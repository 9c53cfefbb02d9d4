"""A world of two organisations, settings over it, and a table of requests."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from progress_exhaust.job_requests.memory_table import MemoryTable
from progress_exhaust.settings.sections import Settings
from tests.support.whole_runs import settings_for, write_world
from tests.support.worker_requests import two_organisations
from tests.worlds import World


@pytest.fixture(scope="module")
def world() -> World:
    return two_organisations()


@pytest.fixture(scope="module")
def folder(world: World, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("world")
    write_world(world, folder)
    return folder


@pytest.fixture
def settings(world: World, folder: Path, tmp_path: Path) -> Callable[..., Settings]:
    """Settings over the world, with an output folder of the test's own; sections win."""

    def make(**sections: dict[str, Any]) -> Settings:
        output = {"url": str(tmp_path / "out")} | sections.pop("output", {})
        return settings_for(world, folder, output=output, **sections)

    return make


@pytest.fixture
def table() -> MemoryTable:
    return MemoryTable()
