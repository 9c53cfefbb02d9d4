"""The command `export`: reports of any batches, without the request queue."""

from __future__ import annotations

import time
from datetime import UTC, datetime

import progress_exhaust
from progress_exhaust.export.delivery import PlainDelivery
from progress_exhaust.export.engine import SparkEngine
from progress_exhaust.export.fingerprint import content_fingerprint
from progress_exhaust.export.run import Event, Outcome, Phase, Ports, Run
from progress_exhaust.export.selection import ReportQuery
from progress_exhaust.output.manifest import Manifest
from progress_exhaust.output.staging import Staging, remove_stale
from progress_exhaust.paths import ROOT
from progress_exhaust.report.model import Report
from progress_exhaust.settings.sections import Settings


def export(asked: ReportQuery, ports: Ports, settings: Settings, run: Run, outcome: Outcome) -> None:
    """Make the reports of all batches asked for, and a manifest beside them.

    Args:
        asked: which batches.
        ports: the outside.
        settings: all settings.
        run: identity, day, clock, listener.
        outcome: grows while the run works, so that it tells what was delivered when a service fails half-way.

    Raises:
        OperatorError: a service failed; files already published stay, nothing is half-written.
        DataShapeError: an input does not have the agreed shape.
    """
    started, begin = run.now(), time.monotonic()
    ports.store.check()
    remove_stale(ports.store, settings.output.staging_keep_s, lambda: run.now().timestamp())
    with Staging(ports.store, run.run_id) as staging:
        try:
            _make(asked, ports, settings, run, staging, outcome)
        finally:
            outcome.made.sort(key=lambda file: file.batch_id)
            outcome.duration_s = time.monotonic() - begin
            if outcome.made or outcome.not_made:
                _write_manifest(outcome, staging, settings, run, started)
    outcome.duration_s = time.monotonic() - begin


def _make(asked: ReportQuery, ports: Ports, settings: Settings, run: Run, staging: Staging, outcome: Outcome) -> None:
    engine = SparkEngine(ports, settings, run, staging, outcome)
    with outcome.phase(Phase.CATALOGUE):
        run.tell(Event(Phase.CATALOGUE, "finding batches and fetching the trees of their collections"))
        [selection] = engine.select([asked])
    outcome.not_made += selection.not_made
    outcome.wanted = len(selection.batches) + len(selection.not_made)
    if not selection.batches:
        return
    reports = [Report(number, batch) for number, batch in enumerate(selection.batches)]
    delivery = PlainDelivery(ports.store, settings.output, run, outcome)
    engine.make(reports, delivery)


def _write_manifest(outcome: Outcome, staging: Staging, settings: Settings, run: Run, started: datetime) -> None:
    manifest = Manifest(
        run_id=run.run_id,
        version=progress_exhaust.__version__,
        started_at=_iso(started),
        finished_at=_iso(run.now()),
        settings=content_fingerprint(settings, run.day),
        files=outcome.made,
        not_made=sorted(outcome.not_made, key=lambda refusal: (refusal.subject, refusal.reason)),
    )
    path = f"{ROOT}/manifest_{run.run_id}.json"
    with outcome.phase(Phase.PUBLISH):
        staging.publish_text(path, manifest.texts())
    outcome.manifest_path = path


def _iso(instant: datetime) -> str:
    return instant.astimezone(UTC).isoformat(timespec="seconds")
