"""An output folder of the test's own, and logging as it was before."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    ours, root = logging.getLogger("progress_exhaust"), logging.getLogger()
    before = ours.handlers, ours.propagate, ours.level, root.handlers
    yield
    ours.handlers, ours.propagate, ours.level, root.handlers = before


@pytest.fixture
def output(tmp_path: Path) -> Path:
    return tmp_path
