"""The command `run`: works off the request queue, once or again and again."""

from __future__ import annotations

import time
import traceback
from dataclasses import asdict
from datetime import datetime
from pathlib import Path

from progress_exhaust import jvm_end
from progress_exhaust.commands.base import CommandContext, new_run_id, now, user_message
from progress_exhaust.commands.documents import ending, file_in, not_made_in, output_root, refusals_of
from progress_exhaust.commands.queue import OpenQueue, open_queue
from progress_exhaust.commands.with_spark import SparkCommand, remove_staging
from progress_exhaust.console import logs
from progress_exhaust.console.screen import Summary, Table
from progress_exhaust.errors import UNFINISHED, ComputeError, OperatorError, QueueError
from progress_exhaust.export.run import Event, Ports, Run
from progress_exhaust.job_requests.port import Queue
from progress_exhaust.job_requests.quotas import RetryPause
from progress_exhaust.settings.sections import Settings
from progress_exhaust.text import pluralize
from progress_exhaust.worker.metrics import Totals, write_metrics
from progress_exhaust.worker.outcome import RequestsOutcome
from progress_exhaust.worker.worker import RequestFilter, Worker

_LOOK_EVERY_S = 0.2
_STATES = {"SUBMITTED": "given back", "LOST": "not ours any more", "GAVE_UP": "FAILED", "CANCELLED": "cancelled"}
"""What became of a request, in words, where the row's own word does not tell."""


class RunQueue(SparkCommand):
    """Works the queue off, once or again and again.

    Args:
        context: settings and screen.
        only: which requests.
        watch_s: seconds between two looks at the queue; None to look once.
        queue_opener: opens the queue; None for that of the settings.
    """

    def __init__(
        self,
        context: CommandContext,
        only: RequestFilter,
        watch_s: float | None = None,
        queue_opener: OpenQueue | None = None,
    ) -> None:
        self._jvm = jvm_end.of_this_process()
        super().__init__(context, self._jvm)
        self._only = only
        self._watch_s = watch_s
        self._open_queue = queue_opener or open_queue
        self._pause = RetryPause(0.0 if watch_s is None else self.settings.requests.retry_after_s, time.monotonic)
        self._totals = Totals()
        self._last = RequestsOutcome()
        self._are_refusals_told = False
        self._run_id = ""

    def work_with_resources(self) -> None:
        """Look at the queue once, or again and again."""
        queue = self._open_queue(self.settings)
        try:
            queue.check()
            _require_rights(queue)
            self._look(queue)
            while self._watch_s is not None:
                self.screen.tell_refusals(refusals_of(self._last.not_made))
                self._are_refusals_told = True
                self._wait(self._watch_s)
                self._look(queue)
        finally:
            queue.close_connections()

    def interrupted(self) -> None:
        """Remove what a run that was stopped may have staged, too."""
        super().interrupted()
        remove_staging(self.settings, self._run_id)

    def exit_code(self) -> int:
        """Whether something is left to a later run."""
        totals = self._totals
        return 1 if totals.left or any(totals.reports_not_made[reason.value] for reason in UNFINISHED) else 0

    def result(self, error: str) -> Summary:
        """Return what became of the requests of the last look, and the numbers of all looks."""
        duration_s, output = self.elapsed_s(), output_root(self.settings.output.url)
        refusals = [] if self._are_refusals_told else refusals_of(self._last.not_made)
        totals, last = self._totals, self._last
        rows = [
            (
                one.key.request_id,
                one.key.tag,
                _STATES.get(one.state, one.state),
                f"{one.files:,} of {one.wanted:,}",
                f"{one.rows:,}",
                one.err_message,
            )
            for one in last.settled
        ]
        done, failed = totals.requests["SUCCESS"], totals.requests["FAILED"] + totals.requests["GAVE_UP"]
        phase_s = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in totals.seconds.items())
        return Summary(
            document={
                "output": output,
                "requests": [asdict(one) for one in last.settled],
                "files": [file_in(file) for file in last.made],
                "not_made": not_made_in(last.not_made),
                "due": totals.due,
                "left": totals.left,
                "runs": totals.runs,
                "phase_s": {name: round(seconds, 3) for name, seconds in totals.seconds.items()},
                **ending(duration_s, error),
            },
            tables=[Table(("request", "tag", "state", "files", "learners", "message"), rows, frozenset({3, 4}))],
            notes=[f"time: {phase_s}", f"all below: {output}"] if totals.files else [],
            refusals=refusals,
            closing=(
                f"{pluralize(done, 'request')} made, {failed:,} failed, {totals.left:,} left, "
                f"{pluralize(totals.files, 'file')}, {duration_s:.1f} s"
            ),
        )

    def _look(self, queue: Queue) -> None:
        """Work off what is due now; whoever watches outlives a service that is away, and a JVM of their own."""
        try:
            self._work_off(queue)
        except OperatorError as error:
            is_over = self._watch_s is None or not error.transient
            if is_over or (isinstance(error, ComputeError) and not self.resources.let_go_of_jvm()):
                raise
            logs.warning(user_message(error), action="error")

    def _work_off(self, queue: Queue) -> None:
        self._last, self._are_refusals_told, self._run_id = RequestsOutcome(), False, new_run_id()
        today = datetime.now(self.settings.zone()).date()
        run = Run(self._run_id, today, now, self.report, self._jvm.end)
        try:
            Worker(queue, self._open_ports, self.settings, run, self._last, self._pause).work_off(self._only)
        except BaseException:
            self._totals.add(self._last)
            try:
                _write_metrics(self._totals, self.settings)
            except OperatorError as unwritten:
                logs.warning(user_message(unwritten), action="error")  # what stopped the run is what to tell
            raise
        self._totals.add(self._last)
        for failure in self._last.unforeseen:
            logs.warning(user_message(failure), action="error")
            if self.debug:
                traceback.print_exception(failure)
        _write_metrics(self._totals, self.settings)

    def _open_ports(self) -> Ports:
        if not self.resources.is_open:
            self.report(Event("start", "starting Spark"))
        return self.resources.ports()

    def _wait(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            self.check_stop()
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
        write_metrics(totals, Path(settings.requests.metrics_file), now())
