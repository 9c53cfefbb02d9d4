"""What a queue does, whichever it is: in memory, or PostgreSQL with each shape of the table."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

import pytest

from progress_exhaust.errors import RequestError, RowLockedError
from progress_exhaust.job_requests.memory import MemoryQueue, MemoryRow, MemoryTable
from progress_exhaust.job_requests.model import (
    Claim,
    Closing,
    Delivered,
    DueRequest,
    NewRequest,
    NotClaimed,
    RequestKey,
    Status,
)
from progress_exhaust.job_requests.port import Queue
from progress_exhaust.job_requests.postgres.queue import PostgresQueue
from progress_exhaust.settings.sections import RequestSettings
from progress_exhaust.stack.postgres import PostgresServer
from tests.support.ddl import SHAPES, Shape
from tests.support.queue_database import QueueDatabase

TEN = datetime(2024, 1, 1, 10, tzinfo=UTC)
NOON = datetime(2024, 1, 1, 12, 0, 0, 123456, tzinfo=UTC)
KEY = RequestKey("t", "r-1")
FILES = Delivered(("progress-exhaust/r-1/b-1.csv", "progress-exhaust/r-1/b-2.csv"), '[{"batchId": "b-1"}]')
NOTHING = Delivered((), "")
REQUESTS = RequestSettings(tries=3, max_data_bytes=40)


class Bench(Protocol):
    """A table, and queues on it; rows are told and asked in the words of MemoryRow."""

    keeps_processed: bool
    has_one_row_an_id: bool
    has_key: bool

    def queue(self, requests: RequestSettings = REQUESTS) -> Queue: ...

    def put(self, key: RequestKey = KEY, **row: Any) -> None: ...

    def change(self, key: RequestKey = KEY, **row: Any) -> None: ...

    def row(self, key: RequestKey = KEY) -> MemoryRow: ...

    def locked(self, key: RequestKey = KEY) -> AbstractContextManager[object]:
        """Somebody else's lock on a row."""


class MemoryBench:
    keeps_processed = True
    has_one_row_an_id = False
    has_key = True

    def __init__(self) -> None:
        self.table = MemoryTable()

    def queue(self, requests: RequestSettings = REQUESTS) -> Queue:
        return MemoryQueue(self.table, requests, now=lambda: NOON)

    def put(self, key: RequestKey = KEY, **row: Any) -> None:
        usual = {"status": "SUBMITTED", "channel": "c", "request_data": "{}", "submitted_at": TEN, "iteration": 0}
        self.table.rows[key] = MemoryRow(**{**usual, **row})

    def change(self, key: RequestKey = KEY, **row: Any) -> None:
        for name, value in row.items():
            setattr(self.table.rows[key], name, value)

    def row(self, key: RequestKey = KEY) -> MemoryRow:
        return self.table.rows[key]

    @contextmanager
    def locked(self, key: RequestKey = KEY) -> Iterator[None]:
        self.table.locked.add(key)
        yield
        self.table.locked.discard(key)


COLUMNS = {
    "status": "status",
    "request_data": "request_data",
    "requested_by": "requested_by",
    "channel": "requested_channel",
    "submitted_at": "dt_job_submitted",
    "iteration": "iteration",
    "urls": "download_urls",
    "file_created_at": "dt_file_created",
    "completed_at": "dt_job_completed",
    "execution_ms": "execution_time",
    "err_message": "err_message",
    "processed": "processed_batches",
    "encryption_key": "encryption_key",
}


