"""Nobody takes the sentence of an error of ours apart, or puts one together: errors are made of parts."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2] / "progress_exhaust"

TAKES_APART = frozenset(
    [
        *("split", "rsplit", "splitlines", "partition", "rpartition", "removeprefix", "removesuffix"),
        *("startswith", "endswith", "find", "rfind", "index", "rindex", "count", "replace"),
    ]
)
"""Methods of a text that look for something in it."""
LOOKS_FOR = frozenset({"search", "match", "fullmatch", "findall", "finditer"})
"""Functions and methods of patterns."""
MAKES_SENTENCES = frozenset({"worker"})
"""Rooms whose errors may still hold a ready sentence."""


@cache
def trees() -> dict[str, ast.Module]:
    return {str(file.relative_to(ROOT)): ast.parse(file.read_text("utf-8")) for file in sorted(ROOT.rglob("*.py"))}


@cache
def classes_of_ours() -> frozenset[str]:
    """Return the names of all classes below the base, wherever they are."""
    bases = {
        node.name: {ast.unparse(base) for base in node.bases}
        for tree in trees().values()
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
    }
    ours = {"ProgressExhaustError"}
    while more := {name for name, above in bases.items() if above & ours} - ours:
        ours |= more
    return frozenset(ours)


def caught(handler: ast.ExceptHandler) -> set[str]:
    """Return the names of the classes that a handler is for."""
    kinds = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return {kind.id for kind in kinds if isinstance(kind, ast.Name)}


def is_text_of(node: ast.expr, names: set[str]) -> bool:
    """Whether an expression is the text of an error with one of these names, or one of these texts itself."""
    if isinstance(node, ast.Name):
        return node.id in names
    if isinstance(node, ast.JoinedStr):
        return any(isinstance(part, ast.FormattedValue) and is_text_of(part.value, names) for part in node.values)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in {"str", "repr"}:
        return any(is_text_of(argument, names) for argument in node.args)
    if isinstance(node, ast.Attribute) and node.attr in {"args", "fault", "finding"}:
        return is_text_of(node.value, names)
    return isinstance(node, ast.Subscript) and is_text_of(node.value, names)


def taken_apart(tree: ast.AST) -> Iterator[ast.AST]:
    """Give each place that looks for something in the text of an error of ours that a handler has caught."""
    for handler in ast.walk(tree):
        if not isinstance(handler, ast.ExceptHandler) or not handler.name or not caught(handler) & classes_of_ours():
            continue
        names = {handler.name}
        for statement in handler.body:
            for node in ast.walk(statement):
                if isinstance(node, ast.Assign) and is_text_of(node.value, names):
                    names |= {target.id for target in node.targets if isinstance(target, ast.Name)}
        for statement in handler.body:
            yield from (node for node in ast.walk(statement) if looks_into(node, names))


def looks_into(node: ast.AST, names: set[str]) -> bool:
    if isinstance(node, ast.Compare):
        asked = zip(node.ops, node.comparators, strict=True)
        return any(isinstance(how, ast.In | ast.NotIn) and is_text_of(text, names) for how, text in asked)
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
        return False
    if node.func.attr in LOOKS_FOR:
        return any(is_text_of(argument, names) for argument in node.args)
    return node.func.attr in TAKES_APART and is_text_of(node.func.value, names)


def places(found: Iterator[ast.AST], file: str) -> list[str]:
    return [f"{file}:{getattr(node, 'lineno', 0)}" for node in found]


@pytest.mark.parametrize("file", trees())
def test_nobody_takes_the_sentence_of_an_error_apart(file: str) -> None:
    assert places(taken_apart(trees()[file]), file) == []


def ready_sentences(tree: ast.AST) -> Iterator[ast.AST]:
    """Give each error of ours that is made of more than one part at once."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
            continue
        if node.func.id not in classes_of_ours() | {"Fault"}:
            continue
        given = [*node.args, *(part.value for part in node.keywords if part.arg in {"doing", "object"})]
        texts = [text for value in given for text in ast.walk(value) if isinstance(text, ast.Constant)]
        if any(isinstance(text.value, str) and (": " in text.value or "; " in text.value) for text in texts):
            yield node


