"""What a run is to make: reports, each of a batch, for an audience."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from progress_exhaust.catalogue.layout import Layout


@dataclass(frozen=True, slots=True)
class Batch:
    """One wanted batch.

    Attributes:
        batch_no: its number in this run, from 0.
        batch_id: its id; unique among the wanted batches of its collection.
        name: its human name; empty where it has none.
        layout: its collection's layout.
    """

    batch_no: int
    batch_id: str
    name: str
    layout: Layout


@dataclass(frozen=True, slots=True)
class Report:
    """One wanted report: the unit of output.

    Attributes:
        report_no: its number in this run, from 0.
        batch: whose learners it shows.
        audience: the root organisation whose learners it shows; None for everyone.
    """

    report_no: int
    batch: Batch
    audience: str | None = None


def layouts_of(reports: Iterable[Report]) -> dict[str, Layout]:
    """Return the layouts of these reports, each once, by collection id."""
    return {report.batch.layout.collection_id: report.batch.layout for report in reports}