class PostgresBench:
    def __init__(self, database: QueueDatabase, shape: Shape, stack: ExitStack) -> None:
        self.database = database
        self.keeps_processed = shape.keeps_processed
        self.has_one_row_an_id = shape.key == ("request_id",)
        self.has_key = "encryption_key" in shape.ddl
        self._stack = stack

    def queue(self, requests: RequestSettings = REQUESTS) -> Queue:
        queue = PostgresQueue(self.database.settings(), requests, now=lambda: NOON)
        self._stack.callback(queue.close_connections)
        return queue

    def put(self, key: RequestKey = KEY, **row: Any) -> None:
        usual = {"channel": "c", "request_data": "{}", "submitted_at": TEN}
        columns = self._columns({**usual, **row})
        self.database.insert(key.request_id, **{"tag": key.tag, **columns})

    def change(self, key: RequestKey = KEY, **row: Any) -> None:
        columns = self._columns(row)
        changes = ", ".join(f"{name} = %({name})s" for name in columns)
        self.database.execute(
            f"UPDATE job_request SET {changes} WHERE tag = %(key_tag)s AND request_id = %(key_id)s",
            {**columns, "key_tag": key.tag, "key_id": key.request_id},
        )

    def row(self, key: RequestKey = KEY) -> MemoryRow:
        [found] = self.database.execute(
            "SELECT *, request_data::text AS data FROM job_request WHERE tag = %s AND request_id = %s",
            [key.tag, key.request_id],
        )
        row = {name: found.get(column) for name, column in COLUMNS.items()} | {"request_data": found["data"]}
        for name in ("submitted_at", "file_created_at", "completed_at"):
            row[name] = row[name] and row[name].replace(tzinfo=UTC)
        row["urls"] = tuple(row["urls"]) if row["urls"] else None
        return MemoryRow(**row)

    @contextmanager
    def locked(self, key: RequestKey = KEY) -> Iterator[None]:
        with self.database.server.connect(self.database.name) as session, session.cursor() as cursor:
            cursor.execute("BEGIN")
            cursor.execute(
                "SELECT FROM job_request WHERE tag = %s AND request_id = %s FOR UPDATE", [key.tag, key.request_id]
            )
            yield
            cursor.execute("ROLLBACK")

    def _columns(self, row: dict[str, Any]) -> dict[str, Any]:
        columns = {COLUMNS[name]: _as_column(value) for name, value in row.items()}
        if not self.keeps_processed:
            columns.pop("processed_batches", None)
        if not self.has_key:
            columns.pop("encryption_key", None)
        return columns


def _as_column(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).replace(tzinfo=None)
    return list(value) if isinstance(value, tuple) else value


@pytest.fixture(scope="module")
def databases(postgres: PostgresServer) -> Iterator[dict[str, QueueDatabase]]:
    """One for each shape; each test empties its table."""
    with ExitStack() as stack:
        yield {name: stack.enter_context(QueueDatabase.make(postgres, shape)) for name, shape in SHAPES.items()}


@pytest.fixture(params=["memory", *SHAPES])
def bench(request: pytest.FixtureRequest) -> Iterator[Bench]:
    if request.param == "memory":
        yield MemoryBench()
        return
    database: QueueDatabase = request.getfixturevalue("databases")[request.param]
    database.cut_sessions()  # of the test before, whose locks would be somebody else's
    database.execute("TRUNCATE job_request")
    with ExitStack() as stack:
        yield PostgresBench(database, SHAPES[request.param], stack)


def claimed(queue: Queue, key: RequestKey = KEY) -> Claim:
    claim = queue.claim(key)
    assert isinstance(claim, Claim), claim
    return claim


def ending(status: Status = Status.SUCCESS, delivered: Delivered = FILES, **words: Any) -> Closing:
    usual: dict[str, Any] = {
        "file_created_at": TEN + timedelta(minutes=5),
        "completed_at": NOON,
        "execution_ms": 1500,
        "err_message": "",
    }
    return Closing(status, delivered, **{**usual, **words})


def crash(queue: Queue) -> None:
    queue.close_connections()


def test_empty_queue_has_nothing_due(bench: Bench) -> None:
    queue = bench.queue()
    queue.check()
    assert queue.due() == []
    assert queue.listed() == []
    assert queue.keeps_processed is bench.keeps_processed
    assert all(right.is_granted for right in queue.rights())


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


def test_ended_or_missing_request_is_not_due(bench: Bench) -> None:
    queue = bench.queue()
    assert queue.claim(KEY) is NotClaimed.NOT_DUE
    for number, status in enumerate(("SUCCESS", "FAILED", "submitted", "CANCELLED")):
        key = RequestKey("t", f"r-{number}-x")
        bench.put(key, status=status)
        assert queue.claim(key) is NotClaimed.NOT_DUE
        assert bench.row(key).status == status
        assert not queue.listed(request_id=key.request_id)[0].is_alive


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


