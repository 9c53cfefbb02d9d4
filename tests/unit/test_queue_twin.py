"""The queue in memory, where it is more than a stand-in: drivers without PostgreSQL name folders by what it says."""

from __future__ import annotations

import pytest

from progress_exhaust.job_requests.memory import MemoryQueue
from progress_exhaust.job_requests.memory_table import MemoryTable
from progress_exhaust.job_requests.model import Claim, Delivered, RequestKey
from progress_exhaust.settings.sections import RequestSettings
from tests.support.request_runs import PUT_IN_AT, request


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
