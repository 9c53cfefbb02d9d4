"""What a queue does, whichever it is: what is due, who may claim it, and what a dead driver leaves."""

from __future__ import annotations

import json

import pytest

from progress_exhaust.errors import RequestError
from progress_exhaust.job_requests.model import Claim, DueRequest, NewRequest, NotClaimed, RequestKey
from progress_exhaust.job_requests.port import Queue
from progress_exhaust.settings.sections import RequestSettings
from tests.support.queue_bench import FILES, KEY, NOON, TEN, Bench, claimed, ending


def crash(queue: Queue) -> None:
    queue.close_connections()


def test_empty_queue_has_nothing_due(bench: Bench) -> None:
    queue = bench.queue()
    queue.check()
    assert queue.due() == []
    assert queue.listed() == []
    assert queue.keeps_processed is bench.keeps_processed
    assert all(right.is_granted for right in queue.rights())


@pytest.mark.rule("Q3")
def test_due_are_submitted_and_processing_rows_oldest_first(bench: Bench) -> None:
    bench.put(RequestKey("t", "late"), submitted_at=NOON)
    bench.put(RequestKey("t", "never"), submitted_at=None)
    bench.put(RequestKey("u", "b"), status="PROCESSING", iteration=2)
    bench.put(RequestKey("t", "B"))
    for status in ("SUCCESS", "FAILED", "submitted", " SUBMITTED", "Processing", "", "OTHER"):
        bench.put(RequestKey("t", f"not {status}"), status=status)
    assert bench.queue().due() == [
        DueRequest(RequestKey("t", "B"), "c", TEN, is_processing=False, iteration=0),
        DueRequest(RequestKey("u", "b"), "c", TEN, is_processing=True, iteration=2),
        DueRequest(RequestKey("t", "late"), "c", NOON, is_processing=False, iteration=0),
        DueRequest(RequestKey("t", "never"), "c", None, is_processing=False, iteration=0),
    ]


def test_due_can_be_narrowed_to_a_tag_or_an_id_exactly(bench: Bench) -> None:
    for key in (RequestKey("t", "a"), RequestKey("T", "b"), RequestKey("t", "c")):
        bench.put(key)
    queue = bench.queue()
    assert [due.key.request_id for due in queue.due(tag="t")] == ["a", "c"]
    assert [due.key.request_id for due in queue.due(request_id="b")] == ["b"]
    assert queue.due(tag="T", request_id="a") == []
    assert queue.due(tag="%") == []


def test_fresh_request_is_claimed_as_it_is(bench: Bench) -> None:
    bench.put(request_data='{"batchId": "b"}', iteration=None)
    queue = bench.queue()
    claim = claimed(queue)
    assert claim == Claim(
        KEY,
        '{"batchId": "b"}',
        "c",
        TEN,
        0,
        was_orphan=False,
        is_new=True,
        processed=None,
        shares_request_id=False,
        has_key=False,
    )
    row = bench.row()
    assert (row.status, row.iteration, row.completed_at) == ("PROCESSING", 0, None)
    assert queue.due() == []
    assert queue.is_ours(claim)


def test_claimed_request_is_nobody_elses_and_is_not_claimed_twice(bench: Bench) -> None:
    bench.put()
    first, second = bench.queue(), bench.queue()
    claimed(first)
    assert second.claim(KEY) is NotClaimed.OWNED
    assert first.claim(KEY) is NotClaimed.OWNED
    assert [due.key for due in second.due()] == [KEY], "only the lock can tell"


@pytest.mark.rule("Q3")
def test_ended_or_missing_request_is_not_due(bench: Bench) -> None:
    queue = bench.queue()
    assert queue.claim(KEY) is NotClaimed.NOT_DUE
    for number, status in enumerate(("SUCCESS", "FAILED", "submitted", "CANCELLED")):
        key = RequestKey("t", f"r-{number}-x")
        bench.put(key, status=status)
        assert queue.claim(key) is NotClaimed.NOT_DUE
        assert bench.row(key).status == status
        assert not queue.listed(request_id=key.request_id)[0].is_alive


