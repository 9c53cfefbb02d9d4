"""What the text of request_data means; whatever it is, a wish or a refusal comes out, and soon."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from progress_exhaust.errors import RequestError
from progress_exhaust.identifiers import is_safe_id
from progress_exhaust.job_requests.request_data import (
    RequestedBatches,
    RequestedReports,
    RequestedSearch,
    TooManyBatches,
    parse_request_data,
    request_data_of,
)

MAX_BYTES = 1 << 20
SEARCH = {"request": {"filters": {"channel": "ch-1"}}}


def refusal(text: str, max_bytes: int = MAX_BYTES) -> str:
    started = time.monotonic()
    with pytest.raises(RequestError) as caught:
        parse_request_data(text, max_bytes)
    assert time.monotonic() - started < 1
    sentence = str(caught.value)
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    assert sentence.isascii()
    assert "\n" not in sentence
    assert len(sentence) <= 100  # the narrowest err_message in the field
    return sentence


def wanted(content: Any) -> RequestedReports:
    return parse_request_data(json.dumps(content), MAX_BYTES)


def nested(depth: int) -> str:
    return "[" * depth + "]" * depth


@pytest.mark.parametrize(
    ("content", "ids"),
    [
        pytest.param({"batchId": "b-1"}, ("b-1",), id="batchId"),
        pytest.param({"batchFilter": ["b-1"]}, ("b-1",), id="batchFilter of one"),
        pytest.param({"batchFilter": ["b-2", "b-1", "b-2", "b-3"]}, ("b-2", "b-1", "b-3"), id="order, each once"),
        pytest.param({"batchFilter": ["b", "B", "b "]}, ("b", "B", "b "), id="compared as they are"),
        pytest.param({"batchId": "b-1", "type": "x", "filters": [1]}, ("b-1",), id="further keys"),
        pytest.param({"batchId": None, "batchFilter": ["b-1"]}, ("b-1",), id="null is absent"),
        pytest.param({"batchId": "../x"}, ("../x",), id="unsafe batchId"),
        pytest.param({"batchId": " "}, (" ",), id="blank batchId"),
        pytest.param({"batchFilter": ["b-1", " ", "", "a\x00b"]}, ("b-1", " ", "", "a\x00b"), id="unsafe ids"),
        pytest.param({"batchId": "b\ud800"}, ("b\ufffd",), id="lone surrogate"),
        pytest.param({"batchId": "x" * 100}, ("x" * 100,), id="100 characters"),
        pytest.param({"batchId": "x" * 101}, ("x" * 100 + "…",), id="101 characters"),
    ],
)
def test_batches_by_id(content: dict[str, Any], ids: tuple[str, ...]) -> None:
    assert wanted(content) == RequestedBatches(ids)


@pytest.mark.parametrize(
    "search",
    [
        pytest.param(SEARCH, id="one filter"),
        pytest.param({"request": {"filters": {"identifier": [], "channel": ["a"]}}}, id="an empty list beside a value"),
        pytest.param({"request": {"filters": {"leafNodesCount": {">": 3}}}}, id="operator"),
        pytest.param({"request": {"filters": {"a": 0}}}, id="zero is a value"),
        pytest.param({"request": {"filters": {"a": False}}}, id="false is a value"),
        pytest.param({"request": {**SEARCH["request"], "limit": -1}}, id="limit -1"),
        pytest.param({"request": {**SEARCH["request"], "limit": 0}}, id="limit 0"),
        pytest.param({"request": {**SEARCH["request"], "limit": 10**9, "offset": "x"}}, id="limit 1e9"),
        pytest.param({"request": {"filters": {"name": "x" * 1_000_000}}}, id="1 MB"),
        pytest.param({"request": {"filters": {"name": "\x00\ud800"}}}, id="NUL and surrogate"),
    ],
)
def test_search_is_handed_on_as_it_came(search: dict[str, Any]) -> None:
    assert wanted({"searchFilter": search}) == RequestedSearch(search)


NOT_JSON = "request_data is not JSON from character {} on"
NO_NUMBER = "request_data has a number that JSON does not know, or that is too big"
TOO_DEEP = "request_data is nested too deep, expected at most 32 levels"
NONE_OF_THE_KEYS = "request_data has none of batchId, batchFilter and searchFilter"
NO_VALUE = "searchFilter.request.filters has no value to look for, expected at least one"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", NOT_JSON.format(1)),
        (" ", NOT_JSON.format(2)),
        ("null", "request_data is null, expected an object"),
        ('"x"', "request_data is text, expected an object"),
        ("[]", "request_data is a list, expected an object"),
        ('[{"batchId": "b-1"}]', "request_data is a list, expected an object"),
        ("7", "request_data is a number, expected an object"),
        ("-1.5e3", "request_data is a number, expected an object"),
        ("true", "request_data is true or false, expected an object"),
        ("{}", NONE_OF_THE_KEYS),
        ('{"batchid": "b-1"}', NONE_OF_THE_KEYS),
        ('{"batchId": null, "searchFilter": null}', NONE_OF_THE_KEYS),
        ('{"batchId": "b-1"', NOT_JSON.format(18)),
        ("{'batchId': 'b-1'}", NOT_JSON.format(2)),
        ('{"batchId": "b-1"} x', NOT_JSON.format(20)),
        ('{"batchId": "b\n1"}', NOT_JSON.format(15)),
        ('{"batchId": "\\ud8"}', NOT_JSON.format(15)),
        ('\ufeff{"batchId": "b-1"}', NOT_JSON.format(1)),
        ('{"batchId": "b-1", "batchId": "b-2"}', "request_data has a key twice in one object"),
        ('{"searchFilter": {"request": {}, "request": {}}}', "request_data has a key twice in one object"),
        ('{"batchId": "b-1", "x": NaN}', NO_NUMBER),
        ('{"batchId": "b-1", "x": -Infinity}', NO_NUMBER),
        ('{"batchId": "b-1", "x": 1e400}', NO_NUMBER),
        ('{"batchId": "b-1", "x": ' + "7" * 5000 + "}", NO_NUMBER),
        ('{"batchId": ' + nested(1_000) + "}", TOO_DEEP),
        ('{"batchId": ' + nested(5_000) + "}", TOO_DEEP),
        ('{"batchId": ' + nested(100_000) + "}", TOO_DEEP),
        ('{"batchId": "b-1", "x": ' + nested(32) + "}", TOO_DEEP),
        ('{"a":' * 1_000 + "1" + "}" * 1_000, TOO_DEEP),
        ("[" * 500_000, TOO_DEEP),
        ('{"batchId": 7}', "batchId is a number, expected the id of a batch"),
        ('{"batchId": true}', "batchId is true or false, expected the id of a batch"),
        ('{"batchId": ["b-1"]}', "batchId is a list, expected the id of a batch"),
        ('{"batchId": {"id": "b-1"}}', "batchId is an object, expected the id of a batch"),
        ('{"batchId": ""}', "batchId is empty, expected the id of a batch"),
        ('{"batchFilter": " "}', "batchFilter is text, expected a list of batch ids"),
        ('{"batchFilter": "b-1"}', "batchFilter is text, expected a list of batch ids"),
        ('{"batchFilter": {}}', "batchFilter is an object, expected a list of batch ids"),
        ('{"batchFilter": []}', "batchFilter is empty, expected at least one batch id"),
        ('{"batchFilter": ["b-1", ["b-2"]]}', "batchFilter has a list at place 2, expected batch ids only"),
        ('{"batchFilter": ["b-1", null]}', "batchFilter has null at place 2, expected batch ids only"),
        ('{"batchFilter": [1, "b-1"]}', "batchFilter has a number at place 1, expected batch ids only"),
        ('{"batchId": "b", "batchFilter": ["b"]}', "request_data has batchId and batchFilter, expected one of them"),
        ('{"batchId": "b", "searchFilter": {}}', "request_data has batchId and searchFilter, expected one of them"),
        (
            '{"searchFilter": {}, "batchFilter": [], "batchId": ""}',
            "request_data has batchId and batchFilter and searchFilter, expected one of them",
        ),
        ('{"searchFilter": "x"}', "searchFilter is text, expected an object with request"),
        ('{"searchFilter": []}', "searchFilter is a list, expected an object with request"),
        ('{"searchFilter": {}}', "searchFilter.request is null, expected an object with filters"),
        ('{"searchFilter": {"filters": {"a": 1}}}', "searchFilter.request is null, expected an object with filters"),
        ('{"searchFilter": {"request": []}}', "searchFilter.request is a list, expected an object with filters"),
        ('{"searchFilter": {"request": {}}}', "searchFilter.request.filters is null, expected an object"),
        (
            '{"searchFilter": {"request": {"filters": [1]}}}',
            "searchFilter.request.filters is a list, expected an object",
        ),
        ('{"searchFilter": {"request": {"filters": {}}}}', NO_VALUE),
        ('{"searchFilter": {"request": {"filters": {"identifier": []}}}}', NO_VALUE),
        ('{"searchFilter": {"request": {"filters": {"a": [], "b": {}, "c": "", "d": null}}}}', NO_VALUE),
    ],
    ids=lambda text: text[:60],
)
def test_text_that_is_no_request_is_refused(text: str, sentence: str) -> None:
    assert refusal(text) == sentence


def test_deepest_text_that_is_taken() -> None:
    text = '{"batchId": "b-1", "x": ' + nested(31) + "}"
    assert parse_request_data(text, MAX_BYTES) == RequestedBatches(("b-1",))


def test_bound_on_bytes_is_inclusive_and_counts_utf8() -> None:
    text = '{"batchId": "bä"}'
    assert parse_request_data(text, 18) == RequestedBatches(("bä",))
    assert refusal(text, 17) == "request_data has more than 17 bytes"
    assert refusal('{"batchId": "' + "\ud800" * MAX_BYTES + '"}') == "request_data has more than 1,048,576 bytes"
    assert refusal("[" * 50_000_000) == "request_data has more than 1,048,576 bytes"


def test_bound_on_ids_counts_each_once() -> None:
    ids = [f"b-{number}" for number in range(10_000)]
    assert wanted({"batchFilter": [*ids, *ids]}) == RequestedBatches(tuple(ids))
    with pytest.raises(TooManyBatches, match="has 10,001 batch ids, expected at most 10,000"):
        wanted({"batchFilter": [*ids, "one more"]})


def test_100000_ids_are_too_many() -> None:
    text = json.dumps({"batchFilter": [f"b{number}" for number in range(100_000)]}, separators=(",", ":"))
    assert refusal(text) == "batchFilter has 100,000 batch ids, expected at most 10,000"


@pytest.mark.parametrize(
    ("asked", "text"),
    [
        (RequestedBatches(("b-1",)), '{"batchId": "b-1"}'),
        (RequestedBatches(("b-2", "b-1")), '{"batchFilter": ["b-2", "b-1"]}'),
        (RequestedSearch(SEARCH), '{"searchFilter": {"request": {"filters": {"channel": "ch-1"}}}}'),
    ],
    ids=repr,
)
def test_wish_is_written_as_it_is_read(asked: RequestedReports, text: str) -> None:
    assert request_data_of(asked) == text
    assert parse_request_data(text, MAX_BYTES) == asked


# --- whatever the text is --------------------------------------------------------------------------------------------

LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
KEYS = st.sampled_from(["batchId", "batchFilter", "searchFilter", "request", "filters", "x"])
JSON = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4), max_leaves=20
)
TEXTS = (
    JSON.map(json.dumps)
    | st.text()
    | JSON.map(json.dumps).flatmap(lambda text: st.integers(0, len(text)).map(lambda cut: text[:cut]))
)


@settings(deadline=1000)
@given(TEXTS)
def test_only_a_wish_or_a_refusal_comes_out(text: str) -> None:
    try:
        outcome = parse_request_data(text, MAX_BYTES)
    except RequestError as error:
        assert len(str(error)) <= 100
        return
    if isinstance(outcome, RequestedBatches):
        assert outcome.batch_ids
        assert len(set(outcome.batch_ids)) == len(outcome.batch_ids)
        for batch_id in outcome.batch_ids:
            batch_id.encode("utf-8")
            assert len(batch_id) <= 101
    else:
        json.dumps(outcome.request)


@given(st.lists(st.text(st.characters(), max_size=120), min_size=1, max_size=10))
def test_safe_ids_are_kept_and_unsafe_ones_stay_unsafe(ids: list[str]) -> None:
    outcome = wanted({"batchFilter": ids})
    assert isinstance(outcome, RequestedBatches)
    safe = list(dict.fromkeys(filter(is_safe_id, ids)))
    assert [batch_id for batch_id in outcome.batch_ids if is_safe_id(batch_id)] == safe
