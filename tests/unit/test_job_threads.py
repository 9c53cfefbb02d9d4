"""Threads that publish and end a job at the same time, and what a job lets nobody do."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from progress_exhaust.worker.job import Job, JobState
from tests.support.jobs import CLAIM, DAY, NOW, file_of

BATCHES = ("b-0", "b-1", "b-2", "b-3")

numbers = st.integers(0, len(BATCHES) - 1)


def prepared(pending: int) -> Job:
    job = Job(CLAIM, NOW, DAY)
    job.want(BATCHES[:pending])
    job.prepare({number: BATCHES[number] for number in range(pending)})
    return job


def at_once(*works: Callable[[], None]) -> None:
    """Let all of them begin at the same moment, and hand on what any of them raises."""
    barrier = threading.Barrier(len(works))

    def run(work: Callable[[], None]) -> None:
        barrier.wait()
        work()

    with ThreadPoolExecutor(len(works)) as pool:
        for one in [pool.submit(run, work) for work in works]:
            one.result()


@given(numbers=st.lists(numbers, min_size=2, max_size=8), is_given_back=st.booleans())
@settings(max_examples=60, deadline=None)
def test_of_threads_that_publish_and_end_at_the_same_time_one_ends_it_and_no_file_is_lost(
    numbers: list[int], is_given_back: bool
) -> None:
    """As `Delivery` does it: whoever has published looks whether the job is done."""
    job = prepared(len(BATCHES))
    guard, out, listed = threading.Lock(), set[str](), list[tuple[str, ...] | None]()

    def finish() -> None:
        with job.finishing() as is_mine:
            if is_mine:
                listed.append(job.record.delivered().urls)
                job.end(JobState.DONE)

    def publish(number: int) -> Callable[[], None]:
        def work() -> None:
            with job.publication(number) as is_wanted:
                if is_wanted:
                    file = file_of(BATCHES[number])
                    with guard:
                        assert file.path not in out, "each report is published once"
                        out.add(file.path)
                    job.add_file(number, file, NOW)
            finish()

        return work

    def give_back() -> None:
        with job.giving_back() as is_mine:
            if is_mine:
                job.end(JobState.GIVEN_BACK)

    at_once(*map(publish, numbers))
    if is_given_back:
        at_once(give_back, finish, give_back)
        assert job.state is JobState.GIVEN_BACK or (job.state is JobState.DONE and len(listed) == 1)
    if set(numbers) == set(range(len(BATCHES))):
        assert job.state is JobState.DONE
        assert listed == [tuple(file.path for file in job.record.files)], "ended once, with all that is out"
    assert {file.path for file in job.record.files} == out


def test_one_of_many_threads_may_end_a_job_and_the_next_one_where_it_could_not() -> None:
    job = prepared(0)
    answers: list[bool] = []
    all_have_asked = threading.Barrier(8)

    def ask() -> None:
        with job.finishing() as is_mine:
            answers.append(is_mine)
            all_have_asked.wait()

    at_once(*[ask] * 8)
    assert sorted(answers) == [False] * 7 + [True]
    assert job.is_open, "nobody has ended it"
    with job.giving_back() as is_mine, job.finishing() as is_also_mine:
        assert (is_mine, is_also_mine) == (True, False)
        job.end(JobState.GIVEN_BACK)
    assert job.state is JobState.GIVEN_BACK


def test_job_is_not_finished_while_a_file_is_on_its_way() -> None:
    job = prepared(1)
    with ExitStack() as on_its_way:
        assert on_its_way.enter_context(job.publication(0))
        job.add_file(0, file_of("b-0"), NOW)
        with job.finishing() as is_mine:
            assert not is_mine
    with job.finishing() as is_mine:
        assert is_mine


def test_reader_can_not_change_a_job() -> None:
    job = prepared(1)
    for name in ("state", "record", "pending", "is_lost", "claim"):
        with pytest.raises(AttributeError):
            setattr(job, name, None)
    with pytest.raises(AttributeError):
        job.record.wanted = ()  # type: ignore[misc]
    assert job.record.wanted == ("b-0",)


@pytest.mark.parametrize(
    ("was_orphan", "iteration", "is_suspect"), [(False, 0, False), (True, 0, True), (False, 1, True), (True, 1, True)]
)
def test_job_whose_try_has_failed_or_whose_driver_has_died_is_tried_by_itself(
    was_orphan: bool, iteration: int, is_suspect: bool
) -> None:
    assert Job(replace(CLAIM, was_orphan=was_orphan, iteration=iteration), NOW, DAY).is_suspect is is_suspect
