"""What a driver's runs have come to, in Prometheus' text format, for a textfile collector."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from progress_exhaust.errors import OutputError
from progress_exhaust.local_files import make_folders, write_whole
from progress_exhaust.worker.outcome import RequestsOutcome

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
    lines = (f"{line}\n" for line in metric_lines(totals, now))
    try:
        make_folders(file.parent.absolute(), _DIRECTORY_MODE)
        write_whole(file.parent.absolute(), file.name, lines, _FILE_MODE)
    except OSError as error:
        raise OutputError(f"writing metrics to {file}: {error.strerror}; check requests.metrics_file") from None


def metric_lines(totals: Totals, now: datetime) -> Iterator[str]:
    """Give the lines of the metrics file."""
    yield from _family("requests_total", "counter", "Requests that came to an end, by how.", totals.requests, "state")
    yield from _family(
        "reports_not_made_total", "counter", "Reports not made, by reason.", totals.reports_not_made, "reason"
    )
    yield from _family("phase_seconds_total", "counter", "Seconds spent, by phase.", totals.seconds, "phase")
    for name, kind, text, value in (
        ("files_total", "counter", "Files published.", totals.files),
        ("learners_total", "counter", "Rows of the files published.", totals.learners),
        ("bytes_total", "counter", "Bytes of the files published.", totals.bytes),
        ("runs_total", "counter", "Looks at the queue.", totals.runs),
        ("requests_left_total", "counter", "Requests left to a later run.", totals.left),
        ("requests_due", "gauge", "Requests that were due when the last run looked.", totals.due),
        ("last_run_timestamp_seconds", "gauge", "When the last run ended.", int(now.timestamp())),
    ):
        yield from _family(name, kind, text, {"": value}, "")


def _family(name: str, kind: str, text: str, values: Mapping[str, float], label: str) -> Iterator[str]:
    yield f"# HELP {_PREFIX}_{name} {text}"
    yield f"# TYPE {_PREFIX}_{name} {kind}"
    for word, value in sorted(values.items()):
        shown = f"{value:.3f}" if isinstance(value, float) else str(value)
        labels = f'{{{label}="{word}"}}' if label else ""
        yield f"{_PREFIX}_{name}{labels} {shown}"
