"""`python -m benchmarks.privacy`: what it costs that Spark's processes authenticate, and encrypt what they write.

The standard world, warm: both variants in turn in one JVM, whose Spark context is started anew each time, since this is
settled when a context starts; only the export counts. And from a cold start: the real command, both variants in turn.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from benchmarks.__main__ import describe
from benchmarks.cold_start import WORLD as COLD_WORLD
from benchmarks.cold_start import adopt_orphans, ours
from benchmarks.recording import record
from benchmarks.rounds import WARM_UP_ROUNDS, Figures, interleaved, medians, ratio
from benchmarks.session import WarmSession, require_world
from progress_exhaust.java import java_home
from progress_exhaust.settings.sections import Settings
from progress_exhaust.spark.encryption import OPTIONS
from progress_exhaust.spark.private import of_this_process
from progress_exhaust.spark.session import start_session

CHOICES = ("on", "off")
VARIABLE = "PROGRESS_EXHAUST__SPARK__ENCRYPTION"


def main() -> None:
    """Measure both, warm and cold; records the parts `encryption` and `encryption_cold`."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.privacy", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="warm, after those that are not counted")
    parser.add_argument("--cold-rounds", type=int, default=5, help="from a cold start")
    arguments = parser.parse_args()
    os.environ["JAVA_HOME"] = str(java_home(os.environ))
    measure_warm(arguments.rounds)
    measure_cold(arguments.cold_rounds)


def measure_warm(rounds: int) -> None:
    """Measure exports of the standard world in a JVM that is warm."""
    session = WarmSession.open("standard")
    session.spark.stop()
    variants = {choice: partial(_export, session, choice) for choice in CHOICES}
    interleaved(variants, WARM_UP_ROUNDS)
    taken = interleaved(variants, rounds)
    _record("encryption", describe(session, rounds), taken)


def measure_cold(rounds: int) -> None:
    """Measure the command, from the start of its process until its JVM has ended."""
    require_world(COLD_WORLD)
    adopt_orphans()
    variants = {choice: partial(_command, choice) for choice in CHOICES}
    taken = interleaved(variants, rounds)
    _record("encryption_cold", {"rounds_measured": rounds}, taken)


def _record(part: str, described: Mapping[str, Any], taken: Mapping[str, list[Figures]]) -> None:
    figures = {
        **described,
        "median": {choice: medians(runs) for choice, runs in taken.items()},
        "cpu_ratios": {part: ratio(taken["on"], taken["off"], "cpu_s")},
        "rounds": {choice: [run["total_s"] for run in runs] for choice, runs in taken.items()},
    }
    record(part, figures, {part: ratio(taken["on"], taken["off"])})
    for choice, of_variant in figures["median"].items():
        print(f"{part}, {choice}: {of_variant}")


def _export(session: WarmSession, choice: str) -> Figures:
    settings = _chosen(session.settings, choice)
    spark = start_session(settings, of_this_process())
    try:
        running = spark.sparkContext.getConf()
        if {running.get(option, "false") for option in OPTIONS} != {"true" if choice == "on" else "false"}:
            raise SystemExit(f"encryption was to be {choice}, got {[running.get(option) for option in OPTIONS]}")
        return replace(session, settings=settings, spark=spark).export()
    finally:
        spark.stop()


def _command(choice: str) -> Figures:
    os.environ[VARIABLE] = choice
    try:
        return ours()
    finally:
        del os.environ[VARIABLE]


def _chosen(settings: Settings, choice: str) -> Settings:
    spark = settings.spark.model_copy(update={"encryption": choice})
    return settings.model_copy(update={"spark": spark})


if __name__ == "__main__":
    main()
