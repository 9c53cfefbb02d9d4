"""Any order of claims, crashes, lost sessions, ends, cancellations and re-submissions keeps the queue's promises."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import Phase
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from progress_exhaust.job_requests.model import Claim, Closing, Delivered, NewRequest, NotClaimed, RequestKey, Status
from progress_exhaust.job_requests.postgres.queue import PostgresQueue
from progress_exhaust.settings.sections import RequestSettings
from progress_exhaust.stack.postgres import PostgresServer
from tests.support.ddl import NEW
from tests.support.queue_database import QueueDatabase
from tests.support.queue_drivers import UNHEARD_S
from tests.support.state_machines import run_machine

KEYS = (RequestKey("t", "a"), RequestKey("u", "a"))
DRIVERS = 2
TRIES = 3
START = datetime(2024, 1, 1, tzinfo=UTC)

keys = st.sampled_from(KEYS)
drivers = st.integers(0, DRIVERS - 1)


@dataclass
class ExpectedRow:
    """What a row should say."""

    submitted_at: datetime
    status: str = "SUBMITTED"
    iteration: int | None = None
    has_ended: bool = False
    urls: tuple[str, ...] = ()
    err_message: str = ""


@dataclass
class Driver:
    """A process with a queue.

    Attributes:
        name: of its sessions on the server.
        queue: its queue.
        held: claims whose locks it believes to hold.
        is_lost: whether its session was ended since it last used it.
    """

    name: str
    queue: PostgresQueue
    held: dict[RequestKey, Claim] = field(default_factory=dict)
    is_lost: bool = False


class QueueMachine(RuleBasedStateMachine):
    """The real queue beside a model of its table and its locks."""

    def __init__(self, database: QueueDatabase) -> None:
        super().__init__()
        self.database = database
        database.execute("TRUNCATE job_request")
        self.now = START
        self.rows: dict[RequestKey, ExpectedRow] = {}
        self.locks: dict[RequestKey, Driver] = {}
        self.old_claims: list[tuple[Driver, Claim]] = []
        self.made = 0
        self.drivers = [self.new_driver(number) for number in range(DRIVERS)]
        self.watcher = self.new_driver(DRIVERS)

    def teardown(self) -> None:
        for driver in (*self.drivers, self.watcher):
            driver.queue.close_connections()

    def new_driver(self, number: int) -> Driver:
        name = f"driver-{number}"
        dsn = f"{self.database.server.dsn(self.database.name)} application_name={name}"
        queue = PostgresQueue(
            self.database.settings(dsn=dsn, heartbeat_s=UNHEARD_S), RequestSettings(tries=TRIES), now=self.tick
        )
        return Driver(name, queue)

    def tick(self) -> datetime:
        self.now += timedelta(microseconds=1)
        return self.now

    def draw_busy(self, data: st.DataObject) -> Driver:
        """Choose a driver that has claims."""
        return data.draw(st.sampled_from([driver for driver in self.drivers if driver.held]))

    def draw_held(self, data: st.DataObject) -> tuple[Driver, RequestKey, Claim]:
        """Choose a claim."""
        driver = self.draw_busy(data)
        key = data.draw(st.sampled_from(sorted(driver.held)))
        return driver, key, driver.held[key]

    def use(self, driver: Driver) -> None:
        """Let the model's driver find out that its session was ended: it takes up what is as it was."""
        if not driver.is_lost:
            return
        driver.is_lost = False
        for key, claim in list(driver.held.items()):
            if key not in self.locks and (self.is_as_claimed(claim) or self.is_cancelled(claim)):
                self.locks[key] = driver
            else:
                del driver.held[key]
                self.old_claims.append((driver, claim))

    def is_as_claimed(self, claim: Claim) -> bool:
        row = self.rows[claim.key]
        return (row.status, row.iteration, row.submitted_at) == ("PROCESSING", claim.iteration, claim.submitted_at)

    def is_cancelled(self, claim: Claim) -> bool:
        """Whether it was as claimed until somebody took it back: its files are still to be listed."""
        row = self.rows[claim.key]
        was = (row.iteration, row.submitted_at) == (claim.iteration, claim.submitted_at)
        return was and (row.status, row.err_message) == ("FAILED", "Cancelled")

    def let_go(self, driver: Driver, key: RequestKey) -> None:
        self.old_claims.append((driver, driver.held.pop(key)))
        del self.locks[key]

    def new_files(self, key: RequestKey) -> tuple[str, ...]:
        self.made += 1
        return (f"{key.tag}-{key.request_id}-{self.made}.csv",)

    @precondition(lambda self: len(self.rows) < len(KEYS))
    @rule()
    def submit(self) -> None:
        key = KEYS[len(self.rows)]
        at = self.tick()
        self.watcher.queue.submit(NewRequest(key, "{}", "someone", "c", at))
        self.rows[key] = ExpectedRow(at)

    @precondition(lambda self: self.rows)
    @rule(key=keys)
    def submit_again_by_the_api(self, key: RequestKey) -> None:
        """The API rewrites status and time, whatever the row says, and nothing else."""
        self.put_in_again(key)

    def put_in_again(self, key: RequestKey) -> None:
        if row := self.rows.get(key):
            row.status, row.submitted_at = "SUBMITTED", self.tick()
            self.database.execute(
                "UPDATE job_request SET status = 'SUBMITTED', dt_job_submitted = %s WHERE tag = %s AND request_id = %s",
                [row.submitted_at.replace(tzinfo=None), key.tag, key.request_id],
            )

    @precondition(lambda self: self.rows)
    @rule(number=drivers, key=keys)
    def claim(self, number: int, key: RequestKey) -> None:
        self.claim_as(self.drivers[number], key)

    def claim_as(self, driver: Driver, key: RequestKey) -> None:
        row = self.rows.get(key)
        found = driver.queue.claim(key)
        if key in driver.held:
            assert found is NotClaimed.OWNED
            return
        self.use(driver)
        if key in self.locks:
            assert found is NotClaimed.OWNED
        elif row is None or row.status not in ("SUBMITTED", "PROCESSING"):
            assert found is NotClaimed.NOT_DUE
        elif row.status == "PROCESSING" and (row.iteration or 0) + 1 >= TRIES:
            assert found is NotClaimed.ABANDONED
            row.status = "SUCCESS" if row.urls else "FAILED"
            row.iteration, row.has_ended = (row.iteration or 0) + 1, True
            row.err_message = "Given up after 3 tries: its driver died"
        else:
            assert isinstance(found, Claim)
            assert found.was_orphan == (row.status == "PROCESSING")
            if row.has_ended and row.status == "SUBMITTED":
                assert found.is_new
                row.iteration, row.urls, row.err_message = 0, (), ""
            else:
                row.iteration = (row.iteration or 0) + found.was_orphan
            row.status, row.has_ended = "PROCESSING", False
            assert (found.iteration, found.submitted_at) == (row.iteration, row.submitted_at)
            driver.held[key] = found
            self.locks[key] = driver

    @precondition(lambda self: any(driver.held for driver in self.drivers))
    @rule(data=st.data())
    def crash(self, data: st.DataObject) -> None:
        """The process is gone, and another one starts."""
        self.kill(self.draw_busy(data))

    def kill(self, driver: Driver) -> None:
        number = self.drivers.index(driver)
        driver.queue.close_connections()
        self.locks = {key: owner for key, owner in self.locks.items() if owner is not driver}
        self.database.cut_sessions(driver.name)
        self.drivers[number] = self.new_driver(number)

    @precondition(lambda self: any(driver.held for driver in self.drivers))
    @rule(data=st.data())
    def lose_session(self, data: st.DataObject) -> None:
        """The session is ended; the process does not know yet."""
        self.cut(self.draw_busy(data))

    def cut(self, driver: Driver) -> None:
        if self.database.cut_sessions(driver.name):
            driver.is_lost = True
            self.locks = {key: owner for key, owner in self.locks.items() if owner is not driver}

    @precondition(lambda self: any(driver.held for driver in self.drivers))
    @rule(data=st.data(), is_put_in_again=st.booleans(), dies=st.booleans())
    def sleep_while_another_takes_over(self, data: st.DataObject, is_put_in_again: bool, dies: bool) -> None:
        """Chance would seldom find it: the row is as the sleeper left it, but for what another has left in it."""
        sleeper, key, _ = self.draw_held(data)
        other = self.drivers[1 - self.drivers.index(sleeper)]
        self.cut(sleeper)
        if is_put_in_again:
            self.put_in_again(key)
        self.claim_as(other, key)
        if dies:
            self.kill(other)

    @precondition(lambda self: any(driver.held for driver in self.drivers))
    @rule(data=st.data(), status=st.sampled_from([Status.SUCCESS, Status.FAILED]))
    def complete(self, data: st.DataObject, status: Status) -> None:
        driver, key, claim = self.draw_held(data)
        files, at = self.new_files(key), self.tick()
        closed = driver.queue.complete(claim, Closing(status, Delivered(files, "[]"), at, at, 5, "words"))
        self.use(driver)
        assert closed == (key in driver.held and self.is_as_claimed(claim))
        if closed:
            row = self.rows[key]
            row.status, row.urls, row.err_message, row.has_ended = status.value, files, "words", True
        if key in driver.held:
            self.let_go(driver, key)

    @precondition(lambda self: any(driver.held for driver in self.drivers))
    @rule(data=st.data())
    def requeue(self, data: st.DataObject) -> None:
        driver, key, claim = self.draw_held(data)
        files = self.new_files(key)
        released = driver.queue.requeue(claim, Delivered(files, "[]"))
        self.use(driver)
        assert released == (key in driver.held and self.is_as_claimed(claim))
        if released:
            self.rows[key].status, self.rows[key].urls = "SUBMITTED", files
        if key in driver.held:
            self.let_go(driver, key)

    @precondition(lambda self: any(driver.held for driver in self.drivers))
    @rule(data=st.data())
    def checkpoint(self, data: st.DataObject) -> None:
        driver = self.draw_busy(data)
        files = {key: self.new_files(key) for key in KEYS}
        driver.queue.checkpoint({key: Delivered(urls, "[]") for key, urls in files.items()})
        self.use(driver)
        for key, claim in driver.held.items():
            if self.is_as_claimed(claim):
                self.rows[key].urls = files[key]

    @precondition(lambda self: self.rows)
    @rule(key=keys)
    def cancel(self, key: RequestKey) -> None:
        row = self.rows.get(key)
        ended = self.watcher.queue.cancel(request_id=key.request_id, tag=key.tag, now=self.tick())
        is_open = row is not None and row.status in ("SUBMITTED", "PROCESSING")
        assert ended == ([key] if is_open else [])
        if row and is_open:
            row.status, row.err_message, row.has_ended = "FAILED", "Cancelled", True

    @precondition(lambda self: any(driver.held for driver in self.drivers))
    @rule(data=st.data())
    def ask_whose_it_is(self, data: st.DataObject) -> None:
        driver = self.draw_busy(data)
        for key, claim in list(driver.held.items()):
            is_ours = driver.queue.is_ours(claim)
            self.use(driver)
            assert is_ours == (key in driver.held and self.is_as_claimed(claim))

    @precondition(lambda self: self.old_claims)
    @rule(data=st.data())
    def come_back_with_an_old_claim(self, data: st.DataObject) -> None:
        """Nothing of it goes over the connection, so a session that was ended is not found out here."""
        driver, claim = data.draw(st.sampled_from(self.old_claims))
        if driver not in self.drivers:
            return
        assert not driver.queue.complete(
            claim, Closing(Status.SUCCESS, Delivered(("late.csv",), ""), None, self.now, 1, "")
        )
        assert not driver.queue.requeue(claim, Delivered(("late.csv",), ""))
        assert not driver.queue.is_ours(claim)

    @invariant()
    def table_and_locks_are_as_they_should_be(self) -> None:
        found = {row.key: row for row in self.watcher.queue.listed()}
        assert found.keys() == self.rows.keys()
        for key, row in self.rows.items():
            seen = found[key]
            assert (seen.status, seen.iteration) == (row.status, row.iteration or 0)
            assert (seen.urls, seen.err_message) == (row.urls, row.err_message)
            assert seen.is_alive == (key in self.locks)
            assert seen.iteration <= TRIES
            owners = [driver for driver in self.drivers if key in driver.held and self.locks.get(key) is driver]
            assert len(owners) <= 1


@pytest.fixture
def machine_database(postgres: PostgresServer) -> Iterator[QueueDatabase]:
    with QueueDatabase.make(postgres, NEW) as database:
        yield database


def run_queues(database: QueueDatabase, *, examples: int, steps: int) -> None:
    # On a real server, looking for a shorter order of events takes minutes.
    run_machine(lambda: QueueMachine(database), examples=examples, steps=steps, phases=(Phase.generate,))


def test_no_order_of_events_breaks_a_promise(machine_database: QueueDatabase) -> None:
    run_queues(machine_database, examples=40, steps=30)


@pytest.mark.long
def test_no_long_order_of_events_breaks_a_promise(machine_database: QueueDatabase) -> None:
    run_queues(machine_database, examples=600, steps=60)
