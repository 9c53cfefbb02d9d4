"""HTTP requests that are tried again, with jittered backoff and Retry-After."""

from __future__ import annotations

import logging
import re
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from email.utils import mktime_tz, parsedate_tz
from functools import partial
from typing import TypeVar

from tenacity import RetryCallState, Retrying, stop_after_attempt

from progress_exhaust.catalogue.http.responses import TooDeep, UnreadableResponse
from progress_exhaust.catalogue.http.transport import HttpSession, Request, RequestFailed, Response, Timeouts
from progress_exhaust.errors import CatalogueError
from progress_exhaust.log_actions import Action
from progress_exhaust.paths import scheme_of
from progress_exhaust.settings.sections import CatalogueSettings

_LOG = logging.getLogger(__name__)

Result = TypeVar("Result")

_CLIENT_ERRORS = (400, 413, 422)
"""What the service answers where it does not like what is asked, or finds it too long."""
_SECONDS = re.compile(r"[0-9]{1,9}")
_NOT_BLANK = re.compile(rb"\S")


class NotFound(Exception):
    """The service answered 404."""


class RequestGivenUp(CatalogueError):
    """A request that came to nothing, tries and all.

    Attributes:
        got: what came instead of a response.
        tries: how often it was tried.
        is_client_error: whether the service has understood the request, and finds what it asks for wrong.
        is_everyones: whether the cause has nothing to do with what was asked.
    """

    def __init__(
        self, doing: str, got: str, failed: RequestFailed, tries: int = 1, *, expected: str, remedy: str
    ) -> None:
        super().__init__(doing, got=got, expected=expected, remedy=remedy, transient=failed.retryable)
        self.got = got
        self.tries = tries
        self.is_client_error = failed.is_client_error
        self.is_everyones = failed.is_everyones


@dataclass(frozen=True, slots=True)
class Patience:
    """How often a request is tried at most: `tries` in all, `slow_tries` that run into their deadline."""

    tries: int
    slow_tries: int

    def at_most(self, other: Patience) -> Patience:
        """Return what both allow."""
        return Patience(min(self.tries, other.tries), min(self.slow_tries, other.slow_tries))


ONCE = Patience(1, 1)
BRIEFLY = Patience(2, 1)
"""Of probes, and of requests once many have failed though the service answers."""


