"""Drivers over a queue and a catalogue in memory, with an engine that computes nothing: for what stands above Spark."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, cast

from progress_exhaust.catalogue import refusals as of_catalogue
from progress_exhaust.catalogue.in_flight import Share
from progress_exhaust.catalogue.port import CollectionState, Found, layouts
from progress_exhaust.catalogue.tree import TreeRules
from progress_exhaust.errors import CatalogueError, Reason, RequestError, SkippedReport, StepFailed
from progress_exhaust.export import refusals
from progress_exhaust.export.delivery import Delivery
from progress_exhaust.export.publishing import CheckedReport
from progress_exhaust.export.run import Event, Outcome, Ports, Run
from progress_exhaust.export.selection import ReportQuery, Selection
from progress_exhaust.job_requests.memory import MemoryQueue
from progress_exhaust.job_requests.memory_table import MemoryRow, MemoryTable
from progress_exhaust.job_requests.model import RequestKey
from progress_exhaust.job_requests.port import Queue
from progress_exhaust.job_requests.quotas import RetryPause
from progress_exhaust.jvm_end import JvmEnd
from progress_exhaust.output.digest import Digest
from progress_exhaust.output.drafts import Draft
from progress_exhaust.output.staging import Staging
from progress_exhaust.output.stores.local import LocalStore
from progress_exhaust.output.stores.port import Store
from progress_exhaust.report.enrolments import Counts
from progress_exhaust.report.model import Batch, Report
from progress_exhaust.settings.sections import Settings
from progress_exhaust.worker.outcome import RequestsOutcome
from progress_exhaust.worker.worker import RequestFilter, Worker
from tests.support.request_runs import PUT_IN_AT, TAG
from tests.support.whole_runs import DAY

CHANNEL = "root"

_run_numbers = itertools.count()


@dataclass
class FakeCatalogue:
    """Trees in memory.

    Attributes:
        trees: root nodes by collection id.
        without_tree: collections whose trees can not be had, while the service answers.
        sick_searches: values of the filter `name` whose search fails, while the service answers.
        refused_searches: those that the service does not like.
        is_down: whether nothing answers.
        searches: how many were done.
    """

    trees: dict[str, dict[str, Any]]
    without_tree: set[str] = field(default_factory=set)
    sick_searches: set[str] = field(default_factory=set)
    refused_searches: set[str] = field(default_factory=set)
    is_down: bool = False
    searches: int = 0

    def states(self, collection_ids: Sequence[str]) -> dict[str, CollectionState]:
        self.check()
        known = self.trees.keys()
        return {one: CollectionState.LIVE if one in known else CollectionState.ABSENT for one in collection_ids}

    def tree(self, collection_id: str, share: Share | None = None) -> object:
        self.check()
        if collection_id in self.without_tree:
            raise SkippedReport(Reason.TREE_UNAVAILABLE, collection_id, f"tree of {collection_id}: HTTP 500; try again")
        if collection_id not in self.trees:
            raise of_catalogue.unknown(collection_id)
        return self.trees[collection_id]

    def search(self, request: Mapping[str, object]) -> list[Found]:
        self.check()
        self.searches += 1
        name = cast(Any, request)["request"]["filters"]["name"]
        if name in self.refused_searches:
            raise RequestError("searchFilter is refused")
        if name in self.sick_searches:
            raise StepFailed("searching the collections of a request: HTTP 500; try again")
        return [Found(one, CollectionState.LIVE) for one, tree in sorted(self.trees.items()) if tree["name"] == name]

    def check(self) -> None:
        if self.is_down:
            raise CatalogueError("the content service does not answer")


@dataclass
class FakeEngine:
    """Makes reports of a line each; what fails is asked for.

    Attributes:
        batches: collection id by batch id.
        catalogue: their trees.
        store: where reports are staged.
        staging: the run's.
        breaking: what comes up for each batch id, when its reports are made.
        before_publishing: called for each report, from the thread that publishes it.
        is_broken: whether nothing can be made any more.
    """

    batches: Mapping[str, str]
    catalogue: FakeCatalogue
    store: Store
    staging: Staging
    breaking: Mapping[str, BaseException]
    before_publishing: Callable[[Report], object]
    threads: int = 8
    is_broken: bool = False

    def select(self, asked: Sequence[ReportQuery]) -> list[Selection]:
        wanted = [
            [
                batch_id
                for batch_id, collection_id in sorted(self.batches.items())
                if batch_id in one.batches or collection_id in one.collections
            ]
            for one in asked
        ]
        collections = {self.batches[batch_id] for batch_ids in wanted for batch_id in batch_ids}
        known = layouts(cast(Any, self.catalogue), sorted(collections), TreeRules(64, 1000, ()), 4)
        numbers = {batch_id: number for number, batch_id in enumerate(sorted(self.batches))}
        selections = []
        for one, batch_ids in zip(asked, wanted, strict=True):
            selection = Selection([])
            for batch_id in batch_ids:
                layout = known[self.batches[batch_id]]
                if isinstance(layout, SkippedReport):
                    selection.not_made.append(refusals.of_collection(batch_id, layout))
                else:
                    selection.batches.append(Batch(numbers[batch_id], batch_id, batch_id, layout))
            selection.not_made.extend(refusals.unknown_batch(one) for one in one.batches if one not in self.batches)
            selections.append(selection)
        return selections

    def make(self, reports: Sequence[Report], delivery: Delivery) -> None:
        wanted = delivery.still_wanted(reports)
        with ThreadPoolExecutor(self.threads) as pool:
            list(pool.map(lambda report: self._make(report, delivery), wanted))
        delivery.end_wave()

    def _make(self, report: Report, delivery: Delivery) -> None:
        batch_id = report.batch.batch_id
        if isinstance(broken := self.breaking.get(batch_id), SkippedReport):
            delivery.refuse(report, broken)
            return
        if broken is not None:
            raise broken
        content = content_of(batch_id)
        staged = self.staging.path(f"{report.report_no}-{id(report)}.csv")
        self.store.write_text(staged, [content])
        draft = Draft(staged, Digest(len(content), hashlib.sha256(content.encode()).hexdigest(), 2))
        self.before_publishing(report)
        try:
            delivery.deliver(CheckedReport(report, draft, Counts(retained=1), 0, 0))
        except SkippedReport as refusal:
            delivery.refuse(report, refusal)

    def is_alive(self) -> bool:
        return not self.is_broken


def content_of(batch_id: str) -> str:
    return f"Batch Id\n{batch_id}\n"


class FakeTables:
    """Tables of which nothing is wrong."""

    def exists(self, _table: object) -> bool:
        return True

    def frame(self, _table: object) -> None:
        return None


@dataclass
class Rig:
    """A queue, an output folder, and a small world: batch `b-N` is of collection `do_N`.

    Attributes:
        folder: the output root.
        table: the queue's rows.
        catalogue: the trees.
        breaking: what comes up when a batch's reports are made.
        make_queue: makes a driver's queue on the table.
        make_store: makes the store.
        settings: of sections.
        day: the day of the runs.
    """

    folder: Path
    size: int = 4
    table: MemoryTable = field(default_factory=MemoryTable)
    breaking: dict[str, BaseException] = field(default_factory=dict)
    sections: dict[str, dict[str, Any]] = field(default_factory=dict)
    make_queue: Callable[[MemoryTable, Settings], Queue] = lambda table, settings: MemoryQueue(
        table, settings.requests, now=lambda: PUT_IN_AT
    )
    make_store: Callable[[Path], Store] = LocalStore
    before_publishing: Callable[[Report], object] = lambda report: None
    jvm: JvmEnd = JvmEnd.ALIVE
    pause: RetryPause | None = None
    keep_broken: bool = False
    day: date = DAY

    def __post_init__(self) -> None:
        self.batches = {f"b-{number}": f"do_{number}" for number in range(self.size)}
        self.catalogue = FakeCatalogue(
            {
                one: {"identifier": one, "name": f"course {one}", "channel": CHANNEL, "children": []}
                for one in self.batches.values()
            }
        )
        self.events: list[Event] = []

    @property
    def settings(self) -> Settings:
        return Settings.model_validate({**self.sections, "output": {"url": str(self.folder)}})

    def run(
        self, only: RequestFilter | None = None, tell: Callable[[Event], None] = lambda event: None
    ) -> RequestsOutcome:
        """Let one driver work the queue off."""
        settings, outcome = self.settings, RequestsOutcome()
        store = self.make_store(self.folder)
        ports = Ports(cast(Any, None), cast(Any, FakeTables()), cast(Any, self.catalogue), store)

        def engine(ports: Ports, settings: Settings, run: Run, staging: Staging, outcome: Outcome) -> FakeEngine:
            return FakeEngine(
                self.batches, self.catalogue, store, staging, self.breaking, self.before_publishing,
                is_broken=self.keep_broken,
            )  # fmt: skip

        def listen(event: Event) -> None:
            self.events.append(event)
            tell(event)

        run = Run(
            f"20200825T060000Z-{next(_run_numbers):06x}",
            self.day,
            lambda: datetime.now(UTC),
            listen,
            lambda settle_s: self.jvm,
        )
        queue = self.make_queue(self.table, settings)
        worker = Worker(queue, lambda: ports, settings, run, outcome, self.pause, engine, sleep=lambda seconds: None)
        try:
            worker.work_off(only or RequestFilter())
        finally:
            queue.close_connections()
        return outcome

    def row(self, request_id: str, tag: str = TAG) -> MemoryRow:
        return self.table.rows[RequestKey(tag, request_id)]

    def file(self, request_id: str, batch_id: str) -> str:
        [path] = (self.folder / "progress-exhaust" / request_id).glob(f"{batch_id}_*.csv")
        return path.read_text(encoding="utf-8")