def test_request_that_kills_its_drivers_is_given_up(bench: Bench) -> None:
    bench.put()
    for expected in (0, 1, 2):
        driver = bench.queue()
        assert claimed(driver).iteration == expected
        driver.checkpoint({KEY: FILES})
        crash(driver)
    last = bench.queue()
    assert last.claim(KEY) is NotClaimed.GAVE_UP
    row = bench.row()
    assert (row.status, row.iteration, row.completed_at) == ("SUCCESS", 3, NOON)
    assert row.err_message == "Given up after 3 tries: its driver died"
    assert row.urls == FILES.urls
    assert last.claim(KEY) is NotClaimed.NOT_DUE
    assert not last.listed()[0].is_alive


def test_request_that_is_given_up_without_a_file_fails(bench: Bench) -> None:
    bench.put(status="PROCESSING", iteration=2)
    queue = bench.queue()
    assert queue.claim(KEY) is NotClaimed.GAVE_UP
    row = bench.row()
    assert (row.status, row.err_message) == ("FAILED", "Given up after 3 tries: its driver died")
    assert (row.urls or None, row.iteration, row.completed_at) == (None, 3, NOON)


def test_one_try_means_that_no_orphan_is_taken_over(bench: Bench) -> None:
    bench.put(status="PROCESSING", iteration=None)
    assert bench.queue(RequestSettings(tries=1)).claim(KEY) is NotClaimed.GAVE_UP
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


@pytest.mark.parametrize("status", [Status.SUCCESS, Status.FAILED])
def test_end_of_a_request_is_written_whole(bench: Bench, status: Status) -> None:
    bench.put()
    queue = bench.queue()
    claim = claimed(queue)
    assert queue.close(claim, ending(status, err_message="Not made:\r\nb-3 (unknown)"))
    row = bench.row()
    assert (row.status, row.urls, row.iteration) == (status.value, FILES.urls, 0)
    assert (row.file_created_at, row.completed_at) == (TEN + timedelta(minutes=5), NOON)
    assert (row.execution_ms, row.err_message) == (1500, "Not made: b-3 (unknown)")
    assert row.processed == (FILES.processed if bench.keeps_processed else None)
    assert not queue.listed()[0].is_alive
    assert not queue.is_ours(claim)
    assert not queue.close(claim, ending()), "once"


def test_end_without_files_or_words_leaves_their_columns_empty(bench: Bench) -> None:
    bench.put()
    queue = bench.queue()
    assert queue.close(claimed(queue), ending(Status.FAILED, NOTHING, file_created_at=None, execution_ms=-5))
    row = bench.row()
    assert (row.urls or None, row.file_created_at, row.err_message, row.execution_ms) == (None, None, None, 0)


def test_only_success_and_failed_are_ends(bench: Bench) -> None:
    bench.put()
    queue = bench.queue()
    with pytest.raises(ValueError, match="SUCCESS or FAILED"):
        queue.close(claimed(queue), ending(Status.SUBMITTED))


def test_request_given_back_keeps_count_and_files_and_is_due_for_all(bench: Bench) -> None:
    bench.put(status="PROCESSING", iteration=1)
    first, second = bench.queue(), bench.queue()
    claim = claimed(first)
    assert first.release(claim, FILES)
    row = bench.row()
    assert (row.status, row.iteration, row.completed_at, row.urls) == ("SUBMITTED", 2, None, FILES.urls)
    taken = claimed(second)
    assert (taken.iteration, taken.was_orphan, taken.is_new) == (2, False, False)
    assert not first.is_ours(claim), "though the row looks just as it did"
    assert not first.release(claim, NOTHING)
    assert bench.row().urls == FILES.urls


def test_failed_try_is_counted_and_told_and_the_next_claim_keeps_it(bench: Bench) -> None:
    bench.put(iteration=1)
    first, second = bench.queue(), bench.queue()
    claim = claimed(first)
    assert first.release(claim, FILES, failed_try="Search refused:\nHTTP 400")
    row = bench.row()
    assert (row.status, row.iteration, row.completed_at, row.urls) == ("SUBMITTED", 2, None, FILES.urls)
    assert row.err_message == "Search refused: HTTP 400"
    assert [(due.iteration, due.is_processing) for due in second.due()] == [(2, False)]
    assert not first.is_ours(claim)
    taken = claimed(second)
    assert (taken.iteration, taken.was_orphan, taken.is_new) == (2, False, False)
    assert second.release(taken, FILES)
    assert (bench.row().iteration, bench.row().err_message) == (2, "Search refused: HTTP 400")
    last = claimed(second)
    assert second.close(last, ending())
    assert (bench.row().status, bench.row().err_message) == ("SUCCESS", None)