@pytest.mark.rule("Q3")
def test_request_of_a_dead_driver_is_taken_over_at_once_and_counted(bench: Bench) -> None:
    bench.put()
    dead, alive = bench.queue(), bench.queue()
    claim = claimed(dead)
    dead.checkpoint({KEY: FILES})
    crash(dead)
    taken = claimed(alive)
    assert (taken.iteration, taken.was_orphan, taken.is_new) == (1, True, False)
    assert taken.processed == (FILES.processed if bench.keeps_processed else None)
    assert bench.row().urls == FILES.urls
    assert not dead.is_ours(claim)


@pytest.mark.rule("Q22", "Q26")
def test_request_that_kills_its_drivers_is_given_up(bench: Bench) -> None:
    bench.put()
    for expected in (0, 1, 2):
        driver = bench.queue()
        assert claimed(driver).iteration == expected
        driver.checkpoint({KEY: FILES})
        crash(driver)
    last = bench.queue()
    assert last.claim(KEY) is NotClaimed.ABANDONED
    row = bench.row()
    assert (row.status, row.iteration, row.completed_at) == ("SUCCESS", 3, NOON)
    assert row.err_message == "Given up after 3 tries: its driver died"
    assert row.urls == FILES.urls
    assert last.claim(KEY) is NotClaimed.NOT_DUE
    assert not last.listed()[0].is_alive


@pytest.mark.rule("Q26")
def test_request_that_is_given_up_without_a_file_fails(bench: Bench) -> None:
    bench.put(status="PROCESSING", iteration=2)
    queue = bench.queue()
    assert queue.claim(KEY) is NotClaimed.ABANDONED
    row = bench.row()
    assert (row.status, row.err_message) == ("FAILED", "Given up after 3 tries: its driver died")
    assert (row.urls or None, row.iteration, row.completed_at) == (None, 3, NOON)


def test_one_try_means_that_no_orphan_is_taken_over(bench: Bench) -> None:
    bench.put(status="PROCESSING", iteration=None)
    assert bench.queue(RequestSettings(tries=1)).claim(KEY) is NotClaimed.ABANDONED
    assert bench.row().iteration == 1


@pytest.mark.parametrize(
    ("iteration", "tries", "expected"),
    [(None, 3, 1), (-5, 3, 1), (1, 3, 2), (2**31 - 2, 2**31, 2**31 - 1), (2**31 - 1, 2**31, 2**31 - 1)],
)
def test_count_of_dead_drivers_neither_starts_below_zero_nor_overflows(
    bench: Bench, iteration: int | None, tries: int, expected: int
) -> None:
    bench.put(status="PROCESSING", iteration=iteration)
    assert claimed(bench.queue(RequestSettings(tries=tries))).iteration == expected


@pytest.mark.rule("Q6")
@pytest.mark.parametrize("iteration", [3, 7, 2**31 - 1, -1, None])
def test_resubmitted_request_runs_again_whatever_its_count(bench: Bench, iteration: int | None) -> None:
    bench.put(
        iteration=iteration,
        completed_at=TEN,
        file_created_at=TEN,
        execution_ms=7,
        urls=("old.csv",),
        err_message="old",
        processed="[1]",
    )
    claim = claimed(bench.queue())
    assert (claim.iteration, claim.is_new, claim.was_orphan, claim.processed) == (0, True, False, None)
    row = bench.row()
    assert (row.urls, row.err_message, row.processed) == (None, None, None)
    assert (row.completed_at, row.file_created_at, row.execution_ms) == (None, None, None)


@pytest.mark.parametrize(("iteration", "expected"), [(2, 2), (3, 3), (9, 9), (-1, 0)])
def test_submitted_request_is_due_with_its_count_kept(bench: Bench, iteration: int, expected: int) -> None:
    bench.put(iteration=iteration, processed="[1]", urls=("kept.csv",))
    claim = claimed(bench.queue())
    assert (claim.iteration, claim.is_new) == (expected, False)
    assert bench.row().urls == ("kept.csv",)


@pytest.mark.rule("Q15")
def test_longer_data_than_allowed_is_not_read_whole(bench: Bench) -> None:
    bench.put(request_data=json.dumps({"batchId": "b" * 100}))
    assert claimed(bench.queue()).request_data == json.dumps({"batchId": "b" * 100})[:41]


