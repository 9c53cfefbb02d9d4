"""The catalogue as the content service gives it over HTTP."""

from __future__ import annotations

import random as chance
import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self

from progress_exhaust.catalogue import refusals
from progress_exhaust.catalogue.answers import (
    NOT_FOUND,
    OK,
    Hit,
    TooDeep,
    UnreadableAnswer,
    page_in,
    parsed,
    response_code,
    tree_in,
)
from progress_exhaust.catalogue.client import Client, NotFound, fault
from progress_exhaust.catalogue.port import STATE_OF_STATUS, CollectionState, in_parallel
from progress_exhaust.catalogue.text import shown
from progress_exhaust.catalogue.transport import AnswerTooLarge, Call, CallFailed
from progress_exhaust.ids import is_safe_id
from progress_exhaust.settings import CatalogueSettings

PAGE_SIZE = 100
"""Hits asked for at once; stated, since the service has a default of its own."""
MOST_HITS = 10_000
"""Hits after which the index refuses to page on; so many also mean that the ids were not looked at."""

_ANY_ID = "do_0"

Page = tuple[int, tuple[Hit, ...]]


class HttpCatalogue:
    """Asks the content service; to be closed, or used in a `with` block.

    Args:
        settings: addresses, bounds and secrets.
        sleep: waits between two tries; None waits so that `close` ends it.
        monotonic: a clock in seconds.
        random: gives numbers from 0 up to 1, for the jitter.
    """

    def __init__(
        self,
        settings: CatalogueSettings,
        *,
        sleep: Callable[[float], object] | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        random: Callable[[], float] = chance.random,
    ) -> None:
        self._settings = settings
        self._client = Client(settings, sleep, monotonic, random)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the calls in hand and close all connections; later calls fail."""
        self._client.close()

    def states(self, collection_ids: Sequence[str]) -> dict[str, CollectionState]:
        """Return the state of each collection, by searches of at most `search_chunk` ids.

        Raises:
            CatalogueError: the service does not answer, or its pages do not make one whole list.
        """
        states = dict.fromkeys(collection_ids, CollectionState.ABSENT)
        asked = [collection_id for collection_id in states if is_safe_id(collection_id)]
        size = self._settings.search_chunk
        chunks = [asked[start : start + size] for start in range(0, len(asked), size)]
        for found in in_parallel(self._states_of_chunk, chunks, self._settings.concurrency):
            states.update(found)
        return states

    def tree(self, collection_id: str) -> object:
        """Return the root node of a collection.

        Raises:
            NotMade: the service has no such tree, or one that can not be read or is over a bound.
            CatalogueError: the service does not answer.
        """
        if not is_safe_id(collection_id):
            raise refusals.unknown(collection_id)
        address = f"{self._settings.hierarchy_url.rstrip('/')}/{collection_id}"
        call = Call("GET", address, None, self._settings.max_tree_bytes)
        doing = f"fetching the tree of collection {shown(collection_id)}"
        try:
            answer = self._client.ask(call, doing, "hierarchy_url", _hierarchy_answer, self._settings.tries)
        except NotFound:
            raise refusals.unknown(collection_id) from None
        except AnswerTooLarge as error:
            raise refusals.too_large(collection_id, str(error), "max_tree_bytes") from None
        except TooDeep as error:
            raise refusals.too_large(collection_id, str(error), "max_depth") from None
        except UnreadableAnswer as error:
            raise refusals.bad_tree(collection_id, str(error), "a hierarchy answer") from None
        return tree_in(answer, collection_id)

    def check(self) -> None:
        """Search once for one id.

        Raises:
            CatalogueError: the service does not answer, or not what a search answers.
        """
        self._page([_ANY_ID], offset=0, doing="asking the content service for a sign of life", tries=1)

    def _states_of_chunk(self, chunk: list[str]) -> dict[str, CollectionState]:
        doing = f"searching {len(chunk)} collections from {shown(chunk[0])}"
        # The index may be written to between two pages; then the list is begun anew, once.
        hits = self._all_pages(chunk, doing)
        if hits is None:
            hits = self._all_pages(chunk, doing)
        if hits is None:
            raise fault(
                f"{doing}: pages that do not make one list, twice, expected each hit once and a steady count; "
                "try again when the index is at rest",
                may_pass=True,
            )
        states: dict[str, CollectionState] = {}
        wanted = set(chunk)
        for hit in hits:
            state = STATE_OF_STATUS.get(hit.status)
            # Of a live and a retired node with one id the live one is what learners see.
            if hit.identifier in wanted and state and states.get(hit.identifier) is not CollectionState.LIVE:
                states[hit.identifier] = state
        return states

    def _all_pages(self, chunk: list[str], doing: str) -> tuple[Hit, ...] | None:
        """Return all hits for a chunk of ids, or None where the pages do not fit each other."""
        hits: dict[Hit, None] = {}
        offset = 0
        count: int | None = None
        while count is None or offset < count:
            page_count, page = self._page(chunk, offset, doing, self._settings.tries)
            if page_count > MOST_HITS:
                raise fault(
                    f"{doing}: {page_count:,} hits, expected at most two for each id; "
                    "check that catalogue.search_url is a search that filters by identifier",
                    may_pass=False,
                )
            is_steady = count in (None, page_count)
            is_whole = len(page) == min(PAGE_SIZE, page_count - offset)
            if not is_steady or not is_whole or not hits.keys().isdisjoint(page):
                return None
            hits.update(dict.fromkeys(page))
            count = page_count
            offset += PAGE_SIZE
        return tuple(hits)

    def _page(self, ids: list[str], offset: int, doing: str, tries: int) -> Page:
        search = {
            "filters": {"identifier": ids, "status": list(STATE_OF_STATUS)},
            "fields": ["identifier", "status"],
            "limit": PAGE_SIZE,
            "offset": offset,
            "sort_by": {"identifier": "asc"},
        }
        call = Call("POST", self._settings.search_url, {"request": search}, self._settings.max_search_bytes)
        try:
            return self._client.ask(call, doing, "search_url", lambda body: page_in(parsed(body)), tries)
        except NotFound:
            got = "HTTP 404"
        except (AnswerTooLarge, UnreadableAnswer) as error:
            got = str(error)
        raise fault(f"{doing}: {got}, expected the answer of a search; check catalogue.search_url", may_pass=False)


def _hierarchy_answer(body: bytes) -> object:
    answer = parsed(body)
    code = response_code(answer)
    if code not in (None, OK, NOT_FOUND):
        raise CallFailed(f"response code {shown(code or '')}")
    return answer
