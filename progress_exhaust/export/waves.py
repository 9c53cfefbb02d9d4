"""Which reports go through the plan together: one rule for a run, for what `plan` foretells, and after a failure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from progress_exhaust.report.enrolments import Counts
from progress_exhaust.report.model import Report


@dataclass(frozen=True)
class Wave:
    """Reports that go through the plan together.

    Attributes:
        number: from 0, within one attempt.
        reports: in order of batch_no; never empty.
        learners: how many rows the batches have.
    """

    number: int
    reports: Sequence[Report]
    learners: int

    @property
    def batch_nos(self) -> tuple[int, int]:
        """The first and the last batch_no; no other wave of the attempt has one between."""
        return _batch_no(self.reports[0]), _batch_no(self.reports[-1])


def cut_waves(reports: Sequence[Report], counts: Mapping[int, Counts], most_learners: int) -> list[Wave]:
    """Cut reports into waves of at most so many learners, by batch; a bigger batch is a wave of its own.

    The reports of a batch stay together: reports of a batch differ in their audience, and share all the heavy steps.

    Args:
        reports: in any order.
        counts: what becomes of the enrolments of each batch_no; one that is not in it has none.
        most_learners: of a wave.
    """
    waves: list[tuple[list[Report], int]] = []
    for batch_no, of_batch in groupby(sorted(reports, key=_batch_no), key=_batch_no):
        size = counts.get(batch_no, Counts()).retained
        if waves and waves[-1][1] + size <= most_learners:
            together, learners = waves[-1]
            together += of_batch
            waves[-1] = (together, learners + size)
        else:
            waves.append((list(of_batch), size))
    return [Wave(number, together, learners) for number, (together, learners) in enumerate(waves)]


def wave_numbers(waves: Iterable[Wave]) -> dict[int, int]:
    """Return the number of the wave that each batch_no is in."""
    return {_batch_no(report): wave.number for wave in waves for report in wave.reports}


def halves(failed: Sequence[Report]) -> list[list[Report]]:
    """Return what to try again, in order, of reports that have failed together; nothing of a single one.

    The unit is the report, since one audience of a batch may fail where another does not.
    """
    if len(failed) < 2:
        return []
    middle = len(failed) // 2
    return [list(failed[:middle]), list(failed[middle:])]


def _batch_no(report: Report) -> int:
    return report.batch.batch_no
