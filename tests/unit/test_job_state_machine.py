"""Any order of moves, legal and illegal, by several threads, keeps a job's promises."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from progress_exhaust.errors import Reason, SkippedReport
from progress_exhaust.job_requests.checkpoint import read_checkpoint
from progress_exhaust.job_requests.model import Status
from progress_exhaust.job_requests.request_data import RequestedBatches
from progress_exhaust.published_file import PublishedFile
from progress_exhaust.worker.ending import Ending
from progress_exhaust.worker.job import IllegalMove, Job, JobState
from progress_exhaust.worker.record import FoundCollections
from tests.support.jobs import CLAIM, DAY, NOW, file_of
from tests.support.state_machines import run_machine

BATCHES = ("b-0", "b-1", "b-2", "b-3")
TRIES = 3
THREADS = 2
ENDED = (JobState.DONE, JobState.GIVEN_BACK, JobState.CANCELLED, JobState.LOST)

numbers = st.integers(0, len(BATCHES) - 1)
threads = st.integers(0, THREADS - 1)


class Hand:
    """A thread that makes moves when it is told to, since who may end a job is one thread."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1)

    def do(self, move: Callable[[], object]) -> object:
        return self._pool.submit(move).result()

    def is_illegal(self, move: Callable[[], object]) -> bool:
        """Make a move, and tell whether it was refused."""
        try:
            self.do(move)
        except IllegalMove:
            return True
        return False

    def rest(self) -> None:
        self._pool.shutdown()


