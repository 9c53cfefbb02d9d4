"""The command line, and the composition root: only here arguments, environment and clock are read."""

from __future__ import annotations

import os
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import progress_exhaust
from progress_exhaust import jvm_end
from progress_exhaust.cli.options import (
    AsJson,
    Batches,
    Catalogue,
    Collections,
    Config,
    Day,
    Debug,
    Everything,
    LogLines,
    ManyIds,
    Output,
    Profile,
    Snapshot,
    TableFormat,
    context_of,
    overrides_of,
)
from progress_exhaust.cli.queue import add_queue_commands
from progress_exhaust.commands.base import PROGRAM, user_message
from progress_exhaust.console import logs
from progress_exhaust.console.logs import LogFormat
from progress_exhaust.console.signals import Interrupted, signals_raise
from progress_exhaust.errors import ProgressExhaustError, SettingsError
from progress_exhaust.sample.world import WorldSize
from progress_exhaust.settings.load import parse_date

# Spark takes longer to import than help takes to read, so what needs it is imported where it is used.
if TYPE_CHECKING:
    from progress_exhaust.export.selection import ReportQuery

WORLD = WorldSize()

app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"{PROGRAM} {progress_exhaust.__version__}")
        raise typer.Exit


@app.callback()
def progress_exhaust_command(
    *,
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_show_version, help="Show the version and exit.")
    ] = False,
) -> None:
    """Make progress reports: one CSV file per batch of a course, a line per learner.

    \b
    Example:
      progress-exhaust export --all --snapshot var/demo/snapshot --catalogue var/demo/catalogue
    """  # noqa: D301 - \b keeps the lines of the example apart


@app.command(cls=ManyIds)
def export(
    *,
    batch: Batches = None,
    collection: Collections = None,
    everything: Everything = False,
    output: Output = None,
    profile: Profile = None,
    day: Day = None,
    snapshot: Snapshot = None,
    catalogue: Catalogue = None,
    config: Config = None,
    as_json: AsJson = False,
    log_format: LogLines = LogFormat.TEXT,
    debug: Debug = False,
) -> int:
    """Make the reports of the batches asked for.

    \b
    Examples:
      progress-exhaust export --batch b-1 b-2 --output /data/reports
      progress-exhaust export --collection do_1130934466492252161819 --date 2024-03-31
      progress-exhaust export --all --snapshot var/demo/snapshot --catalogue var/demo/catalogue --json

    Exit code: 0 all done, 1 something that was named is not made or a service failed, 2 wrong usage or settings.
    """  # noqa: D301 - \b keeps the lines of the examples apart
    _require_one_way_to_ask(batch, collection, everything=everything)
    overrides = overrides_of(output=output, profile=profile, snapshot=snapshot, catalogue=catalogue)
    context = context_of(config, overrides, as_json=as_json, log_format=log_format, debug=debug)
    run_day = parse_date(day) if day is not None else None

    from progress_exhaust.commands.export import Export  # noqa: PLC0415 - imports Spark

    return Export(context, _asked(batch, collection, everything=everything), run_day).run()


@app.command(cls=ManyIds)
def plan(
    *,
    batch: Batches = None,
    collection: Collections = None,
    everything: Everything = False,
    output: Output = None,
    profile: Profile = None,
    day: Day = None,
    snapshot: Snapshot = None,
    catalogue: Catalogue = None,
    config: Config = None,
    as_json: AsJson = False,
    log_format: LogLines = LogFormat.TEXT,
    debug: Debug = False,
) -> int:
    """Show what export would do; make no file.

    \b
    Examples:
      progress-exhaust plan --batch b-1 b-2
      progress-exhaust plan --all --snapshot var/demo/snapshot --catalogue var/demo/catalogue --json
    """  # noqa: D301 - \b keeps the lines of the examples apart
    _require_one_way_to_ask(batch, collection, everything=everything)
    overrides = overrides_of(output=output, profile=profile, snapshot=snapshot, catalogue=catalogue)
    context = context_of(config, overrides, as_json=as_json, log_format=log_format, debug=debug)
    run_day = parse_date(day) if day is not None else None

    from progress_exhaust.commands.plan import Plan  # noqa: PLC0415 - imports Spark

    return Plan(context, _asked(batch, collection, everything=everything), run_day).run()


@app.command()
def doctor(
    *,
    output: Output = None,
    snapshot: Snapshot = None,
    catalogue: Catalogue = None,
    config: Config = None,
    as_json: AsJson = False,
    log_format: LogLines = LogFormat.TEXT,
    debug: Debug = False,
) -> int:
    """Check all that an export and a run need.

    Each fault comes with its remedy: settings, Java, Spark, every table with its columns and the right to
    read it, the catalogue, the output place, the request queue and what each command may do there.

    \b
    Example:
      progress-exhaust doctor --config conf/progress_exhaust.toml
    """  # noqa: D301 - \b keeps the lines of the example apart
    overrides = overrides_of(output=output, snapshot=snapshot, catalogue=catalogue)
    context = context_of(config, overrides, as_json=as_json, log_format=log_format, debug=debug)

    from progress_exhaust.commands.doctor import Doctor  # noqa: PLC0415 - imports Spark

    return Doctor(context).run()


