"""Runs the real export over a world on files, in the test's own session, and compares it with the reference."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from pyspark.sql import SparkSession

from progress_exhaust.catalogue.files import FilesCatalogue
from progress_exhaust.export.export import export
from progress_exhaust.export.run import Event, Outcome, Ports, Run
from progress_exhaust.export.selection import ReportQuery
from progress_exhaust.output.stores.open import open_store
from progress_exhaust.settings.load import load
from progress_exhaust.settings.sections import Settings
from progress_exhaust.tables.snapshot import SnapshotTables
from tests.reference.report import ExpectedReport, expected_reports
from tests.worlds import World, write_catalogue, write_snapshot

DAY = date(2020, 8, 26)
DAY_IN_NAME = "26_08_2020"
COUNTED_ALIKE = {
    "enrolment_date_unreadable": "unreadable_enrolment_date",
    "instant_out_of_range": "instant_out_of_range",
    "control_characters": "control_characters",
}
"""Warnings of the manifest that the reference counts too, by its words for them."""


@dataclass
class Exported:
    """What a run left behind."""

    folder: Path
    outcome: Outcome
    events: list[Event] = field(default_factory=list)

    def file(self, batch_id: str) -> bytes:
        return (self.folder / "progress-exhaust" / f"{batch_id}_progress_{DAY_IN_NAME}.csv").read_bytes()

    def names(self) -> list[str]:
        """Every path below the output folder."""
        return sorted(str(path.relative_to(self.folder)) for path in self.folder.rglob("*"))

    def manifest(self) -> dict[str, Any]:
        content: dict[str, Any] = json.loads((self.folder / self.outcome.manifest_path).read_text(encoding="utf-8"))
        return content


def settings_for(world: World, folder: Path, **sections: dict[str, Any]) -> Settings:
    """Settings of a run over a world written to a folder."""
    overrides: dict[str, dict[str, Any]] = {
        "source": {"kind": "snapshot", "snapshot_dir": str(folder / "snapshot")},
        "catalogue": {
            "kind": "files",
            "directory": str(folder / "catalogue"),
            "max_depth": world.settings.max_depth,
            "max_nodes": world.settings.max_nodes,
        },
        "assessment": {"question_set_categories": world.settings.question_set_categories},
        "report": {"time_zone": world.settings.time_zone},
        "privacy": {"user_name": world.settings.user_name},
        "output": {"url": str(folder / "reports"), "formula_guard": world.settings.formula_guard},
    }
    for section, keys in sections.items():
        overrides[section] = overrides.get(section, {}) | keys
    return load(None, {}, overrides)


def write_world(world: World, folder: Path) -> None:
    write_snapshot(world, folder / "snapshot")
    write_catalogue(world, folder / "catalogue")


def run_export(
    spark: SparkSession, settings: Settings, asked: ReportQuery | None = None, *, run_id: str = "test", **ports: Any
) -> Exported:
    """Run the export; `ports` replace those of the settings."""
    spark.conf.set("spark.sql.session.timeZone", settings.report.time_zone)
    made_ports: dict[str, Any] = {
        "spark": spark,
        "tables": SnapshotTables(spark, settings),
        "catalogue": FilesCatalogue(settings.catalogue.directory, settings.catalogue.max_tree_bytes),
        "store": open_store(settings.output.url, spark),
    }
    exported = Exported(Path(settings.output.url), Outcome())
    run = Run(run_id, DAY, lambda: datetime.now(UTC), exported.events.append)
    export(asked or ReportQuery(everything=True), Ports(**(made_ports | ports)), settings, run, exported.outcome)
    return exported


def asked_for(world: World) -> ReportQuery:
    """Ask for everything, by name where the world asks for batches that no table has."""
    return ReportQuery(batches=tuple(world.batch_ids())) if world.asked else ReportQuery(everything=True)


def differences(world: World, exported: Exported) -> list[str]:
    """Compare a run with the reference; one sentence a difference."""
    return list(_differences(expected_reports(world), exported))


def _differences(expected: dict[str, ExpectedReport], exported: Exported) -> Iterable[str]:
    made = {file.batch_id: file for file in exported.outcome.made}
    refused = {refusal.subject: str(refusal.reason) for refusal in exported.outcome.not_made}
    for batch_id, report in expected.items():
        if report.not_made:
            if refused.get(batch_id) != report.not_made:
                yield f"{batch_id}: expected to be refused as {report.not_made}, got {refused.get(batch_id)}"
            continue
        file = made.get(batch_id)
        if file is None:
            yield f"{batch_id}: expected {report.rows} rows, got refused as {refused.get(batch_id)}"
            continue
        yield from _file_differences(batch_id, report, exported)
        dropped = {reason: count for reason, count in report.dropped.items() if count}
        if dict(file.rows_dropped) != dropped:
            yield f"{batch_id}: dropped {dict(file.rows_dropped)}, expected {dropped}"
        if file.guarded_cells != report.guarded_cells:
            yield f"{batch_id}: {file.guarded_cells} guarded cells, expected {report.guarded_cells}"
        warnings = {word: file.warnings.get(word, 0) for word in COUNTED_ALIKE}
        expected_warnings = {word: report.warnings[theirs] for word, theirs in COUNTED_ALIKE.items()}
        if warnings != expected_warnings:
            yield f"{batch_id}: warnings {warnings}, expected {expected_warnings}"
        if file.rows != report.rows:
            yield f"{batch_id}: {file.rows} rows, expected {report.rows}"
    for batch_id in made.keys() - expected.keys():
        yield f"{batch_id}: made, but nobody expects it"


def _file_differences(batch_id: str, report: ExpectedReport, exported: Exported) -> Iterable[str]:
    got = exported.file(batch_id)
    if got == report.content:
        return
    got_lines, expected_lines = got.split(b"\n"), report.content.split(b"\n")
    if len(got_lines) != len(expected_lines):
        yield f"{batch_id}: {len(got_lines)} lines, expected {len(expected_lines)}"
    for number, (line, wanted) in enumerate(zip(got_lines, expected_lines, strict=False)):
        if line != wanted:
            yield f"{batch_id} line {number}: got\n    {line!r}\n  expected\n    {wanted!r}"
