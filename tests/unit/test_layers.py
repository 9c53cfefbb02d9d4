"""Imports go down only, and the pure rooms stay free of Spark."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = "progress_exhaust"
ROOT = Path(__file__).parents[2] / PACKAGE

ROOMS = frozenset({"report", "output", "job_requests", "tables", "catalogue"})
GROUND = frozenset({"settings", "errors", "ids", "places", "local_files", "proc", "jvm_end"})
"""What everyone may use."""
TOP = frozenset(
    {"cli", "arguments", "command", "commands", "opening", "private", "screens", "summaries", "stopping", "logs"}
    | {"queue_arguments", "queue_cli", "queue_commands", "queue_summaries", "run_command"}
)
"""The composition root, in several modules."""

MAY_IMPORT = {
    **dict.fromkeys(GROUND, GROUND),
    "java": GROUND,
    "encryption": GROUND,
    "private": GROUND | {"output"},
    "json_text": frozenset[str](),
    "file_systems": frozenset[str](),
    "tables": GROUND | {"json_text", "file_systems"},
    "catalogue": GROUND,
    "output": GROUND | {"file_systems"},
    "job_requests": GROUND,
    "report": GROUND | {"catalogue", "tables", "json_text"},
    "spark": GROUND | {"tables", "encryption", "private"},
    "services": GROUND | ROOMS | {"encryption"},
    "stack": GROUND | {"java", "tables"},
    **dict.fromkeys(TOP, GROUND | ROOMS | TOP | {"services", "spark", "private", "java", ""}),
    "": frozenset[str](),
    "__main__": frozenset({"cli"}),
}
"""What each room may import besides itself; `""` is the package itself, which only knows its version."""

MAY_KNOW_THE_VERSION = TOP | {"services"}

ONLY_FROM_THESE = {
    ("report", "catalogue"): {"progress_exhaust.catalogue.layout"},
    ("report", "tables"): {"progress_exhaust.tables.schemas"},
    ("stack", "tables"): {"progress_exhaust.tables.schemas"},
    ("private", "output"): {"progress_exhaust.output.staging"},
    ("spark", "tables"): {"progress_exhaust.tables.cassandra.tables"},
}
"""Where only some modules of another room may be used."""

WITHOUT_SPARK = (
    *("catalogue", "job_requests", "settings", "errors", "java", "encryption", "cli", "arguments", "stopping"),
    *("queue_arguments", "queue_cli", "queue_commands", "queue_summaries"),
)
"""Rooms that neither import Spark nor a room that does, when they are loaded."""


def room_of(module: str) -> str:
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else ""


def modules() -> Iterator[tuple[str, Path]]:
    for path in sorted(ROOT.rglob("*.py")):
        parts = [PACKAGE, *path.relative_to(ROOT).with_suffix("").parts]
        yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts), path


def is_module(name: str) -> bool:
    place = ROOT.parent.joinpath(*name.split("."))
    return place.with_suffix(".py").exists() or (place / "__init__.py").exists()


def imports(path: Path, *, at_loading: bool = False) -> Iterator[str]:
    """Give what a module imports; with `at_loading` only what is imported when it is loaded."""
    nodes = list(loaded_nodes(ast.parse(path.read_text(encoding="utf-8")))) if at_loading else None
    for node in nodes if nodes is not None else ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            for alias in node.names:
                name = f"{node.module}.{alias.name}"
                yield name if is_module(name) else str(node.module)


def loaded_nodes(tree: ast.AST) -> Iterator[ast.AST]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            continue
        yield node
        yield from loaded_nodes(node)


MODULES = dict(modules())


@pytest.mark.parametrize("module", MODULES)
def test_imports_go_down_only(module: str) -> None:
    room = room_of(module)
    assert room in MAY_IMPORT, f"{room} is no room that the design knows; give it its place in MAY_IMPORT"
    for imported in imports(MODULES[module]):
        if imported.split(".")[0] != PACKAGE or room_of(imported) == room:
            continue
        if room_of(imported) == "" and room in MAY_KNOW_THE_VERSION:
            continue
        assert room_of(imported) in MAY_IMPORT[room], f"{module} imports {imported}"
        allowed = ONLY_FROM_THESE.get((room, room_of(imported)))
        assert allowed is None or imported in allowed, f"{module} imports {imported}, which is not for this room"


def test_pure_rooms_load_without_spark() -> None:
    pure = [module for module in MODULES if room_of(module) in WITHOUT_SPARK]
    seen: dict[str, str] = {}
    pending = [(module, module) for module in pure]
    while pending:
        module, because = pending.pop()
        if module in seen:
            continue
        seen[module] = because
        for imported in imports(MODULES[module], at_loading=True):
            assert imported.split(".")[0] not in ("pyspark", "py4j"), f"{because} loads {module}, which imports Spark"
            if imported in MODULES:
                pending.append((imported, because))
    assert len(seen) > len(WITHOUT_SPARK) - 2


def test_catalogue_and_settings_never_import_spark() -> None:
    for module, path in MODULES.items():
        if room_of(module) in ("catalogue", "job_requests", "settings"):
            for imported in imports(path):
                assert imported.split(".")[0] not in ("pyspark", "py4j"), f"{module} imports {imported}"


def test_nobody_imports_the_stack() -> None:
    for module, path in MODULES.items():
        if room_of(module) != "stack":
            assert not [
                imported
                for imported in imports(path)
                if room_of(imported) == "stack" and "." in imported and imported.startswith(PACKAGE)
            ], module
