"""The command line without Spark: help, usage, settings, and what it costs to ask."""

from __future__ import annotations

import inspect
import os
import resource
import subprocess
import sys
from dataclasses import fields
from pathlib import Path
from typing import Annotated

import pytest
import typer

from progress_exhaust import __version__
from progress_exhaust.cli import app, queue
from progress_exhaust.cli.options import PlaceOptions, SharedOptions, overrides_of
from progress_exhaust.cli.parsing import spread_ids, takes_groups

GOLDEN = Path(__file__).parents[1] / "golden" / "help"
COMMANDS = ("", "export", "plan", "doctor", "sample-data", "run", "submit", "status", "cancel")
START_UP_S = 0.7

# Runs the command line, then says on a last line of stderr which of these were imported.
WATCHED = """
import sys
from progress_exhaust.cli.app import run
code = run(sys.argv[1:])
heavy = {'pyspark', 'py4j', 'rich', 'requests', 'psycopg2', 'prometheus_client'}
print(sorted({name.split('.')[0] for name in sys.modules} & heavy), file=sys.stderr)
sys.exit(code)
"""


def ask(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    ours = {name: value for name, value in os.environ.items() if not name.upper().startswith("PROGRESS_EXHAUST")}
    environment = {**ours, "COLUMNS": "100", "NO_COLOR": "1", **variables}
    command = [sys.executable, "-c", WATCHED, *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)


def told(answer: subprocess.CompletedProcess[str]) -> list[str]:
    """Return the lines of stderr, after seeing that the last one says that nothing heavy was imported."""
    *lines, imported = answer.stderr.splitlines()
    assert imported == "[]"
    return lines


@pytest.mark.parametrize("command", COMMANDS)
def test_help_is_as_agreed(command: str) -> None:
    answer = ask(*command.split(), "--help")
    golden = GOLDEN / f"{command or 'progress-exhaust'}.txt"
    assert (answer.returncode, told(answer)) == (0, [])
    assert answer.stdout == golden.read_text(encoding="utf-8")
    assert "Example" in answer.stdout
    assert "  progress-exhaust " in answer.stdout


def test_version() -> None:
    answer = ask("--version")
    assert (answer.returncode, answer.stdout, told(answer)) == (0, f"progress-exhaust {__version__}\n", [])


def test_help_comes_at_once() -> None:
    """In seconds of work, not of waiting, which on a busy machine says little."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    ask("--help")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < START_UP_S


@pytest.mark.rule("E11")
@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ("", "error: Missing command. See progress-exhaust --help."),
        ("exprot", "error: No such command 'exprot'. Did you mean 'export'? See progress-exhaust --help."),
        (
            "export --al",
            "error: No such option: --al (Possible options: --all, --date, --help). See progress-exhaust --help.",
        ),
        ("export --all extra", "error: Got unexpected extra argument(s) (extra). See progress-exhaust --help."),
        ("export --batch", "error: Option '--batch' requires an argument. See progress-exhaust --help."),
        (
            "export",
            "error: nothing is asked for; name batches with --batch, collections with --collection, or --all",
        ),
        ("plan", "error: nothing is asked for; name batches with --batch, collections with --collection, or --all"),
        ("export --all --batch b", "error: --all does not go with --batch or --collection; leave one of them out"),
        ("plan --all --collection c", "error: --all does not go with --batch or --collection; leave one of them out"),
        ("export --all --date 1.2.2024", 'error: --date: expected a day as YYYY-MM-DD, got "1.2.2024"'),
        ("export --all --profile lern", "error: report.profile: Input should be 'seed'"),
        ("export --all --output=", "error: output.url: String should have at least 1 character"),
        (
            "export --all --config /no/such.toml",
            "error: reading settings from /no/such.toml: No such file or directory; give --config an existing file",
        ),
        (
            "sample-data --catalogue c",
            "error: making sample data: expected one place for the tables; give --snapshot DIR or --cassandra",
        ),
        (
            "sample-data --catalogue c --snapshot s --cassandra",
            "error: making sample data: expected one place for the tables; give --snapshot DIR or --cassandra",
        ),
        ("submit --batch b", "error: Missing option '--channel'. See progress-exhaust --help."),
        (
            "submit --channel c",
            "error: submitting: expected one thing to ask for; give --batch ID… or --search FILE|JSON",
        ),
        (
            "submit --channel c --batch b --search {}",
            "error: submitting: expected one thing to ask for; give --batch ID… or --search FILE|JSON",
        ),
        (
            "submit --channel c --search {}",
            "error: submitting: searchFilter.request is null, expected an object with filters",
        ),
        (
            "submit --channel c --search no/such.json",
            'error: --search: "no/such.json": No such file or directory; give a search request as JSON, or a file that '
            "holds one",
        ),
        (
            "submit --channel c --batch b --request-id ../x",
            "error: --request-id: expected up to 100 letters, digits, _ . - that start with a letter or digit, "
            'without .., got "../x"',
        ),
        ("submit --channel= --batch b", "error: --channel: expected text, got nothing"),
        (
            "run --watch 0",
            "error: Invalid value for '--watch': Input should be greater than or equal to 0.1. "
            "See progress-exhaust --help.",
        ),
        ("run --log-format text --watch inf", "error: --watch: expected seconds, got inf"),
        (
            "run --max-requests 0",
            "error: Invalid value for '--max-requests': Input should be greater than or equal to 1. "
            "See progress-exhaust --help.",
        ),
        ("run --log-format text --tag=", "error: --tag: expected text, got nothing"),
        ("run --log-format text --request=", "error: --request: expected text, got nothing"),
        ("cancel", "error: Missing argument 'REQUEST_ID'. See progress-exhaust --help."),
        ("cancel R1 --tag=", "error: --tag: expected text, got nothing"),
        ("sample-data --snapshot s", "error: Missing option '--catalogue'. See progress-exhaust --help."),
    ],
)
def test_wrong_usage_is_one_sentence_and_code_2(arguments: str, sentence: str) -> None:
    answer = ask(*arguments.split())
    assert (answer.returncode, answer.stdout) == (2, "")
    assert told(answer) == [sentence]


@pytest.mark.rule("E11", "E13")
def test_wrong_settings_are_told_all_at_once_and_code_2() -> None:
    answer = ask("doctor", PROGRESS_EXHAUST__REPORT__TIME_ZONE="Mars", PROGRESS_EXHAUST__CATALOGUE__TRIES="0")
    assert (answer.returncode, answer.stdout) == (2, "")
    assert sorted(told(answer)) == [
        "error: catalogue.tries: Input should be greater than 0",
        'error: report.time_zone: expected a zone like Asia/Kolkata, got "Mars"',
    ]


def test_file_of_settings_can_be_named_by_a_variable() -> None:
    answer = ask("export", "--all", PROGRESS_EXHAUST_CONFIG="/no/such.toml")
    assert told(answer) == [
        "error: reading settings from /no/such.toml: No such file or directory; give --config an existing file"
    ]


def test_errors_are_json_lines_where_these_are_asked_for() -> None:
    answer = ask("export", "--all", "--log-format", "json", "--profile", "x")
    [line] = told(answer)
    assert line.startswith('{"at": "')
    assert line.endswith('"level": "error", "action": "error", "sentence": "report.profile: Input should be \'seed\'"}')


@pytest.mark.parametrize(
    ("arguments", "spread"),
    [
        (["--batch", "a", "b", "--all"], ["--batch", "a", "--batch", "b", "--all"]),
        (["--batch", "a", "--batch", "b"], ["--batch", "a", "--batch", "b"]),
        (["--batch", "a", "b", "--collection", "c", "d"],
         ["--batch", "a", "--batch", "b", "--collection", "c", "--collection", "d"]),
        (["--batch", "-x", "b"], ["--batch", "-x", "--batch", "b"]),
        (["--output", "o", "b"], ["--output", "o", "b"]),
        (["--batch=a", "b"], ["--batch=a", "b"]),
        (["--batch"], ["--batch"]),
        ([], []),
    ],
)  # fmt: skip
def test_each_id_gets_an_option_of_its_own(arguments: list[str], spread: list[str]) -> None:
    assert spread_ids(arguments) == spread


def test_options_set_what_they_say() -> None:
    assert overrides_of(output="o", profile="p", snapshot="s", catalogue="c") == {
        "output": {"url": "o"},
        "report": {"profile": "p"},
        "source": {"kind": "snapshot", "snapshot_dir": "s"},
        "catalogue": {"kind": "files", "directory": "c"},
    }
    assert overrides_of() == {}


def test_group_stands_for_its_options_and_is_made_of_their_values() -> None:
    @takes_groups
    def command(*, request: Annotated[str | None, typer.Option()] = None, places: PlaceOptions) -> int:
        seen.append((request, places))
        return 3

    seen: list[tuple[str | None, PlaceOptions]] = []
    assert list(inspect.signature(command).parameters) == ["request", "output", "snapshot", "catalogue"]
    assert command(request="R1", output="o", snapshot=None, catalogue="c") == 3
    assert seen == [("R1", PlaceOptions(output="o", catalogue="c"))]


def test_each_option_that_commands_share_is_declared_once() -> None:
    """Nothing in a command's own signature says again what a group has."""
    shared = {field.name for group in (SharedOptions, PlaceOptions) for field in fields(group)}
    for module in (app, queue):
        for function in vars(module).values():
            own = set(inspect.signature(function.__wrapped__).parameters) if hasattr(function, "__wrapped__") else set()
            # The folders of `sample-data` are written to, and mean something else.
            assert own & shared <= {"catalogue", "snapshot"}, function


def test_start_up_imports_nothing_heavy() -> None:
    command = [sys.executable, "-X", "importtime", "-m", "progress_exhaust", "--help"]
    asked = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    imported = {line.rpartition("|")[2].strip().partition(".")[0] for line in asked.stderr.splitlines()}
    assert "progress_exhaust" in imported
    assert not imported & {"pyspark", "py4j", "psycopg2", "requests", "rich"}
