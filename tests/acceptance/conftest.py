"""Processes that run the command many times: most of what a run costs by itself is Java that warms up."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.command_line import CommandLine, without_privileges


@pytest.fixture(scope="package")
def line(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CommandLine]:
    """Runs the command in one process and one JVM, for all tests that have no need of their own.

    Its temporary folder is its own, since what killed processes have left in the machine's is told when it is removed.
    """
    with CommandLine(TMPDIR=str(tmp_path_factory.mktemp("line"))) as line:
        yield line


@pytest.fixture(scope="package")
def line_of_anyone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CommandLine]:
    """The same, for which the modes of files count, also where we are root."""
    with CommandLine(without_privileges(), TMPDIR=str(tmp_path_factory.mktemp("line-of-anyone"))) as line:
        yield line
