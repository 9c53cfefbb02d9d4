"""The tables that the job reads are those of the data contract, column by column."""

from __future__ import annotations

import re

import pytest

from progress_exhaust.settings.sections import Settings
from progress_exhaust.tables.schemas import INPUT_TABLES, Table, table_names
from tests.support.contract_rules import table_below

WORDS = {
    "text": "string",
    "boolean": "boolean",
    "timestamp": "timestamp",
    "int": "int",
    "double": "double",
    "list of text": "array<string>",
    "list of maps of text to text": "array<map<string,string>>",
    "map of text to int": "map<string,int>",
    "map of text to double": "map<string,double>",
    "text or int": "string",
}
TOLD = {name.strip("`"): cell for name, cell in table_below("**D1.**")}
NAMES = table_names(Settings())


def columns_told(cell: str) -> tuple[list[str], dict[str, str]]:
    """Return the key of a table, and the type of each column, as the contract tells them."""
    keys = re.findall(r"\*\*(\w+)\*\*", cell)
    types = dict.fromkeys(keys, "string")
    for group in cell.split(" · ")[1:] if keys else cell.split(" · "):
        names = re.findall(r"`(\w+)`", group)
        types |= dict.fromkeys(names, WORDS[group.rpartition("`")[2].strip()])
    return keys, types


@pytest.mark.rule("D1")
def test_tables_are_those_of_the_contract() -> None:
    assert sorted(NAMES[table.setting] for table in INPUT_TABLES) == sorted(TOLD)


@pytest.mark.rule("D1")
@pytest.mark.parametrize("table", INPUT_TABLES, ids=lambda table: table.setting)
def test_columns_and_keys_are_those_of_the_contract(table: Table) -> None:
    keys, types = columns_told(TOLD[NAMES[table.setting]])
    assert set(table.key) == set(keys)
    assert {field.name: field.dataType.simpleString() for field in table.columns} == types
