"""Where the reports of a run go, once they are made and checked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from progress_exhaust.errors import SkippedReport
from progress_exhaust.export.publishing import CheckedReport, file_name
from progress_exhaust.export.run import Outcome, Run
from progress_exhaust.output.stores.port import Store
from progress_exhaust.paths import ROOT
from progress_exhaust.report.model import Report
from progress_exhaust.settings.sections import OutputSettings
from progress_exhaust.text import pluralize


class Delivery(Protocol):
    """Takes each report of a run once, in some end: delivered or refused; from several threads."""

    def still_wanted(self, reports: Sequence[Report]) -> list[Report]:
        """Return those that somebody still waits for; asked before each wave."""

    def deliver(self, checked: CheckedReport) -> None:
        """Publish a report.

        Raises:
            SkippedReport: it can not be published.
            OperatorError: nothing can.
        """

    def refuse(self, report: Report, refusal: SkippedReport) -> None:
        """Take note that a report is not made, and why."""

    def end_wave(self) -> None:
        """Take note that all reports of a wave have come to an end."""


class PlainDelivery:
    """Publishes each report once, under the output root; nobody takes back what they have asked for."""

    def __init__(self, store: Store, settings: OutputSettings, run: Run, outcome: Outcome) -> None:
        self._store = store
        self._settings = settings
        self._run = run
        self._outcome = outcome

    def still_wanted(self, reports: Sequence[Report]) -> list[Report]:
        """Return all of them."""
        return list(reports)

    def deliver(self, checked: CheckedReport) -> None:
        """Move the file to its place."""
        path = f"{ROOT}/{file_name(self._settings, checked.report.batch.batch_id, self._run.day)}"
        try:
            made = checked.publish(self._store, path)
        except SkippedReport:
            self._store.check()
            raise
        self._outcome.made.append(made)
        emit_published(self._run, self._outcome, made.path, made.batch_id, made.rows)

    def refuse(self, report: Report, refusal: SkippedReport) -> None:
        """Add it to what is not made."""
        self._outcome.not_made.append(refusal)
        emit_skipped(self._run, self._outcome, report, refusal)

    def end_wave(self) -> None:
        """Do nothing: a file is known as soon as it is out."""


def emit_published(run: Run, outcome: Outcome, path: str, batch_id: str, rows: int, request_id: str = "") -> None:
    """Tell of a published file, and of the request it is for."""
    sentence = f"{path}: {pluralize(rows, 'learner')}"
    run.tell(outcome.event("made", sentence, batch_id=batch_id, rows=rows, request_id=request_id))


def emit_skipped(run: Run, outcome: Outcome, report: Report, refusal: SkippedReport) -> None:
    """Tell of a report that is not made."""
    run.tell(outcome.event("not_made", str(refusal), batch_id=report.batch.batch_id))