def test_request_id_under_two_tags_is_told(bench: Bench) -> None:
    other = RequestKey("u", "r-1")
    bench.put()
    queue = bench.queue()
    if bench.has_one_row_an_id:
        with pytest.raises(RequestError):
            queue.submit(NewRequest(other, "{}", "someone", "c", NOON))
        return
    bench.put(other, status="SUCCESS")
    assert claimed(queue).shares_request_id
    assert queue.claim(other) is NotClaimed.NOT_DUE
    assert bench.row(other).status == "SUCCESS"


@pytest.mark.rule("Q26")
def test_cancel_ends_what_has_not_ended_under_that_tag(bench: Bench) -> None:
    bench.put(RequestKey("t", "a"), status="PROCESSING")
    bench.put(RequestKey("t", "b"), status="SUCCESS", err_message="fine")
    queue = bench.queue()
    assert queue.cancel(request_id="a", tag="u", now=NOON) == []
    assert queue.cancel(request_id="b", tag="t", now=NOON) == []
    assert queue.cancel(request_id="a", tag="t", now=NOON) == [RequestKey("t", "a")]
    assert bench.row(RequestKey("t", "b")).err_message == "fine"


def test_submitted_request_is_due_and_new(bench: Bench) -> None:
    queue = bench.queue()
    queue.submit(NewRequest(KEY, '{"batchId": "b"}', "someone", "c", NOON))
    assert queue.due() == [DueRequest(KEY, "c", NOON, is_processing=False, iteration=0)]
    assert claimed(queue).is_new
    row = bench.row()
    assert (row.request_data, row.requested_by, row.submitted_at) == ('{"batchId": "b"}', "someone", NOON)


def test_request_that_is_there_already_is_refused(bench: Bench) -> None:
    bench.put(request_data='{"batchId": "first"}')
    with pytest.raises(RequestError, match="putting in request r-1: "):
        bench.queue().submit(NewRequest(KEY, "{}", "someone", "c", NOON))
    assert bench.row().request_data == '{"batchId": "first"}'


def test_listed_rows_tell_their_state_and_whether_someone_works_on_them(bench: Bench) -> None:
    bench.put(RequestKey("t", "a"), status="SUCCESS", urls=("a.csv",), completed_at=NOON, err_message="one missing")
    bench.put(RequestKey("u", "b"), status="PROCESSING", iteration=1)
    bench.put(RequestKey("u", "c"))
    driver = bench.queue()
    claimed(driver, RequestKey("u", "c"))
    listed = bench.queue().listed()
    assert [(row.key.request_id, row.status, row.is_alive, row.iteration) for row in listed] == [
        ("a", "SUCCESS", False, 0),
        ("b", "PROCESSING", False, 1),
        ("c", "PROCESSING", True, 0),
    ]
    assert (listed[0].urls, listed[0].completed_at, listed[0].err_message) == (("a.csv",), NOON, "one missing")
    assert (listed[0].submitted_at, listed[0].channel) == (TEN, "c")
    assert [row.key.request_id for row in driver.listed(tag="u")] == ["b", "c"]
    assert [row.key.request_id for row in driver.listed(request_id="b", tag="t")] == []


def test_keys_that_read_alike_have_locks_of_their_own(bench: Bench) -> None:
    one, two = RequestKey("a|b", "c"), RequestKey("a", "b|c")
    bench.put(one)
    bench.put(two)
    first, second = bench.queue(), bench.queue()
    claims = {key: claimed(first, key) for key in (one, two)}
    assert first.complete(claims[one], ending())
    assert second.claim(two) is NotClaimed.OWNED
    assert {row.key: row.is_alive for row in second.listed()} == {one: False, two: True}
    assert first.is_ours(claims[two])
    assert first.complete(claims[two], ending())
    bench.change(two, status="SUBMITTED")
    assert isinstance(second.claim(two), Claim)


def test_claims_are_freed_with_the_connections(bench: Bench) -> None:
    bench.put()
    queue = bench.queue()
    claimed(queue)
    queue.close_connections()
    assert claimed(queue).was_orphan