def test_count_of_failed_tries_does_not_overflow(bench: Bench) -> None:
    bench.put(iteration=2**31 - 1)
    queue = bench.queue()
    assert queue.release(claimed(queue), FILES, failed_try="once more")
    assert (bench.row().iteration, bench.row().err_message) == (2**31 - 1, "once more")
    assert claimed(queue).iteration == 2**31 - 1


@pytest.mark.parametrize("text", ["\x00", "\ud800\n"], ids=repr)
def test_failed_try_whose_words_can_not_be_stored_is_counted_all_the_same(bench: Bench, text: str) -> None:
    bench.put(err_message="before")
    queue = bench.queue()
    assert queue.release(claimed(queue), FILES, failed_try=text)
    assert (bench.row().status, bench.row().iteration, bench.row().err_message) == ("SUBMITTED", 1, None)


def test_earlier_claim_of_the_same_driver_is_not_the_later_one(bench: Bench) -> None:
    bench.put()
    queue = bench.queue()
    earlier = claimed(queue)
    assert queue.release(earlier, NOTHING)
    later = claimed(queue)
    assert not queue.is_ours(earlier)
    assert not queue.close(earlier, ending())
    assert queue.is_ours(later)


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
    assert not queue.close(claim, ending())
    assert not queue.release(claim, FILES, failed_try="late")
    assert not queue.note_files_of_cancelled(claim, FILES)
    assert bench.row() == before
    assert not queue.listed()[0].is_alive


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
    assert not queue.close(claim, ending())
    assert not queue.release(claim, FILES)
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
    assert not queue.note_files_of_cancelled(claim, FILES)
    assert not bench.row().urls


def test_changed_row_that_is_put_back_is_ours_again(bench: Bench) -> None:
    bench.put()
    queue = bench.queue()
    claim = claimed(queue)
    bench.change(channel="d")
    assert not queue.is_ours(claim)
    bench.change(channel="c")
    assert queue.is_ours(claim)
    assert queue.close(claim, ending())


Ask = Callable[[Queue, Claim], bool]
ENDS: dict[str, Ask] = {
    "close": lambda queue, claim: queue.close(claim, ending()),
    "release": lambda queue, claim: queue.release(claim, FILES),
    "failed try": lambda queue, claim: queue.release(claim, FILES, failed_try="it failed"),
    "note": lambda queue, claim: queue.note_files_of_cancelled(claim, FILES),
}


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


@pytest.mark.parametrize("first", ["close", "release"])
def test_cancelled_request_whose_end_was_refused_has_its_files_listed_once(bench: Bench, first: str) -> None:
    bench.put()
    queue = bench.queue()
    claim = claimed(queue)
    queue.cancel(request_id="r-1", tag=None, now=NOON)
    assert not ENDS[first](queue, claim)
    assert not queue.listed()[0].is_alive
    assert not ENDS[first](queue, claim)
    assert queue.note_files_of_cancelled(claim, FILES)
    assert (bench.row().status, bench.row().err_message, bench.row().urls) == ("FAILED", "Cancelled", FILES.urls)
    assert not queue.listed()[0].is_alive
    assert not queue.note_files_of_cancelled(claim, NOTHING)
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
        queue.release(claim, FILES)
    # Just as the release would have left it, but by somebody else.
    bench.change(status="SUBMITTED")
    assert not queue.release(claim, FILES)


def test_row_that_is_locked_but_not_ours_any_more_is_not_waited_for(bench: Bench) -> None:
    bench.put()
    queue = bench.queue()
    claim = claimed(queue)
    bench.change(status="SUBMITTED")
    with bench.locked():
        assert not queue.close(claim, ending())


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
    assert not first.release(claim, NOTHING)
    assert isinstance(second.claim(KEY), Claim)


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
    queue.note_files_of_cancelled(claim, FILES)
    row = bench.row()
    assert (row.status, row.err_message, row.completed_at, row.urls) == ("FAILED", "Cancelled", NOON, FILES.urls)
    assert not queue.listed()[0].is_alive
    assert other.cancel(request_id="r-1", tag=None, now=NOON + timedelta(hours=1)) == []


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
    assert queue.close(claim, ending(delivered=Delivered((text, text), text), err_message=f"x{text}x"))
    row = bench.row(key)
    assert (row.urls, row.err_message) == ((text, text), f"x{text}x".replace("\r\n", " "))
    assert row.processed == (text if bench.keeps_processed else None)
    assert queue.cancel(request_id=key.request_id, tag=text, now=NOON) == []
    assert bench.row(RequestKey("other", "other")).status == "SUBMITTED"


