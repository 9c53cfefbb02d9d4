"""A searchFilter: what of it is asked, how a node matches it, and what its hits are."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping

from progress_exhaust.catalogue.mime_types import COLLECTION_MIME_TYPE
from progress_exhaust.catalogue.port import STATE_OF_STATUS, CollectionState, Found
from progress_exhaust.errors import RequestError
from progress_exhaust.identifiers import is_safe_id
from progress_exhaust.log_actions import Action
from progress_exhaust.text import shown

_LOG = logging.getLogger(__name__)

MOST_HITS = 10_000
"""Hits after which the index refuses to page on."""

_ABOUT_THE_ANSWER = frozenset({"fields", "limit", "offset", "sort_by", "facets"})
"""Parts of a search that say how its answer is to look: that is for us to say."""
_TWIN = ".img"
DEFAULT_VISIBILITY = "Default"
"""Of what stands by itself; units of a collection have another."""
_NOTHING: tuple[object, ...] = (None, "", [], {})


def search_of(request: Mapping[str, object]) -> dict[str, object]:
    """Return the search that a searchFilter means.

    Filters without a value are left out, as the service leaves them out. Where a status is not asked for, retired
    collections are, too, so that they can be named; where a mimeType is not, it is that of collections; and where a
    visibility is not, units of collections, which are indexed as well, are left out.

    Args:
        request: `{"request": {"filters": {…}, …}}`.

    Raises:
        RequestError: there is no value to filter by, so that everything would be found.
    """
    search = request.get("request")
    filters = search.get("filters") if isinstance(search, dict) else None
    valued = (
        {field: value for field, value in filters.items() if value not in _NOTHING} if isinstance(filters, dict) else {}
    )
    if not isinstance(search, dict) or not valued:
        raise RequestError(got="searchFilter has no value to filter by", expected="at least one in request.filters")
    defaults = {
        "status": list(STATE_OF_STATUS),
        "mimeType": COLLECTION_MIME_TYPE,
        "visibility": [DEFAULT_VISIBILITY],
    }
    rest = {key: value for key, value in search.items() if key not in _ABOUT_THE_ANSWER}
    return {**rest, "filters": defaults | valued}


def asks_by_default(search: Mapping[str, object]) -> bool:
    """Whether a search that `search_of` has made is for what stands by itself."""
    filters = search["filters"]
    return isinstance(filters, dict) and filters["visibility"] == [DEFAULT_VISIBILITY]


def plain_filters(search: Mapping[str, object]) -> dict[str, list[object]]:
    """Return a search as the values that each field may have.

    Raises:
        RequestError: the search asks for more than that, such as an operator or a full-text query.
    """
    further = [key for key, value in search.items() if key != "filters" and value not in _NOTHING]
    if further:
        raise RequestError(got=f"searchFilter.request has {shown(further[0][:30])}", expected="filters only")
    filters = search.get("filters")
    plain: dict[str, list[object]] = {}
    for field, value in filters.items() if isinstance(filters, dict) else ():
        plain[field] = value if isinstance(value, list) else [value]
        if any(isinstance(one, dict | list) for one in plain[field]):
            raise RequestError(
                got=f"filter {shown(field[:30])} has an operator", expected="a value or a list of values"
            )
    return plain


def is_collection(root: Mapping[str, object]) -> bool:
    """Whether a root node is that of a collection; one without a mimeType counts as one."""
    return root.get("mimeType") in (None, COLLECTION_MIME_TYPE)


def matches(root: Mapping[str, object], filters: Mapping[str, list[object]]) -> bool:
    """Whether a root node has, for each field, one of its values; of a list any element.

    A root without a status counts as live, one without a mimeType as a collection, and one without a visibility as
    what is seen by default.
    """
    node = {"status": "Live", "mimeType": COLLECTION_MIME_TYPE, "visibility": DEFAULT_VISIBILITY} | {
        field: value for field, value in root.items() if value is not None
    }
    for field, wanted in filters.items():
        value = node.get(field)
        values = value if isinstance(value, list) else [value]
        if not any(_is_same(one, other) for one in values for other in wanted):
            return False
    return True


def collections_in(hits: Iterable[tuple[str, str]]) -> list[Found]:
    """Return the collections among hits, each once, in order of identifier.

    Args:
        hits: identifiers with statuses. Unsafe ids, the twins that the service keeps of edited nodes, and what was
            never live are left out; of a live and a retired node with one id the live one counts.
    """
    return [
        Found(collection_id, state)
        for collection_id, state in sorted(states_in(hits).items())
        if is_safe_id(collection_id) and not collection_id.endswith(_TWIN)
    ]


def states_in(hits: Iterable[tuple[str, str]]) -> dict[str, CollectionState]:
    """Return the state of each id among hits; what was never live has none.

    Args:
        hits: identifiers with statuses. Of a live and a retired node with one id the live one is what learners see.
    """
    states: dict[str, CollectionState] = {}
    for identifier, status in hits:
        state = STATE_OF_STATUS.get(status)
        known = states.get(identifier)
        if state is None or state is known:
            continue
        if known is not None:
            _LOG.debug(
                "collection %s has a live and a retired node: the live one is taken",
                shown(identifier),
                extra={"action": Action.TWIN},
            )
        if known is not CollectionState.LIVE:
            states[identifier] = state
    return states


def too_many_hits(count: int) -> RequestError:
    """Return the refusal of a search that finds more than can be paged through."""
    return RequestError(
        got=f"searchFilter finds {count:,} collections, more than {MOST_HITS:,} hits", remedy="narrow its filters"
    )


def _is_same(one: object, other: object) -> bool:
    """Whether two JSON values are the same; true is not 1."""
    return isinstance(one, bool) is isinstance(other, bool) and one == other
