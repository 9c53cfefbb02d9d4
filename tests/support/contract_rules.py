"""The rules of the data contract by their ids, and the marks that tie tests to them, as they stand in the sources."""

from __future__ import annotations

import ast
import itertools
import re
from collections.abc import Iterator
from pathlib import Path

TESTS = Path(__file__).parents[1]
CONTRACT = TESTS.parent / "docs" / "contract.md"
_ID = re.compile(r"\*\*([A-Z][0-9]+)\. ?")


def rule_ids() -> list[str]:
    """Return the ids of all rules in the order of the contract; those of bad input are the names of its cases."""
    return _ID.findall(CONTRACT.read_text(encoding="utf-8"))


def marked_rules() -> dict[str, set[str]]:
    """Return the files that carry each id: as a mark of a test, of a case, or of a whole file."""
    found: dict[str, set[str]] = {}
    for file in sorted(TESTS.rglob("test_*.py")):
        for identifier in _marks_in(ast.parse(file.read_text(encoding="utf-8"))):
            found.setdefault(identifier, set()).add(str(file.relative_to(TESTS)))
    return found


def table_below(beginning: str) -> list[list[str]]:
    """Return the rows of the table at, or first below, the one line that begins so, each as its cells; no header."""
    lines = CONTRACT.read_text(encoding="utf-8").splitlines()
    [start] = [number for number, line in enumerate(lines) if line.startswith(beginning)]
    below = itertools.dropwhile(lambda line: not line.startswith("|"), lines[start:])
    _header, _rule, *rows = itertools.takewhile(lambda line: line.startswith("|"), below)
    return [[cell.strip() for cell in row.strip("|").split(" |")] for row in rows]


def _marks_in(tree: ast.Module) -> Iterator[str]:
    """Walk the calls of `pytest.mark.rule`, wherever they stand."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "pytest.mark.rule":
            for argument in node.args:
                yield ast.literal_eval(argument)