def test_keys_that_read_alike_have_locks_of_their_own(bench: Bench) -> None:
    one, two = RequestKey("a|b", "c"), RequestKey("a", "b|c")
    bench.put(one)
    bench.put(two)
    first, second = bench.queue(), bench.queue()
    claims = {key: claimed(first, key) for key in (one, two)}
    assert first.close(claims[one], ending())
    assert second.claim(two) is NotClaimed.OWNED
    assert {row.key: row.is_alive for row in second.listed()} == {one: False, two: True}
    assert first.is_ours(claims[two])
    assert first.close(claims[two], ending())
    bench.change(two, status="SUBMITTED")
    assert isinstance(second.claim(two), Claim)


def test_claims_are_freed_with_the_connections(bench: Bench) -> None:
    bench.put()
    queue = bench.queue()
    claimed(queue)
    queue.close_connections()
    assert claimed(queue).was_orphan


# --- rows that somebody else has locked -------------------------------------------------------------------------------


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
            queue.close(claim, ending())
        with pytest.raises(RowLockedError):
            queue.release(claim, FILES)
    assert (bench.row().status, bench.row().urls) == ("PROCESSING", None)
    assert queue.is_ours(claim)
    assert queue.close(claim, ending())
    assert bench.row().status == "SUCCESS"


# --- what is asked for is part of the fence ---------------------------------------------------------------------------


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
    assert not queue.release(claim, FILES)
    assert not queue.close(claim, ending())
    assert not queue.note_files_of_cancelled(claim, FILES)
    assert bench.row() == before
    assert not queue.listed()[0].is_alive


@pytest.mark.parametrize("key", ["", None])
def test_empty_key_asks_for_no_protection(bench: Bench, key: str | None) -> None:
    protected: dict[str, Any] = {"encryption_key": key} if bench.has_key else {}
    bench.put(**protected)
    assert not claimed(bench.queue()).has_key


# --- tries ------------------------------------------------------------------------------------------------------------


def test_failed_try_is_counted_and_told(bench: Bench) -> None:
    bench.put()
    queue = bench.queue()
    for number in (1, 2):
        claim = claimed(queue)
        assert (claim.was_orphan, claim.iteration) == (False, number - 1)
        assert queue.release(claim, FILES, failed_try=f"Try {number} failed:\nno tree")
        row = bench.row()
        assert (row.status, row.iteration, row.completed_at) == ("SUBMITTED", number, None)
        assert row.err_message == f"Try {number} failed: no tree"
        assert row.urls == FILES.urls
        assert [due.iteration for due in queue.due()] == [number]
    claim = claimed(queue)
    assert queue.close(claim, ending(Status.FAILED, NOTHING, err_message="Given up", is_failed_try=True))
    assert (bench.row().status, bench.row().iteration, bench.row().err_message) == ("FAILED", 3, "Given up")


def test_request_put_in_anew_is_due_without_its_earlier_tries(bench: Bench) -> None:
    bench.put(status="SUBMITTED", iteration=3, completed_at=TEN)
    [due] = bench.queue().due()
    assert (due.iteration, due.is_suspect) == (0, False)


def test_lists_that_are_not_told_stay_as_they_are(bench: Bench) -> None:
    bench.put()
    queue = bench.queue()
    assert queue.release(claimed(queue), FILES)
    kept = bench.row()
    assert queue.release(claimed(queue), Delivered(None, None), failed_try="the search failed")
    assert (bench.row().urls, bench.row().processed) == (kept.urls, kept.processed)
    assert queue.close(claimed(queue), ending(Status.FAILED, Delivered(None, None), err_message="Given up"))
    assert (bench.row().urls, bench.row().processed) == (kept.urls, kept.processed)