class JobMachine(RuleBasedStateMachine):
    """A job beside a model of it: what is pending, out, on its way and charged, and who ends it."""

    def __init__(self) -> None:
        super().__init__()
        self.hands = [Hand() for _ in range(THREADS)]
        self.now = NOW
        self.job = Job(CLAIM, NOW, DAY)
        self.state = JobState.CLAIMED
        self.wanted: tuple[str, ...] = ()
        self.knows_files = False
        self.pending: dict[int, str] = {}
        self.files: dict[str, PublishedFile] = {}
        self.on_their_way: dict[int, AbstractContextManager[bool]] = {}
        self.ender: tuple[int, AbstractContextManager[bool]] | None = None
        self.is_lost = self.is_deferred = self.is_charged = self.is_decided = False
        self.refused = 0
        self.kills = 0
        self.ends = 0

    def teardown(self) -> None:
        for hand in self.hands:
            hand.rest()

    # --- what the model knows -----------------------------------------------------------------------------------------

    @property
    def is_at_work(self) -> bool:
        return self.state not in ENDED

    @property
    def is_open(self) -> bool:
        return self.is_at_work and self.ender is None

    def may_publish(self, report_no: int) -> bool:
        is_ready = self.is_open and self.state is not JobState.CLAIMED
        return is_ready and not self.is_lost and report_no in self.pending

    def try_move(self, thread: int, move: Callable[[], object], *, is_legal: bool) -> None:
        assert self.hands[thread].is_illegal(move) is not is_legal

    # --- from claimed to prepared -------------------------------------------------------------------------------------

    @rule(thread=threads, batches=st.sets(st.sampled_from(BATCHES), min_size=1))
    def want(self, thread: int, batches: set[str]) -> None:
        is_legal = self.state is JobState.CLAIMED
        wanted = tuple(sorted(batches))
        self.try_move(thread, lambda: self.job.want(wanted), is_legal=is_legal)
        self.wanted = wanted if is_legal else self.wanted

    @rule(thread=threads, kills=st.integers(0, 3))
    def recall(self, thread: int, kills: int) -> None:
        is_legal = self.state is JobState.CLAIMED
        found = FoundCollections(("do_1",), ())
        self.try_move(thread, lambda: self.job.recall(found, jvm_kills=kills), is_legal=is_legal)
        self.kills = max(self.kills, kills) if is_legal else self.kills

    @rule(thread=threads)
    def ask(self, thread: int) -> None:
        asked = RequestedBatches(BATCHES)
        self.try_move(thread, lambda: self.job.ask(asked), is_legal=self.state is JobState.CLAIMED)

    @rule(thread=threads, used=st.sets(numbers), granted=st.integers(0, 4), is_whole=st.booleans())
    def prepare(self, thread: int, used: set[int], granted: int, is_whole: bool) -> None:
        is_legal = self.state is JobState.CLAIMED
        again = [file_of(BATCHES[number], rows=7) for number in sorted(used)]
        there = self.files.keys() | {file.batch_id for file in again}
        left = [number for number, batch_id in enumerate(BATCHES) if batch_id in self.wanted and batch_id not in there]
        pending = {number: BATCHES[number] for number in left[: 4 if is_whole else granted]}
        is_deferred = len(pending) < len(left)
        self.try_move(
            thread,
            lambda: self.job.prepare(pending, is_deferred=is_deferred, used_again=again, day=None),
            is_legal=is_legal,
        )
        if is_legal:
            self.state, self.pending, self.knows_files = JobState.PREPARED, pending, True
            self.files = {file.batch_id: file for file in again} | self.files
            self.is_deferred = is_deferred

    @rule(thread=threads)
    def leave_lists(self, thread: int) -> None:
        is_legal = self.state is JobState.CLAIMED
        self.try_move(thread, self.job.leave_lists, is_legal=is_legal)
        self.state = JobState.PREPARED if is_legal else self.state

    @rule(thread=threads)
    def decide(self, thread: int) -> None:
        is_legal = self.state in (JobState.CLAIMED, JobState.PREPARED) and not self.is_decided
        verdict = Ending(Status.FAILED, "is none", is_failed_try=False)
        self.try_move(thread, lambda: self.job.decide(verdict), is_legal=is_legal)
        if is_legal:
            self.state, self.pending, self.is_decided = JobState.PREPARED, {}, True

    # --- while its reports are made -----------------------------------------------------------------------------------

    @rule(thread=threads, number=numbers)
    def begin_publication(self, thread: int, number: int) -> None:
        expected = self.may_publish(number) and number not in self.on_their_way
        assert self.job.waits_for(number) == self.may_publish(number)
        publication = self.job.publication(number)
        assert self.hands[thread].do(publication.__enter__) is expected
        if expected:
            self.state = JobState.PUBLISHING
            self.on_their_way[number] = publication
        else:
            self.hands[thread].do(lambda: publication.__exit__(None, None, None))

    @rule(thread=threads, number=numbers)
    def add_file(self, thread: int, number: int) -> None:
        """Who has begun a publication may end it after the job was given back: the file is out."""
        self.now += timedelta(seconds=1)
        file, is_legal = file_of(BATCHES[number]), number in self.on_their_way
        self.try_move(thread, lambda: self.job.add_file(number, file, self.now), is_legal=is_legal)
        if is_legal:
            self.files[file.batch_id] = file
            self.pending.pop(number, None)

    @precondition(lambda self: self.on_their_way)
    @rule(thread=threads, data=st.data(), has_failed=st.booleans())
    def end_publication(self, thread: int, data: st.DataObject, has_failed: bool) -> None:
        number = data.draw(st.sampled_from(sorted(self.on_their_way)))
        publication = self.on_their_way.pop(number)
        error = OSError("the disk is full") if has_failed else None
        try:
            self.hands[thread].do(lambda: publication.__exit__(type(error) if error else None, error, None))
        except OSError as raised:
            assert raised is error
        if self.state is JobState.PUBLISHING and not self.on_their_way:
            self.state = JobState.PREPARED

    @rule(thread=threads, number=numbers)
    def drop(self, thread: int, number: int) -> None:
        self.try_move(thread, lambda: self.job.drop(number), is_legal=self.is_at_work)
        if self.is_at_work:
            self.pending.pop(number, None)

    @rule(thread=threads, some=st.sets(numbers))
    def defer(self, thread: int, some: set[int]) -> None:
        self.try_move(thread, lambda: self.job.defer(some), is_legal=self.is_at_work)
        if self.is_at_work:
            self.is_deferred |= bool(some & self.pending.keys())
            self.pending = {number: one for number, one in self.pending.items() if number not in some}

    @rule(thread=threads, what=st.sampled_from(["refuse", "blame a report", "blame it all"]))
    def go_wrong(self, thread: int, what: str) -> None:
        skipped = SkippedReport(Reason.TREE_UNAVAILABLE, "b-0", "tree of do_0: HTTP 500; try again")
        move = {
            "refuse": lambda: self.job.refuse(skipped),
            "blame a report": lambda: self.job.blame(skipped),
            "blame it all": lambda: self.job.blame("a defect"),
        }[what]
        self.try_move(thread, move, is_legal=self.is_at_work)
        if self.is_at_work:
            self.refused += what == "refuse"
            self.is_charged |= what != "refuse"

    @rule(thread=threads)
    def lose(self, thread: int) -> None:
        self.try_move(thread, self.job.lose, is_legal=self.is_at_work)
        if self.is_at_work:
            self.is_lost, self.pending = True, {}

    @rule(thread=threads)
    def start_over(self, thread: int) -> None:
        is_legal = self.is_open and self.state is not JobState.PUBLISHING
        self.try_move(thread, self.job.start_over, is_legal=is_legal)
        if is_legal:
            self.state, self.pending, self.refused = JobState.CLAIMED, {}, 0
            self.is_lost = self.is_deferred = self.is_charged = self.is_decided = False

    # --- its end ------------------------------------------------------------------------------------------------------

    @rule(thread=threads, whatever_is_pending=st.booleans())
    def begin_to_end(self, thread: int, whatever_is_pending: bool) -> None:
        is_due = whatever_is_pending or (self.state is JobState.PREPARED and not self.pending)
        right = self.job.giving_back() if whatever_is_pending else self.job.finishing()
        assert self.hands[thread].do(right.__enter__) is (self.is_open and is_due)
        if self.is_open and is_due:
            self.ender = (thread, right)
        else:
            self.hands[thread].do(lambda: right.__exit__(None, None, None))

    @rule(thread=threads, state=st.sampled_from(JobState))
    def end(self, thread: int, state: JobState) -> None:
        fitting = (JobState.CANCELLED, JobState.LOST) if self.is_lost else (JobState.DONE, JobState.GIVEN_BACK)
        is_ender = self.ender is not None and self.ender[0] == thread
        is_legal = self.is_at_work and is_ender and state in fitting
        self.try_move(thread, lambda: self.job.end(state), is_legal=is_legal)
        if is_legal:
            self.state, self.pending = state, {}
            self.ends += 1

    @rule(thread=threads)
    def note_jvm_kill(self, thread: int) -> None:
        is_legal = self.is_at_work and self.ender is not None and self.ender[0] == thread
        self.try_move(thread, self.job.note_jvm_kill, is_legal=is_legal)
        self.kills += is_legal

    @precondition(lambda self: self.ender)
    @rule()
    def leave_to_others(self) -> None:
        assert self.ender is not None
        thread, right = self.ender
        self.hands[thread].do(lambda: right.__exit__(None, None, None))
        self.ender = None
        self.state = JobState.PREPARED if self.state is JobState.CLAIMED else self.state

    # --- what always holds --------------------------------------------------------------------------------------------

    @invariant()
    def it_is_as_the_model_has_it(self) -> None:
        job = self.job
        assert (job.state, job.is_open, job.is_lost) == (self.state, self.is_open, self.is_lost)
        assert job.pending == self.pending.keys()
        assert (job.record.knows_files, job.record.jvm_kills) == (self.knows_files, self.kills)
        assert len(job.record.refusals) == self.refused

    @invariant()
    def it_ends_once(self) -> None:
        assert self.ends == (self.state in ENDED)

    @invariant()
    def nothing_is_published_after_its_end(self) -> None:
        if self.state in ENDED:
            assert not [number for number in range(len(BATCHES)) if self.job.waits_for(number)]

    @invariant()
    def each_file_that_is_out_is_in_its_lists(self) -> None:
        record, delivered = self.job.record, self.job.record.delivered()
        assert record.file_by_batch == self.files
        assert record.rows == sum(file.rows for file in self.files.values())
        if not self.knows_files:
            assert delivered.urls is None
            return
        assert sorted(delivered.urls or ()) == sorted(file.path for file in self.files.values())
        listed = [one.file.path for one in read_checkpoint(delivered.processed)]
        assert listed == list(delivered.urls or ())
        assert [file.batch_id for file in record.files if file.batch_id in self.wanted] == [
            batch_id for batch_id in self.wanted if batch_id in self.files
        ]

    @invariant()
    def tries_are_counted(self) -> None:
        """A fault of its own counts, and gives it back but for the last try; a limit gives it back uncounted."""
        for iteration in range(TRIES):
            record = replace(self.job.record, claim=replace(self.job.claim, iteration=iteration))
            ending = record.ending(TRIES)
            if self.is_decided:
                assert ending == Ending(Status.FAILED, "is none", is_failed_try=False)
            elif self.is_charged and iteration + 1 < TRIES:
                assert (ending.gives_back, ending.is_failed_try) == (True, True)
                assert ending.message.startswith(f"Try {iteration + 1} of {TRIES} failed: ")
            elif self.is_deferred:
                assert ending == Ending(Status.SUBMITTED, "", is_failed_try=False)
            else:
                assert ending.status is (Status.SUCCESS if self.files else Status.FAILED)
                assert ending.is_failed_try == self.is_charged


def test_no_order_of_moves_breaks_a_promise() -> None:
    run_machine(JobMachine, examples=150, steps=40)


@pytest.mark.long
def test_no_long_order_of_moves_breaks_a_promise() -> None:
    run_machine(JobMachine, examples=1500, steps=60)
