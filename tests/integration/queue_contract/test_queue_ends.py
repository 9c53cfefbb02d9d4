"""What a queue does, whichever it is: how a claim ends, and how often."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from progress_exhaust.job_requests.model import Delivered, NewRequest, RequestKey, Status
from progress_exhaust.settings.sections import RequestSettings
from tests.support.queue_bench import ENDS, FILES, NOON, NOTHING, TEN, Ask, Bench, claimed, ending


@pytest.mark.rule("Q2", "Q28")
@pytest.mark.parametrize("status", [Status.SUCCESS, Status.FAILED])
def test_end_of_a_request_is_written_whole(bench: Bench, status: Status) -> None:
    bench.put()
    queue = bench.queue()
    claim = claimed(queue)
    assert queue.complete(claim, ending(status, err_message="Not made:\r\nb-3 (unknown)"))
    row = bench.row()
    assert (row.status, row.urls, row.iteration) == (status.value, FILES.urls, 0)
    assert (row.file_created_at, row.completed_at) == (TEN + timedelta(minutes=5), NOON)
    assert (row.execution_ms, row.err_message) == (1500, "Not made: b-3 (unknown)")
    assert row.processed == (FILES.processed if bench.keeps_processed else None)
    assert not queue.listed()[0].is_alive
    assert not queue.is_ours(claim)
    assert not queue.complete(claim, ending()), "once"


@pytest.mark.rule("Q28")
def test_end_without_files_or_words_leaves_their_columns_empty(bench: Bench) -> None:
    bench.put()
    queue = bench.queue()
    assert queue.complete(claimed(queue), ending(Status.FAILED, NOTHING, file_created_at=None, execution_ms=-5))
    row = bench.row()
    assert (row.urls or None, row.file_created_at, row.err_message, row.execution_ms) == (None, None, None, 0)


@pytest.mark.rule("Q3")
def test_only_success_and_failed_are_ends(bench: Bench) -> None:
    bench.put()
    queue = bench.queue()
    with pytest.raises(ValueError, match="SUCCESS or FAILED"):
        queue.complete(claimed(queue), ending(Status.SUBMITTED))


def test_request_given_back_keeps_count_and_files_and_is_due_for_all(bench: Bench) -> None:
    bench.put(status="PROCESSING", iteration=1)
    first, second = bench.queue(), bench.queue()
    claim = claimed(first)
    assert first.requeue(claim, FILES)
    row = bench.row()
    assert (row.status, row.iteration, row.completed_at, row.urls) == ("SUBMITTED", 2, None, FILES.urls)
    taken = claimed(second)
    assert (taken.iteration, taken.was_orphan, taken.is_new) == (2, False, False)
    assert not first.is_ours(claim), "though the row looks just as it did"
    assert not first.requeue(claim, NOTHING)
    assert bench.row().urls == FILES.urls


@pytest.mark.rule("Q4")
def test_failed_try_is_counted_and_told_and_the_next_claim_keeps_it(bench: Bench) -> None:
    bench.put(iteration=1)
    first, second = bench.queue(), bench.queue()
    claim = claimed(first)
    assert first.requeue(claim, FILES, failed_try="Search refused:\nHTTP 400")
    row = bench.row()
    assert (row.status, row.iteration, row.completed_at, row.urls) == ("SUBMITTED", 2, None, FILES.urls)
    assert row.err_message == "Search refused: HTTP 400"
    assert [(due.iteration, due.is_processing) for due in second.due()] == [(2, False)]
    assert not first.is_ours(claim)
    taken = claimed(second)
    assert (taken.iteration, taken.was_orphan, taken.is_new) == (2, False, False)
    assert second.requeue(taken, FILES)
    assert (bench.row().iteration, bench.row().err_message) == (2, "Search refused: HTTP 400")
    last = claimed(second)
    assert second.complete(last, ending())
    assert (bench.row().status, bench.row().err_message) == ("SUCCESS", None)


def test_count_of_failed_tries_does_not_overflow(bench: Bench) -> None:
    bench.put(iteration=2**31 - 1)
    queue = bench.queue()
    assert queue.requeue(claimed(queue), FILES, failed_try="once more")
    assert (bench.row().iteration, bench.row().err_message) == (2**31 - 1, "once more")
    assert claimed(queue).iteration == 2**31 - 1


@pytest.mark.parametrize("text", ["\x00", "\ud800\n"], ids=repr)
def test_failed_try_whose_words_can_not_be_stored_is_counted_all_the_same(bench: Bench, text: str) -> None:
    bench.put(err_message="before")
    queue = bench.queue()
    assert queue.requeue(claimed(queue), FILES, failed_try=text)
    assert (bench.row().status, bench.row().iteration, bench.row().err_message) == ("SUBMITTED", 1, None)


def test_earlier_claim_of_the_same_driver_is_not_the_later_one(bench: Bench) -> None:
    bench.put()
    queue = bench.queue()
    earlier = claimed(queue)
    assert queue.requeue(earlier, NOTHING)
    later = claimed(queue)
    assert not queue.is_ours(earlier)
    assert not queue.complete(earlier, ending())
    assert queue.is_ours(later)


@pytest.mark.parametrize("later", ENDS)
@pytest.mark.parametrize("first", ENDS)
def test_claim_is_ended_once(bench: Bench, first: str, later: str) -> None:
    bench.put()
    queue = bench.queue()
    claim = claimed(queue)
    if first == "note":
        queue.cancel(request_id="r-1", tag=None, now=NOON)
    assert ENDS[first](queue, claim)
    before = bench.row()
    # As though this very claim could be ended once more.
    bench.change(status="PROCESSING", err_message=None, iteration=claim.iteration)
    assert not ENDS[later](queue, claim)
    assert not queue.is_ours(claim)
    bench.change(status=before.status, err_message=before.err_message, iteration=before.iteration)
    assert not ENDS[later](queue, claim)
    assert bench.row() == before


@pytest.mark.parametrize("first", ["complete", "requeue"])
def test_cancelled_request_whose_end_was_refused_has_its_files_listed_once(bench: Bench, first: str) -> None:
    bench.put()
    queue = bench.queue()
    claim = claimed(queue)
    queue.cancel(request_id="r-1", tag=None, now=NOON)
    assert not ENDS[first](queue, claim)
    assert not queue.listed()[0].is_alive
    assert not ENDS[first](queue, claim)
    assert queue.record_cancelled(claim, FILES)
    assert (bench.row().status, bench.row().err_message, bench.row().urls) == ("FAILED", "Cancelled", FILES.urls)
    assert not queue.listed()[0].is_alive
    assert not queue.record_cancelled(claim, NOTHING)
    assert bench.row().urls == FILES.urls


@pytest.mark.parametrize("end", [*ENDS, "all of them"])
def test_of_many_threads_that_end_a_claim_one_is_told_so(bench: Bench, end: str) -> None:
    bench.put()
    queue = bench.queue()
    claim = claimed(queue)
    if end == "note":
        queue.cancel(request_id="r-1", tag=None, now=NOON)
    asks = [ask for name, ask in ENDS.items() if name != "note"] * 3 if end == "all of them" else [ENDS[end]] * 8
    start = threading.Barrier(8)

    def ask_at_once(ask: Ask) -> bool:
        start.wait(30)
        return ask(queue, claim)

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(ask_at_once, asks[:8]))
    assert sorted(answers) == [False] * 7 + [True]
    assert not queue.listed()[0].is_alive


HOSTILE: list[str] = [
    'it\'s "quoted"',
    "'; DROP TABLE job_request; --",
    "a\r\nb",
    "%s %(tag)s %%",
    "{} {table} {0!r}",
    "\x1b[31mred",
    "\\'; \\x00 E'",
    "$$;SELECT 1;$$",
    "\u202eabc\u0301\U0001f600",
    " blank ",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_texts_are_stored_and_compared_as_they_are(bench: Bench, text: str) -> None:
    key = RequestKey(text, f"r{text}"[:50])
    queue = bench.queue(RequestSettings())
    queue.submit(NewRequest(key, json.dumps({"batchId": text}), text, text, TEN))
    bench.put(RequestKey("other", "other"))
    [due] = queue.due(tag=text)
    assert (due.key, due.channel) == (key, text)
    claim = claimed(queue, key)
    assert json.loads(claim.request_data) == {"batchId": text}
    queue.checkpoint({key: Delivered((text,), text)})
    assert bench.row(key).urls == (text,)
    assert queue.is_ours(claim)
    assert [row.is_alive for row in queue.listed(tag=text)] == [True]
    assert queue.complete(claim, ending(delivered=Delivered((text, text), text), err_message=f"x{text}x"))
    row = bench.row(key)
    assert (row.urls, row.err_message) == ((text, text), f"x{text}x".replace("\r\n", " "))
    assert row.processed == (text if bench.keeps_processed else None)
    assert queue.cancel(request_id=key.request_id, tag=text, now=NOON) == []
    assert bench.row(RequestKey("other", "other")).status == "SUBMITTED"


@pytest.mark.rule("Q4")
def test_failed_try_is_counted_and_told(bench: Bench) -> None:
    bench.put()
    queue = bench.queue()
    for number in (1, 2):
        claim = claimed(queue)
        assert (claim.was_orphan, claim.iteration) == (False, number - 1)
        assert queue.requeue(claim, FILES, failed_try=f"Try {number} failed:\nno tree")
        row = bench.row()
        assert (row.status, row.iteration, row.completed_at) == ("SUBMITTED", number, None)
        assert row.err_message == f"Try {number} failed: no tree"
        assert row.urls == FILES.urls
        assert [due.iteration for due in queue.due()] == [number]
    claim = claimed(queue)
    assert queue.complete(claim, ending(Status.FAILED, NOTHING, err_message="Given up", is_failed_try=True))
    assert (bench.row().status, bench.row().iteration, bench.row().err_message) == ("FAILED", 3, "Given up")


def test_request_put_in_anew_is_due_without_its_earlier_tries(bench: Bench) -> None:
    bench.put(status="SUBMITTED", iteration=3, completed_at=TEN)
    [due] = bench.queue().due()
    assert (due.iteration, due.is_suspect) == (0, False)


def test_lists_that_are_not_told_stay_as_they_are(bench: Bench) -> None:
    bench.put()
    queue = bench.queue()
    assert queue.requeue(claimed(queue), FILES)
    kept = bench.row()
    assert queue.requeue(claimed(queue), Delivered(None, None), failed_try="the search failed")
    assert (bench.row().urls, bench.row().processed) == (kept.urls, kept.processed)
    assert queue.complete(claimed(queue), ending(Status.FAILED, Delivered(None, None), err_message="Given up"))
    assert (bench.row().urls, bench.row().processed) == (kept.urls, kept.processed)
