"""Runs of the command over bad input: many batches together, or a sound world that is changed in one way."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from tests.reference import ExpectedReport, expected_reports
from tests.support.bad_batch_case import BatchCase
from tests.support.bad_batches import CASES as BATCH_CASES
from tests.support.bad_batches import control
from tests.support.bad_batches_refused import NUL
from tests.support.bad_input_table import Rule, rules
from tests.support.command_line import (
    CommandLine,
    Ended,
    export_arguments,
    files_below,
    manifest_below,
    reports_below,
)
from tests.support.sample_world import spec_sample_world
from tests.worlds import World, merge, write_catalogue, write_snapshot

RULES = rules()
GOLDEN = Path(__file__).parents[1] / "golden" / "spec_sample.csv"
REFUSED = [case for case in BATCH_CASES if RULES[case].outcome == "batch refused"]
KEPT = [case for case in BATCH_CASES if RULES[case].outcome != "batch refused"]
ESCAPED = "escaped"


@dataclass(frozen=True)
class SharedRun:
    """A run of many batches, and what there was to see of it.

    Attributes:
        ended: code and screen.
        reports: the files by batch id.
        manifest: the manifest.
        expected: what an independent reference makes of the same world.
    """

    ended: Ended
    reports: dict[str, bytes]
    manifest: dict[str, Any]
    expected: dict[str, ExpectedReport]

    def refusals(self) -> dict[str, dict[str, str]]:
        return {refusal["id"]: refusal for refusal in self.manifest["not_made"]}

    def file(self, batch_id: str) -> dict[str, Any]:
        [found] = [file for file in self.manifest["files"] if file["batch_id"] == batch_id]
        return dict(found)


@cache
def batch_case(case: str) -> BatchCase:
    return BATCH_CASES[case](case)


def batches_of(world: World) -> list[str]:
    """The ids of a world's batches, doubled and unsafe ones once each, in order."""
    rows = world.rows("course_batch")
    return sorted({row["batchid"] for row in rows if row["batchid"] and row["courseid"]} | set(world.asked))


@dataclass
class Runs:
    """Runs the command over worlds, and holds each of them to what is true of any run."""

    line: CommandLine
    line_of_anyone: CommandLine
    folder: Path
    _made: dict[str, SharedRun] = field(default_factory=dict)

    def shared(self, name: str) -> SharedRun:
        """Return one of the runs that many cases share; it is made when it is first asked for."""
        if name not in self._made:
            self._made[name] = getattr(self, f"_{name}")()
        return self._made[name]

    def _kept(self) -> SharedRun:
        return self._run("kept", KEPT, "--all")

    def _refused_by_name(self) -> SharedRun:
        asked = [batch for case in REFUSED for batch in batches_of(batch_case(case).world)]
        asked += [*batches_of(control()), ""]
        return self._run("refused-by-name", REFUSED, *(f"--batch={batch}" for batch in asked if batch != NUL))

    def _refused_with_all(self) -> SharedRun:
        return self._run("refused-with-all", REFUSED, "--all")

    def _run(self, name: str, cases: Iterable[str], *asked: str) -> SharedRun:
        made = [batch_case(case) for case in cases]
        world = merge([control(), *(case.world for case in made)])
        folder = self.folder / name
        write_snapshot(world, folder / "snapshot")
        write_catalogue(world, folder / "catalogue")
        for case in made:
            for collection_id, body in case.bodies.items():
                (folder / "catalogue" / f"{collection_id}.json").write_bytes(body)
        return self.run(world, folder, *asked)

    def run(self, world: World, folder: Path, *asked: str) -> SharedRun:
        """Export a world that lies in a folder."""
        before = files_beside_reports(folder)
        ended = self.line.run(export_arguments(folder, *asked))
        reports = reports_below(folder / "reports")
        assert files_beside_reports(folder) == before
        assert "Traceback" not in ended.err
        found = SharedRun(ended, reports, manifest_below(folder / "reports"), expected_reports(world))
        for batch_id, content in found.reports.items():
            assert content == found.expected[batch_id].content, batch_id
        return found


def files_beside_reports(folder: Path) -> dict[str, bytes]:
    return {path: content for path, content in files_below(folder).items() if "reports/" not in path}


def sample_on_files(folder: Path) -> None:
    """Write the world of the specification's sample; only the tables that it has rows for."""
    world = spec_sample_world()
    write_snapshot(world, folder / "snapshot")
    write_catalogue(world, folder / "catalogue")


def see_refused(rule: Rule, folder: Path, run: Ended) -> None:
    """See a run refused in one sentence, with nothing made."""
    assert run.code == rule.code
    assert len(run.errors()) == 1, run.err
    assert re.fullmatch(rule.sentence, run.errors()[0]), run.errors()
    assert reports_below(folder / "reports") == {}
