"""Imports go down only, and the pure rooms stay free of Spark."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = "progress_exhaust"
ROOT = Path(__file__).parents[2] / PACKAGE

GROUND = frozenset(
    {
        *("errors", "log_actions", "identifiers", "text", "strict_json", "paths", "local_files", "file_systems"),
        *("proc", "jvm_end", "owner", "java", "deadlines", "published_file"),
    }
)
"""What everyone may use."""
BASE = GROUND | {"settings"}

MAY_IMPORT = {
    **dict.fromkeys(GROUND, GROUND),
    "settings": GROUND,
    "catalogue": BASE,
    "tables": BASE,
    "job_requests": BASE,
    "output": BASE,
    "report": BASE | {"catalogue", "tables"},
    "spark": BASE | {"tables"},
    "export": BASE | {"report", "output", "tables", "catalogue", "spark"},
    "worker": BASE | {"export", "job_requests", "report", "output", "tables", "catalogue"},
    "sample": BASE | {"tables", "catalogue"},
    "console": BASE | {"export"},
    "stack": BASE | {"tables"},
    "commands": BASE
    | {"worker", "export", "sample", "console", "spark", "job_requests", "output", "tables", "catalogue"},
    "cli": BASE | {"commands", "console", "worker", "export", "sample"},
    "__main__": frozenset({"cli"}),
    "": frozenset[str](),
}
"""What each room may import besides itself; `""` is the package itself, which only knows its version."""

MAY_KNOW_THE_VERSION = frozenset({"cli", "commands", "worker", "export"})

ONLY_FROM_THESE = {
    ("report", "catalogue"): {"progress_exhaust.catalogue.layout"},
    ("report", "tables"): {"progress_exhaust.tables.schemas", "progress_exhaust.tables.json_text"},
    ("stack", "tables"): {"progress_exhaust.tables.schemas"},
    ("spark", "tables"): {"progress_exhaust.tables.cassandra.tables"},
    ("console", "export"): {"progress_exhaust.export.run"},
    ("cli", "worker"): {"progress_exhaust.worker.worker"},
    ("cli", "sample"): {"progress_exhaust.sample.world"},
}
"""Where only some modules of another room may be used."""

WITHOUT_SPARK = ("catalogue", "job_requests", "console", "cli", *sorted(BASE))
"""Rooms that neither import Spark nor a room that does, when they are loaded."""

ALSO_WITHOUT_SPARK = {
    *(f"progress_exhaust.commands.{name}" for name in ("base", "queue", "submission", "submit", "status", "cancel")),
    "progress_exhaust.spark.encryption",
}
"""Modules of other rooms of which that holds."""

MOST_FLOORS = 9


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
    pure = [module for module in MODULES if room_of(module) in WITHOUT_SPARK or module in ALSO_WITHOUT_SPARK]
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
    assert set(MODULES) >= ALSO_WITHOUT_SPARK
    assert {room_of(module) for module in seen} >= set(WITHOUT_SPARK)


def test_floors_are_few(capsys: pytest.CaptureFixture[str]) -> None:
    """A room stands one floor above the highest that it imports; the ground is one floor."""
    floors: dict[str, int] = {}

    def floor_of(room: str, below: tuple[str, ...] = ()) -> int:
        assert room not in below, f"a circle: {' -> '.join([*below, room])}"
        if room in GROUND or room == "":
            return 1
        if room not in floors:
            imported = {
                room_of(one)
                for module, path in MODULES.items()
                if room_of(module) == room
                for one in imports(path)
                if one.split(".")[0] == PACKAGE and room_of(one) != room
            }
            floors[room] = 1 + max((floor_of(one, (*below, room)) for one in imported), default=0)
        return floors[room]

    highest = max(map(floor_of, MAY_IMPORT))
    with capsys.disabled():
        rooms = ", ".join(f"{room} {floors[room]}" for room in sorted(floors, key=lambda room: (-floors[room], room)))
        print(f"floors: {highest} ({rooms}, ground 1)")
    assert highest <= MOST_FLOORS


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
