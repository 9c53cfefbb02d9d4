"""The options that several commands have, each declared once, in the groups in which commands take them."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from progress_exhaust.commands.base import CommandContext
from progress_exhaust.commands.option_text import fault_of_text
from progress_exhaust.console.logs import LogFormat
from progress_exhaust.errors import SettingsError
from progress_exhaust.settings.load import Overrides, parse_date

# Spark takes longer to import than help takes to read.
if TYPE_CHECKING:
    from progress_exhaust.export.selection import ReportQuery

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
LogLines = Annotated[
    LogFormat | None, typer.Option("--log-format", help="Lines on stderr: sentences, or JSON objects.")
]
MachineLogLines = Annotated[
    LogFormat | None,
    typer.Option("--log-format", help="Lines on stderr; sentences on a terminal, JSON objects elsewhere."),
]
Debug = Annotated[bool, typer.Option("--debug", help="Show stack traces, and what Spark logs.")]


@dataclass(frozen=True, kw_only=True)
class SharedOptions:
    """What every command takes: its settings, and what it shows."""

    config: Config = None
    as_json: AsJson = False
    log_format: LogLines = LogFormat.TEXT
    debug: Debug = False

    def context(self, overrides: Overrides | None = None) -> CommandContext:
        """Return what all commands have; settings are read here.

        Args:
            overrides: settings of the command's other options.

        Raises:
            SettingsError: settings are wrong.
        """
        lines = self.log_format or (LogFormat.TEXT if sys.stderr.isatty() else LogFormat.JSON)
        return CommandContext(
            os.environ, self.config, overrides or {}, as_json=self.as_json, log_format=lines, debug=self.debug
        )


@dataclass(frozen=True, kw_only=True)
class SchedulerOptions(SharedOptions):
    """The same for a command that a scheduler starts."""

    log_format: MachineLogLines = None


@dataclass(frozen=True, kw_only=True)
class PlaceOptions:
    """Where files go, and where tables and trees are."""

    output: Output = None
    snapshot: Snapshot = None
    catalogue: Catalogue = None

    def overrides(self) -> Overrides:
        """Return the settings that these are."""
        return overrides_of(output=self.output, snapshot=self.snapshot, catalogue=self.catalogue)


@dataclass(frozen=True, kw_only=True)
class ReportOptions:
    """Which reports to make, and from and to which places."""

    batch: Batches = None
    collection: Collections = None
    everything: Everything = False
    output: Output = None
    profile: Profile = None
    day: Day = None
    snapshot: Snapshot = None
    catalogue: Catalogue = None

    def require_query(self) -> None:
        """See that one thing is asked for.

        Raises:
            SettingsError: nothing is, or all and more.
        """
        is_named = bool(self.batch or self.collection)
        if self.everything and is_named:
            raise SettingsError(got="--all does not go with --batch or --collection", remedy="leave one of them out")
        if not (self.everything or is_named):
            raise SettingsError(
                got="nothing is asked for", remedy="name batches with --batch, collections with --collection, or --all"
            )

    def overrides(self) -> Overrides:
        """Return the settings that are among these."""
        return overrides_of(output=self.output, profile=self.profile, snapshot=self.snapshot, catalogue=self.catalogue)

    def run_day(self) -> date | None:
        """Return the day in the files' names; None for today.

        Raises:
            SettingsError: it is no day.
        """
        return None if self.day is None else parse_date(self.day)

    def query(self) -> ReportQuery:
        """Return what is asked for."""
        from progress_exhaust.export.selection import ReportQuery  # noqa: PLC0415 - imports Spark

        return ReportQuery(tuple(self.batch or ()), tuple(self.collection or ()), self.everything)


def overrides_of(
    *,
    output: str | None = None,
    profile: str | None = None,
    snapshot: str | None = None,
    catalogue: str | None = None,
) -> dict[str, dict[str, object]]:
    """Return the settings that these options are: section to key to value."""
    overrides: dict[str, dict[str, object]] = {}
    if output is not None:
        overrides["output"] = {"url": output}
    if profile is not None:
        overrides["report"] = {"profile": profile}
    if snapshot is not None:
        overrides["source"] = {"kind": "snapshot", "snapshot_dir": snapshot}
    if catalogue is not None:
        overrides["catalogue"] = {"kind": "files", "directory": catalogue}
    return overrides


def require_readable(option: str, text: str | None) -> None:
    """See that a text of the command line can be looked for.

    Raises:
        SettingsError: it is empty, or no UTF-8.
    """
    if text is not None and (fault := fault_of_text(option, text)):
        raise SettingsError(faults=[fault])
