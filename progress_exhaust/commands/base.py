"""One command at work: its settings, its screen, and an end that is told whatever happens."""

from __future__ import annotations

import secrets
import time
from collections.abc import MutableMapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from progress_exhaust.console import logs
from progress_exhaust.console.logs import LogFormat
from progress_exhaust.console.screen import Console, Summary
from progress_exhaust.console.signals import Interrupted, StopToken, run_stoppable
from progress_exhaust.errors import ProgressExhaustError
from progress_exhaust.settings.load import Overrides, load

if TYPE_CHECKING:
    from progress_exhaust.export.run import Event

PROGRAM = "progress-exhaust"
CONFIG_VARIABLE = "PROGRESS_EXHAUST_CONFIG"


class CommandContext:
    """What every command has: settings, a screen, and when it began. Made before anything heavy is imported.

    Args:
        environment: the process's own.
        config: the file of settings named on the command line.
        overrides: settings of the command line.
        as_json: whether stdout gets a document.
        log_format: how lines on stderr look.
        debug: whether stack traces are wanted.

    Raises:
        SettingsError: settings are wrong.
    """

    def __init__(
        self,
        environment: MutableMapping[str, str],
        config: Path | None,
        overrides: Overrides,
        *,
        as_json: bool,
        log_format: LogFormat,
        debug: bool,
    ) -> None:
        self.begin_s = time.monotonic()
        logs.set_up(log_format, debug=debug)
        from_environment = environment.get(CONFIG_VARIABLE)
        file = config or (Path(from_environment) if from_environment else None)
        self.settings = load(file, environment, overrides)
        self.environment = environment
        self.debug = debug
        self.screen = Console(as_json=as_json, log_format=log_format, debug=debug)


class Command:
    """A command: it works, and shows what came of it."""

    def __init__(self, context: CommandContext) -> None:
        self.settings = context.settings
        self.environment = context.environment
        self.debug = context.debug
        self.screen = context.screen
        self._begin_s = context.begin_s
        self._stop = StopToken()

    def work(self) -> None:
        """Do the command's work; runs in a thread of its own."""
        raise NotImplementedError

    def result(self, error: str) -> Summary:
        """Return what came of it.

        Args:
            error: the sentence of what stopped the work; empty where nothing did.
        """
        raise NotImplementedError

    def cancel(self) -> None:
        """Break off what the work waits for; called from another thread, again and again."""

    def interrupted(self) -> None:
        """Remove what the work leaves behind where a signal has stopped it."""

    def exit_code(self) -> int:
        """Return what the scheduler is told where nothing has stopped the work."""
        return 0

    def run(self) -> int:
        """Do the work, then show what came of it, also where it failed; return the exit code."""
        failure = ""
        try:
            run_stoppable(self.work, self._stop, self.cancel)
        except Interrupted as stopped:
            self.interrupted()
            failure = user_message(stopped)
            raise
        except Exception as error:
            failure = user_message(error)
            raise
        finally:
            self.screen.show(self.result(failure))
        return self.exit_code()

    def elapsed_s(self) -> float:
        """Return the seconds since the command began."""
        return time.monotonic() - self._begin_s

    def report(self, event: Event) -> None:
        """Show an event, unless it is time to stop; may be called from several threads.

        Raises:
            Interrupted: see `check_stop`.
        """
        self.check_stop()
        self.screen.tell(event, self.elapsed_s())

    def check_stop(self) -> None:
        """Stop here where a signal has asked for it.

        Raises:
            Interrupted: the work is to stop.
        """
        self._stop.check()


def now() -> datetime:
    """Return the time, aware."""
    return datetime.now(UTC)


def new_run_id() -> str:
    """Return a name for a run: its start, and six random characters."""
    return f"{now():%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}"


def user_message(error: BaseException) -> str:
    """Return what went wrong, in words fit for a screen; an error we did not foresee may hold anything."""
    if isinstance(error, Interrupted) and not error.is_clean:
        return f"{error}: files already made stay, and the next run removes what is unfinished"
    if isinstance(error, Interrupted):
        return f"{error}: files already made stay, and nothing unfinished is left"
    if isinstance(error, ProgressExhaustError):
        return str(error)
    return f"stopped by an unforeseen {type(error).__name__}; run with --debug to see where"
