"""The modules to change, and the files of tests by how near they stand to a module."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from tests.unit.test_layers import BASE, PACKAGE

ROOMS = (*sorted(BASE), "catalogue", "job_requests", "output", "worker")
"""Rooms whose rules `tests/unit` holds; what is renamed gets its new name here, or in the table of imports."""
NOT_WITHOUT_A_SERVICE = ("job_requests.postgres", "output.stores")
"""What is shown by tests with a service or with Spark."""
TESTS = Path("tests", "unit")
SEES_ALL = re.compile(rb"\b(subprocess|importlib|rglob)\b")
"""What a file of tests has that starts processes or reads code: it may meet a module without importing it."""


def pure_modules(root: Path) -> list[Path]:
    """Return the modules of the rooms, below the root of the tree, in order."""
    package = root / PACKAGE
    modules = [path.relative_to(root) for path in sorted(package.rglob("*.py"))]
    return [module for module in modules if _is_in(module, ROOMS) and not _is_in(module, NOT_WITHOUT_A_SERVICE)]


def nearness(root: Path, changed: Path) -> dict[Path, int]:
    """Return the files of tests that can meet a module, and over how many imports: 1 is by itself.

    Those that may meet it without importing it come last; the others can not notice what it does.
    """
    importers = _importers(root)
    tests = tests_of(root)
    steps, seen, edge = {}, {changed}, [changed]
    for step in range(1, len(importers) + 1):
        edge = sorted({one for module in edge for one in importers.get(module, ())} - seen)
        seen.update(edge)
        steps.update({one: step for one in edge if one in tests})
    last = {one: len(importers) + 1 for one in tests if SEES_ALL.search((root / one).read_bytes())}
    return last | steps


def tests_of(root: Path) -> list[Path]:
    """Return all files of tests, below the root of the tree, in order."""
    return [path.relative_to(root) for path in sorted((root / TESTS).rglob("test_*.py"))]


def _is_in(module: Path, rooms: Iterable[str]) -> bool:
    name = ".".join(module.with_suffix("").parts[1:])
    return any(name == room or name.startswith(f"{room}.") for room in rooms)


def _importers(root: Path) -> dict[Path, set[Path]]:
    """Return, for each module of the package and of the tests, the modules that import it, anywhere in them."""
    importers: dict[Path, set[Path]] = {}
    for top in (PACKAGE, "tests"):
        for path in (root / top).rglob("*.py"):
            module = path.relative_to(root)
            for imported in _imported(root, module):
                importers.setdefault(imported, set()).add(module)
    return importers


def _imported(root: Path, module: Path) -> Iterator[Path]:
    for node in ast.walk(ast.parse((root / module).read_bytes())):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        for name in names:
            # A file of tests finds what lies beside it by its bare name, too.
            for folder in (Path(), module.parent):
                path = folder.joinpath(*name.split("."))
                yield from (one for one in (path.with_suffix(".py"), path / "__init__.py") if (root / one).is_file())
