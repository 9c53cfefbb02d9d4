"""The command line, and the composition root: only here arguments, environment and clock are read."""

from __future__ import annotations

import os
import secrets
import sys
import traceback
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import progress_exhaust
from progress_exhaust import logs, settings
from progress_exhaust.arguments import (
    AsJson,
    Batches,
    Catalogue,
    Collections,
    Config,
    Day,
    Debug,
    Everything,
    LogLines,
    MachineLogLines,
    ManyIds,
    Output,
    Profile,
    RequestTag,
    Snapshot,
    TableFormat,
    Tag,
    overrides_of,
)
from progress_exhaust.command import Command, sentence_of
from progress_exhaust.errors import ProgressExhaustError, Reason, SettingsError
from progress_exhaust.logs import LogFormat
from progress_exhaust.services.sample_world import WorldSize
from progress_exhaust.stopping import Stopped, die_with_jvm, signals_raise

# Spark takes longer to import than help takes to read, so what needs it is imported where it is used.
if TYPE_CHECKING:
    from progress_exhaust.services.run import Outcome
    from progress_exhaust.services.selection import Asked

PROGRAM = "progress-exhaust"
WORLD = WorldSize()

UNFINISHED = frozenset({Reason.TASK_FAILED, Reason.COUNT_MISMATCH, Reason.NOT_PUBLISHED})
"""Reasons that speak of this run, not of what was asked for: with `--all`, too, they leave something unfinished."""

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
    command = Command(os.environ, config, overrides, as_json=as_json, log_format=log_format, debug=debug)
    run_day = settings.parse_date(day) if day is not None else datetime.now(command.settings.zone()).date()

    from progress_exhaust.commands import export_reports  # noqa: PLC0415 - imports Spark

    asked = _asked(batch, collection, everything=everything)
    return _code_of(export_reports(command, asked, _new_run_id(), run_day), asked)


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
    command = Command(os.environ, config, overrides, as_json=as_json, log_format=log_format, debug=debug)
    run_day = settings.parse_date(day) if day is not None else datetime.now(command.settings.zone()).date()

    from progress_exhaust.commands import plan_reports  # noqa: PLC0415 - imports Spark

    asked = _asked(batch, collection, everything=everything)
    not_made = plan_reports(command, asked, _new_run_id(), run_day).not_made
    return 1 if not_made and not everything else 0


@app.command("run")
def run_queue(
    *,
    max_requests: Annotated[
        int | None, typer.Option("--max-requests", min=1, metavar="N", help="Take at most so many requests.")
    ] = None,
    request: Annotated[str | None, typer.Option("--request", metavar="ID", help="Take only this request.")] = None,
    tag: Tag = None,
    watch: Annotated[
        float | None,
        typer.Option("--watch", min=0.1, metavar="SECONDS", help="Look again and again, so many seconds apart."),
    ] = None,
    output: Output = None,
    snapshot: Snapshot = None,
    catalogue: Catalogue = None,
    config: Config = None,
    as_json: AsJson = False,
    log_format: MachineLogLines = None,
    debug: Debug = False,
) -> int:
    """Work off the request queue once, then stop.

    \b
    Examples:
      progress-exhaust run --config /etc/progress_exhaust.toml
      progress-exhaust run --max-requests 20 --tag monthly
      progress-exhaust run --watch 60

    Exit code: 0 all that was due is done, 1 a service failed or something is left, 2 wrong usage or settings.
    """  # noqa: D301 - \b keeps the lines of the examples apart
    overrides = overrides_of(output=output, snapshot=snapshot, catalogue=catalogue)
    lines = log_format or (LogFormat.TEXT if sys.stderr.isatty() else LogFormat.JSON)
    command = Command(os.environ, config, overrides, as_json=as_json, log_format=lines, debug=debug)

    from progress_exhaust.queue_commands import open_queue  # noqa: PLC0415 - imports the database's driver
    from progress_exhaust.run_command import work_off_queue  # noqa: PLC0415 - imports Spark
    from progress_exhaust.services.worker import Only  # noqa: PLC0415 - imports Spark

    totals = work_off_queue(command, Only(max_requests, request, tag), watch, _new_run_id, open_queue)
    return 1 if totals.left or any(totals.reports_not_made[reason.value] for reason in UNFINISHED) else 0


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
    """Check all that an export needs.

    Each fault comes with its remedy: settings, Java, Spark, every table with its columns and the right to
    read it, the catalogue, the output place.

    \b
    Example:
      progress-exhaust doctor --config conf/progress_exhaust.toml
    """  # noqa: D301 - \b keeps the lines of the example apart
    overrides = overrides_of(output=output, snapshot=snapshot, catalogue=catalogue)
    command = Command(os.environ, config, overrides, as_json=as_json, log_format=log_format, debug=debug)

    from progress_exhaust.commands import check_all  # noqa: PLC0415 - imports Spark

    return 1 if any(check.failed for check in check_all(command)) else 0


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
    command = Command(os.environ, config, overrides, as_json=as_json, log_format=log_format, debug=debug)

    from progress_exhaust.commands import make_sample_data  # noqa: PLC0415 - imports Spark

    make_sample_data(command, size, catalogue, snapshot, file_format.value)
    return 0


