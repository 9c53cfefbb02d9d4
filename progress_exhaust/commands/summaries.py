"""From what came of a command to what it shows of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from progress_exhaust.console.screen import Refusal, Summary, Table, count, size
from progress_exhaust.errors import NotMade
from progress_exhaust.paths import local_folder

if TYPE_CHECKING:
    from progress_exhaust.commands.doctor_checks import Check
    from progress_exhaust.export.plan import PlanOutcome
    from progress_exhaust.export.run import Outcome
    from progress_exhaust.output.manifest import MadeFile
    from progress_exhaust.worker.metrics import Totals
    from progress_exhaust.worker.outcome import RequestsOutcome


_STATES = {"SUBMITTED": "given back", "LOST": "not ours any more", "GAVE_UP": "FAILED", "CANCELLED": "cancelled"}
"""What became of a request, in words, where the row's own word does not tell."""


def export_summary(
    outcome: Outcome, output: str, made_after_s: Mapping[str, float], start_s: float, duration_s: float, error: str
) -> Summary:
    """Summarise an export.

    Args:
        outcome: what it came to.
        output: the output root.
        made_after_s: seconds from the start to each file's publication, by batch id.
        start_s: seconds it took to start Spark.
        duration_s: seconds of the whole command.
        error: the sentence of what stopped it; empty where nothing did.
    """
    phase_s = {"start": start_s} | {phase.value: seconds for phase, seconds in outcome.phase_s.items()}
    rows = [
        (
            file.path,
            f"{file.rows:,}",
            str(len(file.columns)),
            size(file.size_bytes),
            f"{made_after_s.get(file.batch_id, duration_s):.1f}",
        )
        for file in outcome.made
    ]
    notes = [f"time: {', '.join(f'{name} {seconds:.1f} s' for name, seconds in phase_s.items())}"]
    if outcome.manifest_path:
        notes += [f"manifest: {outcome.manifest_path}", f"all below: {output}"]
    return Summary(
        document={
            "output": output,
            "manifest": outcome.manifest_path or None,
            "files": [_file(file) for file in outcome.made],
            "not_made": _not_made(outcome.not_made),
            "rows_dropped": outcome.rows_dropped,
            "phase_s": {name: round(seconds, 3) for name, seconds in phase_s.items()},
            **ending(duration_s, error),
        },
        tables=[Table(("file", "learners", "columns", "size", "ready after s"), rows, frozenset({1, 2, 3, 4}))],
        notes=notes,
        refusals=refusals_of(outcome.not_made),
        closing=(
            f"{len(outcome.made):,} made, {len(outcome.not_made):,} not made, "
            f"{count(outcome.rows_dropped, 'row')} dropped, {duration_s:.1f} s"
        ),
    )


def run_summary(
    totals: Totals,
    last: RequestsOutcome,
    refusals: Sequence[Refusal],
    output: str,
    duration_s: float,
    error: str,
) -> Summary:
    """Summarise a run over the queue; see `export_summary` for the other arguments.

    Args:
        totals: what all its looks at the queue came to.
        last: what the last one did.
        refusals: those that have not been told yet.
        output: the output root.
        duration_s: seconds of the whole command.
        error: the sentence of what stopped it; empty where nothing did.
    """
    rows = [
        (
            one.key.request_id,
            one.key.tag,
            _STATES.get(one.state, one.state),
            f"{one.files:,} of {one.wanted:,}",
            f"{one.rows:,}",
            one.err_message,
        )
        for one in last.settled
    ]
    done, failed = totals.requests["SUCCESS"], totals.requests["FAILED"] + totals.requests["GAVE_UP"]
    phase_s = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in totals.seconds.items())
    return Summary(
        document={
            "output": output,
            "requests": [asdict(one) for one in last.settled],
            "files": [_file(file) for file in last.made],
            "not_made": _not_made(last.not_made),
            "due": totals.due,
            "left": totals.left,
            "runs": totals.runs,
            "phase_s": {name: round(seconds, 3) for name, seconds in totals.seconds.items()},
            **ending(duration_s, error),
        },
        tables=[Table(("request", "tag", "state", "files", "learners", "message"), rows, frozenset({3, 4}))],
        notes=[f"time: {phase_s}", f"all below: {output}"] if totals.files else [],
        refusals=refusals,
        closing=(
            f"{count(done, 'request')} made, {failed:,} failed, {totals.left:,} left, {count(totals.files, 'file')}, "
            f"{duration_s:.1f} s"
        ),
    )


