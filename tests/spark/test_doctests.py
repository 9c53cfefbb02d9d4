"""The examples in the docstrings: they run, and every Column function of these rooms has one."""

from __future__ import annotations

import doctest
import importlib
import inspect
from pathlib import Path
from types import ModuleType

import pytest
from pyspark.sql import SparkSession

import progress_exhaust

COLUMN_MODULES = (
    "progress_exhaust.tables.json_text",
    "progress_exhaust.output.csv_text",
    "progress_exhaust.output.parts",
    "progress_exhaust.report.locations",
    "progress_exhaust.report.values",
)


def modules_with_examples() -> list[str]:
    root = Path(progress_exhaust.__file__).parent
    files = sorted(file for file in root.rglob("*.py") if ">>>" in file.read_text(encoding="utf-8"))
    return [".".join(file.relative_to(root.parent).with_suffix("").parts) for file in files]


@pytest.mark.parametrize("name", modules_with_examples())
def test_examples_of_a_module_give_what_they_show(spark: SparkSession, name: str) -> None:
    spark.conf.set("spark.sql.session.timeZone", "UTC")
    results = doctest.testmod(importlib.import_module(name), extraglobs={"spark": spark})

    assert results.attempted > 0
    assert results.failed == 0


@pytest.mark.parametrize("name", COLUMN_MODULES)
def test_every_column_function_has_an_example(name: str) -> None:
    without = [function for function in column_functions(importlib.import_module(name)) if ">>>" not in function[1]]

    assert without == []


def column_functions(module: ModuleType) -> list[tuple[str, str]]:
    """Public functions that return a Column, with their docstrings."""
    return [
        (name, inspect.getdoc(function) or "")
        for name, function in inspect.getmembers(module, inspect.isfunction)
        if function.__module__ == module.__name__
        and not name.startswith("_")
        and function.__annotations__["return"] == "Column"
    ]
