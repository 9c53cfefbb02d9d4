"""The command `doctor`: checks all that an export and a run need."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict

from progress_exhaust.commands.base import CommandContext
from progress_exhaust.commands.checks import Check, Openers, check_everything
from progress_exhaust.commands.documents import ending
from progress_exhaust.commands.queue import open_queue
from progress_exhaust.commands.with_spark import SparkCommand
from progress_exhaust.console.screen import Summary
from progress_exhaust.export.run import Event
from progress_exhaust.log_actions import Action
from progress_exhaust.text import pluralize


class Doctor(SparkCommand):
    """Checks everything, and names each fault with its remedy."""

    def __init__(self, context: CommandContext) -> None:
        super().__init__(context)
        self._checks: list[Check] = []

    def work_with_resources(self) -> None:
        """Look at everything."""
        self.report(Event(Action.CHECK, "starting Spark, and looking at everything"))
        openers = Openers(
            java=self.resources.java,
            session=self.resources.session,
            tables=self.resources.tables,
            catalogue=self.resources.catalogue,
            store=self.resources.store,
            queue=lambda: open_queue(self.settings),
        )
        check_everything(self.settings, openers, self._tell)

    def exit_code(self) -> int:
        """Whether an export and a run would work."""
        return 1 if any(check.failed for check in self._checks) else 0

    def result(self, error: str) -> Summary:
        """Return a line for each check."""
        duration_s = self.elapsed_s()
        states = Counter(check.state.value for check in self._checks)
        lines = []
        for check in self._checks:
            lines.append(f"{check.state.value:<4}  {check.what}: {check.found}")
            if check.remedy:
                lines[-1] += f"; {check.remedy}"
        return Summary(
            document={
                "checks": [asdict(check) for check in self._checks],
                "passed": states["ok"],
                "noted": states["note"],
                "failed": states["FAIL"],
                **ending(duration_s, error),
            },
            notes=lines,
            closing=(
                f"{pluralize(len(self._checks), 'check')}, {states['ok']} passed, {states['note']} noted, "
                f"{states['FAIL']} failed, {duration_s:.1f} s"
            ),
        )

    def _tell(self, check: Check) -> None:
        self._checks.append(check)
        self.check_stop()
