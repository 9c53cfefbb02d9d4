"""One try of one HTTP request, bounded in bytes and in seconds whatever the other side does."""

from __future__ import annotations

import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import requests
from urllib3.exceptions import ConnectTimeoutError, HTTPError, InvalidHeader

from progress_exhaust.catalogue.http.deadline import SocketDeadline, TrackedAdapter
from progress_exhaust.catalogue.in_flight import Boundless, Room

_PIECE_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked, and how much of a response is taken.

    Attributes:
        method: GET or POST.
        url: the whole address.
        body: what is sent as JSON; None sends nothing.
        max_bytes: most bytes of the decoded response.
        room: what its bytes are taken from.
    """

    method: str
    url: str
    body: Mapping[str, Any] | None
    max_bytes: int
    room: Room = field(default_factory=Boundless)


@dataclass(frozen=True, slots=True)
class Response:
    """A response of any status; the body is empty unless the status is 200.

    Attributes:
        status: the HTTP status.
        headers: by name, in any case.
        body: decoded bytes.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes | bytearray


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds to open a connection, between two pieces of a response, and for the request as a whole."""

    connect_s: float
    read_s: float
    total_s: float


class RequestFailed(Exception):
    """No response, or not the one expected; its text says what was got.

    Attributes:
        retryable: whether the same request may succeed later.
        retry_after_s: how long the service asks us to wait; None where it does not.
        remedy: what to look at; None where the address is to be looked at.
        is_client_error: whether the service says that what was asked is wrong.
        is_everyones: whether it has nothing to do with what was asked: a login, a certificate, an address, no
            connection at all.
        is_slow: whether the whole time of a request went by.
    """

    def __init__(
        self,
        got: str,
        *,
        retryable: bool = True,
        retry_after_s: float | None = None,
        remedy: str | None = None,
        is_client_error: bool = False,
        is_everyones: bool = False,
        is_slow: bool = False,
    ) -> None:
        super().__init__(got)
        self.retryable = retryable
        self.is_client_error = is_client_error
        self.is_everyones = is_everyones
        self.is_slow = is_slow
        self.retry_after_s = retry_after_s
        self.remedy = remedy


class ResponseTooLarge(Exception):
    """The decoded body is over its bound."""


class HttpSession:
    """Connections for one thread at a time, kept open between requests.

    Args:
        timeouts: bounds of each request.
        headers: sent with each request.
        tls: whom to trust; None has https addresses refused.
    """

    def __init__(self, timeouts: Timeouts, headers: Mapping[str, bytes], tls: ssl.SSLContext | None) -> None:
        self._timeouts = timeouts
        self._deadline = SocketDeadline()
        self._session = requests.Session()
        # Proxies, certificates and logins come from the settings alone, and loopback never goes through a proxy.
        self._session.trust_env = False
        self._session.headers.update({"Accept": "application/json", "Accept-Encoding": "gzip", **headers})
        self._session.adapters.clear()
        for prefix in ("http://", "https://") if tls else ("http://",):
            self._session.mount(prefix, TrackedAdapter(self._deadline, tls))

    def send(self, request: Request) -> Response:
        """Send one request; after any exception the session is not to be used again.

        The deadline holds from the first packet on; how long a name takes to resolve is up to the resolver.

        Raises:
            RequestFailed: there is no whole response.
            ResponseTooLarge: the response is over its bound.
        """
        try:
            with self._deadline.within(self._timeouts.total_s):
                response = self._response(request)
        except (requests.RequestException, HTTPError, OSError, ValueError) as error:
            if self._deadline.has_cut:
                raise self._too_late() from None
            # No cause is kept: it holds the request, and that the token.
            raise _failure(error) from None
        # A body without a declared length looks whole where it was cut.
        if self._deadline.has_cut:
            raise self._too_late()
        return response

    def cut(self) -> None:
        """End the request in hand from another thread."""
        self._deadline.cut()

    def close(self) -> None:
        """Close the connections."""
        self._session.close()
        self._deadline.close()

    def _response(self, request: Request) -> Response:
        timeouts = (self._timeouts.connect_s, self._timeouts.read_s)
        with self._session.request(
            request.method, request.url, json=request.body, timeout=timeouts, allow_redirects=False, stream=True
        ) as incoming:
            body = bytearray()
            for piece in incoming.iter_content(_PIECE_BYTES) if incoming.status_code == requests.codes.ok else ():
                body += piece
                if len(body) > request.max_bytes:
                    raise ResponseTooLarge(f"more than {request.max_bytes:,} bytes")
                if not request.room.has_taken(len(piece)):
                    # It is not the service that keeps us waiting.
                    with self._deadline.paused():
                        request.room.take(len(piece))
            return Response(incoming.status_code, incoming.headers, body)

    def _too_late(self) -> RequestFailed:
        return RequestFailed(f"no whole answer in {self._timeouts.total_s:g} s", is_slow=True)


_WORDS: tuple[tuple[type[Exception], str], ...] = (
    (requests.exceptions.SSLError, "TLS connection failed"),
    (requests.ConnectTimeout, "no connection in time"),
    (requests.Timeout, "no answer in time"),
    (requests.exceptions.ChunkedEncodingError, "answer that broke off"),
    (requests.exceptions.ContentDecodingError, "answer that can not be decompressed"),
)
"""What was got for each exception, the more special one first."""


def _failure(error: Exception) -> RequestFailed:
    """Say what went wrong in words that hold nothing of the request."""
    *_, root = _causes(error)
    if isinstance(root, ssl.SSLCertVerificationError):
        return RequestFailed(
            f"TLS certificate refused ({root.verify_message})",
            retryable=False,
            remedy="check catalogue.ca_file",
            is_everyones=True,
        )
    if isinstance(root, InvalidHeader):
        return RequestFailed("an answer with headers that contradict each other")
    # Exceptions of requests about an address or a header are ValueErrors, too, and would come again.
    if isinstance(error, ValueError):
        return RequestFailed("an address or header that can not be sent", retryable=False, is_everyones=True)
    # Where there is no connection, nobody has heard what was asked for.
    is_unconnected = any(isinstance(one, ConnectTimeoutError) for one in _causes(error))
    if isinstance(root, TimeoutError) and not is_unconnected:
        return RequestFailed("no answer in time", is_slow=True)
    for kind, words in _WORDS:
        if isinstance(error, kind):
            return RequestFailed(words, is_everyones=is_unconnected)
    cause = root.strerror if isinstance(root, OSError) else None
    return RequestFailed(f"no connection ({cause})" if cause else "connection lost", is_everyones=is_unconnected)


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Give an exception and all that led to it, the innermost last."""
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__ or cause.__context__
