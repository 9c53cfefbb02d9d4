"""The queue in memory, where it is more than a stand-in: drivers without PostgreSQL name folders by what it says."""

from __future__ import annotations

from typing import Any

import pytest

from progress_exhaust.job_requests.memory import MemoryQueue
from progress_exhaust.job_requests.memory_table import MemoryTable
from progress_exhaust.job_requests.model import CANCELLED, Claim, Delivered, RequestKey, Status
from progress_exhaust.settings.sections import RequestSettings
from tests.support.request_runs import PUT_IN_AT, request

KEY = RequestKey("one", "r-1")


@pytest.mark.parametrize(
    ("other", "is_shared"),
    [
        pytest.param(None, False, id="alone"),
        pytest.param(("one", "r-2"), False, id="another of the same tag"),
        pytest.param(("two", "r-2"), False, id="another of another tag"),
        pytest.param(("two", "r-1"), True, id="the same id under another tag"),
    ],
)
def test_request_id_is_shared_where_another_tag_has_it_too(other: tuple[str, str] | None, is_shared: bool) -> None:
    queue = MemoryQueue(MemoryTable(), RequestSettings(), now=lambda: PUT_IN_AT)
    queue.submit(request("r-1", tag="one"))
    if other:
        queue.submit(request(other[1], tag=other[0]))
    claim = queue.claim(RequestKey("one", "r-1"))
    assert isinstance(claim, Claim)
    assert claim.shares_request_id is is_shared


def test_checkpoint_notes_files_of_requests_that_are_ours_and_whose_rows_nobody_else_has_locked() -> None:
    table = MemoryTable()
    queue = MemoryQueue(table, RequestSettings(), now=lambda: PUT_IN_AT)
    keys = {name: RequestKey("one", name) for name in ("ours", "locked", "not-claimed")}
    for name in keys:
        queue.submit(request(name, tag="one"))
    for name in ("ours", "locked"):
        assert isinstance(queue.claim(keys[name]), Claim)
    table.locked.add(keys["locked"])
    queue.checkpoint({key: Delivered(urls=("file",), processed="[]") for key in keys.values()})
    assert {name: table.rows[key].urls for name, key in keys.items()} == {
        "ours": ("file",),
        "locked": None,
        "not-claimed": None,
    }


@pytest.mark.parametrize(
    ("before", "is_new"),
    [
        pytest.param({}, True, id="never claimed"),
        pytest.param({"processed": "[]"}, False, id="with a list of what is finished"),
        pytest.param({"iteration": 0}, False, id="given back"),
        pytest.param({"status": Status.PROCESSING, "iteration": 0}, False, id="its driver is gone"),
        pytest.param({"processed": "[]", "completed_at": PUT_IN_AT}, True, id="put in anew"),
    ],
)
def test_submission_is_new_where_no_earlier_claim_of_it_counts(before: dict[str, Any], is_new: bool) -> None:
    table = MemoryTable()
    queue = MemoryQueue(table, RequestSettings(), now=lambda: PUT_IN_AT)
    queue.submit(request("r-1", tag="one"))
    for name, value in before.items():
        setattr(table.rows[KEY], name, value)
    claim = queue.claim(KEY)
    assert isinstance(claim, Claim)
    assert claim.is_new is is_new


@pytest.mark.parametrize(
    ("status", "err_message", "is_cancelled"),
    [
        pytest.param(Status.FAILED, CANCELLED, True, id="cancelled"),
        pytest.param(Status.FAILED, "something else", False, id="failed"),
        pytest.param(Status.SUBMITTED, CANCELLED, False, id="put in anew after it was cancelled"),
    ],
)
def test_files_of_a_claim_that_does_not_hold_are_noted_where_it_was_cancelled(
    status: Status, err_message: str, is_cancelled: bool
) -> None:
    table = MemoryTable()
    queue = MemoryQueue(table, RequestSettings(), now=lambda: PUT_IN_AT)
    queue.submit(request("r-1", tag="one"))
    claim = queue.claim(KEY)
    assert isinstance(claim, Claim)
    row = table.rows[KEY]
    row.status, row.err_message = status, err_message
    assert queue.record_cancelled(claim, Delivered(urls=("file",), processed="[]")) is is_cancelled
    assert row.urls == (("file",) if is_cancelled else None)
