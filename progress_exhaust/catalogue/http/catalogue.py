"""The catalogue as the content service gives it over HTTP."""

from __future__ import annotations

import random as chance
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import TracebackType
from typing import Self

from progress_exhaust.catalogue import refusals
from progress_exhaust.catalogue.http.client import BRIEFLY, Client, NotFound, Patience, RequestGivenUp
from progress_exhaust.catalogue.http.guarded import GuardedRequests
from progress_exhaust.catalogue.http.responses import (
    NOT_FOUND,
    OK,
    TooDeep,
    UnreadableResponse,
    parsed,
    response_code,
    tree_in,
)
from progress_exhaust.catalogue.http.searches import Searches, TooManyHits, search_for
from progress_exhaust.catalogue.http.transport import Request, RequestFailed, ResponseTooLarge
from progress_exhaust.catalogue.in_flight import Boundless, Share
from progress_exhaust.catalogue.port import CollectionState, Found, in_parallel
from progress_exhaust.catalogue.search import (
    DEFAULT_VISIBILITY,
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

_WITNESS_BYTES = 64 * 1024
"""Of a tree that is fetched as a probe: its beginning says enough."""


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
        self._searches = Searches(settings, self._client, GuardedRequests(settings, monotonic))
        self._trees = GuardedRequests(settings, monotonic)
        self._witnesses: tuple[str, ...] = ()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the requests in hand and close all connections; later ones fail."""
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
            answer = self._trees.send(partial(self._hierarchy, collection_id, self._settings.max_tree_bytes, share))
        except RequestGivenUp as failure:
            self._trees.charge(failure, partial(self._probe_trees, collection_id))
            raise refusals.unavailable(collection_id, failure.got) from None
        except NotFound:
            raise refusals.unknown(collection_id) from None
        except ResponseTooLarge as error:
            raise refusals.too_large(collection_id, str(error), "max_tree_bytes") from None
        except TooDeep as error:
            raise refusals.too_large(collection_id, str(error), "max_depth") from None
        except UnreadableResponse as error:
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
            hits = self._searches.hits(search, doing)
        except TooManyHits as error:
            raise too_many_hits(error.count) from None
        except RequestGivenUp as failure:
            if failure.is_client_error:
                raise RequestError(
                    got="searchFilter is refused by the content service", remedy="check its fields and values"
                ) from None
            self._searches.charge(failure)
            raise StepFailed(
                doing,
                got=f"{failure.got}, while the content service answers others",
                remedy="narrow its filters or try again",
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
        self._searches.check()

    def _probe_trees(self, but_for: str) -> None:
        """Search for one id, and fetch one of the last trees that were there: a tree is no witness of itself.

        Raises:
            CatalogueError: the search fails, or none of two trees comes.
        """
        self._searches.probe()
        witnesses = [one for one in self._witnesses if one != but_for][:2]
        for number, witness in enumerate(witnesses, start=1):
            try:
                self._hierarchy(witness, _WITNESS_BYTES, None, BRIEFLY)
            except RequestGivenUp:
                if number == len(witnesses):
                    raise
            except (NotFound, UnreadableResponse, ResponseTooLarge):
                return  # the service answers, whatever it says
            else:
                return

    def _hierarchy(self, collection_id: str, max_bytes: int, share: Share | None, patience: Patience) -> object:
        address = f"{self._settings.hierarchy_url.rstrip('/')}/{collection_id}"
        room = share or Boundless()
        request = Request("GET", address, None, max_bytes, room)

        def read(body: bytes | bytearray) -> object:
            room.walk()
            return _hierarchy_response(body)

        doing = f"fetching the tree of collection {shown(collection_id)}"
        return self._client.send(request, doing, "hierarchy_url", read, patience)

    def _states_of_chunk(self, chunk: list[str]) -> dict[str, CollectionState | SkippedReport]:
        doing = f"searching {len(chunk)} {'collections' if len(chunk) > 1 else 'collection'} from {shown(chunk[0])}"
        try:
            hits = self._searches.hits(search_for(chunk), doing)
        except RequestGivenUp as failure:
            self._searches.charge(failure)
            if len(chunk) == 1:
                return {chunk[0]: refusals.unavailable(chunk[0], f"search: {failure.got}")}
            middle = len(chunk) // 2
            return self._states_of_chunk(chunk[:middle]) | self._states_of_chunk(chunk[middle:])
        except TooManyHits as error:
            raise CatalogueError(
                doing,
                got=str(error),
                expected="at most two for each id",
                remedy="check that catalogue.search_url is a search that filters by identifier",
                transient=False,
            ) from None
        wanted = set(chunk)
        return {**states_in((hit.identifier, hit.status) for hit in hits if hit.identifier in wanted)}


def _hierarchy_response(body: bytes | bytearray) -> object:
    answer = parsed(body)
    code = response_code(answer)
    if code not in (None, OK, NOT_FOUND):
        raise RequestFailed(f"response code {shown(code or '')}")
    return answer
