"""Searches of the content service: all pages of one, or a single one as a sign of life."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from functools import partial

from progress_exhaust.catalogue.http.client import (
    BRIEFLY,
    ONCE,
    Client,
    NotFound,
    Patience,
    RequestGivenUp,
)
from progress_exhaust.catalogue.http.guarded import GuardedRequests
from progress_exhaust.catalogue.http.responses import Hit, UnreadableResponse, page_in, parsed
from progress_exhaust.catalogue.http.transport import Request, RequestFailed, ResponseTooLarge
from progress_exhaust.catalogue.port import STATE_OF_STATUS
from progress_exhaust.catalogue.search import MOST_HITS
from progress_exhaust.errors import CatalogueError
from progress_exhaust.log_actions import Action
from progress_exhaust.settings.sections import CatalogueSettings

_LOG = logging.getLogger(__name__)

PAGE_SIZE = 100
"""Hits asked for at once; stated, since the service has a default of its own."""
_ANY_ID = "do_0"

Page = tuple[int, tuple[Hit, ...]]


class TooManyHits(Exception):
    """More hits than the index lets anyone page through."""

    def __init__(self, count: int) -> None:
        super().__init__(f"{count:,} hits")
        self.count = count


class Searches:
    """Searches the content service.

    Args:
        settings: the address of the search, and the most bytes of a response.
        client: sends requests.
        guarded: remembers how searches end.
    """

    def __init__(self, settings: CatalogueSettings, client: Client, guarded: GuardedRequests) -> None:
        self._settings = settings
        self._client = client
        self._guarded = guarded

    def hits(self, search: Mapping[str, object], doing: str) -> tuple[Hit, ...]:
        """Return all hits of a search.

        Raises:
            TooManyHits: there are more than can be paged through.
            RequestGivenUp: there is no answer, or its pages do not make one whole list.
            CatalogueError: the service was found down a moment ago.
        """
        # The index may be written to between two pages; then the list is begun anew, once.
        hits = self._all_pages(search, doing)
        if hits is None:
            _LOG.debug(
                "%s: pages that do not make one list; asked for once more", doing, extra={"action": Action.RETRY}
            )
            hits = self._all_pages(search, doing)
        if hits is None:
            got = "pages that do not make one list, twice"
            expected, remedy = "each hit once and a steady count", "try again when the index is at rest"
            raise RequestGivenUp(doing, got, RequestFailed(got), expected=expected, remedy=remedy)
        return hits

    def check(self) -> None:
        """Search once for one id.

        Raises:
            CatalogueError: the service does not answer, or not what a search answers.
        """
        self._sign_of_life(ONCE)

    def probe(self) -> None:
        """Search for one id, with a second try.

        Raises:
            CatalogueError: the service does not answer, or not what a search answers.
        """
        self._sign_of_life(BRIEFLY)

    def charge(self, failure: RequestGivenUp) -> None:
        """See that the failure of a search is not the service's own, before it is charged to what was asked.

        Raises:
            CatalogueError: it is.
        """
        self._guarded.charge(failure, self.probe)

    def _sign_of_life(self, patience: Patience) -> None:
        doing = "asking the content service for a sign of life"
        count, page = self._page(search_for([_ANY_ID]), 0, doing, patience, limit=1)
        if len(page) != min(1, count):
            raise CatalogueError(
                doing,
                got=f"{len(page)} hits of {count:,}, asked for one",
                remedy="check catalogue.search_url",
                transient=False,
            )

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
            page_count, page = self._guarded.send(partial(self._page, search, offset, doing, limit=PAGE_SIZE))
            if page_count > MOST_HITS:
                raise TooManyHits(page_count)
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
        request = Request("POST", self._settings.search_url, {"request": page}, self._settings.max_search_bytes)
        try:
            return self._client.send(request, doing, "search_url", lambda body: page_in(parsed(body)), patience)
        except NotFound:
            got = "HTTP 404"
        except (ResponseTooLarge, UnreadableResponse) as error:
            got = str(error)
        expected, remedy = "the answer of a search", "check catalogue.search_url"
        raise RequestGivenUp(doing, got, RequestFailed(got, retryable=False), expected=expected, remedy=remedy)


def search_for(ids: list[str]) -> dict[str, object]:
    """Return the search for collections by their ids, whether live or retired."""
    return {"filters": {"identifier": ids, "status": list(STATE_OF_STATUS)}}
