"""The work of each command: opens the outside, calls the service, and keeps what the summary tells."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, date, datetime
from pathlib import Path

from progress_exhaust.commands import summaries
from progress_exhaust.commands.base import Command
from progress_exhaust.commands.doctor_checks import Check, Openers, doctor
from progress_exhaust.commands.queue import open_queue
from progress_exhaust.commands.resources import Outside
from progress_exhaust.console import logs
from progress_exhaust.console.screen import Summary
from progress_exhaust.errors import OutputError
from progress_exhaust.export.export import export
from progress_exhaust.export.plan import PlanOutcome, plan, private_stage
from progress_exhaust.export.run import Event, Outcome, Run
from progress_exhaust.export.selection import Asked
from progress_exhaust.output.stores.local import LocalStore
from progress_exhaust.paths import STAGING, local_folder
from progress_exhaust.sample.write import FileFormat, WorldSize, write_cassandra, write_snapshot
from progress_exhaust.settings.sections import Settings
from progress_exhaust.tables.schemas import table_names


def export_reports(command: Command, asked: Asked, run_id: str, day: date) -> Outcome:
    """Make the reports asked for."""
    outside = _outside(command)
    outcome = Outcome()
    made_after_s: dict[str, float] = {}
    start_s = 0.0

    def tell(event: Event) -> None:
        if event.action == "made":
            made_after_s[event.batch_id] = command.elapsed_s()
        command.tell(event)

    def work() -> None:
        nonlocal start_s
        with closing(outside):
            tell(Event("start", "starting Spark"))
            ports = outside.ports()
            start_s = command.elapsed_s()
            export(asked, ports, command.settings, Run(run_id, day, _now, tell), outcome)

    def summary(error: str) -> Summary:
        output = summaries.output_root(command.settings.output.url)
        return summaries.export_summary(outcome, output, made_after_s, start_s, command.elapsed_s(), error)

    def clear() -> None:
        outside.end_jvm()
        remove_staging(command.settings, run_id)

    command.carry_out(
        work,
        summary,
        cancel=outside.cancel,
        clear=clear,
    )
    return outcome


def plan_reports(command: Command, asked: Asked, run_id: str, day: date) -> PlanOutcome:
    """Find out what an export would do."""
    outside = _outside(command)
    outcome = PlanOutcome()

    def work() -> None:
        with closing(outside):
            command.tell(Event("start", "starting Spark"))
            ports = outside.ports()
            with private_stage(ports.spark, ports.store, run_id) as stage:
                plan(asked, ports, command.settings, day, stage, command.tell, outcome)

    command.carry_out(
        work,
        lambda error: summaries.plan_summary(outcome, command.elapsed_s(), error),
        cancel=outside.cancel,
        clear=outside.end_jvm,
    )
    return outcome


def check_all(command: Command) -> list[Check]:
    """Check everything that an export and a run need."""
    outside = _outside(command)
    checks: list[Check] = []

    def tell(check: Check) -> None:
        checks.append(check)
        command.go_on()

    def work() -> None:
        with closing(outside):
            command.tell(Event("check", "starting Spark, and looking at everything"))
            openers = Openers(
                java=outside.java,
                session=outside.session,
                tables=outside.tables,
                catalogue=outside.catalogue,
                store=outside.store,
                queue=lambda: open_queue(command.settings),
            )
            doctor(command.settings, openers, tell)

    command.carry_out(
        work,
        lambda error: summaries.doctor_summary(checks, command.elapsed_s(), error),
        cancel=outside.cancel,
        clear=outside.end_jvm,
    )
    return checks


def make_sample_data(
    command: Command, size: WorldSize, catalogue: Path, snapshot: str | None, file_format: FileFormat
) -> None:
    """Make a synthetic world as a snapshot, or in Cassandra where no snapshot is named."""
    outside = _outside(command)
    rows: dict[str, int] = {}

    def work() -> None:
        with closing(outside):
            command.tell(Event("start", "starting Spark"))
            spark = outside.session()
            place = f"the snapshot {snapshot}" if snapshot else "Cassandra"
            command.tell(Event("write", f"writing {size.enrolments} enrolments to {place}"))
            if snapshot:
                rows.update(write_snapshot(spark, size, snapshot, catalogue, file_format))
            else:
                rows.update(write_cassandra(spark, size, catalogue, table_names(command.settings)))

    command.carry_out(
        work,
        lambda error: summaries.sample_summary(rows, snapshot or "", catalogue, command.elapsed_s(), error),
        cancel=outside.cancel,
        clear=outside.end_jvm,
    )


def _outside(command: Command) -> Outside:
    return Outside(command.settings, command.environment, debug=command.debug)


def _now() -> datetime:
    return datetime.now(UTC)


def remove_staging(settings: Settings, run_id: str) -> None:
    """Remove a run's staging without the JVM; on another store the next run's janitor does it."""
    folder = local_folder(settings.output.url)
    if folder is not None:
        try:
            LocalStore(folder).remove(f"{STAGING}/{run_id}")
        except OutputError as error:
            logs.warning(f"what the run has staged is left: {error}")
