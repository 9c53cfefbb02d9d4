"""What every catalogue does alike: the folder, and the content service over the same folder."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from progress_exhaust.catalogue.files import FilesCatalogue
from progress_exhaust.catalogue.http import HttpCatalogue
from progress_exhaust.catalogue.layout import Layout
from progress_exhaust.catalogue.port import Catalogue, CollectionState, layouts
from progress_exhaust.catalogue.tree import TreeRules
from progress_exhaust.errors import CatalogueError, NotMade, Reason
from progress_exhaust.settings import CatalogueSettings
from progress_exhaust.stack.content_service import ContentService

RULES = TreeRules(64, 1000, ())
MAX_BYTES = 40_000


@pytest.fixture(params=["files", "http"])
def catalogue(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Catalogue]:
    if request.param == "files":
        yield FilesCatalogue(tmp_path, MAX_BYTES)
        return
    with ContentService(tmp_path, token="secret") as service:
        settings = CatalogueSettings(
            search_url=service.search_url,
            hierarchy_url=service.hierarchy_url,
            token="secret",
            max_tree_bytes=MAX_BYTES,
            backoff_s=0.001,
        )
        with HttpCatalogue(settings) as http:
            yield http


def store(folder: Path, collection_id: str, body: Any) -> None:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    (folder / f"{collection_id}.json").write_bytes(raw)


def store_tree(folder: Path, collection_id: str, **fields: Any) -> None:
    store(folder, collection_id, {"responseCode": "OK", "result": {"content": {"identifier": collection_id, **fields}}})


def reasons(outcomes: dict[str, Layout | NotMade]) -> dict[str, Reason | None]:
    return {key: outcome.reason if isinstance(outcome, NotMade) else None for key, outcome in outcomes.items()}


def test_each_collection_gets_its_layout_or_its_reason_in_the_order_asked(catalogue: Catalogue, tmp_path: Path) -> None:
    leaf = {"identifier": "l", "mimeType": "video/mp4"}
    store_tree(tmp_path, "do_live", name="Live", channel="ch", status="Live", children=[leaf])
    store_tree(tmp_path, "do_plain", children=[])
    store_tree(tmp_path, "do_unlisted", status="Unlisted")
    store_tree(tmp_path, "do_flagged", status="Flagged")
    store_tree(tmp_path, "do_retired", status="Retired")
    store_tree(tmp_path, "do_draft", status="Draft")
    store_tree(tmp_path, "do_many", children=[{"identifier": f"l{n}"} for n in range(1000)])
    store_tree(tmp_path, "do_big", x="y" * MAX_BYTES)
    asked = [
        "do_unlisted",
        "do_live",
        "do_none",
        "../do_live",
        "do_retired",
        "do_draft",
        "do_live",
        "do_big",
        "do_plain",
    ]
    outcomes = layouts(catalogue, [*asked, "do_flagged", "do_live.img", "do_many"], RULES, 3)
    assert reasons(outcomes) == {
        "do_unlisted": None,
        "do_live": None,
        "do_none": Reason.UNKNOWN_COLLECTION,
        "../do_live": Reason.UNKNOWN_COLLECTION,
        "do_retired": Reason.RETIRED_COLLECTION,
        "do_draft": Reason.UNKNOWN_COLLECTION,
        "do_big": Reason.TREE_TOO_LARGE,
        "do_plain": None,
        "do_flagged": None,
        "do_live.img": Reason.UNKNOWN_COLLECTION,
        "do_many": Reason.TREE_TOO_LARGE,
    }
    assert list(outcomes) == list(dict.fromkeys([*asked, "do_flagged", "do_live.img", "do_many"]))
    assert outcomes["do_live"] == Layout("do_live", "Live", "ch", ("l",), (), (), {})
    for collection_id, outcome in outcomes.items():
        if isinstance(outcome, NotMade):
            assert outcome.subject == collection_id
            assert outcome.__traceback__ is None


def test_states_tell_absent_from_asked_for(catalogue: Catalogue, tmp_path: Path) -> None:
    store_tree(tmp_path, "do_1")
    store_tree(tmp_path, "do_2", status="Flagged")
    store_tree(tmp_path, "do_not_asked")
    assert catalogue.states(["do_2", "do_1", "do_3", "a/b", "do_1"]) == {
        "do_1": CollectionState.LIVE,
        "do_2": CollectionState.LIVE,
        "do_3": CollectionState.ABSENT,
        "a/b": CollectionState.ABSENT,
    }
    assert catalogue.states([]) == {}


def test_tree_is_the_root_as_it_is_stored(catalogue: Catalogue, tmp_path: Path) -> None:
    store_tree(tmp_path, "do_1", name="Ä \ud83d", children=[{"identifier": 7}])
    assert catalogue.tree("do_1") == {"identifier": "do_1", "name": "Ä \ud83d", "children": [{"identifier": 7}]}


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        pytest.param(b"null", Reason.BAD_TREE, id="null"),
        pytest.param(b'{"result": {"content"', Reason.BAD_TREE, id="cut"),
        pytest.param(b'{"responseCode": "OK", "result": {}}', Reason.BAD_TREE, id="no tree"),
        pytest.param(b'{"responseCode": "RESOURCE_NOT_FOUND"}', Reason.UNKNOWN_COLLECTION, id="not found"),
        pytest.param(b"[" * 15_000, Reason.TREE_TOO_LARGE, id="too deep"),
        pytest.param(b"[" * 50_000, Reason.TREE_TOO_LARGE, id="too big"),
    ],
)
def test_body_without_a_tree_is_not_made(catalogue: Catalogue, tmp_path: Path, body: bytes, reason: Reason) -> None:
    store(tmp_path, "do_1", body)
    with pytest.raises(NotMade) as caught:
        catalogue.tree("do_1")
    assert (caught.value.reason, caught.value.subject) == (reason, "do_1")


@pytest.mark.parametrize("collection_id", ["do_none", "../etc", "a/b", ""])
def test_tree_that_is_not_there_is_unknown(catalogue: Catalogue, collection_id: str) -> None:
    with pytest.raises(NotMade) as caught:
        catalogue.tree(collection_id)
    assert caught.value.reason is Reason.UNKNOWN_COLLECTION


def test_check_of_a_catalogue_that_is_there(catalogue: Catalogue) -> None:
    catalogue.check()


def test_250_collections_are_all_found(catalogue: Catalogue, tmp_path: Path) -> None:
    ids = [f"do_{number}" for number in range(250)]
    for number, collection_id in enumerate(ids):
        store_tree(tmp_path, collection_id, status="Retired" if number % 2 else "Live")
    outcomes = reasons(layouts(catalogue, ids, RULES, 4))
    assert list(outcomes.values()) == [None, Reason.RETIRED_COLLECTION] * 125


# --- the step itself, over a catalogue made for the case -------------------------------------------------------------


class Scripted:
    """A catalogue where every id is live and a function gives the tree."""

    def __init__(self, tree: Callable[[str], object]) -> None:
        self._tree = tree
        self.lock = threading.Lock()
        self.fetched: list[str] = []

    def states(self, collection_ids: Sequence[str]) -> dict[str, CollectionState]:
        assert collection_ids, "asked for nothing"
        return dict.fromkeys(collection_ids, CollectionState.LIVE)

    def tree(self, collection_id: str) -> object:
        with self.lock:
            self.fetched.append(collection_id)
        return self._tree(collection_id)

    def check(self) -> None:
        pass


def test_no_ids_make_no_call() -> None:
    assert layouts(Scripted(lambda _: pytest.fail("called")), [], RULES, 3) == {}


def test_each_tree_is_fetched_once_and_several_at_a_time() -> None:
    together = threading.Barrier(3, timeout=10)

    def tree(collection_id: str) -> object:
        together.wait()
        return {"identifier": collection_id}

    catalogue = Scripted(tree)
    ids = [f"do_{number}" for number in range(9)]
    assert list(layouts(catalogue, [*ids, *ids], RULES, 3)) == ids
    assert sorted(catalogue.fetched) == ids


def test_fault_of_the_catalogue_ends_the_step_at_once() -> None:
    release = threading.Event()

    def tree(collection_id: str) -> object:
        if collection_id == "do_1":
            raise CatalogueError("away")
        release.wait(20)
        return {"identifier": collection_id}

    catalogue = Scripted(tree)
    try:
        with pytest.raises(CatalogueError, match="away"):
            layouts(catalogue, [f"do_{number}" for number in range(100)], RULES, 2)
        assert not release.is_set()
        assert len(catalogue.fetched) <= 3
    finally:
        release.set()