class Client:
    """Sends requests to one service for any number of threads.

    Args:
        settings: bounds, tries and secrets.
        sleep: waits between two tries; None waits so that `close` ends it.
        random: gives numbers from 0 up to 1.
    """

    def __init__(
        self,
        settings: CatalogueSettings,
        sleep: Callable[[float], object] | None,
        random: Callable[[], float],
    ) -> None:
        self._settings = settings
        self._closing = threading.Event()
        self._sleep = sleep or self._closing.wait
        self._random = random
        self._lock = threading.Lock()
        self._tls: ssl.SSLContext | None = None
        self._idle: list[HttpSession] = []
        self._busy: set[HttpSession] = set()

    def send(
        self,
        request: Request,
        doing: str,
        setting: str,
        read: Callable[[bytes | bytearray], Result],
        patience: Patience,
    ) -> Result:
        """Send a request until there is a response that can be read, and return what it says.

        Args:
            request: the request.
            doing: what it is for, as the start of a message.
            setting: the setting with the address.
            read: makes a value of the body of an HTTP 200.
            patience: most tries.

        Raises:
            RequestGivenUp: the service failed, or says that the request is wrong.
            UnreadableResponse: `read` did not understand any response.
            ResponseTooLarge: the response is over its bound.
            NotFound: HTTP 404.
        """
        slow = 0

        def is_worth_another_try(state: RetryCallState) -> bool:
            nonlocal slow
            error = state.outcome.exception() if state.outcome else None
            slow += isinstance(error, RequestFailed) and error.is_slow
            return error is not None and slow < patience.slow_tries and self._is_retryable(error)

        retrying = Retrying(
            stop=stop_after_attempt(patience.tries),
            wait=self._pause_s,
            retry=is_worth_another_try,
            before_sleep=partial(_tell_of_retry, doing, patience.tries),
            sleep=self._rest,
            reraise=True,
        )
        try:
            result: Result = retrying(self._once, request, read)
        except RequestFailed as error:
            tried: int = retrying.statistics["attempt_number"]
            times = f" after {tried} tries" if tried > 1 else ""
            remedy = error.remedy or f"check catalogue.{setting}"
            _LOG.debug("%s: given up, got %s%s", doing, error, times, extra={"action": Action.GIVE_UP})
            raise RequestGivenUp(
                doing, f"{error}{times}", error, tried, expected="HTTP 200", remedy=f"{remedy} and try again"
            ) from None
        return result

    def close(self) -> None:
        """End the requests in hand and close all connections; later ones fail."""
        self._closing.set()
        with self._lock:
            idle, self._idle = self._idle, []
            for session in self._busy:
                session.cut()
        for session in idle:
            session.close()

    def _once(self, request: Request, read: Callable[[bytes | bytearray], Result]) -> Result:
        try:
            with self._session() as session:
                response = session.send(request)
                if response.status == 200:
                    # Within the session, which is not used again where the response can not be read: what is left on
                    # it might be taken for the next one.
                    return _read(response.body, read)
        except BaseException:
            # Others wait for the room while we wait for the next try.
            request.room.empty()
            raise
        raise NotFound if response.status == 404 else _refusal(response)

    @contextmanager
    def _session(self) -> Iterator[HttpSession]:
        with self._lock:
            if self._closing.is_set():
                raise RequestFailed("client closed", is_everyones=True)
            session = self._idle.pop() if self._idle else self._new_session()
            self._busy.add(session)
        keep = False
        try:
            yield session
            keep = True
        finally:
            with self._lock:
                self._busy.discard(session)
                keep = keep and not self._closing.is_set()
                if keep:
                    self._idle.append(session)
            if not keep:
                session.close()

    def _new_session(self) -> HttpSession:
        settings = self._settings
        # Reading the system's authorities takes longer than many a request.
        needs_tls = "https" in map(scheme_of, (settings.search_url, settings.hierarchy_url))
        if needs_tls and self._tls is None:
            try:
                self._tls = ssl.create_default_context(cafile=settings.ca_file or None)
            except OSError as error:
                got = f"{settings.ca_file} can not be read ({error.strerror})"
                raise RequestFailed(got, retryable=False, remedy="check catalogue.ca_file", is_everyones=True) from None
        # As bytes, since a text that is not Latin-1 would fail with a message that quotes it.
        token = settings.token.get_secret_value().encode() if settings.token else b""
        headers = {"Authorization": b"Bearer " + token} if token else {}
        timeouts = Timeouts(settings.connect_timeout_s, settings.read_timeout_s, settings.total_timeout_s)
        return HttpSession(timeouts, headers, self._tls)

    def _is_retryable(self, error: BaseException) -> bool:
        if self._closing.is_set():
            return False
        if isinstance(error, RequestFailed):
            return error.retryable
        return isinstance(error, UnreadableResponse) and not isinstance(error, TooDeep)

    def _pause_s(self, state: RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        if isinstance(error, RequestFailed) and error.retry_after_s is not None:
            return min(error.retry_after_s, self._settings.retry_after_max_s)
        doubled = self._settings.backoff_s * 2.0 ** min(state.attempt_number - 1, 30)
        # Full jitter: clients that failed together do not come back together.
        return self._random() * min(doubled, self._settings.backoff_max_s)

    def _rest(self, seconds: float) -> None:
        self._sleep(seconds)


def _tell_of_retry(doing: str, tries: int, state: RetryCallState) -> None:
    _LOG.debug(
        "%s: got %s at try %d of %d; the next one is in %.1f s",
        doing,
        state.outcome.exception() if state.outcome else None,
        state.attempt_number,
        tries,
        state.upcoming_sleep,
        extra={"action": Action.RETRY},
    )


def _read(body: bytes | bytearray, read: Callable[[bytes | bytearray], Result]) -> Result:
    # Nothing at all, or the page of a gateway that is in the way, says nothing about what was asked for.
    start = _NOT_BLANK.search(body)
    if start is None or start[0] == b"<":
        raise RequestFailed("a page instead of JSON" if start else "an empty answer")
    return read(body)


def _refusal(response: Response) -> RequestFailed:
    status = f"HTTP {response.status}"
    if response.status == 429 or response.status >= 500:
        return RequestFailed(status, retry_after_s=_retry_after_s(response.headers))
    if response.status in (401, 403):
        is_login = response.status == 401
        return RequestFailed(status, retryable=False, remedy="check catalogue.token", is_everyones=is_login)
    got = f"{status}, a redirect" if 300 <= response.status < 400 else status
    return RequestFailed(got, retryable=False, is_client_error=response.status in _CLIENT_ERRORS)


def _retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Return for how many seconds the service wants to be left alone; None where it does not say."""
    wanted = headers.get("Retry-After", "").strip()
    if _SECONDS.fullmatch(wanted):
        return float(wanted) or None
    # Told as a time, it is measured from the answer's own date: the two come from one clock.
    then, now = _seconds_of(wanted), _seconds_of(headers.get("Date", ""))
    return then - now if then is not None and now is not None and then > now else None


def _seconds_of(http_date: str) -> float | None:
    try:
        parts = parsedate_tz(http_date)
        return float(mktime_tz(parts)) if parts else None
    except (ValueError, OverflowError, TypeError):
        return None
