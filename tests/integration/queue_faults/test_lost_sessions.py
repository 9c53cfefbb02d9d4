"""The connection is lost at any moment, the server with it, and rows are rewritten behind our back."""

from __future__ import annotations

import logging
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from progress_exhaust.errors import QueueError, RowLockedError
from progress_exhaust.job_requests.model import Claim, NewRequest, NotClaimed, RequestKey
from progress_exhaust.log_actions import Action
from tests.integration.conftest import MakeServer
from tests.support.ddl import NEW
from tests.support.queue_database import QueueDatabase
from tests.support.queue_drivers import FILES, KEY, NOON, NOTHING, URLS, claimed, driver, failure, success
from tests.support.queue_faults import sessions, wait_until
from tests.support.tcp_proxy import TcpProxy


def test_claim_outlives_a_session_that_was_ended(queue_database: QueueDatabase) -> None:
    queue_database.insert()
    with driver(queue_database) as queue, driver(queue_database) as other:
        claim = claimed(queue)
        assert queue_database.cut_sessions() == 1
        assert queue.is_ours(claim)
        assert other.claim(KEY) is NotClaimed.OWNED
        queue_database.cut_sessions()
        queue.checkpoint({KEY: FILES})
        assert queue_database.row()["download_urls"] == list(URLS)
        queue_database.cut_sessions()
        assert queue.complete(claim, success())
    assert queue_database.row()["status"] == "SUCCESS"
    assert queue_database.row()["iteration"] == 0


def test_owner_who_slept_while_another_finished_writes_nothing(queue_database: QueueDatabase) -> None:
    queue_database.insert()
    with driver(queue_database) as sleeper, driver(queue_database) as other:
        claim = claimed(sleeper)
        queue_database.cut_sessions()
        taken = claimed(other)
        assert (taken.iteration, taken.was_orphan) == (1, True)
        assert not sleeper.is_ours(claim)
        sleeper.checkpoint({KEY: FILES})
        assert other.complete(taken, success())
        before = queue_database.rows()
        sleeper.checkpoint({KEY: NOTHING})
        sleeper.record_cancelled(claim, NOTHING)
        assert not sleeper.requeue(claim, NOTHING)
        assert not sleeper.complete(claim, failure("late"))
    assert queue_database.rows() == before


def test_owner_whose_row_another_has_now_is_fenced_off_for_good(queue_database: QueueDatabase) -> None:
    queue_database.insert()
    with driver(queue_database) as sleeper:
        claim = claimed(sleeper)
        queue_database.cut_sessions()
        with driver(queue_database) as other:
            other.requeue(claimed(other), NOTHING)
            taken = claimed(other)
            assert not sleeper.is_ours(claim)
            assert other.is_ours(taken)
        # The other has died, and the row looks as that one left it.
        assert not sleeper.is_ours(claim)
        assert not sleeper.complete(claim, success())
    assert queue_database.row()["status"] == "PROCESSING"


def test_row_put_in_again_while_the_session_was_lost_is_not_ours(queue_database: QueueDatabase) -> None:
    queue_database.insert()
    with driver(queue_database) as queue, driver(queue_database) as other:
        claim = claimed(queue)
        queue_database.cut_sessions()
        queue_database.execute("UPDATE job_request SET status = 'SUBMITTED'")
        assert not queue.is_ours(claim)
        assert isinstance(other.claim(KEY), Claim)


def test_heartbeat_takes_the_lock_again_before_anyone_asks(queue_database: QueueDatabase) -> None:
    queue_database.insert()
    with driver(queue_database, heartbeat_s=0.1) as queue, driver(queue_database) as watcher:
        claim = claimed(queue)
        queue_database.cut_sessions()
        wait_until(lambda: watcher.listed()[0].is_alive)
        assert watcher.claim(KEY) is NotClaimed.OWNED
        assert queue.is_ours(claim)


def test_server_that_crashes_and_comes_back_keeps_our_claim(make_postgres: MakeServer) -> None:
    server = make_postgres()
    server.start()
    with QueueDatabase.make(server, NEW) as database:
        database.insert()
        with driver(database) as queue:
            claim = claimed(queue)
            server.restart(at_once=True)
            assert queue.is_ours(claim)
            server.kill()
            with ThreadPoolExecutor(1) as pool:
                ending = pool.submit(queue.complete, claim, success())
                time.sleep(0.5)
                server.start()
                assert ending.result()
        assert database.row()["status"] == "SUCCESS"


