"""What a queue does, whichever it is: a row that is not ours any more is left alone."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from progress_exhaust.job_requests.model import Delivered, RequestKey
from tests.support.queue_bench import FILES, KEY, NOON, Bench, claimed, ending


@pytest.mark.rule("Q5")
@pytest.mark.parametrize(
    "change",
    [
        {"status": "SUBMITTED"},
        {"status": "FAILED"},
        {"status": "SUCCESS"},
        {"iteration": 1},
        {"submitted_at": NOON},
        {"submitted_at": None},
        {"iteration": None},
        {"request_data": '{"batchId": "b"}'},
        {"request_data": "null"},
        {"request_data": None},
        {"channel": "d"},
        {"channel": ""},
        {"channel": None},
    ],
    ids=str,
)
def test_row_that_someone_rewrites_is_not_ours_any_more(bench: Bench, change: dict[str, Any]) -> None:
    bench.put()
    queue = bench.queue()
    claim = claimed(queue)
    assert queue.is_ours(claim)
    bench.change(**change)
    before = bench.row()
    assert not queue.is_ours(claim)
    queue.checkpoint({KEY: FILES})
    assert not queue.complete(claim, ending())
    assert not queue.requeue(claim, FILES, failed_try="late")
    assert not queue.record_cancelled(claim, FILES)
    assert bench.row() == before
    assert not queue.listed()[0].is_alive


@pytest.mark.rule("Q5")
@pytest.mark.parametrize(
    ("before", "after"),
    [(None, "secret"), ("", "secret"), ("secret", "other"), ("secret", None), ("secret", ""), (None, ""), ("", None)],
)
def test_row_with_another_password_is_not_ours_any_more(bench: Bench, before: str | None, after: str | None) -> None:
    if not bench.has_key:
        bench.put()
        assert not claimed(bench.queue()).has_key
        return
    bench.put(encryption_key=before)
    queue = bench.queue()
    claim = claimed(queue)
    assert claim.has_key is bool(before)
    assert "secret" not in repr(claim)
    assert queue.is_ours(claim)
    bench.change(encryption_key=after)
    as_changed = bench.row()
    assert not queue.is_ours(claim)
    queue.checkpoint({KEY: FILES})
    assert not queue.complete(claim, ending())
    assert not queue.requeue(claim, FILES)
    assert bench.row() == as_changed


def test_text_that_moves_from_one_column_to_the_next_is_a_change(bench: Bench) -> None:
    bench.put(request_data="1", channel="23")
    queue = bench.queue()
    claim = claimed(queue)
    bench.change(request_data="12", channel="3")
    assert not queue.is_ours(claim)


def test_file_list_of_a_cancelled_request_that_asks_for_something_else_now_stays(bench: Bench) -> None:
    bench.put()
    queue = bench.queue()
    claim = claimed(queue)
    queue.cancel(request_id="r-1", tag=None, now=NOON)
    bench.change(channel="d")
    assert not queue.record_cancelled(claim, FILES)
    assert not bench.row().urls


def test_changed_row_that_is_put_back_is_ours_again(bench: Bench) -> None:
    bench.put()
    queue = bench.queue()
    claim = claimed(queue)
    bench.change(channel="d")
    assert not queue.is_ours(claim)
    bench.change(channel="c")
    assert queue.is_ours(claim)
    assert queue.complete(claim, ending())


def test_checkpoint_writes_all_that_is_ours_and_nothing_else(bench: Bench) -> None:
    keys = [RequestKey("t", f"r-{number}") for number in range(4)]
    for key in keys:
        bench.put(key, urls=("before.csv",), processed="before")
    queue = bench.queue()
    for key in keys[:3]:
        claimed(queue, key)
    bench.change(keys[2], submitted_at=NOON)
    queue.checkpoint(
        {key: Delivered((f"{key.request_id}.csv", 'a,"b"\\{}.csv'), f"[{key.request_id}]") for key in keys}
    )
    assert [bench.row(key).urls for key in keys] == [
        ("r-0.csv", 'a,"b"\\{}.csv'),
        ("r-1.csv", 'a,"b"\\{}.csv'),
        ("before.csv",),
        ("before.csv",),
    ]
    if bench.keeps_processed:
        assert [bench.row(key).processed for key in keys] == ["[r-0]", "[r-1]", "before", "before"]
    assert {bench.row(key).status for key in keys[:3]} == {"PROCESSING"}
    queue.checkpoint({})


def test_cancelled_request_is_not_ours_and_its_files_stay_listed(bench: Bench) -> None:
    bench.put()
    queue, other = bench.queue(), bench.queue()
    claim = claimed(queue)
    assert other.cancel(request_id="r-1", tag=None, now=NOON) == [KEY]
    assert not queue.is_ours(claim)
    queue.record_cancelled(claim, FILES)
    row = bench.row()
    assert (row.status, row.err_message, row.completed_at, row.urls) == ("FAILED", "Cancelled", NOON, FILES.urls)
    assert not queue.listed()[0].is_alive
    assert other.cancel(request_id="r-1", tag=None, now=NOON + timedelta(hours=1)) == []


@pytest.mark.rule("Q5")
@pytest.mark.parametrize(
    "change",
    [
        {"request_data": '{"batchId": "b-2"}'},
        {"channel": "other"},
        {"channel": None},
        {"encryption_key": "another"},
        {"encryption_key": None},
    ],
    ids=str,
)
def test_request_that_asks_for_something_else_meanwhile_is_not_ours_any_more(
    bench: Bench, change: dict[str, Any]
) -> None:
    if "encryption_key" in change and not bench.has_key:
        change = {"channel": "a third"}
    protected: dict[str, Any] = {"encryption_key": "secret"} if bench.has_key else {}
    bench.put(**protected)
    queue = bench.queue()
    claim = claimed(queue)
    assert claim.has_key is bench.has_key
    assert queue.is_ours(claim)
    bench.change(**change)
    before = bench.row()
    assert not queue.is_ours(claim)
    queue.checkpoint({KEY: FILES})
    assert not queue.requeue(claim, FILES)
    assert not queue.complete(claim, ending())
    assert not queue.record_cancelled(claim, FILES)
    assert bench.row() == before
    assert not queue.listed()[0].is_alive


@pytest.mark.parametrize("key", ["", None])
def test_empty_key_asks_for_no_protection(bench: Bench, key: str | None) -> None:
    protected: dict[str, Any] = {"encryption_key": key} if bench.has_key else {}
    bench.put(**protected)
    assert not claimed(bench.queue()).has_key
