"""Who owns which failure of a run: the table in docs/architecture.md, walked row by row."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from progress_exhaust.catalogue import refusals as of_catalogue
from progress_exhaust.catalogue.in_flight import Share
from progress_exhaust.console.signals import Interrupted
from progress_exhaust.errors import (
    OutputError,
    QueueError,
    Reason,
    RowLockedError,
    SkippedReport,
    SourceError,
)
from progress_exhaust.job_requests.memory import MemoryQueue
from progress_exhaust.job_requests.model import Claim, Closing, RequestKey, Status
from progress_exhaust.jvm_end import JvmEnd
from progress_exhaust.output.stores.local import LocalStore
from tests.support.fake_engine import Rig
from tests.support.request_runs import PUT_IN_AT, TAG, request

PAGE = Path(__file__).parents[2] / "docs" / "architecture.md"
TITLE = "### Who owns a failure"


def rows() -> list[tuple[str, ...]]:
    """The rows of the table: call, failure, owner, what happens to the request, whether the run ends."""
    section = PAGE.read_text(encoding="utf-8").partition(TITLE)[2].partition("\n#")[0]
    lines = [line for line in section.splitlines() if line.startswith("| ")]
    return [tuple(cell.strip() for cell in line.strip("|").split("|")) for line in lines[1:]]


class Faulty(MemoryQueue):
    """A queue that fails where a test wants it to."""

    faults: dict[str, Callable[[Any], None]]

    def due(self, *, tag: str | None = None, request_id: str | None = None) -> Any:
        self.faults.get("due", _fine)(None)
        return super().due(tag=tag, request_id=request_id)

    def claim(self, key: RequestKey) -> Any:
        self.faults.get("claim", _fine)(key)
        return super().claim(key)

    def is_ours(self, claim: Claim) -> bool:
        self.faults.get("is_ours", _fine)(claim)
        return super().is_ours(claim)

    def close(self, claim: Claim, closing: Closing) -> bool:
        self.faults.get("close", _fine)((claim, closing))
        return super().close(claim, closing)


def _fine(_asked: Any) -> None:
    return None


class Store(LocalStore):
    """A store that fails where a test wants it to."""

    fault: OutputError | None = None
    fails_check = False

    def publish(self, source: str, target: str) -> None:
        if self.fault and "sick" in target:
            Store.fails_check = Store.fails_check or "whole" in str(self.fault)
            raise self.fault
        super().publish(source, target)

    def check(self) -> None:
        if Store.fails_check:
            raise OutputError("writing: no space left")
        super().check()


def raising(error: BaseException, when: Callable[[Any], bool] = lambda asked: True) -> Callable[[Any], None]:
    def fail(asked: Any) -> None:
        if when(asked):
            raise error

    return fail


def down(rig: Rig) -> None:
    rig.catalogue.is_down = True


def down_while_at_work(rig: Rig) -> None:
    rig.on_event = lambda event: setattr(rig.catalogue, "is_down", "finding what" in event.sentence)  # type: ignore[attr-defined]


def search_that(name: str) -> Callable[[Rig], None]:
    def spoil(rig: Rig) -> None:
        row = rig.row("sick")
        row.request_data = '{"searchFilter": {"request": {"filters": {"name": "sick"}}}}'
        getattr(rig.catalogue, name).add("sick")

    return spoil


def fault_in(call: str, fault: Callable[[Any], None]) -> Callable[[Rig], None]:
    def spoil(rig: Rig) -> None:
        queue = type("FaultyQueue", (Faulty,), {"faults": {call: fault}})
        rig.make_queue = lambda table, settings: queue(table, settings.requests, now=lambda: PUT_IN_AT)

    return spoil


def lock(rig: Rig) -> None:
    rig.table.locked.add(RequestKey(TAG, "sick"))


def bad_data(rig: Rig) -> None:
    rig.row("sick").request_data = "[]"


def manifest_is_a_directory(rig: Rig) -> None:
    (rig.folder / "progress-exhaust" / "sick" / "manifest.json").mkdir(parents=True)


def no_tree(rig: Rig) -> None:
    rig.catalogue.without_tree.add("do_0")


def broken_tree(rig: Rig) -> None:
    def tree(collection_id: str, share: Share | None = None) -> object:
        if collection_id == "do_0":
            raise of_catalogue.bad_tree(collection_id, "root is a list", "an object")
        return rig.catalogue.trees[collection_id]

    rig.catalogue.tree = tree  # type: ignore[method-assign]


def breaking(error: BaseException, jvm: JvmEnd = JvmEnd.ALIVE) -> Callable[[Rig], None]:
    def spoil(rig: Rig) -> None:
        rig.breaking["b-0"] = error
        rig.jvm, rig.keep_broken = jvm, jvm is not JvmEnd.ALIVE

    return spoil


def publishing(sentence: str) -> Callable[[Rig], None]:
    def spoil(rig: Rig) -> None:
        Store.fails_check = False
        rig.make_store = type("FaultyStore", (Store,), {"fault": OutputError(sentence)})

    return spoil


def taken_back(rig: Rig) -> None:
    def cancel(_asked: Any) -> None:
        other = MemoryQueue(rig.table, rig.settings.requests, now=lambda: PUT_IN_AT)
        other.cancel(request_id="sick", tag=None, now=PUT_IN_AT)

    fault_in("close", cancel)(rig)


def locked_while_closing(rig: Rig) -> None:
    seen: list[int] = []

    def fail(asked: Any) -> None:
        if asked[0].key.request_id == "sick" and not seen:
            seen.append(1)
            raise RowLockedError("someone else has the row locked")

    fault_in("close", fail)(rig)


def signal_while_at_work(rig: Rig) -> None:
    def stop(event: Any) -> None:
        if "finding what" in event.sentence:
            raise Interrupted(15)

    rig.on_event = stop  # type: ignore[attr-defined]


def is_sick(asked: Any) -> bool:
    claim = asked[0] if isinstance(asked, tuple) else asked
    key = getattr(claim, "key", claim)
    return bool(key and key.request_id == "sick")


def is_sick_success(asked: Any) -> bool:
    return is_sick(asked) and asked[1].status is Status.SUCCESS


SPOIL: dict[tuple[str, str], Callable[[Rig], None]] = {
    ("look at the output place, before any claim", "can not be written"): lambda rig: setattr(
        rig, "make_store", type("FullStore", (Store,), {"check": raising(OutputError("full"))})
    ),
    ("look at the catalogue, before any claim", "no answer"): down,
    ("list what is due", "no answer"): fault_in("due", raising(QueueError("away"))),
    ("claim", "somebody else has locked the row"): lock,
    ("claim", "no answer"): fault_in("claim", raising(QueueError("away"), is_sick)),
    ("read request_data", "is none"): bad_data,
    ("read the manifest of an earlier try", "can not be read"): manifest_is_a_directory,
    ("search", "refused by the catalogue"): search_that("refused_searches"),
    ("search", "fails, while the catalogue answers"): search_that("sick_searches"),
    ("search, fetch a tree", "fails, and so does the probe"): down_while_at_work,
    ("fetch a tree", "fails, while the catalogue answers"): no_tree,
    ("fetch a tree", "is none, or beyond a bound"): broken_tree,
    ("compute", "a batch fails by itself"): breaking(SkippedReport(Reason.TASK_FAILED, "b-0", "its task failed")),
    ("compute", "a table or the output place fails"): breaking(SourceError("no node answers")),
    ("compute", "a defect, or Spark fails while its JVM lives"): breaking(KeyError("defect")),
    ("compute", "the JVM is killed"): breaking(ConnectionError(), JvmEnd.KILLED),
    ("compute", "the JVM ends in any other way"): breaking(ConnectionError(), JvmEnd.LOST),
    ("publish a file", "fails, while the place can be written"): publishing("Permission denied"),
    ("publish a file", "fails, and so does a look at the place"): publishing("the whole place is full"),
    ("write the manifest", "fails, while the place can be written"): manifest_is_a_directory,
    ("ask whose the row is", "it was taken back"): taken_back,
    ("ask whose the row is", "no answer"): fault_in("is_ours", raising(QueueError("away"), is_sick)),
    ("close", "the database does not take it, while it answers"): fault_in(
        "close", raising(QueueError("refused"), is_sick_success)
    ),
    ("close", "somebody else has locked the row"): locked_while_closing,
    ("anything", "a signal"): signal_while_at_work,
}


def test_table_has_a_row_for_each_way_and_no_other() -> None:
    assert [row[:2] for row in rows()] == list(SPOIL)


@pytest.mark.parametrize("row", rows(), ids=lambda row: f"{row[0]}: {row[1]}")
def test_failure_costs_its_owner_alone(row: tuple[str, ...], tmp_path: Path) -> None:
    call, failure, _owner, what_happens, ends_the_run = row
    rig = Rig(tmp_path / "out")
    rig.on_event = lambda event: None  # type: ignore[attr-defined]
    queue = MemoryQueue(rig.table, rig.settings.requests, now=lambda: PUT_IN_AT)
    for number, request_id in enumerate(("sick", "well")):
        queue.submit(request(request_id, batchId=f"b-{number}", minutes=number))
    # Not the first try, where there is a manifest to be read.
    rig.row("sick").iteration, rig.row("sick").processed = 0, "[]"
    SPOIL[call, failure](rig)
    raised: BaseException | None = None
    try:
        rig.run(tell=rig.on_event)  # type: ignore[attr-defined]
    except BaseException as error:  # noqa: BLE001 - whatever ends the run
        raised = error
    sick, well = rig.row("sick"), rig.row("well")
    assert (raised is not None) == (ends_the_run == "yes"), repr(raised)
    assert rig.table.owners == {}
    if ends_the_run == "no":
        assert well.status == Status.SUCCESS
    else:
        # One whose files were out before has ended; else it is due again, as it was.
        assert well.status == Status.SUCCESS or (well.status == Status.SUBMITTED and (well.iteration or 0) <= 1)
    expected: dict[str, tuple[str, int]] = {
        "not claimed": (Status.SUBMITTED, 0),
        "passed over, looked at again": (Status.SUBMITTED, 0),
        "given back": (Status.SUBMITTED, 0),
        "given back, its try counted": (Status.SUBMITTED, 1),
        "ends FAILED": (Status.FAILED, 0),
        "ends with what is made": (Status.FAILED, 0),
        "ends as it would have": (Status.SUCCESS, 0),
        "stays taken back, its files listed": (Status.FAILED, 0),
    }
    assert (sick.status, sick.iteration or 0) == expected[re.sub(r" \(.*\)", "", what_happens)]
    if what_happens.startswith("given back, its try counted"):
        assert (sick.err_message or "").startswith("Try 1 of 3 failed: ")