def test_server_that_stays_away_is_an_error_within_seconds(make_postgres: MakeServer) -> None:
    server = make_postgres()
    server.start()
    with QueueDatabase.make(server, NEW) as database:
        database.insert()
        with driver(database, connect_timeout_s=2) as queue:
            claim = claimed(queue)
            server.kill()
            begin = time.monotonic()
            with pytest.raises(QueueError, match=f"at 127.0.0.1 port {server.port} database .* Connection refused"):
                queue.is_ours(claim)
            assert time.monotonic() - begin < 8
            server.start()
            assert queue.is_ours(claim)


def test_request_that_is_cancelled_while_the_session_is_lost_has_its_files_listed(
    queue_database: QueueDatabase,
) -> None:
    queue_database.insert()
    with driver(queue_database) as queue, driver(queue_database) as other:
        claim = claimed(queue)
        queue_database.cut_sessions()
        assert other.cancel(request_id="r-1", tag=None, now=NOON) == [KEY]
        assert not queue.is_ours(claim)
        assert other.listed()[0].is_alive, "threads of it may be at work still"
        assert not queue.complete(claim, success())
        assert not other.listed()[0].is_alive
        assert queue.record_cancelled(claim, FILES)
        assert not queue.record_cancelled(claim, NOTHING)
    row = queue_database.row()
    assert (row["status"], row["err_message"], row["download_urls"]) == ("FAILED", "Cancelled", list(URLS))


def test_cancelled_request_whose_lock_another_looks_at_has_its_files_listed_too(queue_database: QueueDatabase) -> None:
    queue_database.insert()
    with driver(queue_database) as queue, driver(queue_database) as other, driver(queue_database) as looking:
        claim = claimed(queue)
        queue_database.cut_sessions()
        queue_database.execute("UPDATE job_request SET iteration = 0")
        taken = claimed(looking)
        # That one has done nothing yet, and the row is put back as it was.
        queue_database.execute("UPDATE job_request SET iteration = 0")
        assert other.cancel(request_id="r-1", tag=None, now=NOON) == [KEY]
        assert not queue.is_ours(claim)
        assert queue.record_cancelled(claim, FILES)
        assert not looking.is_ours(taken)
    assert queue_database.row()["download_urls"] == list(URLS)


def test_claims_that_could_not_all_be_taken_up_are_taken_up_by_the_next_who_asks(queue_database: QueueDatabase) -> None:
    queue_database.insert()
    server = queue_database.server
    with driver(queue_database, statement_timeout_s=2) as queue, driver(queue_database) as other:
        claim = claimed(queue)
        queue_database.cut_sessions()
        with server.connect(queue_database.name) as session, session.cursor() as cursor:
            cursor.execute("BEGIN; LOCK TABLE job_request IN ACCESS EXCLUSIVE MODE")
            with pytest.raises(RowLockedError):
                queue.is_ours(claim)
            cursor.execute("ROLLBACK")
        assert queue.is_ours(claim)
        assert other.claim(KEY) is NotClaimed.OWNED
        assert queue.complete(claim, success())


def test_row_of_an_end_that_is_locked_is_ended_over_a_session_made_anew(queue_database: QueueDatabase) -> None:
    queue_database.insert()
    server = queue_database.server
    with driver(queue_database, statement_timeout_s=2) as queue:
        claim = claimed(queue)
        with server.connect(queue_database.name) as session, session.cursor() as cursor:
            cursor.execute("BEGIN; SELECT FROM job_request FOR SHARE")
            with pytest.raises(RowLockedError):
                queue.complete(claim, success())
            queue_database.cut_sessions()
            with pytest.raises(RowLockedError):
                queue.complete(claim, success())
            cursor.execute("ROLLBACK")
        assert queue.complete(claim, success())


def test_request_that_someone_is_putting_in_is_refused_in_a_sentence(queue_database: QueueDatabase) -> None:
    server = queue_database.server
    with driver(queue_database) as queue, server.connect(queue_database.name) as session, session.cursor() as cursor:
        cursor.execute("BEGIN; INSERT INTO job_request (tag, request_id) VALUES ('t', 'r-1')")
        with pytest.raises(
            RowLockedError, match=r"^putting in request r-1: someone else is putting it in just now, .*; try"
        ):
            queue.submit(NewRequest(KEY, "{}", "someone", "c", NOON))
        cursor.execute("ROLLBACK")
        queue.submit(NewRequest(KEY, "{}", "someone", "c", NOON))


def test_session_lost_in_the_moment_of_claiming_counts_as_a_death(
    queue_database: QueueDatabase, proxy: TcpProxy
) -> None:
    queue_database.insert("r-0")
    queue_database.insert()
    with driver(queue_database, port=proxy.port) as queue:
        claimed(queue, RequestKey("t", "r-0"))
        # The first answer, that of the lock, takes 60 to 80 bytes; that of the row is cut.
        proxy.cut_after(90)
        mending = threading.Thread(target=proxy.pass_through_once_cut, args=(30,))
        mending.start()
        claim = claimed(queue)
        mending.join()
        assert (claim.iteration, claim.was_orphan) == (1, True)
        assert queue.is_ours(claim)


