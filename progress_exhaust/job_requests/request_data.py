"""What the text of request_data means, decided from the text alone.

Exactly one of three keys says what is wanted: `batchId` (text), `batchFilter` (a list of texts) or `searchFilter` (a
search request of the content service, `{"request": {"filters": {…}}}`). A key that is null counts as absent, and other
keys are ignored, since requests of other jobs and of later portals carry more.

Refused, as the requester's fault: what is not JSON (a byte order mark, NaN and numbers too big for a double or for
Python among it), a key named twice anywhere (which one is meant can not be told), nesting beyond `MOST_LEVELS`, none or
several of the three keys, an empty batchId, a batchFilter that is text, empty, or holds anything but texts, more than
`MOST_IDS` different ids, and a search that filters nothing: the service drops empty lists, and would find everything.

Not refused: an id that is no safe one, blank or with a NUL, for instance. It is kept, and refused by itself later, so
that the other batches are made. An id too long to be one is cut to a length that shows which it was, and stays unsafe;
half of a surrogate pair becomes U+FFFD, which is unsafe, too, and can be written. What a filter means is for the
catalogue to judge; its limit, offset, fields and order are not looked at.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NoReturn

from progress_exhaust.errors import RequestError
from progress_exhaust.text import clean

BATCH_ID = "batchId"
BATCH_FILTER = "batchFilter"
SEARCH_FILTER = "searchFilter"

MOST_IDS = 10_000
"""Different batch ids of one request, as many as a search may find collections."""
MOST_LEVELS = 32
"""Levels of lists and objects; a filter needs five."""

_KEYS = (BATCH_ID, BATCH_FILTER, SEARCH_FILTER)
_LONGEST_ID = 100
_NOTHING: tuple[object, ...] = (None, "", [], {})
_KINDS: tuple[tuple[type, str], ...] = (
    (bool, "true or false"),
    (str, "text"),
    (list, "a list"),
    (dict, "an object"),
    (type(None), "null"),
)


@dataclass(frozen=True, slots=True)
class RequestedBatches:
    """Batches by their ids.

    Attributes:
        batch_ids: each once, in the order asked for; perhaps unsafe ones among them.
    """

    batch_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RequestedSearch:
    """All batches of the collections that a search finds.

    Attributes:
        request: the search request as it came, `{"request": {"filters": {…}}}`.
    """

    request: Mapping[str, object]


RequestedReports = RequestedBatches | RequestedSearch


class TooManyBatches(RequestError):
    """More batch ids than any request may name."""


def parse_request_data(text: str, max_bytes: int) -> RequestedReports:
    """Return what a request wants.

    Args:
        text: the column's text.
        max_bytes: most bytes of it, as UTF-8.

    Raises:
        RequestError: the text is not that of a request; one short sentence that quotes none of it.
    """
    content = _object_in(text, max_bytes)
    given = [key for key in _KEYS if content.get(key) is not None]
    if not given:
        raise RequestError("request_data has none of batchId, batchFilter and searchFilter")
    if len(given) > 1:
        raise RequestError(f"request_data has {' and '.join(given)}, expected one of them")
    [key] = given
    if key == BATCH_ID:
        return RequestedBatches((_batch_id(content[key]),))
    return RequestedBatches(_batch_ids(content[key])) if key == BATCH_FILTER else RequestedSearch(_search(content[key]))


def request_data_of(wanted: RequestedReports) -> str:
    """Return the text that says so, as `parse_request_data` reads it: one line, in ASCII."""
    if isinstance(wanted, RequestedSearch):
        return json.dumps({SEARCH_FILTER: wanted.request})
    ids = wanted.batch_ids
    return json.dumps({BATCH_ID: ids[0]} if len(ids) == 1 else {BATCH_FILTER: ids})


def _object_in(text: str, max_bytes: int) -> dict[str, object]:
    if len(text) > max_bytes or len(text.encode("utf-8", "surrogatepass")) > max_bytes:
        raise RequestError(f"request_data has more than {max_bytes:,} bytes")
    try:
        content = json.loads(
            text, object_pairs_hook=_each_key_once, parse_constant=_refuse_constant, parse_float=_finite
        )
    except RecursionError:
        raise _too_deep() from None
    except json.JSONDecodeError as error:
        raise RequestError(f"request_data is not JSON from character {error.pos + 1:,} on") from None
    except ValueError:  # an integer of thousands of digits
        raise _no_number() from None
    if not isinstance(content, dict):
        raise RequestError(f"request_data is {_kind(content)}, expected an object")
    if _is_too_deep(content):
        raise _too_deep()
    return content


def _batch_id(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise RequestError(f"batchId is {_kind(value) if value != '' else 'empty'}, expected the id of a batch")
    return _bounded(value)


def _batch_ids(value: object) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise RequestError(f"batchFilter is {_kind(value)}, expected a list of batch ids")
    if not value:
        raise RequestError("batchFilter is empty, expected at least one batch id")
    for place, one in enumerate(value, start=1):
        if not isinstance(one, str):
            raise RequestError(f"batchFilter has {_kind(one)} at place {place:,}, expected batch ids only")
    ids = tuple(dict.fromkeys(map(_bounded, value)))
    if len(ids) > MOST_IDS:
        raise TooManyBatches(f"batchFilter has {len(ids):,} batch ids, expected at most {MOST_IDS:,}")
    return ids


def _search(value: object) -> dict[str, object]:
    if not isinstance(value, dict):
        raise RequestError(f"searchFilter is {_kind(value)}, expected an object with request")
    request = value.get("request")
    if not isinstance(request, dict):
        raise RequestError(f"searchFilter.request is {_kind(request)}, expected an object with filters")
    filters = request.get("filters")
    if not isinstance(filters, dict):
        raise RequestError(f"searchFilter.request.filters is {_kind(filters)}, expected an object")
    if all(wanted in _NOTHING for wanted in filters.values()):
        raise RequestError("searchFilter.request.filters has no value to look for, expected at least one")
    return value


def _bounded(batch_id: str) -> str:
    """Return an id fit to be named in a message; a safe one as it is, an unsafe one still unsafe."""
    cut = batch_id if len(batch_id) <= _LONGEST_ID else f"{batch_id[:_LONGEST_ID]}…"
    return clean(cut)


def _each_key_once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    content = dict(pairs)
    if len(content) < len(pairs):
        raise RequestError("request_data has a key twice in one object")
    return content


def _finite(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise _no_number()
    return number


def _refuse_constant(name: str) -> NoReturn:
    raise _no_number()


def _no_number() -> RequestError:
    return RequestError("request_data has a number that JSON does not know, or that is too big")


def _too_deep() -> RequestError:
    return RequestError(f"request_data is nested too deep, expected at most {MOST_LEVELS} levels")


def _is_too_deep(content: object) -> bool:
    """Whether anything stands below the last level; what is handed on must be fit for recursive code."""
    level = [content]
    for _ in range(MOST_LEVELS):
        level = [
            inner
            for outer in level
            for inner in (outer.values() if isinstance(outer, dict) else outer if isinstance(outer, list) else ())
            if isinstance(inner, dict | list)
        ]
    return bool(level)


def _kind(value: object) -> str:
    return next((word for kind, word in _KINDS if isinstance(value, kind)), "a number")
