"""Tables as they are found: widths, types, missing columns, odd values, other zones and encodings."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from progress_exhaust.errors import QueueError, RequestError, SettingsError
from progress_exhaust.job_requests.model import Claim, NewRequest, NotClaimed, RequestKey
from progress_exhaust.job_requests.postgres.queue import PostgresQueue
from progress_exhaust.settings.sections import RequestSettings
from progress_exhaust.stack.postgres import PostgresServer
from tests.support.ddl import NEW, SHAPES, Shape
from tests.support.queue_database import QueueDatabase
from tests.support.queue_drivers import FILES, KEY, NOON, claimed, driver, failure, success

LONG = "Not made: " + ", ".join(f"batch-{number:04} (unknown)" for number in range(40))


@contextmanager
def statements_of(database: QueueDatabase) -> Iterator[Callable[[], str]]:
    """Give what returns the statements that later sessions of this database have sent, as the server logs them."""
    log = database.server.log
    database.set_default("log_statement", "all")
    before = log.stat().st_size

    def statements() -> str:
        return log.read_bytes()[before:].decode()

    yield statements


@pytest.mark.rule("Q27")
@pytest.mark.parametrize("name", SHAPES)
def test_words_and_numbers_fit_the_columns(postgres: PostgresServer, name: str) -> None:
    shape = SHAPES[name]
    with QueueDatabase.make(postgres, shape) as database, driver(database) as queue:
        database.insert()
        assert queue.complete(claimed(queue), success(err_message=LONG, execution_ms=2**63 + 5))
        row = database.row()
    assert row["execution_time"] == shape.longest_ms
    if shape.err_width is None:
        assert row["err_message"] == LONG
    else:
        cut = row["err_message"].removesuffix("...")
        assert shape.err_width - 30 < len(row["err_message"]) <= shape.err_width
        assert row["err_message"] != cut
        assert LONG.startswith(f"{cut} "), "cut at a word"


@pytest.mark.rule("Q27")
@pytest.mark.parametrize("width", [1, 3, 5, 40])
def test_narrow_column_takes_what_it_can(postgres: PostgresServer, width: int) -> None:
    narrow = Shape(
        NEW.ddl.replace("err_message varchar(300)", f"err_message varchar({width})"), width, True, 0, NEW.key
    )
    with QueueDatabase.make(postgres, narrow) as database, driver(database, tries=1) as queue:
        database.insert()
        database.insert("r-2", status="PROCESSING")
        assert queue.complete(claimed(queue), failure("Number of batches in request exceeded. It should be within 20"))
        assert queue.claim(RequestKey("t", "r-2")) is NotClaimed.ABANDONED
        rows = database.rows()
    expected = {1: "N", 3: "Num", 5: "Nu...", 40: "Number of batches in request..."}
    assert rows[0]["err_message"] == expected[width]
    assert {row["status"] for row in rows} == {"FAILED"}


def test_width_that_only_a_domain_knows_is_met_by_plainer_words(postgres: PostgresServer) -> None:
    domain = Shape(
        "CREATE DOMAIN words AS varchar(60); " + NEW.ddl.replace("err_message varchar(300)", "err_message words"),
        None, True, 0, NEW.key,
    )  # fmt: skip
    with QueueDatabase.make(postgres, domain) as database, driver(database) as queue:
        database.insert()
        assert queue.complete(claimed(queue), failure(LONG))
        assert database.row()["err_message"] == "Failed; see the log of the job"


@pytest.mark.parametrize(
    ("text", "stored"),
    [
        ("nul \x00 here", "nul  here"),
        ("lone \ud800 surrogate \udfff", "lone  surrogate"),
        ("one\r\ntwo\nthree\u2028four\x0bfive", "one two three four five"),
        ("  blanks  ", "blanks"),
        ("\U0001f600 fine", "\U0001f600 fine"),
        ("\x00\ud800\n", None),
    ],
)
def test_failure_is_recorded_whatever_its_text(queue_database: QueueDatabase, text: str, stored: str | None) -> None:
    queue_database.insert()
    with driver(queue_database) as queue:
        assert queue.complete(claimed(queue), failure(text))
    row = queue_database.row()
    assert (row["status"], row["err_message"]) == ("FAILED", stored)


def test_failure_is_recorded_where_the_database_lacks_its_letters(postgres: PostgresServer) -> None:
    with postgres.connect() as session, session.cursor() as cursor:
        cursor.execute("CREATE DATABASE latin ENCODING 'LATIN1' TEMPLATE template0 LOCALE 'C'")
    database = QueueDatabase(postgres, "latin")
    database.execute(NEW.ddl.format(table=database.table))
    database.insert()
    database.insert("r-2")
    with driver(database) as queue:
        assert queue.complete(claimed(queue), failure("Lerner é und \u0905"))
        assert queue.complete(claimed(queue, RequestKey("t", "r-2")), failure("é is there"))
        with pytest.raises(RequestError, match="the table can not hold a text of it"):
            queue.submit(NewRequest(RequestKey("t", "\u0905"), "{}", "someone", "c", NOON))
    assert [row["err_message"] for row in database.rows()] == ["Lerner ? und ?", "é is there"]
    with postgres.connect() as session, session.cursor() as cursor:
        cursor.execute("DROP DATABASE latin WITH (FORCE)")


@pytest.mark.parametrize("request_id", ["r" * 51, "r\x00", "r\udcff"])
def test_request_that_the_table_can_not_hold_is_refused(queue_database: QueueDatabase, request_id: str) -> None:
    with driver(queue_database) as queue:
        with pytest.raises(RequestError, match="the table can not hold a text of it"):
            queue.submit(NewRequest(RequestKey("t", request_id), "{}", "someone", "c", NOON))
        assert queue.due() == []


@pytest.mark.rule("Q2")
def test_times_are_written_in_utc_whatever_the_zones(queue_database: QueueDatabase) -> None:
    queue_database.set_default("timezone", "Asia/Kolkata")
    queue_database.set_default("datestyle", "SQL, DMY")
    kolkata = timezone(timedelta(hours=5, minutes=30))
    at = datetime(2024, 3, 1, 1, 2, 3, 456789, tzinfo=kolkata)
    with driver(queue_database) as queue:
        queue.submit(NewRequest(KEY, "{}", "someone", "c", at))
        claim = claimed(queue)
        assert claim.submitted_at == at
        assert claim.submitted_at.tzinfo is UTC
        queue_database.cut_sessions()
        assert queue.is_ours(claim)
        assert queue.complete(claim, success(file_created_at=at, completed_at=at))
        [listed] = queue.listed()
    row = queue_database.row()
    utc = datetime(2024, 2, 29, 19, 32, 3, 456789)
    assert (row["dt_job_submitted"], row["dt_file_created"], row["dt_job_completed"]) == (utc, utc, utc)
    assert (listed.submitted_at, listed.completed_at) == (at, at)


def test_times_with_a_zone_in_the_table_are_the_same_instants(postgres: PostgresServer) -> None:
    zoned = Shape(NEW.ddl.replace(" timestamp", " timestamptz"), 300, True, 0, NEW.key)
    with QueueDatabase.make(postgres, zoned) as database, driver(database) as queue:
        database.set_default("timezone", "Asia/Kolkata")
        queue.submit(NewRequest(KEY, "{}", "someone", "c", NOON))
        claim = claimed(queue)
        assert claim.submitted_at == NOON
        assert queue.is_ours(claim)
        assert queue.complete(claim, success())
        assert queue.listed()[0].completed_at == NOON


def test_strict_isolation_of_the_database_does_not_fail_claims(queue_database: QueueDatabase) -> None:
    queue_database.set_default("default_transaction_isolation", "serializable")
    queue_database.insert_many([{"request_id": f"r-{number}"} for number in range(10)])
    with driver(queue_database) as one, driver(queue_database) as two:
        for number in range(10):
            queue = (one, two)[number % 2]
            assert queue.complete(claimed(queue, RequestKey("t", f"r-{number}")), success())


@pytest.mark.parametrize(
    "submitted", ["infinity", "-infinity", "0044-03-15 12:00:00 BC", "12024-01-01", "0001-01-01", None]
)
def test_time_that_no_clock_shows_is_kept_and_fences_all_the_same(
    queue_database: QueueDatabase, submitted: str | None
) -> None:
    queue_database.insert(dt_job_submitted=submitted)
    with driver(queue_database) as queue:
        assert [due.submitted_at for due in queue.due()] == [None]
        claim = claimed(queue)
        assert queue.is_ours(claim)
        queue_database.execute("UPDATE job_request SET dt_job_submitted = '2024-01-01'")
        assert not queue.is_ours(claim)
        queue_database.execute("UPDATE job_request SET dt_job_submitted = %s", [submitted])
        assert queue.complete(claim, success())
        assert queue.listed()[0].submitted_at is None


def test_odd_values_of_a_row_are_read_as_nothing(postgres: PostgresServer) -> None:
    with QueueDatabase.make(postgres, SHAPES["by_request_id"]) as database, driver(database) as queue:
        database.insert(tag=None, requested_channel=None, request_data=None, iteration=None, dt_job_submitted=None)
        database.insert("r-2", status=None, download_urls=["a.csv", None], err_message=None)
        database.insert("r-3", tag="", status="PROCESSING", download_urls=[["a"], ["b"]], processed_batches="\x01{")
        first, third = RequestKey("", "r-1"), RequestKey("", "r-3")
        assert [due.key for due in queue.due()] == [third, first]
        claim = claimed(queue, first)
        assert (claim.channel, claim.request_data, claim.submitted_at, claim.iteration) == ("", "", None, 0)
        assert claimed(queue, third).processed == "\x01{"
        assert queue.is_ours(claim)
        listed = {row.key.request_id: row for row in queue.listed()}
        assert (listed["r-2"].status, listed["r-2"].urls, listed["r-2"].err_message) == ("", ("a.csv",), "")
        assert listed["r-1"].is_alive
        assert queue.complete(claim, success())
    assert listed["r-3"].urls == ()


def test_json_that_the_column_stores_but_nobody_reads_comes_as_its_text(queue_database: QueueDatabase) -> None:
    odd = r'{"batchId": "\u0000", "batchId": "\ud800", "n": 1e999}'
    queue_database.insert(request_data=odd)
    with driver(queue_database) as queue:
        assert claimed(queue).request_data == odd


def test_table_in_another_schema_is_found_by_its_name(queue_database: QueueDatabase) -> None:
    queue_database.execute("CREATE SCHEMA portal; ALTER TABLE job_request SET SCHEMA portal")
    queue_database.execute("INSERT INTO portal.job_request (tag, request_id, job_id, status) "
                           "VALUES ('t', 'r-1', 'progress-exhaust', 'SUBMITTED')")  # fmt: skip
    with driver(queue_database, table="Portal.Job_Request") as queue:
        queue.check()
        assert all(right.is_granted for right in queue.rights())
        assert isinstance(queue.claim(KEY), Claim)
    with (
        driver(queue_database) as queue,
        pytest.raises(QueueError, match="looking at the table job_request: there is none, or not for our role; check"),
    ):
        queue.check()
    queue_database.set_default("search_path", "portal")
    with driver(queue_database) as queue:
        queue.check()


def test_settings_that_name_one_table_differently_meet_at_one_lock(queue_database: QueueDatabase) -> None:
    queue_database.insert()
    with (
        driver(queue_database) as plain,
        driver(queue_database, table="public.job_request") as qualified,
        driver(queue_database, table="PUBLIC.Job_Request") as shouted,
    ):
        claim = claimed(qualified)
        for other in (plain, shouted):
            assert other.claim(KEY) is NotClaimed.OWNED
            assert other.listed()[0].is_alive
        queue_database.cut_sessions()
        assert qualified.is_ours(claim)
        assert plain.claim(KEY) is NotClaimed.OWNED
        assert qualified.complete(claim, success())
        assert not plain.listed()[0].is_alive


def test_rows_of_another_table_or_another_job_have_locks_of_their_own(queue_database: QueueDatabase) -> None:
    queue_database.execute("CREATE TABLE other_request (LIKE job_request)")
    queue_database.execute("CREATE SCHEMA portal; CREATE TABLE portal.job_request (LIKE public.job_request)")
    queue_database.insert()
    for table in ("other_request", "portal.job_request"):
        queue_database.execute(f"INSERT INTO {table} SELECT * FROM public.job_request")
    with (
        driver(queue_database) as one,
        driver(queue_database, table="other_request") as two,
        driver(queue_database, table="portal.job_request") as three,
        driver(queue_database, job_id="another-exhaust") as of_another_job,
    ):
        claimed(one)
        for queue in (two, three):
            assert not queue.listed()[0].is_alive
            claimed(queue)
        queue_database.execute("UPDATE public.job_request SET job_id = 'another-exhaust'")
        assert not of_another_job.listed()[0].is_alive
        claimed(of_another_job)


@pytest.mark.parametrize("kind", ["json", "jsonb", "text", "varchar(100)"])
def test_request_data_of_any_type_is_part_of_the_fence(postgres: PostgresServer, kind: str) -> None:
    shape = Shape(NEW.ddl.replace("request_data json", f"request_data {kind}"), 300, True, 0, NEW.key)
    with QueueDatabase.make(postgres, shape) as database, driver(database) as queue:
        database.insert(request_data='{"batchId": "b-1"}', encryption_key="canary-password")
        claim = claimed(queue)
        assert claim.has_key
        assert queue.is_ours(claim)
        database.execute("""UPDATE job_request SET request_data = '{"batchId": "b-2"}'""")
        assert not queue.complete(claim, success())


def test_password_of_a_request_is_in_no_statement(queue_database: QueueDatabase) -> None:
    queue_database.insert(encryption_key="canary-password")
    with statements_of(queue_database) as statements, driver(queue_database) as queue:
        claim = claimed(queue)
        assert "canary" not in repr(claim)
        assert queue.is_ours(claim)
        queue.checkpoint({KEY: FILES})
        assert queue.complete(claim, success())
        text = statements()
    assert "FOR NO KEY UPDATE SKIP LOCKED" in text
    assert "canary" not in text
    for digest in (hashlib.md5, hashlib.sha256):
        assert digest(b"canary-password").hexdigest() not in text


def test_claim_costs_two_statements_and_one_that_fails_three(queue_database: QueueDatabase) -> None:
    queue_database.insert()
    queue_database.insert("r-2", status="FAILED")
    with statements_of(queue_database) as statements, driver(queue_database) as queue, driver(queue_database) as other:
        counts = []
        for asked, request_id in ((queue, "r-1"), (other, "r-1"), (queue, "r-2"), (queue, "r-3")):
            assert asked.due(request_id="none") == [], "it is connected"
            before = statements().count(" LOG:  statement: ")
            asked.claim(RequestKey("t", request_id))
            counts.append(statements().count(" LOG:  statement: ") - before)
    assert counts == [2, 1, 3, 3]


def test_each_claim_has_a_salt_of_its_own(queue_database: QueueDatabase) -> None:
    queue_database.insert(encryption_key="same")
    queue_database.insert("r-2", encryption_key="same")
    salts = iter(["salt-1", "salt-2"])
    queue = PostgresQueue(queue_database.settings(), RequestSettings(), now=lambda: NOON, new_salt=lambda: next(salts))
    with statements_of(queue_database) as statements, ExitStack() as stack:
        stack.callback(queue.close_connections)
        claims = [claimed(queue, RequestKey("t", request_id)) for request_id in ("r-1", "r-2")]
        assert all(queue.is_ours(claim) for claim in claims)
        text = statements()
    # Those of "same", `{"batchId": "b-1"}` and "channel", with their lengths, after each salt.
    for salt in ("salt-1", "salt-2"):
        asked_for = f'{salt}4:same18:{{"batchId": "b-1"}}7:channel'
        assert hashlib.sha256(asked_for.encode()).hexdigest() in text


def test_missing_columns_are_named(queue_database: QueueDatabase) -> None:
    queue_database.execute("ALTER TABLE job_request DROP iteration, DROP batch_number, DROP encryption_key")
    queue_database.execute("ALTER TABLE job_request RENAME err_message TO error")
    with driver(queue_database) as queue:
        with pytest.raises(QueueError, match="missing: err_message, iteration; got download_urls, dt_") as fault:
            queue.check()
        assert fault.value.exit_code == 1


def test_column_that_goes_away_while_we_work_is_told(queue_database: QueueDatabase) -> None:
    queue_database.insert()
    with driver(queue_database) as queue:
        claim = claimed(queue)
        queue_database.execute("ALTER TABLE job_request RENAME processed_batches TO other")
        with pytest.raises(QueueError, match=r"column r\.processed_batches does not exist; was the table altered"):
            queue.complete(claim, success())
        queue_database.execute("ALTER TABLE job_request RENAME other TO processed_batches")
        assert queue.complete(claim, success())


def test_connection_string_that_is_not_set_is_a_fault_of_settings(queue_database: QueueDatabase) -> None:
    with driver(queue_database, dsn="") as queue, pytest.raises(SettingsError, match=r"queue\.dsn: it is not set"):
        queue.check()


def test_older_server_does_as_well(make_postgres: Any) -> None:
    server = make_postgres(major=16)
    server.start()
    with QueueDatabase.make(server, NEW) as database, driver(database) as queue:
        queue.check()
        database.insert()
        claim = claimed(queue)
        database.cut_sessions()
        assert [row.is_alive for row in queue.listed()] == [True]
        assert queue.complete(claim, success())