@app.command("sample-data")
def sample_data(
    *,
    catalogue: Annotated[Path, typer.Option(metavar="DIR", help="Folder for the course trees.")],
    snapshot: Annotated[str | None, typer.Option(metavar="DIR", help="Folder or URL for the tables.")] = None,
    cassandra: Annotated[
        bool, typer.Option("--cassandra", help="Write into the Cassandra of the settings instead; tables must exist.")
    ] = False,
    file_format: Annotated[TableFormat, typer.Option("--format", help="Of the tables' files.")] = TableFormat.PARQUET,
    seed: Annotated[int, typer.Option(help="The same seed and sizes give the same world.")] = WORLD.seed,
    learners: Annotated[int, typer.Option(help="Learners of a batch.")] = WORLD.learners,
    batches: Annotated[int, typer.Option(help="Batches, dealt to the collections in turn.")] = WORLD.batches,
    collections: Annotated[int, typer.Option(help="Courses.")] = WORLD.collections,
    leaves: Annotated[int, typer.Option(help="Leaves of a course, assessments among them.")] = WORLD.leaves,
    nested: Annotated[int, typer.Option(help="Nested courses of a course.")] = WORLD.nested,
    depth: Annotated[int, typer.Option(help="Level of the deepest of them.")] = WORLD.depth,
    assessments: Annotated[int, typer.Option(help="Assessments of a course.")] = WORLD.assessments,
    attempts: Annotated[int, typer.Option(help="Attempts of a learner at each assessment.")] = WORLD.attempts,
    odd_share: Annotated[float, typer.Option(help="Share of odd rows, 0 to 1.")] = WORLD.odd_share,
    config: Config = None,
    as_json: AsJson = False,
    log_format: LogLines = LogFormat.TEXT,
    debug: Debug = False,
) -> int:
    """Make a synthetic world of any size.

    The specification's sample batch is always in it.

    \b
    Examples:
      progress-exhaust sample-data --snapshot var/demo/snapshot --catalogue var/demo/catalogue --batches 12
      progress-exhaust sample-data --cassandra --catalogue var/demo/catalogue --learners 100 --odd-share 0.05
    """  # noqa: D301 - \b keeps the lines of the examples apart
    if (snapshot is None) is not cassandra:
        raise SettingsError("making sample data: expected one place for the tables; give --snapshot DIR or --cassandra")
    size = WorldSize(seed, learners, batches, collections, leaves, nested, depth, assessments, attempts, odd_share)
    overrides = overrides_of(snapshot=snapshot, catalogue=str(catalogue))
    if cassandra:
        overrides["source"] = {"kind": "cassandra"}
    context = context_of(config, overrides, as_json=as_json, log_format=log_format, debug=debug)

    from progress_exhaust.commands.sample_data import SampleData  # noqa: PLC0415 - imports Spark

    return SampleData(context, size, catalogue, snapshot, file_format.value).run()


add_queue_commands(app)


def main() -> None:
    """Run the command line and exit with its code."""
    jvm_end.of_this_process().ask_for_signal()
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run the command line and return its exit code."""
    debug = "--debug" in arguments
    logs.set_up(LogFormat.TEXT, debug=debug)
    try:
        with signals_raise(jvm_end.of_this_process()):
            code = app(arguments, prog_name=PROGRAM, standalone_mode=False)
            return code if isinstance(code, int) else 0
    except typer.TyperException as error:
        sentence = error.format_message()
        logs.error(f"{sentence}{'' if sentence.endswith(('.', '?')) else '.'} See {PROGRAM} --help.")
        return SettingsError.exit_code
    except Interrupted as stopped:
        logs.error(user_message(stopped))
        if not stopped.is_clean:
            _remove_private_folder()
            os._exit(stopped.exit_code)  # threads that did not end in time would be waited for
        return stopped.exit_code
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # else the flush at the end fails once more
        return 1
    except Exception as error:  # noqa: BLE001 - the outermost place: nobody sees a stack trace unasked
        if debug:
            traceback.print_exception(error)
        logs.error(user_message(error))
        return error.exit_code if isinstance(error, ProgressExhaustError) else 1


def _remove_private_folder() -> None:
    """Remove what is temporary, where anything has been made: no exit handler will."""
    if (loaded := sys.modules.get("progress_exhaust.spark.private")) is not None:
        loaded.remove_of_this_process()


def _require_one_way_to_ask(batches: list[str] | None, collections: list[str] | None, *, everything: bool) -> None:
    if everything and (batches or collections):
        raise SettingsError("--all does not go with --batch or --collection; leave one of them out")
    if not (everything or batches or collections):
        raise SettingsError("nothing is asked for; name batches with --batch, collections with --collection, or --all")


def _asked(batches: list[str] | None, collections: list[str] | None, *, everything: bool) -> ReportQuery:
    from progress_exhaust.export.selection import ReportQuery  # noqa: PLC0415 - imports Spark

    return ReportQuery(tuple(batches or ()), tuple(collections or ()), everything)
