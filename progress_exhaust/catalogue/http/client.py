"""HTTP calls that are tried again, with jittered backoff and Retry-After."""

from __future__ import annotations

import re
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from email.utils import mktime_tz, parsedate_tz
from typing import TypeVar

from tenacity import RetryCallState, Retrying, stop_after_attempt

from progress_exhaust.catalogue.http.responses import TooDeep, UnreadableAnswer
from progress_exhaust.catalogue.http.transport import Answer, Call, CallFailed, Line, Timeouts
from progress_exhaust.errors import CatalogueError
from progress_exhaust.settings.sections import CatalogueSettings

Result = TypeVar("Result")

_CALLERS_FAULT = (400, 413, 422)
"""What the service answers where it does not like what is asked, or finds it too long."""
_SECONDS = re.compile(r"[0-9]{1,9}")
_NOT_BLANK = re.compile(rb"\S")


class NotFound(Exception):
    """The service answered 404."""


class CallGivenUp(CatalogueError):
    """A call that came to nothing, tries and all.

    Attributes:
        got: what came instead of an answer.
        tries: how often it was tried.
        is_callers: whether the service has understood the call, and finds what it asks for wrong.
        is_everyones: whether the cause has nothing to do with what was asked.
    """

    def __init__(self, doing: str, got: str, failed: CallFailed, tries: int = 1, *, expected: str, remedy: str) -> None:
        super().__init__(doing, got=got, expected=expected, remedy=remedy, transient=failed.may_pass)
        self.got = got
        self.tries = tries
        self.is_callers = failed.is_callers
        self.is_everyones = failed.is_everyones


@dataclass(frozen=True, slots=True)
class Patience:
    """How often a call is tried at most: `tries` in all, `slow_tries` that run into their deadline."""

    tries: int
    slow_tries: int


class Client:
    """Does calls to one service for any number of threads.

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
        self._idle: list[Line] = []
        self._busy: set[Line] = set()

    def ask(
        self, call: Call, doing: str, setting: str, read: Callable[[bytes | bytearray], Result], patience: Patience
    ) -> Result:
        """Call until there is an answer that can be read, and return what it says.

        Args:
            call: the call.
            doing: what it is for, as the start of a message.
            setting: the setting with the address.
            read: makes a value of the body of an HTTP 200.
            patience: most tries.

        Raises:
            CallGivenUp: the service failed, or says that the call is wrong.
            UnreadableAnswer: `read` did not understand any answer.
            AnswerTooLarge: the answer is over its bound.
            NotFound: HTTP 404.
        """
        slow = 0

        def is_worth_another_try(state: RetryCallState) -> bool:
            nonlocal slow
            error = state.outcome.exception() if state.outcome else None
            slow += isinstance(error, CallFailed) and error.is_slow
            return error is not None and slow < patience.slow_tries and self._may_pass(error)

        retrying = Retrying(
            stop=stop_after_attempt(patience.tries),
            wait=self._pause_s,
            retry=is_worth_another_try,
            sleep=self._rest,
            reraise=True,
        )
        try:
            result: Result = retrying(self._once, call, read)
        except CallFailed as error:
            tried: int = retrying.statistics["attempt_number"]
            times = f" after {tried} tries" if tried > 1 else ""
            remedy = error.remedy or f"check catalogue.{setting}"
            raise CallGivenUp(
                doing, f"{error}{times}", error, tried, expected="HTTP 200", remedy=f"{remedy} and try again"
            ) from None
        return result

    def close(self) -> None:
        """End the calls in hand and close all connections; later calls fail."""
        self._closing.set()
        with self._lock:
            idle, self._idle = self._idle, []
            for line in self._busy:
                line.cut()
        for line in idle:
            line.close()

    def _once(self, call: Call, read: Callable[[bytes | bytearray], Result]) -> Result:
        try:
            with self._line() as line:
                answer = line.call(call)
                if answer.status == 200:
                    # Within the line, which is not used again where the answer can not be: what is left on it might be
                    # taken for the next one.
                    return _read(answer.body, read)
        except BaseException:
            # Others wait for the room while we wait for the next try.
            call.room.empty()
            raise
        raise NotFound if answer.status == 404 else _refusal(answer)

    @contextmanager
    def _line(self) -> Iterator[Line]:
        with self._lock:
            if self._closing.is_set():
                raise CallFailed("client closed", is_everyones=True)
            line = self._idle.pop() if self._idle else self._new_line()
            self._busy.add(line)
        keep = False
        try:
            yield line
            keep = True
        finally:
            with self._lock:
                self._busy.discard(line)
                keep = keep and not self._closing.is_set()
                if keep:
                    self._idle.append(line)
            if not keep:
                line.close()

    def _new_line(self) -> Line:
        settings = self._settings
        # Reading the system's authorities takes longer than many a call.
        needs_tls = any(url.lower().startswith("https:") for url in (settings.search_url, settings.hierarchy_url))
        if needs_tls and self._tls is None:
            try:
                self._tls = ssl.create_default_context(cafile=settings.ca_file or None)
            except OSError as error:
                got = f"{settings.ca_file} can not be read ({error.strerror})"
                raise CallFailed(got, may_pass=False, remedy="check catalogue.ca_file", is_everyones=True) from None
        # As bytes, since a text that is not Latin-1 would fail with a message that quotes it.
        token = settings.token.get_secret_value().encode() if settings.token else b""
        headers = {"Authorization": b"Bearer " + token} if token else {}
        timeouts = Timeouts(settings.connect_timeout_s, settings.read_timeout_s, settings.total_timeout_s)
        return Line(timeouts, headers, self._tls)

    def _may_pass(self, error: BaseException) -> bool:
        if self._closing.is_set():
            return False
        if isinstance(error, CallFailed):
            return error.may_pass
        return isinstance(error, UnreadableAnswer) and not isinstance(error, TooDeep)

    def _pause_s(self, state: RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        if isinstance(error, CallFailed) and error.retry_after_s is not None:
            return min(error.retry_after_s, self._settings.retry_after_max_s)
        doubled = self._settings.backoff_s * 2.0 ** min(state.attempt_number - 1, 30)
        # Full jitter: clients that failed together do not come back together.
        return self._random() * min(doubled, self._settings.backoff_max_s)

    def _rest(self, seconds: float) -> None:
        self._sleep(seconds)


def _read(body: bytes | bytearray, read: Callable[[bytes | bytearray], Result]) -> Result:
    # Nothing at all, or the page of a gateway that is in the way, says nothing about what was asked for.
    start = _NOT_BLANK.search(body)
    if start is None or start[0] == b"<":
        raise CallFailed("a page instead of JSON" if start else "an empty answer")
    return read(body)


def _refusal(answer: Answer) -> CallFailed:
    status = f"HTTP {answer.status}"
    if answer.status == 429 or answer.status >= 500:
        return CallFailed(status, retry_after_s=_retry_after_s(answer.headers))
    if answer.status in (401, 403):
        is_login = answer.status == 401
        return CallFailed(status, may_pass=False, remedy="check catalogue.token", is_everyones=is_login)
    got = f"{status}, a redirect" if 300 <= answer.status < 400 else status
    return CallFailed(got, may_pass=False, is_callers=answer.status in _CALLERS_FAULT)


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
