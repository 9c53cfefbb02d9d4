"""The queue's commands on the command line: `run`, `submit`, `status`, `cancel`."""

from __future__ import annotations

import math
import os
import secrets
import sys
from datetime import UTC, datetime
from typing import Annotated

import typer

from progress_exhaust.cli.options import (
    AsJson,
    Batches,
    Catalogue,
    Config,
    Debug,
    LogLines,
    MachineLogLines,
    ManyIds,
    Output,
    RequestTag,
    Snapshot,
    context_of,
    overrides_of,
    require_readable,
)
from progress_exhaust.commands.base import PROGRAM
from progress_exhaust.console.logs import LogFormat
from progress_exhaust.errors import SettingsError


def add_queue_commands(app: typer.Typer) -> None:
    """Give the command line the queue's commands, in the order in which help shows them."""
    app.command()(run)
    app.command(cls=ManyIds)(submit)
    app.command()(status)
    app.command()(cancel)


def run(
    *,
    max_requests: Annotated[
        int | None, typer.Option("--max-requests", min=1, metavar="N", help="Take at most so many requests.")
    ] = None,
    request: Annotated[str | None, typer.Option("--request", metavar="ID", help="Take only this request.")] = None,
    tag: RequestTag = None,
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
    context = context_of(config, overrides, as_json=as_json, log_format=lines, debug=debug)
    if watch is not None and not math.isfinite(watch):
        raise SettingsError(f"--watch: expected seconds, got {watch}")
    require_readable("--request", request)
    require_readable("--tag", tag)

    from progress_exhaust.commands.run import RunQueue  # noqa: PLC0415 - imports Spark
    from progress_exhaust.worker.worker import RequestFilter  # noqa: PLC0415 - imports Spark

    return RunQueue(context, RequestFilter(max_requests, request, tag), watch).run()


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
    context = context_of(config, {}, as_json=as_json, log_format=log_format, debug=debug)

    from progress_exhaust.commands.submission import Submission  # noqa: PLC0415 - help needs none of it
    from progress_exhaust.commands.submit import Submit  # noqa: PLC0415

    submission = Submission(
        batches=batch,
        search=search,
        channel=channel,
        request_id=secrets.token_hex(16).upper() if request_id is None else request_id,
        tag=tag,
        requested_by=os.environ.get("USER") or PROGRAM if requested_by is None else requested_by,
        now=datetime.now(UTC),
    )
    return Submit(context, submission).run()


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
    context = context_of(config, {}, as_json=as_json, log_format=log_format, debug=debug)
    require_readable("REQUEST_ID", request_id)
    require_readable("--tag", tag)

    from progress_exhaust.commands.status import ShowStatus  # noqa: PLC0415 - help needs none of it

    return ShowStatus(context, request_id, tag).run()


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
    context = context_of(config, {}, as_json=as_json, log_format=log_format, debug=debug)
    require_readable("REQUEST_ID", request_id)
    require_readable("--tag", tag)

    from progress_exhaust.commands.cancel import Cancel  # noqa: PLC0415 - help needs none of it

    return Cancel(context, request_id, tag).run()