@pytest.mark.parametrize("file", [file for file in trees() if Path(file).parts[0] not in MAKES_SENTENCES])
def test_error_is_made_of_parts(file: str) -> None:
    assert places(ready_sentences(trees()[file]), file) == []


def told_afterwards(tree: ast.AST) -> Iterator[ast.AST]:
    """Give each assignment, but for those of an error itself, that says whether it passes or is local."""
    for node in ast.walk(tree):
        for target in node.targets if isinstance(node, ast.Assign) else []:
            text = ast.unparse(target)
            if text.endswith((".transient", ".is_local")) and not text.startswith("self."):
                yield node


@pytest.mark.parametrize("file", [file for file in trees() if file != "errors.py"])
def test_whether_an_error_passes_is_told_when_it_is_made(file: str) -> None:
    assert places(told_afterwards(trees()[file]), file) == []


FOUND = {
    "split": 'try: f()\nexcept SourceError as error:\n    error_text = str(error).split("; ")',
    "assigned": "try: f()\nexcept QueueError as error:\n    text = str(error)\n    return text.partition(':')",
    "in": 'try: f()\nexcept (KeyError, OutputError) as error:\n    if "space" in str(error): g()',
    "not in": 'try: f()\nexcept RequestError as error:\n    return "space" not in f"{error}"',
    "startswith": 'try: f()\nexcept SkippedReport as error:\n    return str(error).startswith("batch")',
    "args": 'try: f()\nexcept SettingsError as error:\n    return error.args[0].endswith("x")',
    "pattern": "try: f()\nexcept ConnectionLostError as error:\n    return re.search('a', str(error))",
    "compiled pattern": "try: f()\nexcept DataShapeError as error:\n    return _PATTERN.findall(str(error))",
    "finding": 'try: f()\nexcept ComputeError as error:\n    return "gone" in error.fault.finding',
}
LEFT = {
    "foreign error": 'try: f()\nexcept ValueError as error:\n    return str(error).split("; ")',
    "shown": "try: f()\nexcept SourceError as error:\n    print(str(error))",
    "parts": "try: f()\nexcept SourceError as error:\n    return error.fault.remedy",
    "kind": "try: f()\nexcept SkippedReport as error:\n    return error.reason in UNFINISHED",
    "other text": 'try: f()\nexcept SourceError as error:\n    return path.partition("/")',
}


@pytest.mark.parametrize("code", FOUND.values(), ids=FOUND)
def test_text_that_is_taken_apart_is_found(code: str) -> None:
    assert len(list(taken_apart(ast.parse(code)))) == 1


@pytest.mark.parametrize("code", LEFT.values(), ids=LEFT)
def test_what_takes_no_text_apart_is_left(code: str) -> None:
    assert list(taken_apart(ast.parse(code))) == []


@pytest.mark.parametrize(
    ("code", "is_found"),
    [
        ('SourceError("reading x: it is gone")', True),
        ('SourceError(f"reading {x}; mend it")', True),
        ('SettingsError("--date", object=f"{x}: {y}")', True),
        ('SourceError("reading", object="x", got="a: b", remedy="c; d")', False),
        ('ValueError("reading x: it is gone")', False),
        ("SourceError(doing)", False),
    ],
)
def test_ready_sentence_is_found(code: str, is_found: bool) -> None:
    assert bool(list(ready_sentences(ast.parse(code)))) is is_found


@pytest.mark.parametrize(("code", "is_found"), [("error.transient = False", True), ("x = error.transient", False)])
def test_error_that_is_changed_afterwards_is_found(code: str, is_found: bool) -> None:
    assert bool(list(told_afterwards(ast.parse(code)))) is is_found
