"""Runs of machines that make moves in any order, the same in each run of the tests."""

from __future__ import annotations

from collections.abc import Callable, Collection

from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test


def run_machine(
    machine: Callable[[], RuleBasedStateMachine], *, examples: int, steps: int, phases: Collection[Phase] = tuple(Phase)
) -> None:
    """Let a machine make so many moves, so many times.

    Args:
        machine: makes one; its class does.
        examples: how many times.
        steps: moves each time.
        phases: what Hypothesis may do besides, such as look for a shorter order of moves that fails, too.
    """
    run_state_machine_as_test(
        machine,  # type: ignore[arg-type]  # what makes one does as well as its class
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            derandomize=True,
            database=None,
            phases=phases,
            suppress_health_check=list(HealthCheck),
        ),
    )
