"""The work of the command `run`: opens the queue, and works it off once or again and again."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from progress_exhaust import jvm_end
from progress_exhaust.commands import summaries
from progress_exhaust.commands.base import Command, sentence_of
from progress_exhaust.commands.reports import remove_staging
from progress_exhaust.commands.resources import Outside
from progress_exhaust.console import logs
from progress_exhaust.console.screen import Summary
from progress_exhaust.errors import ComputeError, OperatorError, QueueError
from progress_exhaust.export.run import Event, Ports, Run
from progress_exhaust.job_requests.port import Queue
from progress_exhaust.job_requests.quotas import RetryPause
from progress_exhaust.settings.sections import Settings
from progress_exhaust.worker.metrics import Totals, write_metrics
from progress_exhaust.worker.outcome import RequestsOutcome
from progress_exhaust.worker.worker import Only, Worker

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
    driver = _Driver(command, only, watch_s, new_run_id, open_queue)
    command.carry_out(driver.work, driver.summary, cancel=driver.outside.cancel, clear=driver.clear)
    return driver.totals


class _Driver:
    """One process that works the queue off; see `work_off_queue`."""

    def __init__(
        self,
        command: Command,
        only: Only,
        watch_s: float | None,
        new_run_id: Callable[[], str],
        open_queue: Callable[[Settings], Queue],
    ) -> None:
        self._command = command
        self._settings = command.settings
        self._only = only
        self._watch_s = watch_s
        self._new_run_id = new_run_id
        self._open_queue = open_queue
        self._jvm = jvm_end.of_this_process()
        self._pause = RetryPause(0.0 if watch_s is None else self._settings.requests.retry_after_s, time.monotonic)
        self._last = RequestsOutcome()
        self._are_refusals_told = False
        self._run_id = ""
        self.outside = Outside(self._settings, command.environment, debug=command.debug, jvm=self._jvm)
        self.totals = Totals()

    def work(self) -> None:
        """Look at the queue once, or again and again."""
        with closing(self.outside):
            queue = self._open_queue(self._settings)
            try:
                queue.check()
                _require_rights(queue)
                self._look(queue)
                while self._watch_s is not None:
                    self._command.screen.tell_refusals(summaries.refusals_of(self._last.not_made))
                    self._are_refusals_told = True
                    self._wait(self._watch_s)
                    self._look(queue)
            finally:
                queue.close_connections()

    def summary(self, error: str) -> Summary:
        """Summarise all looks."""
        output = summaries.output_root(self._settings.output.url)
        refusals = summaries.refusals_of([] if self._are_refusals_told else self._last.not_made)
        return summaries.run_summary(self.totals, self._last, refusals, output, self._command.elapsed_s(), error)

    def clear(self) -> None:
        """Remove what a run that was stopped may have left behind."""
        self.outside.end_jvm()
        remove_staging(self._settings, self._run_id)

    def _look(self, queue: Queue) -> None:
        """Work off what is due now; whoever watches outlives a service that is away, and a JVM of their own."""
        try:
            self._work_off(queue)
        except OperatorError as error:
            is_over = self._watch_s is None or not error.transient
            if is_over or (isinstance(error, ComputeError) and not self.outside.let_go_of_jvm()):
                raise
            logs.warning(sentence_of(error), action="error")

    def _work_off(self, queue: Queue) -> None:
        self._last, self._are_refusals_told, self._run_id = RequestsOutcome(), False, self._new_run_id()
        today = datetime.now(self._settings.zone()).date()
        run = Run(self._run_id, today, _now, self._command.tell, self._jvm.end)
        try:
            Worker(queue, self._open_ports, self._settings, run, self._last, self._pause).work_off(self._only)
        except BaseException:
            self.totals.add(self._last)
            try:
                _write_metrics(self.totals, self._settings)
            except OperatorError as unwritten:
                logs.warning(sentence_of(unwritten), action="error")  # what stopped the run is what to tell
            raise
        self.totals.add(self._last)
        for failure in self._last.unforeseen:
            logs.warning(sentence_of(failure), action="error")
            if self._command.debug:
                traceback.print_exception(failure)
        _write_metrics(self.totals, self._settings)

    def _open_ports(self) -> Ports:
        if not self.outside.is_open:
            self._command.tell(Event("start", "starting Spark"))
        return self.outside.ports()

    def _wait(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            self._command.go_on()
            time.sleep(min(left, _LOOK_EVERY_S))


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


def _write_metrics(totals: Totals, settings: Settings) -> None:
    if settings.requests.metrics_file:
        write_metrics(totals, Path(settings.requests.metrics_file), _now())


def _now() -> datetime:
    return datetime.now(UTC)
