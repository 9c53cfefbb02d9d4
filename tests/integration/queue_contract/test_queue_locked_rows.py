"""What a queue does, whichever it is: rows that somebody else has locked."""

from __future__ import annotations

import time

import pytest

from progress_exhaust.errors import RowLockedError
from progress_exhaust.job_requests.model import Claim, NotClaimed, RequestKey
from tests.support.queue_bench import ENDS, FILES, KEY, NOON, NOTHING, Bench, claimed, ending


@pytest.mark.rule("Q5")
def test_row_that_someone_else_has_locked_is_skipped_and_claimed_later(bench: Bench) -> None:
    other = RequestKey("t", "r-2")
    bench.put()
    bench.put(other)
    queue = bench.queue()
    with bench.locked():
        assert queue.claim(KEY) is NotClaimed.LOCKED
        assert not queue.listed(request_id="r-1")[0].is_alive, "nothing is kept of it"
        assert isinstance(queue.claim(other), Claim), "nobody else waits"
        assert [due.key for due in queue.due()] == [KEY]
    bench.change(status="FAILED")
    with bench.locked():
        assert queue.claim(KEY) is NotClaimed.NOT_DUE
    bench.change(status="SUBMITTED")
    assert isinstance(queue.claim(KEY), Claim)


def test_owned_row_that_is_locked_too_is_owned(bench: Bench) -> None:
    bench.put()
    first, second = bench.queue(), bench.queue()
    claim = claimed(first)
    with bench.locked():
        assert second.claim(KEY) is NotClaimed.OWNED
        assert first.is_ours(claim), "a look does not wait"


def test_checkpoint_leaves_out_locked_rows_until_a_later_one(bench: Bench) -> None:
    other = RequestKey("t", "r-2")
    bench.put()
    bench.put(other)
    queue = bench.queue()
    claimed(queue)
    claimed(queue, other)
    with bench.locked():
        queue.checkpoint({KEY: FILES, other: FILES})
        assert (bench.row().urls, bench.row(other).urls) == (None, FILES.urls)
    queue.checkpoint({KEY: FILES})
    assert bench.row().urls == FILES.urls


@pytest.mark.parametrize("end", ENDS)
def test_claim_of_a_locked_row_stays_and_is_ended_by_asking_again(bench: Bench, end: str) -> None:
    bench.put()
    queue, other = bench.queue(), bench.queue()
    claim = claimed(queue)
    if end == "note":
        queue.cancel(request_id="r-1", tag=None, now=NOON)
    before = bench.row()
    with bench.locked():
        with pytest.raises(RowLockedError, match="locked; try again"):
            ENDS[end](queue, claim)
        assert queue.listed()[0].is_alive
        assert queue.is_ours(claim) is (end != "note")
    assert bench.row() == before
    if end != "note":
        assert other.claim(KEY) is NotClaimed.OWNED
    assert ENDS[end](queue, claim)
    assert not queue.listed()[0].is_alive


def test_claim_of_a_locked_row_may_be_ended_otherwise_than_was_tried(bench: Bench) -> None:
    bench.put(urls=FILES.urls)
    queue = bench.queue()
    claim = claimed(queue)
    with bench.locked(), pytest.raises(RowLockedError):
        queue.requeue(claim, FILES)
    # Just as the release would have left it, but by somebody else.
    bench.change(status="SUBMITTED")
    assert not queue.requeue(claim, FILES)


def test_row_that_is_locked_but_not_ours_any_more_is_not_waited_for(bench: Bench) -> None:
    bench.put()
    queue = bench.queue()
    claim = claimed(queue)
    bench.change(status="SUBMITTED")
    with bench.locked():
        assert not queue.complete(claim, ending())


def test_cancelling_a_locked_row_says_so_and_changes_nothing(bench: Bench) -> None:
    bench.put()
    queue = bench.queue()
    with (
        bench.locked(),
        pytest.raises(RowLockedError, match=r"^cancelling request r-1: someone else has its row .*try"),
    ):
        queue.cancel(request_id="r-1", tag=None, now=NOON)
    assert bench.row().status == "SUBMITTED"
    assert queue.cancel(request_id="r-1", tag=None, now=NOON) == [KEY]


def test_lock_of_a_rewritten_row_is_kept_until_its_claim_is_ended(bench: Bench) -> None:
    bench.put()
    first, second = bench.queue(), bench.queue()
    claim = claimed(first)
    bench.change(status="SUBMITTED")
    assert not first.is_ours(claim)
    assert second.claim(KEY) is NotClaimed.OWNED, "threads of the first may be at work still"
    assert not first.requeue(claim, NOTHING)
    assert isinstance(second.claim(KEY), Claim)


def test_locked_row_is_passed_over_at_once_and_claimed_later(bench: Bench) -> None:
    bench.put()
    bench.put(RequestKey("t", "other") if not bench.has_one_row_an_id else RequestKey("t", "r-2"))
    queue = bench.queue()
    with bench.locked():
        begin = time.monotonic()
        assert queue.claim(KEY) is NotClaimed.LOCKED
        assert time.monotonic() - begin < 1.0, "nobody waits"
        other = next(due.key for due in queue.due() if due.key != KEY)
        assert isinstance(queue.claim(other), Claim)
    assert isinstance(queue.claim(KEY), Claim)


def test_locked_row_that_is_not_due_is_not_due(bench: Bench) -> None:
    bench.put(status="SUCCESS")
    with bench.locked():
        assert bench.queue().claim(KEY) is NotClaimed.NOT_DUE


def test_locked_row_can_be_ended_by_asking_again(bench: Bench) -> None:
    bench.put()
    queue = bench.queue()
    claim = claimed(queue)
    with bench.locked():
        assert queue.is_ours(claim)
        queue.checkpoint({KEY: FILES})
        with pytest.raises(RowLockedError):
            queue.complete(claim, ending())
        with pytest.raises(RowLockedError):
            queue.requeue(claim, FILES)
    assert (bench.row().status, bench.row().urls) == ("PROCESSING", None)
    assert queue.is_ours(claim)
    assert queue.complete(claim, ending())
    assert bench.row().status == "SUCCESS"
