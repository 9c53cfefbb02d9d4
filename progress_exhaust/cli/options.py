"""The options of the commands, and what they set."""

from __future__ import annotations

import os
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from typer.core import TyperCommand

from progress_exhaust.commands.base import CommandContext
from progress_exhaust.commands.option_text import faults_of_text
from progress_exhaust.console.logs import LogFormat
from progress_exhaust.errors import SettingsError

_ID_OPTIONS = ("--batch", "--collection")

Overrides = dict[str, dict[str, object]]
"""Settings of the command line: section to key to value."""


class ManyIds(TyperCommand):
    """A command whose `--batch` and `--collection` take all ids that follow them."""

    def parse_args(self, ctx: typer.Context, args: list[str]) -> list[str]:  # type: ignore[override]  # the parent names a class that typer does not export
        """Give each id an option of its own, as the parser wants it."""
        return super().parse_args(ctx, spread_ids(args))


def spread_ids(arguments: list[str]) -> list[str]:
    """Repeat an option before each of its ids.

    >>> spread_ids(["--batch", "b-1", "b-2", "--json"])
    ['--batch', 'b-1', '--batch', 'b-2', '--json']
    """
    spread: list[str] = []
    option = ""
    for before, argument in zip(["", *arguments], arguments, strict=False):
        if argument.startswith("-") and before not in _ID_OPTIONS:
            option = argument
        elif option in _ID_OPTIONS and before not in _ID_OPTIONS:
            spread.append(option)
        spread.append(argument)
    return spread


Batches = Annotated[
    list[str] | None, typer.Option("--batch", metavar="ID…", help="Batches to report on; may be repeated.")
]
Collections = Annotated[
    list[str] | None,
    typer.Option("--collection", metavar="ID…", help="All batches of these collections, or of them those of --batch."),
]
Everything = Annotated[bool, typer.Option("--all", help="All batches there are.")]
Output = Annotated[
    str | None, typer.Option(metavar="URL", help="Folder or Hadoop URL the files go to.  [setting output.url]")
]
Profile = Annotated[
    str | None, typer.Option(metavar="NAME", help="Named set of columns and formats.  [setting report.profile]")
]
Day = Annotated[
    str | None,
    typer.Option("--date", metavar="YYYY-MM-DD", help="Day in the files' names; today in the report's time zone."),
]
Snapshot = Annotated[
    str | None, typer.Option(metavar="DIR", help="Read tables from this folder of files.  [setting source.*]")
]
Catalogue = Annotated[
    str | None, typer.Option(metavar="DIR", help="Read course trees from this folder.  [setting catalogue.*]")
]
Config = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="TOML file with settings; else the one that PROGRESS_EXHAUST_CONFIG names."),
]
RequestTag = Annotated[str | None, typer.Option("--tag", metavar="TAG", help="Only requests of this tag.")]
AsJson = Annotated[bool, typer.Option("--json", help="Write one JSON document to stdout instead of a summary.")]
LogLines = Annotated[LogFormat, typer.Option("--log-format", help="Lines on stderr: sentences, or JSON objects.")]
MachineLogLines = Annotated[
    LogFormat | None,
    typer.Option("--log-format", help="Lines on stderr; sentences on a terminal, JSON objects elsewhere."),
]
Debug = Annotated[bool, typer.Option("--debug", help="Show stack traces, and what Spark logs.")]


class TableFormat(StrEnum):
    """How the files of a snapshot look."""

    PARQUET = "parquet"
    JSON_LINES = "jsonl"


def overrides_of(
    *,
    output: str | None = None,
    profile: str | None = None,
    snapshot: str | None = None,
    catalogue: str | None = None,
) -> Overrides:
    """Return what these options set."""
    overrides: Overrides = {}
    if output is not None:
        overrides["output"] = {"url": output}
    if profile is not None:
        overrides["report"] = {"profile": profile}
    if snapshot is not None:
        overrides["source"] = {"kind": "snapshot", "snapshot_dir": snapshot}
    if catalogue is not None:
        overrides["catalogue"] = {"kind": "files", "directory": catalogue}
    return overrides


def context_of(
    config: Path | None, overrides: Overrides, *, as_json: bool, log_format: LogFormat, debug: bool
) -> CommandContext:
    """Return what all commands have; settings are read here."""
    return CommandContext(os.environ, config, overrides, as_json=as_json, log_format=log_format, debug=debug)


def require_readable(option: str, text: str | None) -> None:
    """See that a text of the command line can be looked for.

    Raises:
        SettingsError: it is empty, or no UTF-8.
    """
    for fault in faults_of_text(text) if text is not None else ():
        raise SettingsError(f"{option}: {fault}")
