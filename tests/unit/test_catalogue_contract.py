"""What every catalogue does alike: the folder, and the content service over the same folder."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from progress_exhaust.catalogue.files import FilesCatalogue
from progress_exhaust.catalogue.http.catalogue import HttpCatalogue
from progress_exhaust.catalogue.in_flight import Share
from progress_exhaust.catalogue.layout import Layout
from progress_exhaust.catalogue.port import Catalogue, CollectionState, Found, layouts
from progress_exhaust.catalogue.tree import TreeRules
from progress_exhaust.errors import CatalogueError, Reason, RequestError, SkippedReport
from progress_exhaust.settings.sections import CatalogueSettings
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


def reasons(outcomes: dict[str, Layout | SkippedReport]) -> dict[str, Reason | None]:
    return {key: outcome.reason if isinstance(outcome, SkippedReport) else None for key, outcome in outcomes.items()}


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
        if isinstance(outcome, SkippedReport):
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
    with pytest.raises(SkippedReport) as caught:
        catalogue.tree("do_1")
    assert (caught.value.reason, caught.value.subject) == (reason, "do_1")


@pytest.mark.parametrize("collection_id", ["do_none", "../etc", "a/b", ""])
def test_tree_that_is_not_there_is_unknown(catalogue: Catalogue, collection_id: str) -> None:
    with pytest.raises(SkippedReport) as caught:
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


# --- searches ----------------------------------------------------------------------------------------------------


LIVE, RETIRED = CollectionState.LIVE, CollectionState.RETIRED


def found_ids(catalogue: Catalogue, **filters: object) -> list[str]:
    return [found.collection_id for found in catalogue.search({"request": {"filters": filters}})]


def test_search_gives_live_and_retired_collections_in_order_of_identifier(catalogue: Catalogue, tmp_path: Path) -> None:
    store_tree(tmp_path, "do_3", channel="a", status="Live")
    store_tree(tmp_path, "do_1", channel="a", status="Retired")
    store_tree(tmp_path, "do_2", channel="a")
    store_tree(tmp_path, "do_4", channel="a", status="Draft")
    store_tree(tmp_path, "do_5", channel="a", status="Flagged", mimeType="video/mp4")
    store_tree(tmp_path, "do_6", channel="a", status="Unlisted", mimeType="application/vnd.ekstep.content-collection")
    store_tree(tmp_path, "do_7", channel="b")
    store_tree(tmp_path, "DO_8", channel="a")
    store_tree(tmp_path, "do 9", channel="a")
    assert catalogue.search({"request": {"filters": {"channel": "a"}}}) == [
        Found("DO_8", LIVE),
        Found("do_1", RETIRED),
        Found("do_2", LIVE),
        Found("do_3", LIVE),
        Found("do_6", LIVE),
    ]


@pytest.mark.parametrize(
    ("visibility", "ids"),
    [
        pytest.param(None, ["do_1", "do_2", "do_3"], id="none asked for"),
        pytest.param("Default", ["do_1", "do_2", "do_3"], id="the usual one"),
        pytest.param(["Parent"], ["do_4"], id="units"),
        pytest.param(["Parent", "Default"], ["do_1", "do_2", "do_3", "do_4"], id="both"),
        pytest.param(["Private"], ["do_5"], id="another"),
    ],
)
def test_units_are_found_only_by_their_visibility(
    catalogue: Catalogue, tmp_path: Path, visibility: object, ids: list[str]
) -> None:
    store_tree(tmp_path, "do_1", channel="a")
    store_tree(tmp_path, "do_2", channel="a", visibility=None)
    store_tree(tmp_path, "do_3", channel="a", visibility="Default")
    store_tree(tmp_path, "do_4", channel="a", visibility="Parent")
    store_tree(tmp_path, "do_5", channel="a", visibility="Private")
    assert found_ids(catalogue, channel="a", visibility=visibility) == ids
    assert set(catalogue.states([f"do_{number}" for number in range(1, 6)]).values()) == {LIVE}


def test_search_without_a_hit_finds_nothing(catalogue: Catalogue, tmp_path: Path) -> None:
    store_tree(tmp_path, "do_1", channel="a")
    assert found_ids(catalogue, channel="none") == []


@pytest.mark.parametrize(
    ("filters", "ids"),
    [
        pytest.param({"status": "Retired"}, ["do_old"], id="status asked for"),
        pytest.param({"status": ["Live"], "identifier": ["do_old", "do_a"]}, ["do_a"], id="live ones only"),
        pytest.param({"status": [], "identifier": ["do_old"]}, ["do_old"], id="empty status is none"),
        pytest.param({"status": ["Draft"]}, [], id="never live"),
        pytest.param({"mimeType": "video/mp4"}, [], id="only collections"),
        pytest.param({"visibility": "Parent"}, [], id="visibility asked for"),
        pytest.param({"identifier": "do_a"}, ["do_a"], id="one value"),
        pytest.param({"identifier": ["do_b", "do_a", "do_none"]}, ["do_a", "do_b"], id="one of a list"),
        pytest.param({"identifier": "do_A"}, [], id="case matters"),
        pytest.param({"medium": "Hindi"}, ["do_a", "do_b"], id="element of the node's list"),
        pytest.param({"medium": ["English", "Tamil"]}, ["do_b"], id="any element with any value"),
        pytest.param({"medium": "Hindi", "level": 3}, ["do_a"], id="all fields"),
        pytest.param({"level": "3"}, [], id="a number is not its text"),
        pytest.param({"no_such_field": "x"}, [], id="field that no node has"),
        pytest.param({"children": "x", "name": "A"}, [], id="the root's own fields only"),
        pytest.param({"identifier": [], "level": 3}, ["do_a"], id="empty list is dropped"),
        pytest.param({"identifier": None, "level": 3}, ["do_a"], id="null is dropped"),
        pytest.param({"name": "\ud83d\x00"}, ["do_b"], id="odd text"),
    ],
)
def test_search_filters_by_fields_of_the_root(
    catalogue: Catalogue, tmp_path: Path, filters: dict[str, object], ids: list[str]
) -> None:
    store_tree(tmp_path, "do_a", name="A", medium=["Hindi"], level=3, children=["x"])
    store_tree(tmp_path, "do_b", name="\ud83d\x00", medium=["Hindi", "English"], level=True, status=None)
    store_tree(tmp_path, "do_old", status="Retired", level=None)
    store_tree(tmp_path, "do_video", mimeType="video/mp4")
    assert found_ids(catalogue, **filters) == ids


@pytest.mark.parametrize(
    "request_",
    [
        pytest.param({}, id="nothing"),
        pytest.param({"request": None}, id="no request"),
        pytest.param({"request": {"query": "x"}}, id="no filters"),
        pytest.param({"request": {"filters": []}}, id="filters that are a list"),
        pytest.param({"request": {"filters": {}}}, id="empty filters"),
        pytest.param({"request": {"filters": {"identifier": [], "a": None, "b": "", "c": {}}}}, id="no value"),
        pytest.param({"request": {"filters": {"level": {">": 3}}}}, id="operator"),
        pytest.param({"request": {"filters": {"level": [{">": 3}]}}}, id="operator in a list"),
        pytest.param({"request": {"filters": {"level": 3}, "query": "maths"}}, id="full-text query"),
    ],
)
def test_search_that_filters_nothing_or_is_not_understood_is_the_requesters_fault(
    catalogue: Catalogue, tmp_path: Path, request_: dict[str, object]
) -> None:
    store_tree(tmp_path, "do_1", level=3)
    with pytest.raises(RequestError, match=r"^(searchFilter|filter)[ .]") as caught:
        catalogue.search(request_)
    assert len(str(caught.value)) <= 100
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


@pytest.mark.parametrize("limit", [-1, 0, 1, 10**9, "x", None])
def test_limit_offset_fields_and_order_of_the_requester_are_ignored(
    catalogue: Catalogue, tmp_path: Path, limit: object
) -> None:
    for number in range(3):
        store_tree(tmp_path, f"do_{number}", channel="a")
    search = {"filters": {"channel": "a"}, "limit": limit, "offset": 2, "fields": ["name"], "facets": ["channel"]}
    found = catalogue.search({"request": {**search, "sort_by": {"identifier": "desc"}}})
    assert found == [Found("do_0", LIVE), Found("do_1", LIVE), Found("do_2", LIVE)]


def test_search_finds_250_collections(catalogue: Catalogue, tmp_path: Path) -> None:
    for number in range(250):
        store_tree(tmp_path, f"do_{number:03}", channel="a", status="Retired" if number % 50 == 0 else "Live")
    assert catalogue.search({"request": {"filters": {"channel": "a"}}}) == [
        Found(f"do_{number:03}", RETIRED if number % 50 == 0 else LIVE) for number in range(250)
    ]


def test_what_holds_no_tree_is_not_found(catalogue: Catalogue, tmp_path: Path) -> None:
    store_tree(tmp_path, "do_1", channel="a")
    for name, body in {
        "cut": b"{",
        "list": b"[]",
        "null": b"null",
        "deep": b"[" * 15_000,
        "tree": b'{"result":{}}',
    }.items():
        store(tmp_path, name, body)
    assert found_ids(catalogue, channel="a") == ["do_1"]


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

    def tree(self, collection_id: str, share: Share | None = None) -> object:
        with self.lock:
            self.fetched.append(collection_id)
        return self._tree(collection_id)

    def search(self, request: Mapping[str, object]) -> list[Found]:
        pytest.fail("searched")

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
