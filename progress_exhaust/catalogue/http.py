"""The catalogue as the content service gives it over HTTP."""

from __future__ import annotations

import random as chance
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
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
from progress_exhaust.catalogue.client import CallGivenUp, Client, NotFound, fault
from progress_exhaust.catalogue.filters import (
    DEFAULT_VISIBILITY,
    MOST_HITS,
    asks_by_default,
    collections_in,
    search_of,
    states_in,
    too_many_hits,
)
from progress_exhaust.catalogue.health import Health
from progress_exhaust.catalogue.node import COLLECTION_MIME_TYPE
from progress_exhaust.catalogue.port import STATE_OF_STATUS, CollectionState, Found, Result, in_parallel
from progress_exhaust.catalogue.text import shown
from progress_exhaust.catalogue.transport import AnswerTooLarge, Call, CallFailed
from progress_exhaust.errors import CatalogueError, RequestError, StepFailed
from progress_exhaust.ids import is_safe_id
from progress_exhaust.settings import CatalogueSettings

PAGE_SIZE = 100
"""Hits asked for at once; stated, since the service has a default of its own."""
_ANY_ID = "do_0"
_FEW_TRIES = 2
"""Of a probe, and of calls while many in a row have failed though the service answers: it is not it that needs time."""

Page = tuple[int, tuple[Hit, ...]]


