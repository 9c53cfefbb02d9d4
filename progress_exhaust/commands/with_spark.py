"""What the commands that start Spark have in common."""

from __future__ import annotations

from contextlib import closing

from progress_exhaust.commands.base import Command, CommandContext
from progress_exhaust.commands.resources import Resources
from progress_exhaust.commands.ticker import Ticker, tasks_of
from progress_exhaust.console import logs
from progress_exhaust.errors import OutputError
from progress_exhaust.export.run import Event, Outcome
from progress_exhaust.jvm_end import JvmWatch
from progress_exhaust.log_actions import Action
from progress_exhaust.output.stores.local import LocalStore
from progress_exhaust.paths import STAGING, local_folder
from progress_exhaust.settings.sections import Settings


class SparkCommand(Command):
    """A command with resources, which are closed at its end, and broken off where a signal stops it."""

    def __init__(self, context: CommandContext, jvm: JvmWatch | None = None) -> None:
        super().__init__(context)
        self.resources = Resources(
            self.settings, self.environment, debug=self.debug, jvm=jvm, is_stopping=lambda: self._stop.is_asked
        )
        self.ticker = Ticker(self._tick, self.outcome_so_far, lambda: tasks_of(self.resources.opened_session))

    def work(self) -> None:
        """Work with the resources, and close them."""
        with closing(self.resources), self.ticker:
            self.work_with_resources()

    def work_with_resources(self) -> None:
        """Do the command's work; whatever is opened is closed afterwards."""
        raise NotImplementedError

    def outcome_so_far(self) -> Outcome:
        """Return what has come of the run that is at work; of none, where a command makes no reports."""
        return Outcome()

    def report(self, event: Event) -> None:
        """Show an event, unless it is time to stop; the ticker hears it, too."""
        self.ticker.heard(event)
        super().report(event)

    def cancel(self) -> None:
        """Break off Spark's jobs and the catalogue's calls."""
        self.resources.cancel()

    def interrupted(self) -> None:
        """End the JVM."""
        self.resources.end_jvm()

    def _tick(self, event: Event) -> None:
        if not self._stop.is_asked:
            self.console.render_event(event, self.elapsed_s())

    def report_start(self) -> None:
        """Say that Spark starts, which takes seconds."""
        self.report(Event(Action.START, "starting Spark"))


def remove_staging(settings: Settings, run_id: str) -> None:
    """Remove a run's staging without the JVM; on another store the next run's janitor does it.

    Args:
        settings: all settings.
        run_id: of the run; empty where none has begun.
    """
    folder = local_folder(settings.output.url)
    if folder is not None and run_id:
        try:
            LocalStore(folder).remove(f"{STAGING}/{run_id}")
        except OutputError as error:
            logs.warning(f"what the run has staged is left: {error}", action=Action.LEFTOVER_KEPT)