def test_black_hole_is_noticed_and_its_session_ended_when_it_opens(
    queue_database: QueueDatabase,
    proxy: TcpProxy,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(logging.getLogger("progress_exhaust"), "propagate", True)
    caplog.set_level(logging.DEBUG, "progress_exhaust")
    queue_database.insert()
    times = {"connect_timeout_s": 2, "statement_timeout_s": 1}
    with driver(queue_database, port=proxy.port, **times) as queue:
        claim = claimed(queue)
        proxy.black_hole()
        begin = time.monotonic()
        with pytest.raises(QueueError, match="connecting to PostgreSQL"):
            queue.is_ours(claim)
        # One statement with its grace of 5 s, then tries to connect for 4 s, the last of which takes 2 s.
        assert time.monotonic() - begin < 15
        with driver(queue_database) as other:
            assert other.claim(KEY) is NotClaimed.OWNED, "the server knows of nothing"
        # What the hole held stays lost: the bytes of the old connection do not come back.
        proxy.pass_through()
        assert queue.is_ours(claim)
        wait_until(lambda: sessions(queue_database) == 1)
    told = [vars(record)["action"] for record in caplog.records]
    assert told[0] == Action.CUT
    assert told[-3:] == [Action.RECONNECT, Action.END_STALE, Action.REACQUIRE]
    assert Action.GIVE_UP in told
    assert Action.RETRY in told


def test_heartbeat_alone_notices_a_black_hole(queue_database: QueueDatabase, proxy: TcpProxy) -> None:
    queue_database.insert()
    with driver(queue_database, port=proxy.port, heartbeat_s=0.5, connect_timeout_s=2) as queue:
        claim = claimed(queue)
        links = proxy.links
        proxy.black_hole()
        wait_until(lambda: proxy.links > links, seconds=5)
        proxy.pass_through()
        assert queue.is_ours(claim)


def test_read_only_server_refuses_claims_and_ends_and_keeps_what_is_ours(queue_database: QueueDatabase) -> None:
    queue_database.insert()
    queue_database.insert("r-2")
    with driver(queue_database) as queue, driver(queue_database) as other:
        claim = claimed(queue)
        queue_database.set_default("default_transaction_read_only", "on")
        queue_database.cut_sessions()
        assert queue.is_ours(claim)
        with pytest.raises(QueueError, match="it takes no writes"):
            queue.complete(claim, success())
        with pytest.raises(QueueError, match="it takes no writes"):
            other.check()
        with pytest.raises(QueueError, match="it takes no writes"):
            other.claim(RequestKey("t", "r-2"))
        assert [row.is_alive for row in queue.listed()] == [True, False]
        queue_database.set_default("default_transaction_read_only", "off")
        queue_database.cut_sessions()
        assert queue.complete(claim, success())
        assert isinstance(other.claim(RequestKey("t", "r-2")), Claim)


def test_table_locked_by_someone_else_is_an_error_in_time(queue_database: QueueDatabase) -> None:
    queue_database.insert()
    server = queue_database.server
    with driver(queue_database, statement_timeout_s=1) as queue, server.connect(queue_database.name) as session:
        with session.cursor() as cursor:
            cursor.execute("BEGIN; LOCK TABLE job_request IN SHARE MODE")
            with pytest.raises(RowLockedError, match="someone else has the row or its table locked"):
                queue.claim(KEY)
            cursor.execute("ROLLBACK")
        assert isinstance(queue.claim(KEY), Claim), "the lock of the claim that failed was freed"


def test_threads_share_the_queue(queue_database: QueueDatabase) -> None:
    keys = [RequestKey("t", f"r-{number}") for number in range(16)]
    queue_database.insert_many([{"request_id": key.request_id} for key in keys])
    ended: list[RequestKey] = []
    with driver(queue_database, heartbeat_s=0.005) as queue:

        def work(mine: list[RequestKey]) -> None:
            for key in mine:
                claim = claimed(queue, key)
                queue.checkpoint({key: FILES})
                if queue.is_ours(claim) and queue.complete(claim, success()):
                    ended.append(key)

        threads = [threading.Thread(target=work, args=(keys[number::4],)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(ended) == sorted(keys)


def test_nothing_is_left_of_a_queue_that_was_closed(queue_database: QueueDatabase) -> None:
    before = threading.active_count()
    with driver(queue_database, heartbeat_s=0.05) as queue:
        queue.check()
        assert queue.due() == []
        assert threading.active_count() > before
    assert threading.active_count() == before
    wait_until(lambda: sessions(queue_database) == 0)
