"""Changes that `python -m tests.mutation` makes: exactly what they say, where they say it, and never a message."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.mutation.__main__ import equal_changes
from tests.mutation.changes import changed, changes_of
from tests.mutation.rooms import nearness, pure_modules

CHECKOUT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("source", "becomes"),
    [
        pytest.param("a < b", ["a <= b", "a >= b"], id="boundary and other side"),
        pytest.param("a not  in b", ["a in b"], id="operator of two words"),
        pytest.param("(ä) == (b)", ["(ä) != (b)"], id="a letter of two bytes before it"),
        pytest.param("a and b and c", ["a or b and c", "a and b or c"], id="each and by itself"),
        pytest.param("not(a)", [], id="not without a blank"),
        pytest.param("not (a)", ["(a)"], id="not before parentheses"),
        pytest.param("a - 1", ["a + 1", "a - 2", "a - 0"], id="a number beside a sign"),
        pytest.param("m = 0o640", ["m = 0o641", "m = 0o637"], id="a mode"),
        pytest.param("f(x=True)", ["f(x=False)"], id="a truth"),
        pytest.param('a["k"]', ["a['k_']"], id="a key"),
        pytest.param(
            'a in ("x", "y")', ['a not in ("x", "y")', "a in ('x_', \"y\")", "a in (\"x\", 'y_')"], id="texts"
        ),
        pytest.param('raise E("message", f"{a + 1}")', [], id="messages"),
        pytest.param('_LOG.info("%s", a, extra={"fields": 1})', [], id="log"),
        pytest.param('"text" + a', [], id="texts have no other arithmetic"),
        pytest.param("def f(a: int | None) -> A[1]: pass", [], id="annotations"),
        pytest.param("@dataclass(frozen=True)\nclass A: pass", [], id="decorators"),
        pytest.param("from pyspark.sql import functions as F\ndef f(): return F.lit(1)\nb = 1", None, id="Spark"),
    ],
)
def test_each_place_becomes_what_it_can_become(source: str, becomes: list[str] | None) -> None:
    if becomes is None:
        becomes = [source.replace("b = 1", "b = 2"), source.replace("b = 1", "b = 0")]
    found = [change for choices in changes_of(source.encode()) for change in choices]
    assert sorted(changed(source.encode(), change).decode() for change in found) == sorted(becomes)


def test_change_says_its_line_its_function_and_what_it_does() -> None:
    source = "class A:\n    def f(self):\n        return g(\n            1,\n        )\n"
    ((larger, _),) = changes_of(source.encode())
    assert (larger.line, larger.place, larger.old, larger.new) == (4, "A.f", "g( 1, )", "g( 2, )")


@pytest.mark.parametrize("module", pure_modules(CHECKOUT), ids=str)
def test_every_change_of_the_package_is_python(module: Path) -> None:
    source = (CHECKOUT / module).read_bytes()
    for choices in changes_of(source):
        ast.parse(changed(source, choices[0]))


def test_file_of_tests_that_imports_a_module_is_nearer_than_one_that_does_so_by_others(tmp_path: Path) -> None:
    files = {
        "progress_exhaust/a.py": "",
        "progress_exhaust/b.py": "from progress_exhaust import a",
        "tests/unit/beside.py": "import progress_exhaust.a",
        "tests/unit/test_near.py": "from progress_exhaust.a import x",
        "tests/unit/test_far.py": "def test(): from progress_exhaust.b import x",
        "tests/unit/test_by_beside.py": "from beside import x",
        "tests/unit/test_other.py": "import progress_exhaust.c",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    steps = nearness(tmp_path, Path("progress_exhaust/a.py"))
    assert {path.stem: step for path, step in steps.items()} == {"test_near": 1, "test_far": 2, "test_by_beside": 2}


def test_every_equal_change_has_a_reason() -> None:
    for (_, old, new), reason in equal_changes().items():
        assert old != new
        assert reason