@app.command(cls=ManyIds)
def submit(
    *,
    batch: Batches = None,
    search: Annotated[
        str | None,
        typer.Option(
            metavar="FILE|JSON", help="All batches of the collections that this search finds; see the last example."
        ),
    ] = None,
    channel: Annotated[str, typer.Option(metavar="ID", help="Root organisation that asks; decides who is seen.")],
    requested_by: Annotated[str | None, typer.Option(metavar="NAME", help="Who asks; your user name.")] = None,
    tag: Annotated[str | None, typer.Option(metavar="TAG", help="Tag of the request.  [setting requests.tag]")] = None,
    request_id: Annotated[
        str | None, typer.Option(metavar="ID", help="Names the request and its folder; made up if not given.")
    ] = None,
    config: Config = None,
    as_json: AsJson = False,
    log_format: LogLines = LogFormat.TEXT,
    debug: Debug = False,
) -> int:
    """Put a request into the queue, for a later run to make.

    It is looked at first, and its id is shown.

    \b
    Examples:
      progress-exhaust submit --batch b-1 b-2 --channel 0126796199493140480
      progress-exhaust submit --search search.json --channel 0126796199493140480 --request-id R1
      progress-exhaust submit --channel c --search '{"request": {"filters": {"channel": "c"}}}'

    Exit code: 0 it is in the queue, 1 there is one with this id or the queue failed, 2 wrong usage or
    settings.
    """  # noqa: D301 - \b keeps the lines of the examples apart
    command = Command(os.environ, config, {}, as_json=as_json, log_format=log_format, debug=debug)

    from progress_exhaust import queue_arguments, queue_commands  # noqa: PLC0415 - help needs none of it

    requests = command.settings.requests
    wanted = queue_arguments.wanted_of(batch, search, requests.max_data_bytes)
    request = queue_arguments.new_request(
        wanted,
        request_id=secrets.token_hex(16).upper() if request_id is None else request_id,
        tag=requests.tag if tag is None else tag,
        channel=channel,
        requested_by=os.environ.get("USER") or PROGRAM if requested_by is None else requested_by,
        now=datetime.now(UTC),
    )
    queue_commands.submit_request(command, request, wanted)
    return 0


