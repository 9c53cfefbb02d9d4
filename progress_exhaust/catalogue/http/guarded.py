"""Requests of one kind, trees or searches: how they end is remembered, and a failure is charged to its owner."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from progress_exhaust.catalogue.http.client import BRIEFLY, NotFound, Patience, RequestGivenUp
from progress_exhaust.catalogue.http.health import Health, Retries
from progress_exhaust.catalogue.http.responses import UnreadableResponse
from progress_exhaust.catalogue.http.transport import ResponseTooLarge
from progress_exhaust.errors import CatalogueError
from progress_exhaust.settings.sections import CatalogueSettings

Result = TypeVar("Result")


class GuardedRequests:
    """What is known of one kind of requests, over all threads.

    Args:
        settings: tries, and failures in a row after which the service is probed.
        monotonic: a clock in seconds.
    """

    def __init__(self, settings: CatalogueSettings, monotonic: Callable[[], float]) -> None:
        self._patience = Patience(settings.tries, settings.tries)
        self._health = Health(settings.down_after, monotonic)
        self._retries = Retries(settings.down_after * (settings.tries - 1))

    def send(self, request: Callable[[Patience], Result]) -> Result:
        """Send a request, with fewer tries where it is not the service that needs time, and take note of its end.

        A thousand trees that answer HTTP 500 took 40 s so, with the settings as they come; all tries take 8 min.

        Raises:
            CatalogueError: the service was found down a moment ago.
        """
        self._health.spare()
        try:
            result = request(self._patience if self._retries.are_left else self._patience.at_most(BRIEFLY))
        except RequestGivenUp as failure:
            if not failure.is_client_error:
                self._retries.spend(failure.tries - 1)
            self._health.note(failed=not failure.is_client_error)
            raise
        except (NotFound, UnreadableResponse, ResponseTooLarge):
            self._health.note(failed=False)  # the service is there, whatever it says
            raise
        self._health.note(failed=False)
        self._retries.give_one_back()
        return result

    def charge(self, failure: RequestGivenUp, probe: Callable[[], None]) -> None:
        """See that a failure is not the service's own, before it is charged to what was asked.

        Raises:
            CatalogueError: it is.
        """
        if failure.is_everyones:
            raise failure
        try:
            self._health.require(probe)
        except CatalogueError:
            # What was being done tells more than what the probe has met.
            raise failure from None