def plan_summary(outcome: PlanOutcome, duration_s: float, error: str) -> Summary:
    """Summarise a plan; see `export_summary` for the arguments."""
    collections = [
        (
            collection.collection_id,
            collection.name,
            str(collection.columns),
            str(collection.nested),
            str(collection.assessments),
            f"{collection.batches:,}",
            f"{collection.rows:,}",
            f"{collection.rows_dropped:,}",
        )
        for collection in outcome.collections
    ]
    headers = ("collection", "name", "columns", "nested", "assessments", "batches", "learners", "dropped")
    reads = [(read.table, read.strategy, read.reason) for read in outcome.reads]
    learners = sum(batch.rows for batch in outcome.batches)
    return Summary(
        document={
            "collections": [asdict(collection) for collection in outcome.collections],
            "batches": [asdict(batch) for batch in outcome.batches],
            "not_made": _not_made(outcome.not_made),
            "reads": [asdict(read) for read in outcome.reads],
            "waves": outcome.waves,
            "rows": learners,
            "rows_dropped": outcome.rows_dropped,
            **ending(duration_s, error),
        },
        tables=[
            Table(headers, collections, frozenset(range(2, 8))),
            Table(("table", "read by", "because"), reads),
        ],
        refusals=refusals_of(outcome.not_made),
        closing=(
            f"{count(len(outcome.batches), 'report')} of {count(learners, 'learner')} to make in "
            f"{count(outcome.waves, 'wave')}, {len(outcome.not_made):,} not made, "
            f"{count(outcome.rows_dropped, 'row')} dropped, {duration_s:.1f} s"
        ),
    )


def doctor_summary(checks: Sequence[Check], duration_s: float, error: str) -> Summary:
    """Summarise the doctor's checks; see `export_summary` for the other arguments."""
    states = Counter(check.state.value for check in checks)
    lines = []
    for check in checks:
        lines.append(f"{check.state.value:<4}  {check.what}: {check.found}")
        if check.remedy:
            lines[-1] += f"; {check.remedy}"
    return Summary(
        document={
            "checks": [asdict(check) for check in checks],
            "passed": states["ok"],
            "noted": states["note"],
            "failed": states["FAIL"],
            **ending(duration_s, error),
        },
        notes=lines,
        closing=(
            f"{count(len(checks), 'check')}, {states['ok']} passed, {states['note']} noted, {states['FAIL']} failed, "
            f"{duration_s:.1f} s"
        ),
    )


def sample_summary(rows: Mapping[str, int], snapshot: str, catalogue: Path, duration_s: float, error: str) -> Summary:
    """Summarise sample data made.

    Args:
        rows: rows written, by table.
        snapshot: its folder; empty where the tables are in Cassandra.
        catalogue: the folder of its trees.
        duration_s: see `export_summary`.
        error: see `export_summary`.
    """
    return Summary(
        document={
            "tables": dict(rows),
            "snapshot": snapshot or None,
            "catalogue": str(catalogue),
            **ending(duration_s, error),
        },
        tables=[Table(("table", "rows"), [(table, f"{number:,}") for table, number in rows.items()], frozenset({1}))],
        notes=[f"tables: {snapshot or 'in Cassandra'}", f"trees: {catalogue}"],
        closing=f"{count(len(rows), 'table')}, {count(sum(rows.values()), 'row')}, {duration_s:.1f} s",
    )


def output_root(url: str) -> str:
    """Return the output root as people look for it: a path of this machine in full, any other URL as it is."""
    folder = local_folder(url)
    return url if folder is None else str(folder)


def ending(duration_s: float, error: str) -> dict[str, object]:
    """Return what every document ends with."""
    return {"error": error or None, "duration_s": round(duration_s, 3)}


def _not_made(not_made: Sequence[NotMade]) -> list[dict[str, str]]:
    """Return refusals as the manifest writes them."""
    return [{"id": refusal.subject, "reason": refusal.reason.value, "why": str(refusal)} for refusal in not_made]


def refusals_of(not_made: Sequence[NotMade]) -> list[Refusal]:
    """Return refusals as the screen takes them."""
    return [(refusal.subject, refusal.reason.value, str(refusal)) for refusal in not_made]


def _file(file: MadeFile) -> dict[str, object]:
    return {
        "path": file.path,
        "batch_id": file.batch_id,
        "collection_id": file.collection_id,
        "rows": file.rows,
        "columns": len(file.columns),
        "size_bytes": file.size_bytes,
        "sha256": file.sha256,
        "rows_dropped": dict(file.rows_dropped),
        "warnings": dict(file.warnings),
        "guarded_cells": file.guarded_cells,
    }
