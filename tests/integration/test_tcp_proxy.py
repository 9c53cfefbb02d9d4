"""The proxy itself, between a client and a server that sends back what it gets."""

from __future__ import annotations

import socket
import socketserver
import threading
import time
from collections.abc import Iterator

import pytest

from tests.support.tcp_proxy import TcpProxy


class _Echo(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        try:
            while piece := self.request.recv(4096):
                self.request.sendall(piece)
            self.request.sendall(b"bye")
        except OSError:
            return


@pytest.fixture
def proxy() -> Iterator[TcpProxy]:
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Echo) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        with TcpProxy(server.server_address[1]) as proxy:
            yield proxy
        server.shutdown()


@pytest.fixture
def client(proxy: TcpProxy) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=5) as client:
        yield client


def _said(client: socket.socket, text: bytes) -> bytes:
    client.sendall(text)
    got = b""
    while len(got) < len(text):
        piece = client.recv(4096)
        if not piece:
            break
        got += piece
    return got


def _is_ended(client: socket.socket) -> bool:
    """Whether the connection ends, by a reset or orderly; silence until the timeout is no end."""
    try:
        client.sendall(b"anyone?")
        while client.recv(4096):
            pass
    except ConnectionError:
        return True
    except TimeoutError:
        return False
    return True


def _is_turned_away(proxy: TcpProxy) -> bool:
    """Whether a new connection ends; on a busy machine its reset may come before `connect` has returned."""
    try:
        with socket.create_connection(("127.0.0.1", proxy.port), timeout=5) as client:
            return _is_ended(client)
    except ConnectionError:
        return True


def test_bytes_pass_and_are_counted(proxy: TcpProxy, client: socket.socket) -> None:
    assert _said(client, b"x" * 10_000) == b"x" * 10_000
    assert (proxy.bytes_down, proxy.links) == (10_000, 1)


def test_an_orderly_end_is_passed_on_and_loses_nothing(client: socket.socket) -> None:
    client.shutdown(socket.SHUT_WR)
    assert client.recv(100) == b"bye"
    assert client.recv(100) == b""


def test_delay_holds_each_piece(proxy: TcpProxy, client: socket.socket) -> None:
    proxy.delay(0.2)
    started = time.monotonic()
    assert _said(client, b"slow") == b"slow"
    assert time.monotonic() - started >= 0.4


def test_reset_ends_open_and_new_connections_until_switched_back(proxy: TcpProxy, client: socket.socket) -> None:
    assert _said(client, b"before") == b"before"
    proxy.reset()
    assert _is_ended(client)
    assert _is_turned_away(proxy)
    proxy.pass_through()
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=5) as again:
        assert _said(again, b"again") == b"again"


def test_black_hole_says_nothing_and_loses_nothing(proxy: TcpProxy, client: socket.socket) -> None:
    proxy.black_hole()
    client.sendall(b"held")
    client.settimeout(0.3)
    with pytest.raises(TimeoutError):
        client.recv(4)
    proxy.pass_through()
    client.settimeout(5)
    assert client.recv(4) == b"held"


def test_cut_passes_exactly_so_many_bytes(proxy: TcpProxy, client: socket.socket) -> None:
    proxy.cut_after(7)
    client.sendall(b"0123456789")
    assert proxy.was_cut.wait(5)
    assert proxy.bytes_down == 7
    assert _is_ended(client)


def test_server_that_is_away_is_a_reset() -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    with TcpProxy(port) as proxy:
        assert _is_turned_away(proxy)
