"""Every kind of bad input that the data contract lists, through the real command on files, is met as it says there.

Batches of many kinds share few runs; what concerns a whole run has runs of its own, one after another in one JVM.
"""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path

import pytest

from tests.support.bad_batch_case import BatchCase
from tests.support.bad_batches import CASES as BATCH_CASES
from tests.support.bad_batches import control
from tests.support.bad_batches_refused import NUL
from tests.support.bad_input_cases import OTHER_CASES
from tests.support.bad_input_runs import GOLDEN, RULES, Runs, SharedRun, batch_case, batches_of, sample_on_files
from tests.support.bad_input_table import Rule
from tests.support.bad_runs import CASES as RUN_CASES
from tests.support.bad_runs import RunCase
from tests.support.command_line import DAY_IN_NAME, CommandLine, export_arguments, files_below


@pytest.fixture(scope="module")
def runs(line: CommandLine, line_of_anyone: CommandLine, tmp_path_factory: pytest.TempPathFactory) -> Runs:
    return Runs(line, line_of_anyone, tmp_path_factory.mktemp("bad-input"))


def test_every_row_of_the_contract_has_a_case_and_every_case_a_row() -> None:
    cases = [*BATCH_CASES, *RUN_CASES, *OTHER_CASES]
    assert len(set(cases)) == len(cases)
    assert set(cases) == set(RULES)


@pytest.mark.rule("M4", "B1")
@pytest.mark.parametrize("case", RULES)
def test_bad_input_is_met_as_the_contract_says(case: str, runs: Runs) -> None:
    rule = RULES[case]
    if case in OTHER_CASES:
        OTHER_CASES[case](rule, runs)
    elif case in RUN_CASES:
        for number, run_case in enumerate(RUN_CASES[case]):
            see_run_refused(rule, run_case, runs, runs.folder / f"{case}-{number}")
    elif rule.outcome == "batch refused":
        see_batch_refused(rule, batch_case(case), runs.shared("refused_by_name"), rule.code)
        if batch_case(case).is_in_table:
            see_batch_refused(rule, batch_case(case), runs.shared("refused_with_all"), rule.code_of_all)
    else:
        see_batch_made(rule, batch_case(case), runs.shared("kept"))


def see_batch_made(rule: Rule, case: BatchCase, run: SharedRun) -> None:
    """See that the batches of a case are made, with the cells and counts that it wants in the first of them."""
    batch_id, *others = batches_of(case.world)
    assert run.ended.code == rule.code == 0
    assert not run.refusals()
    assert {batch_id, *others} <= run.reports.keys()
    rows = list(csv.DictReader(io.StringIO(run.reports[batch_id].decode(), newline="")))
    assert {column: [row[column] for row in rows] for column in case.cells} == dict(case.cells)
    file = run.file(batch_id)
    counts = {**file["rows_dropped"], **file["warnings"], "guarded_cells": file["guarded_cells"]}
    assert {word: count for word, count in counts.items() if count} == ({rule.word: case.counted} if rule.word else {})


def see_batch_refused(rule: Rule, case: BatchCase, run: SharedRun, code: int) -> None:
    """See that each batch of a case is refused for its reason, in one sentence, and that the others are made."""
    asked_by_name = run.ended.code == 1
    assert run.ended.code == code
    for batch_id in batches_of(case.world):
        if batch_id == NUL and asked_by_name:
            continue
        refusal = run.refusals()[batch_id]
        assert refusal["reason"] == rule.word
        assert re.fullmatch(rule.sentence, refusal["why"], re.DOTALL), refusal["why"]
        assert batch_id not in run.reports
    assert set(run.reports) == set(batches_of(control()))
    sentences = [line for line in run.ended.err.splitlines() if re.fullmatch(rule.sentence, line)]
    assert len(sentences) >= len(batches_of(case.world)) - 1


def see_run_refused(rule: Rule, case: RunCase, runs: Runs, folder: Path) -> None:
    """See that a run ends in one sentence, and leaves what was there before as it was."""
    sample_on_files(folder)
    case.change(folder, runs.line)
    earlier = folder / case.output / "progress-exhaust" / f"earlier_progress_{DAY_IN_NAME}.csv"
    if case.output == "reports":
        earlier.parent.mkdir(parents=True, exist_ok=True)
        earlier.write_bytes(GOLDEN.read_bytes())
    before = files_below(folder)
    arguments = export_arguments(folder, *case.asked, output=folder / case.output)
    arguments += [option.format(folder=folder) for option in case.options]
    variables = {name: value.format(folder=folder) for name, value in case.variables.items()}

    ended = runs.line.run(arguments, **variables)

    assert ended.code == rule.code
    assert len(ended.errors()) == case.lines, ended.err
    for sentence in ended.errors():
        assert re.fullmatch(rule.sentence, sentence), sentence
    assert "Traceback" not in ended.err
    assert "canary" not in ended.err + ended.out
    assert files_below(folder) == before
    assert list(earlier.parent.glob(".staging/*")) == []
