"""The answer of the server is lost, so nobody knows whether it has done what it was asked for."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from progress_exhaust.errors import QueueError, RequestError
from progress_exhaust.job_requests.model import NewRequest, NotClaimed, RequestKey
from tests.support.queue_database import QueueDatabase
from tests.support.queue_drivers import FILES, KEY, NOON, URLS, claimed, driver, failure, success
from tests.support.queue_faults import sessions, wait_until
from tests.support.tcp_proxy import TcpProxy


@contextmanager
def next_answer_lost(proxy: TcpProxy) -> Iterator[None]:
    """Cut the connection where the server's next answer should come; connections made later are fine."""
    proxy.cut_after(0)

    def mend() -> None:
        proxy.was_cut.wait(30)
        proxy.pass_through()

    mender = threading.Thread(target=mend)
    mender.start()
    yield
    assert proxy.links > 1, "nothing was cut"
    mender.join()


def test_end_whose_answer_was_lost_is_known_to_be_written(queue_database: QueueDatabase, proxy: TcpProxy) -> None:
    queue_database.insert()
    with driver(queue_database, port=proxy.port) as queue, driver(queue_database) as other:
        claim = claimed(queue)
        with next_answer_lost(proxy):
            assert queue.complete(claim, success())
        assert not queue.complete(claim, failure("twice"))
        assert other.claim(KEY) is NotClaimed.NOT_DUE
    row = queue_database.row()
    assert (row["status"], row["download_urls"], row["iteration"]) == ("SUCCESS", list(URLS), 0)


def test_end_that_never_reached_the_server_is_written_again(queue_database: QueueDatabase, proxy: TcpProxy) -> None:
    queue_database.insert()
    with driver(queue_database, port=proxy.port) as queue:
        claim = claimed(queue)
        proxy.reset()
        mending = threading.Timer(0.3, proxy.pass_through)
        mending.start()
        assert queue.complete(claim, success())
        mending.join()
    assert queue_database.row()["status"] == "SUCCESS"


def test_end_whose_answer_was_lost_is_told_when_the_server_is_back(
    queue_database: QueueDatabase, proxy: TcpProxy
) -> None:
    queue_database.insert()
    with driver(queue_database, port=proxy.port, connect_timeout_s=1) as queue:
        claim = claimed(queue)
        proxy.cut_after(0)
        with pytest.raises(QueueError):
            queue.complete(claim, success())
        proxy.pass_through()
        assert not queue.is_ours(claim)
        assert queue.complete(claim, success())
    assert queue_database.row()["status"] == "SUCCESS"


def test_end_is_not_written_where_another_took_the_row_while_its_answer_was_lost(
    queue_database: QueueDatabase, proxy: TcpProxy
) -> None:
    queue_database.insert()
    with driver(queue_database, port=proxy.port, connect_timeout_s=1) as queue, driver(queue_database) as other:
        claim = claimed(queue)
        proxy.reset()
        with pytest.raises(QueueError):
            queue.complete(claim, success())
        wait_until(lambda: sessions(queue_database) == 0)
        taken = claimed(other)
        proxy.pass_through()
        assert not queue.complete(claim, success())
        assert other.complete(taken, failure("the other's"))
    assert queue_database.row()["err_message"] == "the other's"


def test_release_whose_answer_was_lost_is_known_to_be_written(queue_database: QueueDatabase, proxy: TcpProxy) -> None:
    queue_database.insert()
    with driver(queue_database, port=proxy.port) as queue:
        claim = claimed(queue)
        with next_answer_lost(proxy):
            assert queue.requeue(claim, FILES)
        assert claimed(queue).iteration == 0


def test_checkpoint_whose_answer_was_lost_is_written(queue_database: QueueDatabase, proxy: TcpProxy) -> None:
    queue_database.insert()
    with driver(queue_database, port=proxy.port) as queue:
        claim = claimed(queue)
        with next_answer_lost(proxy):
            queue.checkpoint({KEY: FILES})
        assert queue.is_ours(claim)
    assert queue_database.row()["processed_batches"] == FILES.processed


def test_files_of_a_cancelled_request_are_listed_though_an_answer_was_lost(
    queue_database: QueueDatabase, proxy: TcpProxy
) -> None:
    queue_database.insert()
    with driver(queue_database, port=proxy.port) as queue, driver(queue_database) as other:
        claim = claimed(queue)
        other.cancel(request_id="r-1", tag=None, now=NOON)
        with next_answer_lost(proxy):
            queue.record_cancelled(claim, FILES)
        assert not other.listed()[0].is_alive
    assert queue_database.row()["download_urls"] == list(URLS)


def test_failed_try_whose_answer_was_lost_is_counted_once(queue_database: QueueDatabase, proxy: TcpProxy) -> None:
    queue_database.insert()
    with driver(queue_database, port=proxy.port) as queue:
        claim = claimed(queue)
        with next_answer_lost(proxy):
            assert queue.requeue(claim, FILES, failed_try="search refused")
        assert not queue.requeue(claim, FILES, failed_try="search refused")
    row = queue_database.row()
    assert (row["status"], row["iteration"], row["err_message"]) == ("SUBMITTED", 1, "search refused")


def test_row_that_only_looks_given_back_is_not_taken_for_it(queue_database: QueueDatabase, proxy: TcpProxy) -> None:
    queue_database.insert(download_urls=list(URLS))
    with driver(queue_database, port=proxy.port, connect_timeout_s=1) as queue:
        claim = claimed(queue)
        proxy.reset()
        with pytest.raises(QueueError):
            queue.requeue(claim, FILES, failed_try="search refused")
        queue_database.execute("UPDATE job_request SET status = 'SUBMITTED', iteration = 1")
        proxy.pass_through()
        assert not queue.requeue(claim, FILES, failed_try="search refused")


def test_many_threads_that_end_a_claim_over_a_lost_session_end_it_once(
    queue_database: QueueDatabase, proxy: TcpProxy
) -> None:
    queue_database.insert()
    with driver(queue_database, port=proxy.port) as queue, ThreadPoolExecutor(8) as pool:
        claim = claimed(queue)
        with next_answer_lost(proxy):
            answers = list(pool.map(lambda _: queue.complete(claim, success()), range(8)))
    assert sorted(answers) == [False] * 7 + [True]


def test_submission_whose_answer_was_lost_is_put_in_once(queue_database: QueueDatabase, proxy: TcpProxy) -> None:
    with driver(queue_database, port=proxy.port) as queue:
        assert queue.due() == []
        for number in range(3):
            # Wherever it is cut: at the look for such a row, or at the insert.
            key = RequestKey("t", f"r-{number}")
            proxy.cut_after(40 * number)
            mending = threading.Thread(target=proxy.pass_through_once_cut, args=(2,))
            mending.start()
            queue.submit(NewRequest(key, "{}", "someone", "c", NOON))
            mending.join()
            with pytest.raises(RequestError, match="there is one already"):
                queue.submit(NewRequest(key, "{}", "another", "c", NOON))
        assert len(queue.due()) == 3


def test_cancelling_whose_answer_was_lost_tells_what_it_ended(queue_database: QueueDatabase, proxy: TcpProxy) -> None:
    queue_database.insert()
    with driver(queue_database, port=proxy.port) as queue:
        assert len(queue.due()) == 1
        with next_answer_lost(proxy):
            assert queue.cancel(request_id="r-1", tag=None, now=NOON) == [KEY]
