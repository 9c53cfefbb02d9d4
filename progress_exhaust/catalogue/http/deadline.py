"""Ends HTTP connections from another thread: at the deadline of a request, or when the client closes.

A time-out of a socket starts anew with every piece that arrives, so a server that drips holds a request for as long as
it likes: while the headers come, too. So a watchdog ends the connection under the request.
"""

from __future__ import annotations

import contextlib
import logging
import socket
import ssl
import threading
from collections.abc import Iterator
from typing import Any

from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from progress_exhaust.deadlines import Watchdog
from progress_exhaust.log_actions import Action

_LOG = logging.getLogger(__name__)


class SocketDeadline:
    """Ends the connections of one session, whatever its thread waits for.

    It keeps a second handle on each socket, since the first one moves when TLS starts, and shuts that down: whoever
    is blocked on the connection wakes up at once.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._handles: set[socket.socket] = set()
        self._released: set[socket.socket] = set()
        self._has_cut = False
        self._watchdog = Watchdog(self._cut_late, "catalogue-watchdog")

    @property
    def has_cut(self) -> bool:
        """Whether the connections have been ended; they stay so."""
        return self._has_cut

    def track(self, connected: socket.socket) -> socket.socket:
        """Return a handle on a new connection, which is ended at once where that is overdue."""
        handle = connected.dup()
        with self._lock:
            self._handles.add(handle)
            if self._has_cut:
                _shut_down(handle)
        return handle

    def release(self, handle: socket.socket) -> None:
        """Note that a connection is closed, though the answer in hand may still be read from its socket."""
        with self._lock:
            self._released.add(handle)

    def close(self) -> None:
        """Let go of all connections."""
        self._watchdog.stop()
        with self._lock:
            self._released |= self._handles
            self._sweep()

    def cut(self) -> None:
        """End all connections, and those that are still to come."""
        with self._lock:
            self._has_cut = True
            for handle in self._handles:
                _shut_down(handle)

    @contextlib.contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        """Cut after so many seconds, unless the block, which reads the whole answer, ends before."""
        try:
            with self._watchdog.watching(seconds):
                yield
        finally:
            with self._lock:
                self._sweep()

    def paused(self) -> contextlib.AbstractContextManager[None]:
        """Let none of the time go by in a block that waits for something else than the connection."""
        return self._watchdog.paused()

    def _sweep(self) -> None:
        for handle in self._released:
            self._handles.discard(handle)
            handle.close()
        self._released.clear()

    def _cut_late(self) -> None:
        _LOG.debug("no whole answer of the content service in time: it is cut off", extra={"action": Action.CUT})
        self.cut()


def _shut_down(handle: socket.socket) -> None:
    # The other side may have ended it first.
    with contextlib.suppress(OSError):
        handle.shutdown(socket.SHUT_RDWR)


class TrackedAdapter(HTTPAdapter):
    """Opens connections that a deadline can end, and trusts the certificate authorities of one context alone."""

    def __init__(self, deadline: SocketDeadline, tls: ssl.SSLContext | None) -> None:
        self._deadline = deadline
        self._tls = tls
        super().__init__(pool_connections=2, pool_maxsize=1, max_retries=0)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Make the connections of our classes."""
        super().init_poolmanager(*args, **kwargs, ssl_context=self._tls)
        self.poolmanager.pool_classes_by_scheme = _pools_tracked_by(self._deadline)

    def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:
        """Ask for a certificate; the parent would trust the authorities that come with requests, too."""
        conn.cert_reqs = "CERT_REQUIRED"


def _pools_tracked_by(deadline: SocketDeadline) -> dict[str, type[HTTPConnectionPool]]:
    class Plain(HTTPConnection):
        _handle: socket.socket | None = None

        def _new_conn(self) -> socket.socket:
            connected = super()._new_conn()
            self._handle = deadline.track(connected)
            return connected

        def close(self) -> None:
            super().close()
            if self._handle is not None:
                deadline.release(self._handle)
                self._handle = None

    class Tls(Plain, HTTPSConnection):
        pass

    class PlainPool(HTTPConnectionPool):
        ConnectionCls = Plain

    class TlsPool(HTTPSConnectionPool):
        ConnectionCls = Tls

    return {"http": PlainPool, "https": TlsPool}
