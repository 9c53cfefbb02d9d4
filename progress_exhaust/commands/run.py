"""The command `run`: works off the request queue, once or again and again."""

from __future__ import annotations

import logging
import time
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from progress_exhaust import jvm_end
from progress_exhaust.commands.base import CommandContext, new_run_id, now, user_message
from progress_exhaust.commands.documents import (
    file_content,
    not_made_content,
    output_root,
    phases_content,
    refusals_of,
    time_note,
)
from progress_exhaust.commands.queue import OpenQueue, open_queue
from progress_exhaust.commands.with_spark import SparkCommand, remove_staging
from progress_exhaust.console import logs
from progress_exhaust.console.result import Result, Summary, Table
from progress_exhaust.deadlines import Deadline
from progress_exhaust.errors import UNFINISHED, ComputeError, OperatorError, QueueError, SkippedReport
from progress_exhaust.export.run import Event, Outcome, Ports, Run
from progress_exhaust.job_requests.port import Queue
from progress_exhaust.job_requests.quotas import RetryPause
from progress_exhaust.log_actions import Action
from progress_exhaust.published_file import PublishedFile
from progress_exhaust.settings.sections import Settings
from progress_exhaust.text import pluralize
from progress_exhaust.worker.metrics import Totals, write_metrics
from progress_exhaust.worker.outcome import JobEnd, JobResult, RequestsOutcome
from progress_exhaust.worker.worker import RequestFilter, Worker

_LOG = logging.getLogger(__name__)
_LOOK_EVERY_S = 0.2
_STATES = {
    JobEnd.SUBMITTED: "given back",
    JobEnd.LOST: "not ours any more",
    JobEnd.ABANDONED: "FAILED",
    JobEnd.CANCELLED: "cancelled",
}
"""What became of a request, in words, where the row's own word does not tell."""


@dataclass(frozen=True, kw_only=True)
class RunResult(Result):
    """What `run` has worked off.

    Attributes:
        output: the output root, in full.
        requests: what became of those of the last look.
        made: the files of the last look.
        not_made: what the last look did not make.
        are_refusals_shown: whether `not_made` has been shown already, as it is between two looks.
        succeeded: requests made, of all looks.
        failed: requests that have failed, of all looks.
        files: files made, of all looks.
        due: see `Totals`; so are the others.
        left: left to a later run.
        runs: looks that had something to do.
        phase_s: seconds by phase.
    """

    output: str
    requests: Sequence[JobResult]
    made: Sequence[PublishedFile]
    not_made: Sequence[SkippedReport]
    are_refusals_shown: bool
    succeeded: int
    failed: int
    files: int
    due: int
    left: int
    runs: int
    phase_s: Mapping[str, float]

    def summary(self) -> Summary:
        """Return what became of the requests, and the numbers of all looks."""
        rows = [
            (
                one.key.request_id,
                one.key.tag,
                _STATES.get(one.state, one.state),
                f"{one.files:,} of {one.wanted:,}",
                f"{one.rows:,}",
                one.err_message,
            )
            for one in self.requests
        ]
        return Summary(
            tables=[Table(("request", "tag", "state", "files", "learners", "message"), rows, frozenset({3, 4}))],
            notes=[time_note(self.phase_s), f"all below: {self.output}"] if self.files else [],
            refusals=[] if self.are_refusals_shown else refusals_of(self.not_made),
            closing=(
                f"{pluralize(self.succeeded, 'request')} made, {self.failed:,} failed, {self.left:,} left, "
                f"{pluralize(self.files, 'file')}, {self.duration_s:.1f} s"
            ),
        )

    def content(self) -> dict[str, object]:
        """Return requests, files and refusals of the last look, and the numbers of all looks."""
        return {
            "output": self.output,
            "requests": [asdict(one) for one in self.requests],
            "files": [file_content(file) for file in self.made],
            "not_made": not_made_content(self.not_made),
            "due": self.due,
            "left": self.left,
            "runs": self.runs,
            "phase_s": phases_content(self.phase_s),
        }


