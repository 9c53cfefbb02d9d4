"""Search filters and search answers of any shape."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from progress_exhaust.catalogue.http.responses import UnreadableResponse, page_in
from progress_exhaust.catalogue.search import collections_in, matches, plain_filters, search_of
from progress_exhaust.errors import RequestError
from progress_exhaust.identifiers import is_safe_id

LEAVES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5)
KEYS = st.sampled_from(["request", "filters", "status", "identifier", "query", "limit"]) | st.text(max_size=3)
JSON = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4), max_leaves=15
)
NODES = st.dictionaries(KEYS, JSON, max_size=5)
SEARCHES = NODES.map(lambda filters: {"request": {"filters": filters}}) | st.dictionaries(KEYS, JSON, max_size=3)

GOOD: dict[str, Any] = {
    "responseCode": "OK",
    "result": {"count": 2, "content": [{"identifier": f"do_{number}", "status": "Live"} for number in (1, 2)]},
}


@given(SEARCHES, NODES)
def test_any_search_asks_for_something_or_is_refused(request_: dict[str, object], node: dict[str, object]) -> None:
    try:
        search = search_of(request_)
    except RequestError as error:
        assert len(str(error)) <= 100
        return
    filters = search["filters"]
    assert isinstance(filters, dict)
    assert {"status", "mimeType"} <= filters.keys()
    assert all(value not in (None, "", [], {}) for value in filters.values())
    assert not search.keys() & {"limit", "offset", "fields", "sort_by", "facets"}
    try:
        plain = plain_filters(search)
    except RequestError as error:
        assert len(str(error)) <= 100
        return
    assert plain.keys() == filters.keys()
    assert matches(node, plain) in (True, False)


@given(st.dictionaries(st.sampled_from("abcd"), LEAVES.filter(lambda value: value not in (None, "")), min_size=1))
def test_node_matches_its_own_values(node: dict[str, object]) -> None:
    assert matches(node, plain_filters(search_of({"request": {"filters": node}})))


@given(st.lists(st.tuples(st.text(max_size=8) | st.sampled_from(["do_1", "do_1.img"]), st.text(max_size=8))))
def test_hits_of_any_kind_give_each_usable_collection_once_in_order(hits: list[tuple[str, str]]) -> None:
    live = [(identifier, "Live") for identifier, _ in hits]
    ids = [found.collection_id for found in collections_in([*hits, *live])]
    assert ids == sorted({one for one, _ in hits if is_safe_id(one) and not one.endswith(".img")})


@given(st.data())
def test_answer_with_any_part_replaced_is_a_page_or_unreadable(data: st.DataObject) -> None:
    answer = json.loads(json.dumps(GOOD))
    place: Any = answer
    while True:
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        key = data.draw(st.sampled_from(keys))
        if not isinstance(place[key], dict | list) or data.draw(st.booleans()):
            break
        place = place[key]
    if data.draw(st.booleans()):
        place[key] = data.draw(JSON)
    else:
        del place[key]
    try:
        count, hits = page_in(answer)
    except UnreadableResponse as error:
        assert "\n" not in str(error)
        return
    assert count >= 0
    assert all(isinstance(hit.identifier, str) and isinstance(hit.status, str) for hit in hits)
