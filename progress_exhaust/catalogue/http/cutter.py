"""Ends HTTP connections from another thread.

A time-out of a socket starts anew with every piece that arrives, so a server that drips holds a call for as long as
it likes: while the headers come, too. So a timer ends the connection under the call.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool


class Cutter:
    """Ends the connections of one session, whatever its thread waits for.

    It keeps a second handle on each socket, since the first one moves when TLS starts, and shuts that down: whoever
    is blocked on the connection wakes up at once.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._handles: set[socket.socket] = set()
        self._given_up: set[socket.socket] = set()
        self._has_cut = False

    @property
    def has_cut(self) -> bool:
        """Whether the connections have been ended; they stay so."""
        return self._has_cut

    def watch(self, connected: socket.socket) -> socket.socket:
        """Return a handle on a new connection, which is ended at once where that is overdue."""
        handle = connected.dup()
        with self._lock:
            self._handles.add(handle)
            if self._has_cut:
                _shut_down(handle)
        return handle

    def give_up(self, handle: socket.socket) -> None:
        """Note that a connection is closed, though the answer in hand may still be read from its socket."""
        with self._lock:
            self._given_up.add(handle)

    def close(self) -> None:
        """Let go of all connections."""
        with self._lock:
            self._given_up |= self._handles
            self._sweep()

    def cut(self) -> None:
        """End all connections, and those that are still to come."""
        with self._lock:
            self._cut()

    @contextlib.contextmanager
    def deadline(self, seconds: float) -> Iterator[None]:
        """Cut after so many seconds, unless the block, which reads the whole answer, ends before."""
        self._alarm = _Alarm(seconds, self._lock, self._cut)
        try:
            yield
        finally:
            self._alarm.stop()
            with self._lock:
                self._sweep()

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Let none of the deadline's time go by in a block that waits for something else than the connection."""
        left_s = self._alarm.stop()
        try:
            yield
        finally:
            self._alarm = _Alarm(left_s, self._lock, self._cut)

    def _sweep(self) -> None:
        for handle in self._given_up:
            self._handles.discard(handle)
            handle.close()
        self._given_up.clear()

    def _cut(self) -> None:
        self._has_cut = True
        for handle in self._handles:
            _shut_down(handle)


class _Alarm:
    """Does something under a lock after so many seconds, unless it is stopped before."""

    def __init__(self, seconds: float, lock: threading.Lock, ring: Callable[[], None]) -> None:
        self._lock = lock
        self._ring = ring
        self._is_stopped = False
        self._due = time.monotonic() + seconds
        self._timer = threading.Timer(seconds, self._go_off)
        self._timer.daemon = True
        self._timer.start()

    def stop(self) -> float:
        """Stop it, and return how many seconds were left."""
        self._timer.cancel()
        with self._lock:
            self._is_stopped = True
        return max(0.0, self._due - time.monotonic())

    def _go_off(self) -> None:
        with self._lock:
            # Stopping a timer does not stop one that has just rung.
            if not self._is_stopped:
                self._ring()


def _shut_down(handle: socket.socket) -> None:
    # The other side may have ended it first.
    with contextlib.suppress(OSError):
        handle.shutdown(socket.SHUT_RDWR)


class CuttableAdapter(HTTPAdapter):
    """Opens connections that a cutter can end, and trusts the certificate authorities of one context alone."""

    def __init__(self, cutter: Cutter, tls: ssl.SSLContext | None) -> None:
        self._cutter = cutter
        self._tls = tls
        super().__init__(pool_connections=2, pool_maxsize=1, max_retries=0)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Make the connections of our classes."""
        super().init_poolmanager(*args, **kwargs, ssl_context=self._tls)
        self.poolmanager.pool_classes_by_scheme = _pools_watched_by(self._cutter)

    def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:
        """Ask for a certificate; the parent would trust the authorities that come with requests, too."""
        conn.cert_reqs = "CERT_REQUIRED"


def _pools_watched_by(cutter: Cutter) -> dict[str, type[HTTPConnectionPool]]:
    class Plain(HTTPConnection):
        _handle: socket.socket | None = None

        def _new_conn(self) -> socket.socket:
            connected = super()._new_conn()
            self._handle = cutter.watch(connected)
            return connected

        def close(self) -> None:
            super().close()
            if self._handle is not None:
                cutter.give_up(self._handle)
                self._handle = None

    class Tls(Plain, HTTPSConnection):
        pass

    class PlainPool(HTTPConnectionPool):
        ConnectionCls = Plain

    class TlsPool(HTTPSConnectionPool):
        ConnectionCls = Tls

    return {"http": PlainPool, "https": TlsPool}
