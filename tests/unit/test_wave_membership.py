"""Which reports make up a wave: how a run is cut, and what is tried again after a failure."""

from __future__ import annotations

from itertools import chain, pairwise
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from progress_exhaust.catalogue.layout import Layout
from progress_exhaust.export.waves import cut_waves, halves, wave_numbers
from progress_exhaust.report.enrolments import Counts
from progress_exhaust.report.model import Batch, Report

LAYOUT = Layout("do_1", "", "", (), (), ())


def reports_of(audiences: list[int]) -> list[Report]:
    """Give so many reports of each batch, one an audience."""
    batches = [number for number, count in enumerate(audiences) for _ in range(count)]
    return [
        Report(number, Batch(batch_no, f"b-{batch_no}", "", LAYOUT), f"org-{number}")
        for number, batch_no in enumerate(batches)
    ]


def test_waves_hold_whole_batches_in_order_and_at_most_so_many_learners() -> None:
    sizes = [3, 3, 0, 5, 20, 1, 9]
    reports = reports_of([1] * len(sizes))
    counts = {number: Counts(retained=size) for number, size in enumerate(sizes) if size}

    waves = cut_waves(reports, counts, most_learners=10)

    assert [[report.report_no for report in wave.reports] for wave in waves] == [[0, 1, 2], [3], [4], [5, 6]]
    assert [(wave.number, wave.learners) for wave in waves] == [(0, 6), (1, 5), (2, 20), (3, 10)]


@given(
    batches=st.lists(st.tuples(st.integers(1, 3), st.integers(0, 30)), min_size=1, max_size=12),
    most=st.integers(1, 40),
    order=st.randoms(use_true_random=False),
)
def test_every_report_is_in_one_wave_with_all_of_its_batch(
    batches: list[tuple[int, int]], most: int, order: Random
) -> None:
    reports = reports_of([audiences for audiences, _ in batches])
    sizes = {number: size for number, (_, size) in enumerate(batches)}
    counts = {number: Counts(retained=size) for number, size in sizes.items() if size}
    mixed = list(reports)
    order.shuffle(mixed)

    waves = cut_waves(mixed, counts, most)

    made_up = [{report.batch.batch_no for report in wave.reports} for wave in waves]
    by_number = sorted(chain.from_iterable(wave.reports for wave in waves), key=lambda report: report.report_no)
    assert by_number == reports
    assert list(chain.from_iterable(sorted(batch_nos) for batch_nos in made_up)) == list(range(len(batches)))
    assert [wave.number for wave in waves] == list(range(len(waves)))
    assert [wave.learners for wave in waves] == [sum(sizes[number] for number in batch_nos) for batch_nos in made_up]
    assert all(wave.learners <= most or len(batch_nos) == 1 for wave, batch_nos in zip(waves, made_up, strict=True))
    assert all(one.learners + sizes[other.batch_nos[0]] > most for one, other in pairwise(waves))
    # What the rows of a wave are found by says the same as the reports that it holds.
    assert [wave.batch_nos for wave in waves] == [(min(batch_nos), max(batch_nos)) for batch_nos in made_up]
    assert wave_numbers(waves) == {number: wave for wave, batch_nos in enumerate(made_up) for number in batch_nos}


def test_no_report_makes_no_wave() -> None:
    assert cut_waves([], {}, 10) == []


@given(audiences=st.lists(st.integers(1, 3), min_size=1, max_size=12))
def test_what_fails_together_is_tried_by_halves_down_to_each_report(audiences: list[int]) -> None:
    reports = reports_of(audiences)
    pending, alone, attempts = [reports], [], 0

    while pending:
        attempts += 1
        failed = pending.pop()
        smaller = halves(failed)
        if not smaller:
            alone += failed
            continue
        first, second = smaller
        assert first + second == failed
        assert 0 <= len(second) - len(first) <= 1
        assert first
        pending += [second, first]

    assert alone == reports
    assert attempts == 2 * len(reports) - 1
