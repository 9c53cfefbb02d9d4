"""A TCP proxy on loopback that can be told to misbehave while connections run through it.

Spark's connector reads through it as it is: in a cluster of one node the Java driver keeps the address it was given
for the node it asked first (it does not believe what `system.local` says of that one), and there are no others. So
give the proxy's port as `spark.cassandra.connection.port`; no setting of the node is needed.
"""

from __future__ import annotations

import select
import socket
import struct
import threading
import time
from enum import Enum
from types import TracebackType
from typing import Self

_POLL_S = 0.02
_STALLED_S = 60.0
_CHUNK = 64 * 1024
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class Mode(Enum):
    PASS = "pass"
    RESET = "reset"
    BLACK_HOLE = "black hole"


class TcpProxy:
    """Passes bytes between clients and one server.

    Attributes:
        port: where it listens.
        bytes_down: passed from the server to clients so far.
        links: connections taken so far.
        was_cut: set once `cut_after` has cut.
    """

    def __init__(self, target_port: int, target_host: str = "127.0.0.1") -> None:
        self.bytes_down = 0
        self.links = 0
        self.was_cut = threading.Event()
        self._target = (target_host, target_port)
        self._lock = threading.Lock()
        self._mode = Mode.PASS
        self._delay_s = 0.0
        self._bytes_until_cut: int | None = None
        self._closing = False
        self._open: set[socket.socket] = set()
        self._pumps: list[threading.Thread] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._accepting = threading.Thread(target=self._accept, daemon=True)
        self._accepting.start()

    def pass_through(self) -> None:
        """Pass all bytes at once; those a black hole held are passed now."""
        self._behave(Mode.PASS)

    def pass_through_once_cut(self, timeout_s: float) -> None:
        """Wait for the cut, and pass all bytes again."""
        self.was_cut.wait(timeout_s)
        self.pass_through()

    def delay(self, seconds: float) -> None:
        """Hold each piece for a while before it is passed."""
        self._behave(Mode.PASS, delay_s=seconds)

    def reset(self) -> None:
        """Reset all connections, and each new one."""
        self._behave(Mode.RESET)
        self._reset_all()

    def black_hole(self) -> None:
        """Keep connections open, take new ones, and pass nothing."""
        self._behave(Mode.BLACK_HOLE)

    def cut_after(self, byte_count: int) -> None:
        """Pass so many more bytes from the server, of all connections together, then do as `reset`."""
        self._behave(Mode.PASS, bytes_until_cut=byte_count)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing = True
        self._accepting.join()
        self._listener.close()
        self._reset_all()
        for thread in self._pumps:
            thread.join()

    def _behave(self, mode: Mode, *, delay_s: float = 0.0, bytes_until_cut: int | None = None) -> None:
        with self._lock:
            self._mode, self._delay_s, self._bytes_until_cut = mode, delay_s, bytes_until_cut
            self.was_cut.clear()

    def _accept(self) -> None:
        while not self._closing:
            if not select.select([self._listener], [], [], _POLL_S)[0]:
                continue
            client, _ = self._listener.accept()
            self.links += 1
            if self._mode is Mode.RESET:
                _reset(client)
                continue
            try:
                server = socket.create_connection(self._target, timeout=_STALLED_S)
            except OSError:
                _reset(client)
                continue
            client.settimeout(_STALLED_S)
            with self._lock:
                self._open |= {client, server}
            for source, sink, is_down in ((client, server, False), (server, client, True)):
                pump = threading.Thread(target=self._pump, args=(source, sink, is_down), daemon=True)
                self._pumps.append(pump)
                pump.start()

    def _pump(self, source: socket.socket, sink: socket.socket, is_down: bool) -> None:
        try:
            while not self._closing:
                if self._mode is Mode.BLACK_HOLE or not select.select([source], [], [], _POLL_S)[0]:
                    time.sleep(_POLL_S if self._mode is Mode.BLACK_HOLE else 0)
                    continue
                piece = source.recv(_CHUNK)
                if not piece:
                    # An orderly end is passed on; the other direction may still have something to say.
                    sink.shutdown(socket.SHUT_WR)
                    return
                time.sleep(self._delay_s)
                while self._mode is Mode.BLACK_HOLE and not self._closing:  # type: ignore[comparison-overlap]  # set by another thread
                    time.sleep(_POLL_S)
                self._pass(piece, sink, is_down=is_down)
        except (OSError, ValueError):
            # Reset by a side or by us: both sides see it.
            with self._lock:
                self._open -= {source, sink}
            _reset(source)
            _reset(sink)

    def _pass(self, piece: bytes, sink: socket.socket, *, is_down: bool) -> None:
        if not is_down:
            sink.sendall(piece)
            return
        with self._lock:
            left = self._bytes_until_cut
            if left is not None:
                piece = piece[:left]
                self._bytes_until_cut = left - len(piece)
            self.bytes_down += len(piece)
            is_cut = self._bytes_until_cut == 0
            if is_cut:
                self._mode = Mode.RESET
        sink.sendall(piece)
        if is_cut:
            self.was_cut.set()
            self._reset_all()

    def _reset_all(self) -> None:
        with self._lock:
            links, self._open = self._open, set()
        for link in links:
            _reset(link)


def _reset(link: socket.socket) -> None:
    """Close so that the other side sees a reset, not an orderly end."""
    try:
        link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        link.close()
    except OSError:
        pass
