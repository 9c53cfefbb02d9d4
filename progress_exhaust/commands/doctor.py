"""The command `doctor`: checks all that an export and a run need."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from progress_exhaust.commands.base import CommandContext
from progress_exhaust.commands.checks import Check, Openers, State, check_everything
from progress_exhaust.commands.queue import open_queue
from progress_exhaust.commands.with_spark import SparkCommand
from progress_exhaust.console.result import Result, Summary
from progress_exhaust.export.run import Event
from progress_exhaust.log_actions import Action
from progress_exhaust.text import pluralize


@dataclass(frozen=True, kw_only=True)
class DoctorResult(Result):
    """What `doctor` has found.

    Attributes:
        checks: in the order in which they were made.
    """

    checks: Sequence[Check]

    def summary(self) -> Summary:
        """Return a line for each check."""
        states = self._states()
        return Summary(
            notes=[_line(check) for check in self.checks],
            closing=(
                f"{pluralize(len(self.checks), 'check')}, {states[State.OK]} passed, {states[State.NOTE]} noted, "
                f"{states[State.FAIL]} failed, {self.duration_s:.1f} s"
            ),
        )

    def content(self) -> dict[str, object]:
        """Return each check, and how many there are of each state."""
        states = self._states()
        return {
            "checks": [asdict(check) for check in self.checks],
            "passed": states[State.OK],
            "noted": states[State.NOTE],
            "failed": states[State.FAIL],
        }

    def _states(self) -> Counter[State]:
        return Counter(check.state for check in self.checks)


def _line(check: Check) -> str:
    remedy = f"; {check.remedy}" if check.remedy else ""
    return f"{check.state.value:<4}  {check.what}: {check.found}{remedy}"


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
        check_everything(self.settings, openers, self._add)

    def exit_code(self) -> int:
        """Whether an export and a run would work."""
        return 1 if any(check.failed for check in self._checks) else 0

    def result(self, error: str) -> Result:
        """Return the checks made so far."""
        return DoctorResult(duration_s=self.elapsed_s(), error=error, checks=tuple(self._checks))

    def _add(self, check: Check) -> None:
        self._checks.append(check)
        self.check_stop()