@app.command()
def status(
    *,
    request_id: Annotated[
        str | None, typer.Argument(metavar="REQUEST_ID", help="Of the request to show; all if not given.")
    ] = None,
    tag: RequestTag = None,
    config: Config = None,
    as_json: AsJson = False,
    log_format: LogLines = LogFormat.TEXT,
    debug: Debug = False,
) -> int:
    """Show one request, or all, and how far they are.

    How far is noted by the driver at work, in the place the files go to; what can not be seen from
    here is unknown.

    \b
    Examples:
      progress-exhaust status
      progress-exhaust status 37564CF8F134EE7532F125651B51D17F --json

    Exit code: 0 shown, 1 there is no such request or the queue failed, 2 wrong usage or settings.
    """  # noqa: D301 - \b keeps the lines of the examples apart
    command = Command(os.environ, config, {}, as_json=as_json, log_format=log_format, debug=debug)

    from progress_exhaust import queue_arguments, queue_commands  # noqa: PLC0415 - help needs none of it

    queue_arguments.require_readable("REQUEST_ID", request_id)
    queue_arguments.require_readable("--tag", tag)
    queue_commands.show_requests(command, request_id, tag)
    return 0


@app.command()
def cancel(
    *,
    request_id: Annotated[str, typer.Argument(metavar="REQUEST_ID", help="Of the request to take back.")],
    tag: RequestTag = None,
    config: Config = None,
    as_json: AsJson = False,
    log_format: LogLines = LogFormat.TEXT,
    debug: Debug = False,
) -> int:
    """Take a request back.

    A driver at work on it stops before its next file; files already out stay.

    \b
    Example:
      progress-exhaust cancel 37564CF8F134EE7532F125651B51D17F

    Exit code: 0 taken back, 1 there is no such request, it has ended, or the queue failed, 2 wrong
    usage or settings.
    """  # noqa: D301 - \b keeps the lines of the example apart
    command = Command(os.environ, config, {}, as_json=as_json, log_format=log_format, debug=debug)

    from progress_exhaust import queue_arguments, queue_commands  # noqa: PLC0415 - help needs none of it

    queue_arguments.require_readable("REQUEST_ID", request_id)
    queue_arguments.require_readable("--tag", tag)
    queue_commands.cancel_request(command, request_id, tag)
    return 0


def main() -> None:
    """Run the command line and exit with its code."""
    die_with_jvm(os.environ)
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run the command line and return its exit code."""
    debug = "--debug" in arguments
    logs.set_up(LogFormat.TEXT, debug=debug)
    try:
        with signals_raise():
            code = app(arguments, prog_name=PROGRAM, standalone_mode=False)
            return code if isinstance(code, int) else 0
    except typer.TyperException as error:
        sentence = error.format_message()
        logs.error(f"{sentence}{'' if sentence.endswith(('.', '?')) else '.'} See {PROGRAM} --help.")
        return SettingsError.exit_code
    except Stopped as stopped:
        logs.error(sentence_of(stopped))
        if not stopped.is_clean:
            os._exit(stopped.exit_code)  # threads that did not end in time would be waited for
        return stopped.exit_code
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # else the flush at the end fails once more
        return 1
    except Exception as error:  # noqa: BLE001 - the outermost place: nobody sees a stack trace unasked
        if debug:
            traceback.print_exception(error)
        logs.error(sentence_of(error))
        return error.exit_code if isinstance(error, ProgressExhaustError) else 1


def _require_one_way_to_ask(batches: list[str] | None, collections: list[str] | None, *, everything: bool) -> None:
    if everything and (batches or collections):
        raise SettingsError("--all does not go with --batch or --collection; leave one of them out")
    if not (everything or batches or collections):
        raise SettingsError("nothing is asked for; name batches with --batch, collections with --collection, or --all")


def _asked(batches: list[str] | None, collections: list[str] | None, *, everything: bool) -> Asked:
    from progress_exhaust.services.selection import Asked  # noqa: PLC0415 - imports Spark

    return Asked(tuple(batches or ()), tuple(collections or ()), everything)


def _new_run_id() -> str:
    return f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}"


def _code_of(outcome: Outcome, asked: Asked) -> int:
    """Tell the scheduler the truth: whatever was named must be made, and whatever can be made is."""
    if asked.everything:
        return 1 if any(refusal.reason in UNFINISHED for refusal in outcome.not_made) else 0
    return 1 if outcome.not_made else 0