class _TooManyHits(Exception):
    """More hits than the index lets anyone page through."""

    def __init__(self, count: int) -> None:
        super().__init__(f"{count:,} hits")
        self.count = count


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
        self._client = Client(settings, sleep, random)
        self._health = Health(self._probe, settings.down_after, monotonic)
        self._last_tree = ""

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

        A search that fails, while the service answers, is halved down to the id that it fails for.

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
            NotMade: the service has no such tree, does not give it while it answers otherwise, or gives one that can
                not be read or is over a bound.
            CatalogueError: the service does not answer.
        """
        if not is_safe_id(collection_id):
            raise refusals.unknown(collection_id)
        try:
            answer = self._noted(lambda tries: self._hierarchy(collection_id, tries))
        except CallGivenUp as failure:
            self._require_service(failure)
            raise refusals.unavailable(collection_id, failure.got) from None
        except NotFound:
            raise refusals.unknown(collection_id) from None
        except AnswerTooLarge as error:
            raise refusals.too_large(collection_id, str(error), "max_tree_bytes") from None
        except TooDeep as error:
            raise refusals.too_large(collection_id, str(error), "max_depth") from None
        except UnreadableAnswer as error:
            raise refusals.bad_tree(collection_id, str(error), "a hierarchy answer") from None
        tree = tree_in(answer, collection_id)
        self._last_tree = collection_id
        return tree

    def search(self, request: Mapping[str, object]) -> list[Found]:
        """Return the collections that a searchFilter finds, page by page.

        Raises:
            RequestError: the search filters nothing, is refused by the service, or finds more than 10,000 nodes.
            StepFailed: it gets no answer, or pages that do not make one list, while the service answers otherwise.
            CatalogueError: the service does not answer.
        """
        search = search_of(request)
        try:
            hits = self._hits(search, "searching the collections of a request")
        except _TooManyHits as error:
            raise too_many_hits(error.count) from None
        except CatalogueError as failure:
            if isinstance(failure, CallGivenUp) and failure.is_callers:
                raise RequestError(
                    "searchFilter is refused by the content service; check its fields and values"
                ) from None
            self._require_service(failure)
            raise StepFailed(str(failure)) from None
        # Who names a visibility gets what the service finds by it.
        asks_for_default = asks_by_default(search)
        return collections_in(
            (hit.identifier, hit.status)
            for hit in hits
            if hit.mime_type in (None, COLLECTION_MIME_TYPE)
            and (not asks_for_default or hit.visibility in (None, DEFAULT_VISIBILITY))
        )

    def check(self) -> None:
        """Search once for one id.

        Raises:
            CatalogueError: the service does not answer, or not what a search answers.
        """
        self._page(_search_for([_ANY_ID]), 0, "asking the content service for a sign of life", tries=1, limit=1)

    def _probe(self) -> None:
        """Search for one id, and fetch the last tree that was there."""
        doing = "asking the content service for a sign of life"
        self._page(_search_for([_ANY_ID]), 0, doing, tries=_FEW_TRIES, limit=1)
        if self._last_tree:
            try:
                self._hierarchy(self._last_tree, _FEW_TRIES)
            except (NotFound, UnreadableAnswer, AnswerTooLarge):
                return  # it has changed meanwhile, and the service answers

    def _require_service(self, failure: CatalogueError) -> None:
        """See that a failure is not the service's own, before it is charged to what was asked.

        Raises:
            CatalogueError: it is.
        """
        if isinstance(failure, CallGivenUp) and failure.is_everyones:
            raise failure
        try:
            self._health.require()
        except CatalogueError:
            # What was being done tells more than what the probe has met.
            raise failure from None

    def _noted(self, call: Callable[[int], Result]) -> Result:
        """Do a call, with fewer tries where it is not the service that needs time, and take note of how it ends.

        Raises:
            CatalogueError: so many calls have failed that the service was probed, and it does not answer.
        """
        tries = self._settings.tries
        if self._health.is_in_doubt:
            self._health.require()
            tries = min(tries, _FEW_TRIES)
        try:
            result = call(tries)
        except CallGivenUp as failure:
            self._health.note(failed=not failure.is_callers)
            raise
        except (NotFound, UnreadableAnswer, AnswerTooLarge):
            self._health.note(failed=False)  # the service is there, whatever it says
            raise
        self._health.note(failed=False)
        return result

    def _hierarchy(self, collection_id: str, tries: int) -> object:
        address = f"{self._settings.hierarchy_url.rstrip('/')}/{collection_id}"
        call = Call("GET", address, None, self._settings.max_tree_bytes)
        doing = f"fetching the tree of collection {shown(collection_id)}"
        return self._client.ask(call, doing, "hierarchy_url", _hierarchy_answer, tries)

    def _states_of_chunk(self, chunk: list[str]) -> dict[str, CollectionState]:
        doing = f"searching {len(chunk)} {'collections' if len(chunk) > 1 else 'collection'} from {shown(chunk[0])}"
        try:
            hits = self._hits(_search_for(chunk), doing)
        except CallGivenUp as failure:
            self._require_service(failure)
            if len(chunk) == 1:
                return {chunk[0]: CollectionState.UNAVAILABLE}
            middle = len(chunk) // 2
            return self._states_of_chunk(chunk[:middle]) | self._states_of_chunk(chunk[middle:])
        except _TooManyHits as error:
            raise fault(
                f"{doing}: {error}, expected at most two for each id; "
                "check that catalogue.search_url is a search that filters by identifier",
                may_pass=False,
            ) from None
        wanted = set(chunk)
        return states_in((hit.identifier, hit.status) for hit in hits if hit.identifier in wanted)

    def _hits(self, search: Mapping[str, object], doing: str) -> tuple[Hit, ...]:
        """Return all hits of a search.

        Raises:
            _TooManyHits: there are more than can be paged through.
            CatalogueError: the service does not answer, or its pages do not make one whole list.
        """
        # The index may be written to between two pages; then the list is begun anew, once.
        hits = self._all_pages(search, doing)
        if hits is None:
            hits = self._all_pages(search, doing)
        if hits is None:
            raise fault(
                f"{doing}: pages that do not make one list, twice, expected each hit once and a steady count; "
                "try again when the index is at rest",
                may_pass=True,
            )
        return hits

    def _all_pages(self, search: Mapping[str, object], doing: str) -> tuple[Hit, ...] | None:
        """Return all hits of a search, or None where the pages do not fit each other.

        The service hides which of two hits with one id is the twin of an edited node, so an id may come twice, also as
        the last hit of one page and the first of the next; more than that are pages that overlap.
        """
        hits: list[Hit] = []
        known: set[str] = set()
        count: int | None = None
        while count is None or len(hits) < count:
            offset = len(hits)
            page_count, page = self._noted(partial(self._page, search, offset, doing, limit=PAGE_SIZE))
            if page_count > MOST_HITS:
                raise _TooManyHits(page_count)
            ids = {hit.identifier for hit in page}
            is_steady = count in (None, page_count)
            is_whole = len(page) == min(PAGE_SIZE, page_count - offset)
            if not is_steady or not is_whole or len(known & ids) > 1:
                return None
            hits += page
            known |= ids
            count = page_count
        return tuple(hits)

    def _page(self, search: Mapping[str, object], offset: int, doing: str, tries: int, *, limit: int) -> Page:
        page = {
            **search,
            "fields": ["identifier", "status", "mimeType", "visibility"],
            "limit": limit,
            "offset": offset,
            "sort_by": {"identifier": "asc"},
        }
        call = Call("POST", self._settings.search_url, {"request": page}, self._settings.max_search_bytes)
        try:
            return self._client.ask(call, doing, "search_url", lambda body: page_in(parsed(body)), tries)
        except NotFound:
            got = "HTTP 404"
        except (AnswerTooLarge, UnreadableAnswer) as error:
            got = str(error)
        raise fault(f"{doing}: {got}, expected the answer of a search; check catalogue.search_url", may_pass=False)


def _search_for(ids: list[str]) -> dict[str, object]:
    return {"filters": {"identifier": ids, "status": list(STATE_OF_STATUS)}}


def _hierarchy_answer(body: bytes) -> object:
    answer = parsed(body)
    code = response_code(answer)
    if code not in (None, OK, NOT_FOUND):
        raise CallFailed(f"response code {shown(code or '')}")
    return answer
