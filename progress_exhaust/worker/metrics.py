"""What a driver's runs have come to, in Prometheus' text format, for a textfile collector."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from progress_exhaust.errors import OutputError
from progress_exhaust.local_files import make_folders, write_whole
from progress_exhaust.worker.outcome import RequestsOutcome

if TYPE_CHECKING:
    from prometheus_client import Metric

_PREFIX = "progress_exhaust"
_FILE_MODE, _DIRECTORY_MODE = 0o644, 0o755


@dataclass
class Totals:
    """The runs of one process together.

    Attributes:
        runs: how many there were.
        requests: ends of requests, by state.
        reports_not_made: by reason.
        files: published.
        learners: rows of these files.
        bytes: of these files.
        seconds: spent, by phase.
        due: requests that were due when the last run looked.
        left: requests that the runs left to a later one.
    """

    runs: int = 0
    requests: Counter[str] = field(default_factory=Counter)
    reports_not_made: Counter[str] = field(default_factory=Counter)
    files: int = 0
    learners: int = 0
    bytes: int = 0
    seconds: Counter[str] = field(default_factory=Counter)
    due: int = 0
    left: int = 0

    def add(self, outcome: RequestsOutcome) -> None:
        """Add a run that has ended, in whatever way."""
        self.runs += 1
        self.requests.update(one.state.value for one in outcome.results)
        self.reports_not_made.update(refusal.reason.value for refusal in outcome.not_made)
        self.files += len(outcome.made)
        self.learners += sum(file.rows for file in outcome.made)
        self.bytes += sum(file.size_bytes for file in outcome.made)
        for phase, seconds in outcome.phase_s.items():
            self.seconds[phase.value] += seconds  # type: ignore[assignment]  # a Counter adds any numbers
        self.due = outcome.due
        self.left += outcome.unfinished


def write_metrics(totals: Totals, file: Path, now: datetime) -> None:
    """Write the metrics anew; a reader sees the old file or the new one.

    Everybody may read them, since who collects them is another user, and they tell of nobody.

    Raises:
        OutputError: the file can not be written.
    """
    try:
        make_folders(file.parent.absolute(), _DIRECTORY_MODE)
        write_whole(file.parent.absolute(), file.name, [metrics_text(totals, now)], _FILE_MODE)
    except OSError as error:
        raise OutputError(f"writing metrics to {file}: {error.strerror}; check requests.metrics_file") from None


def metrics_text(totals: Totals, now: datetime) -> str:
    """Return the text of the metrics file, as Prometheus' own library writes it."""
    from prometheus_client import CollectorRegistry, generate_latest  # noqa: PLC0415 - only a run with a file needs it

    # A registry of our own: the library's default one also tells of this process, its memory and its garbage.
    registry = CollectorRegistry()
    registry.register(_Families(totals, now))
    return generate_latest(registry).decode("utf-8")


class _Families:
    """What the registry collects: totals that are added up already, so no counter of the library's is fed."""

    def __init__(self, totals: Totals, now: datetime) -> None:
        self._totals, self._now = totals, now

    def collect(self) -> Iterator[Metric]:
        """Give each family, which is there also where it has no sample yet; `_total` comes from the library."""
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily  # noqa: PLC0415 - likewise

        totals = self._totals
        for name, text, label, values in (
            ("requests", "Requests that came to an end, by how.", "state", totals.requests),
            ("reports_not_made", "Reports not made, by reason.", "reason", totals.reports_not_made),
            ("phase_seconds", "Seconds spent, by phase.", "phase", totals.seconds),
        ):
            family = CounterMetricFamily(f"{_PREFIX}_{name}", text, labels=[label])
            for word, value in sorted(values.items()):
                family.add_metric([word], value)
            yield family
        for name, text, count in (
            ("files", "Files published.", totals.files),
            ("learners", "Rows of the files published.", totals.learners),
            ("bytes", "Bytes of the files published.", totals.bytes),
            ("runs", "Looks at the queue.", totals.runs),
            ("requests_left", "Requests left to a later run.", totals.left),
        ):
            yield CounterMetricFamily(f"{_PREFIX}_{name}", text, count)
        for name, text, count in (
            ("requests_due", "Requests that were due when the last run looked.", totals.due),
            ("last_run_timestamp_seconds", "When the last run ended.", int(self._now.timestamp())),
        ):
            yield GaugeMetricFamily(f"{_PREFIX}_{name}", text, count)