class RunQueue(SparkCommand):
    """Works the queue off, once or again and again.

    Args:
        context: settings and console.
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
        self._are_refusals_shown = False
        self._run_id = ""

    def work_with_resources(self) -> None:
        """Look at the queue once, or again and again."""
        queue = self._open_queue(self.settings)
        try:
            queue.check()
            _require_rights(queue)
            self._look(queue)
            while self._watch_s is not None:
                self.console.render_refusals(refusals_of(self._last.not_made))
                self._are_refusals_shown = True
                self._wait(self._watch_s)
                self._look(queue)
        finally:
            queue.close_connections()

    def outcome_so_far(self) -> Outcome:
        """Return that of the last look."""
        return self._last

    def interrupted(self) -> None:
        """Remove what a run that was stopped may have staged, too."""
        super().interrupted()
        remove_staging(self.settings, self._run_id)

    def exit_code(self) -> int:
        """Whether something is left to a later run."""
        totals = self._totals
        return 1 if totals.left or any(totals.reports_not_made[reason.value] for reason in UNFINISHED) else 0

    def result(self, error: str) -> Result:
        """Return what became of the requests of the last look, and the numbers of all looks."""
        totals, last = self._totals, self._last
        return RunResult(
            duration_s=self.elapsed_s(),
            error=error,
            output=output_root(self.settings.output.url),
            requests=tuple(last.results),
            made=tuple(last.made),
            not_made=tuple(last.not_made),
            are_refusals_shown=self._are_refusals_shown,
            succeeded=totals.requests[JobEnd.SUCCESS],
            failed=totals.requests[JobEnd.FAILED] + totals.requests[JobEnd.ABANDONED],
            files=totals.files,
            due=totals.due,
            left=totals.left,
            runs=totals.runs,
            phase_s=dict(totals.seconds),
        )

    def _look(self, queue: Queue) -> None:
        """Work off what is due now; whoever watches outlives a service that is away, and a JVM of their own."""
        try:
            self._work_off(queue)
        except OperatorError as error:
            is_over = self._watch_s is None or not error.transient
            if is_over or (isinstance(error, ComputeError) and not self.resources.let_go_of_jvm()):
                raise
            logs.warning(user_message(error), action=Action.ERROR)
            _LOG.debug("the queue is looked at again in %s s", self._watch_s, extra={"action": Action.RETRY})
        finally:
            self.ticker.forget()

    def _work_off(self, queue: Queue) -> None:
        self._last, self._are_refusals_shown, self._run_id = RequestsOutcome(), False, new_run_id()
        today = datetime.now(self.settings.zone()).date()
        run = Run(self._run_id, today, now, self.report, self._jvm.end)
        try:
            Worker(queue, self._open_ports, self.settings, run, self._last, self._pause).work_off(self._only)
        except BaseException:
            self._totals.add(self._last)
            try:
                _write_metrics(self._totals, self.settings)
            except OperatorError as unwritten:
                logs.warning(user_message(unwritten), action=Action.ERROR)  # what stopped the run is what to tell
            raise
        self._totals.add(self._last)
        for failure in self._last.unforeseen:
            logs.warning(user_message(failure), action=Action.ERROR)
            if self.debug:
                traceback.print_exception(failure)
        _write_metrics(self._totals, self.settings)

    def _open_ports(self) -> Ports:
        if not self.resources.is_open:
            self.report(Event(Action.START, "starting Spark"))
        return self.resources.ports()

    def _wait(self, seconds: float) -> None:
        deadline = Deadline.after(seconds)
        while not deadline.is_over:
            self.check_stop()
            time.sleep(min(deadline.remaining_s, _LOOK_EVERY_S))


def _require_rights(queue: Queue) -> None:
    """Name what the command may not do, before anything is claimed.

    Raises:
        QueueError: a right is missing.
    """
    missing = [right.what for right in queue.rights() if right.command == "run" and not right.is_granted]
    if missing:
        raise QueueError(
            "looking at",
            object="the request queue",
            got=f"our role lacks {', '.join(missing)}",
            remedy="grant it, or see what progress-exhaust doctor says",
        )


def _write_metrics(totals: Totals, settings: Settings) -> None:
    if settings.requests.metrics_file:
        write_metrics(totals, Path(settings.requests.metrics_file), now())
