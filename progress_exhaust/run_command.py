"""The work of the command `run`: opens the queue, and works it off once or again and again."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from progress_exhaust import logs, summaries
from progress_exhaust.command import Command, sentence_of
from progress_exhaust.commands import remove_staging
from progress_exhaust.errors import ComputeError, NotMade, OperatorError, QueueError
from progress_exhaust.job_requests.port import Queue
from progress_exhaust.opening import Outside
from progress_exhaust.screens import Summary
from progress_exhaust.services.metrics import Totals, write_metrics
from progress_exhaust.services.run import Event, Ports, RequestsOutcome, Run
from progress_exhaust.services.worker import Only, Worker
from progress_exhaust.settings import Settings

_LOOK_EVERY_S = 0.2


def work_off_queue(
    command: Command,
    only: Only,
    watch_s: float | None,
    new_run_id: Callable[[], str],
    open_queue: Callable[[Settings], Queue],
) -> Totals:
    """Work the queue off, and return what came of it.

    Args:
        command: settings and screen.
        only: which requests.
        watch_s: seconds between two looks at the queue; None to look once.
        new_run_id: names a run.
        open_queue: opens the queue.
    """
    outside = Outside(command.settings, command.environment, debug=command.debug)
    totals = Totals()
    last, are_refusals_told = RequestsOutcome(), False
    run_id = ""

    def work_once(queue: Queue) -> None:
        nonlocal last, are_refusals_told, run_id
        last, are_refusals_told, run_id = RequestsOutcome(), False, new_run_id()
        today = datetime.now(command.settings.zone()).date()
        run = Run(run_id, today, _now, command.tell)

        def open_ports() -> Ports:
            if not outside.is_open:
                command.tell(Event("start", "starting Spark"))
            return outside.ports()

        try:
            Worker(queue, open_ports, command.settings, run, last).work_off(only)
        except BaseException:
            totals.add(last)
            try:
                _write_metrics(totals, command.settings)
            except OperatorError as unwritten:
                logs.warning(sentence_of(unwritten), action="error")  # what stopped the run is what to tell
            raise
        totals.add(last)
        _write_metrics(totals, command.settings)

    def work() -> None:
        nonlocal are_refusals_told
        with closing(outside):
            queue = open_queue(command.settings)
            try:
                queue.check()
                _require_rights(queue)
                while True:
                    try:
                        work_once(queue)
                    except OperatorError as error:
                        # Whoever watches outlives a service that is away for a while, but no broken Spark.
                        if watch_s is None or isinstance(error, ComputeError) or not error.transient:
                            raise
                        logs.warning(sentence_of(error), action="error")
                    if watch_s is None:
                        return
                    command.screen.tell_refusals(summaries.refusals_of(last.not_made))
                    are_refusals_told = True
                    _wait(command, watch_s)
            finally:
                queue.close_connections()

    def clear() -> None:
        outside.end_jvm()
        remove_staging(command.settings, run_id)

    command.carry_out(
        work,
        lambda error: _summary(command, totals, last, [] if are_refusals_told else last.not_made, error),
        cancel=outside.cancel,
        clear=clear,
    )
    return totals


def _summary(command: Command, totals: Totals, last: RequestsOutcome, untold: Sequence[NotMade], error: str) -> Summary:
    output = summaries.output_root(command.settings.output.url)
    refusals = summaries.refusals_of(untold)
    return summaries.run_summary(totals, last, refusals, output, command.elapsed_s(), error)


def _require_rights(queue: Queue) -> None:
    """Name what the command may not do, before anything is claimed.

    Raises:
        QueueError: a right is missing.
    """
    missing = [right.what for right in queue.rights() if right.command == "run" and not right.is_granted]
    if missing:
        raise QueueError(
            f"looking at the request queue: our role lacks {', '.join(missing)}; grant it, "
            "or see what progress-exhaust doctor says"
        )


def _wait(command: Command, seconds: float) -> None:
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        command.go_on()
        time.sleep(min(left, _LOOK_EVERY_S))


def _write_metrics(totals: Totals, settings: Settings) -> None:
    if settings.requests.metrics_file:
        write_metrics(totals, Path(settings.requests.metrics_file), _now())


def _now() -> datetime:
    return datetime.now(UTC)
