"""The catalogue as the content service gives it over HTTP."""

from __future__ import annotations

import random as chance
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import TracebackType
from typing import Self

from progress_exhaust.catalogue import refusals
from progress_exhaust.catalogue.http.client import CallGivenUp, Client, NotFound, Patience, fault
from progress_exhaust.catalogue.http.health import Health, Retries
from progress_exhaust.catalogue.http.responses import (
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
from progress_exhaust.catalogue.http.transport import AnswerTooLarge, Call, CallFailed
from progress_exhaust.catalogue.in_flight import Boundless, Share
from progress_exhaust.catalogue.port import STATE_OF_STATUS, CollectionState, Found, Result, in_parallel
from progress_exhaust.catalogue.search import (
    DEFAULT_VISIBILITY,
    MOST_HITS,
    asks_by_default,
    collections_in,
    search_of,
    states_in,
    too_many_hits,
)
from progress_exhaust.errors import CatalogueError, RequestError, SkippedReport, StepFailed
from progress_exhaust.identifiers import is_safe_id
from progress_exhaust.settings.sections import CatalogueSettings
from progress_exhaust.text import shown

PAGE_SIZE = 100
"""Hits asked for at once; stated, since the service has a default of its own."""
_ANY_ID = "do_0"
_ONCE = Patience(1, 1)
_BRIEFLY = Patience(2, 1)
"""Of probes, and of calls once many have failed though the service answers."""
_WITNESS_BYTES = 64 * 1024
"""Of a tree that is fetched as a probe: its beginning says enough."""

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
        self._patience = Patience(settings.tries, settings.tries)
        self._searches = _Kind(settings, monotonic)
        self._trees = _Kind(settings, monotonic)
        self._witnesses: tuple[str, ...] = ()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the calls in hand and close all connections; later calls fail."""
        self._client.close()

    def states(self, collection_ids: Sequence[str]) -> dict[str, CollectionState | SkippedReport]:
        """Return the state of each collection, by searches of at most `search_chunk` ids.

        A search that fails, while the service answers, is halved down to the id that it fails for.

        Raises:
            CatalogueError: the service does not answer.
        """
        states: dict[str, CollectionState | SkippedReport] = dict.fromkeys(collection_ids, CollectionState.ABSENT)
        asked = [collection_id for collection_id in states if is_safe_id(collection_id)]
        size = self._settings.search_chunk
        chunks = [asked[start : start + size] for start in range(0, len(asked), size)]
        for found in in_parallel(self._states_of_chunk, chunks, self._settings.concurrency):
            states.update(found)
        return states

    def tree(self, collection_id: str, share: Share | None = None) -> object:
        """Return the root node of a collection.

        Raises:
            SkippedReport: the service has no such tree, does not give it while it answers otherwise, or gives one that
                can not be read or is over a bound.
            CatalogueError: the service does not answer.
        """
        if not is_safe_id(collection_id):
            raise refusals.unknown(collection_id)
        try:
            answer = self._noted(
                self._trees, partial(self._hierarchy, collection_id, self._settings.max_tree_bytes, share)
            )
        except CallGivenUp as failure:
            self._charge(failure, self._trees, partial(self._probe_trees, collection_id))
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
        if collection_id not in self._witnesses:
            self._witnesses = (collection_id, *self._witnesses[:2])
        return tree

    def search(self, request: Mapping[str, object]) -> list[Found]:
        """Return the collections that a searchFilter finds, page by page.

        Raises:
            RequestError: the search filters nothing, is refused by the service, or finds more than 10,000 nodes.
            StepFailed: it gets no answer, or pages that do not make one list, while the service answers otherwise.
            CatalogueError: the service does not answer.
        """
        search = search_of(request)
        doing = "searching the collections of a request"
        try:
            hits = self._hits(search, doing)
        except _TooManyHits as error:
            raise too_many_hits(error.count) from None
        except CallGivenUp as failure:
            if failure.is_callers:
                raise RequestError(
                    "searchFilter is refused by the content service; check its fields and values"
                ) from None
            self._charge(failure, self._searches, self._probe_search)
            raise StepFailed(
                f"{doing}: {failure.got}, while the content service answers others; narrow its filters or try again"
            ) from None
        # Who names a visibility gets what the service finds by it.
        asks_for_default = asks_by_default(search)
        return collections_in(
            (hit.identifier, hit.status)
            for hit in hits
            if hit.is_collection and (not asks_for_default or hit.visibility in (None, DEFAULT_VISIBILITY))
        )

    def check(self) -> None:
        """Search once for one id.

        Raises:
            CatalogueError: the service does not answer, or not what a search answers.
        """
        self._sign_of_life(_ONCE)

    def _sign_of_life(self, patience: Patience) -> None:
        doing = "asking the content service for a sign of life"
        count, page = self._page(_search_for([_ANY_ID]), 0, doing, patience, limit=1)
        if len(page) != min(1, count):
            raise fault(
                f"{doing}: {len(page)} hits of {count:,}, asked for one; check catalogue.search_url", may_pass=False
            )

    def _probe_search(self) -> None:
        """Search for one id."""
        self._sign_of_life(_BRIEFLY)

    def _probe_trees(self, but_for: str) -> None:
        """Search for one id, and fetch one of the last trees that were there: a tree is no witness of itself.

        Raises:
            CatalogueError: the search fails, or none of two trees comes.
        """
        self._probe_search()
        witnesses = [one for one in self._witnesses if one != but_for][:2]
        for number, witness in enumerate(witnesses, start=1):
            try:
                self._hierarchy(witness, _WITNESS_BYTES, None, _BRIEFLY)
            except CallGivenUp:
                if number == len(witnesses):
                    raise
            except (NotFound, UnreadableAnswer, AnswerTooLarge):
                return  # the service answers, whatever it says
            else:
                return

    def _charge(self, failure: CallGivenUp, kind: _Kind, probe: Callable[[], None]) -> None:
        """See that a failure is not the service's own, before it is charged to what was asked.

        Raises:
            CatalogueError: it is.
        """
        if failure.is_everyones:
            raise failure
        try:
            kind.health.require(probe)
        except CatalogueError:
            # What was being done tells more than what the probe has met.
            raise failure from None

    def _noted(self, kind: _Kind, call: Callable[[Patience], Result]) -> Result:
        """Do a call, with fewer tries where it is not the service that needs time, and take note of how it ends.

        A thousand trees that answer HTTP 500 took 40 s so, with the settings as they come; all tries take 8 min.

        Raises:
            CatalogueError: the service was found down a moment ago.
        """
        kind.health.spare()
        try:
            result = call(self._patience if kind.retries.are_left else _least(self._patience, _BRIEFLY))
        except CallGivenUp as failure:
            if not failure.is_callers:
                kind.retries.spend(failure.tries - 1)
            kind.health.note(failed=not failure.is_callers)
            raise
        except (NotFound, UnreadableAnswer, AnswerTooLarge):
            kind.health.note(failed=False)  # the service is there, whatever it says
            raise
        kind.health.note(failed=False)
        kind.retries.give_one_back()
        return result

    def _hierarchy(self, collection_id: str, max_bytes: int, share: Share | None, patience: Patience) -> object:
        address = f"{self._settings.hierarchy_url.rstrip('/')}/{collection_id}"
        room = share or Boundless()
        call = Call("GET", address, None, max_bytes, room)

        def read(body: bytes | bytearray) -> object:
            room.walk()
            return _hierarchy_answer(body)

        doing = f"fetching the tree of collection {shown(collection_id)}"
        return self._client.ask(call, doing, "hierarchy_url", read, patience)

    def _states_of_chunk(self, chunk: list[str]) -> dict[str, CollectionState | SkippedReport]:
        doing = f"searching {len(chunk)} {'collections' if len(chunk) > 1 else 'collection'} from {shown(chunk[0])}"
        try:
            hits = self._hits(_search_for(chunk), doing)
        except CallGivenUp as failure:
            self._charge(failure, self._searches, self._probe_search)
            if len(chunk) == 1:
                return {chunk[0]: refusals.unavailable(chunk[0], f"search: {failure.got}")}
            middle = len(chunk) // 2
            return self._states_of_chunk(chunk[:middle]) | self._states_of_chunk(chunk[middle:])
        except _TooManyHits as error:
            raise fault(
                f"{doing}: {error}, expected at most two for each id; "
                "check that catalogue.search_url is a search that filters by identifier",
                may_pass=False,
            ) from None
        wanted = set(chunk)
        return {**states_in((hit.identifier, hit.status) for hit in hits if hit.identifier in wanted)}

    def _hits(self, search: Mapping[str, object], doing: str) -> tuple[Hit, ...]:
        """Return all hits of a search.

        Raises:
            _TooManyHits: there are more than can be paged through.
            CallGivenUp: there is no answer, or its pages do not make one whole list.
            CatalogueError: the service was found down a moment ago.
        """
        # The index may be written to between two pages; then the list is begun anew, once.
        hits = self._all_pages(search, doing)
        if hits is None:
            hits = self._all_pages(search, doing)
        if hits is None:
            got = "pages that do not make one list, twice"
            sentence = f"{doing}: {got}, expected each hit once and a steady count; try again when the index is at rest"
            raise CallGivenUp(sentence, got, CallFailed(got))
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
            page_count, page = self._noted(self._searches, partial(self._page, search, offset, doing, limit=PAGE_SIZE))
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

    def _page(self, search: Mapping[str, object], offset: int, doing: str, patience: Patience, *, limit: int) -> Page:
        page = {
            **search,
            "fields": ["identifier", "status", "mimeType", "visibility"],
            "limit": limit,
            "offset": offset,
            "sort_by": {"identifier": "asc"},
        }
        call = Call("POST", self._settings.search_url, {"request": page}, self._settings.max_search_bytes)
        try:
            return self._client.ask(call, doing, "search_url", lambda body: page_in(parsed(body)), patience)
        except NotFound:
            got = "HTTP 404"
        except (AnswerTooLarge, UnreadableAnswer) as error:
            got = str(error)
        sentence = f"{doing}: {got}, expected the answer of a search; check catalogue.search_url"
        raise CallGivenUp(sentence, got, CallFailed(got, may_pass=False))


class _Kind:
    """What is known of one kind of calls, trees or searches."""

    def __init__(self, settings: CatalogueSettings, monotonic: Callable[[], float]) -> None:
        self.health = Health(settings.down_after, monotonic)
        self.retries = Retries(settings.down_after * (settings.tries - 1))


def _least(one: Patience, other: Patience) -> Patience:
    return Patience(min(one.tries, other.tries), min(one.slow_tries, other.slow_tries))


def _search_for(ids: list[str]) -> dict[str, object]:
    return {"filters": {"identifier": ids, "status": list(STATE_OF_STATUS)}}


def _hierarchy_answer(body: bytes | bytearray) -> object:
    answer = parsed(body)
    code = response_code(answer)
    if code not in (None, OK, NOT_FOUND):
        raise CallFailed(f"response code {shown(code or '')}")
    return answer
