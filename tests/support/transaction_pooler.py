"""A small pooler in front of PostgreSQL that gives each transaction any of its server connections.

It speaks as much of the protocol as the queue's own driver needs: plain connections and simple queries. Server
connections are opened with the first client's login data, and are handed to whoever asks first.
"""

from __future__ import annotations

import socket
import struct
import threading
from collections import deque
from types import TracebackType
from typing import Self

import psycopg2
from psycopg2.extensions import parse_dsn

_READY = b"Z"
_ERROR = b"E"
_IDLE = b"I"
_TERMINATE = b"X"
_CANCEL_OR_TLS = (80877102, 80877103, 80877104)


class TransactionPooler:
    """Shares sessions of one database between clients, a transaction at a time.

    Attributes:
        port: where it listens.
    """

    def __init__(self, dsn: str, password: str, *, sessions: int, is_round_robin: bool = False) -> None:
        """Open the sessions.

        Args:
            dsn: of the database.
            password: for it.
            sessions: how many to share.
            is_round_robin: whether the session that has idled longest comes next, not the last one used.
        """
        self._dsn = parse_dsn(dsn)
        self._is_round_robin = is_round_robin
        self._free: deque[socket.socket] = deque()
        self._owned = [psycopg2.connect(dsn, password=password) for _ in range(sessions)]
        for session in self._owned:
            # The driver has logged in for us; from here on we speak over its socket.
            self._free.append(socket.socket(fileno=socket.dup(session.fileno())))
        for link in self._free:
            link.setblocking(True)
        self._changed = threading.Condition()
        self._is_closing = False
        self._clients: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._changed:
            self._is_closing = True
            self._changed.notify_all()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for link in [*self._clients, *self._free]:
            link.close()
        for session in self._owned:
            session.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self._clients.append(client)
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        try:
            self._greet(client)
            while True:
                kind, body = _message(client)
                if kind == _TERMINATE:
                    return
                self._transaction(client, kind, body)
        except (OSError, EOFError):
            return
        finally:
            client.close()

    def _greet(self, client: socket.socket) -> None:
        """Take the client in without asking for a password, as poolers on the same machine do."""
        while True:
            [length] = struct.unpack("!i", _exactly(client, 4))
            [code] = struct.unpack("!i", _exactly(client, length - 4)[:4])
            if code not in _CANCEL_OR_TLS:
                break
            client.sendall(b"N")
        told = {"server_version": "16.0", "client_encoding": "UTF8", "DateStyle": "ISO, MDY", "integer_datetimes": "on",
                "standard_conforming_strings": "on", "TimeZone": "UTC"}  # fmt: skip
        parameters = b"".join(_packed(b"S", f"{name}\0{value}\0".encode()) for name, value in told.items())
        login = _packed(b"R", struct.pack("!i", 0))
        client.sendall(login + parameters + _packed(b"K", struct.pack("!ii", 1, 1)) + _packed(_READY, _IDLE))

    def _transaction(self, client: socket.socket, kind: bytes, body: bytes) -> None:
        """Pass queries and answers until the server says that no transaction is open."""
        server = self._take()
        try:
            while True:
                server.sendall(_packed(kind, body))
                while (answer := _message(server))[0] != _READY:
                    client.sendall(_packed(*answer))
                if answer[1] == _IDLE:
                    break
                client.sendall(_packed(*answer))
                kind, body = _message(client)
        finally:
            # Before the client hears that it is done: what it asks next may get the same session.
            self._give_back(server)
        client.sendall(_packed(*answer))

    def _take(self) -> socket.socket:
        with self._changed:
            while not self._free:
                self._changed.wait()
                if self._is_closing:
                    raise EOFError
            return self._free.popleft()

    def _give_back(self, server: socket.socket) -> None:
        with self._changed:
            if self._is_round_robin:
                self._free.append(server)
            else:
                self._free.appendleft(server)
            self._changed.notify()


def _message(link: socket.socket) -> tuple[bytes, bytes]:
    kind = _exactly(link, 1)
    [length] = struct.unpack("!i", _exactly(link, 4))
    return kind, _exactly(link, length - 4)


def _packed(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("!i", len(body) + 4) + body


def _exactly(link: socket.socket, count: int) -> bytes:
    pieces = b""
    while len(pieces) < count:
        piece = link.recv(count - len(pieces))
        if not piece:
            raise EOFError
        pieces += piece
    return pieces
