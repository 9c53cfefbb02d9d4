"""The table of bad input in the data contract, as the tests read it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

CONTRACT = Path(__file__).parents[2] / "docs" / "contract.md"
HEADERS = ["case", "input", "what happens", "sentence", "exit code"]
OUTCOMES = ("harmless", "blank", "left out", "row dropped", "batch refused", "run refused")


@dataclass(frozen=True)
class Rule:
    """One row of the table.

    Attributes:
        case: its id.
        outcome: one of `OUTCOMES`.
        word: the reason of a refusal, or the word that something is counted under; empty where there is none.
        sentence: what matches the whole sentence; empty where nothing is said.
        code: the exit code.
        code_of_all: that with `--all`.
    """

    case: str
    outcome: str
    word: str
    sentence: str
    code: int
    code_of_all: int


def rules(text: str | None = None) -> dict[str, Rule]:
    """Return the rows of the table by their id."""
    section = (text or CONTRACT.read_text(encoding="utf-8")).partition("\n## Bad input\n")[2]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    header, _, *rows = ([cell.strip() for cell in line.strip("|").split(" |")] for line in lines)
    if header != HEADERS:
        raise ValueError(f"the table of bad input has the columns {header}, expected {HEADERS}")
    found = [_rule(*row) for row in rows]
    if len({rule.case for rule in found}) != len(found):
        raise ValueError("the table of bad input names a case twice")
    return {rule.case: rule for rule in found}


def _rule(case: str, _: str, happens: str, sentence: str, codes: str) -> Rule:
    [outcome] = [outcome for outcome in OUTCOMES if happens.startswith(outcome)]
    word = re.search(r"(?:counted as|refused:) `(\w+)`", happens)
    code, code_of_all = re.fullmatch(r"(\d+)(?:; (\d+) with `--all`)?", codes).groups()  # type: ignore[union-attr]
    return Rule(
        case.strip("`"),
        outcome,
        word[1] if word else "",
        re.escape(sentence).replace("…", ".*"),
        int(code),
        int(code_of_all or code),
    )
