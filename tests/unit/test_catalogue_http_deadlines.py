"""A call of the content service ends in time, whatever the service does meanwhile."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator

import pytest

from progress_exhaust.catalogue.http.catalogue import HttpCatalogue
from progress_exhaust.errors import CatalogueError
from progress_exhaust.settings.sections import CatalogueSettings
from tests.support.http_catalogue import SLOW, TREE, Alive, catalogue_at, fault_of, not_made
from tests.support.scripted_server import Reply, ScriptedServer, says, tree_of


@pytest.mark.parametrize("reply", SLOW.values(), ids=SLOW)
def test_call_ends_at_its_deadline(reply: Reply) -> None:
    with ScriptedServer(Alive(reply)) as server, catalogue_at(server.url, tries=1, total_timeout_s=1.0) as http:
        started = time.monotonic()
        error = not_made(lambda: http.tree("do_1"))
        taken_s = time.monotonic() - started
    assert 1.0 <= taken_s < 10
    assert "no whole answer in 1 s" in str(error)


def test_slow_call_is_tried_again_on_a_new_connection() -> None:
    replies = (SLOW["drips its body"], tree_of(TREE))
    with ScriptedServer(*replies) as server, catalogue_at(server.url, total_timeout_s=1.0) as http:
        assert http.tree("do_1") == TREE


def test_silence_ends_at_the_read_timeout() -> None:
    reply = SLOW["stops in its body"]
    with ScriptedServer(Alive(reply)) as server, catalogue_at(server.url, tries=1, read_timeout_s=0.2) as http:
        started = time.monotonic()
        error = not_made(lambda: http.tree("do_1"))
    assert time.monotonic() - started < 2
    assert "no answer in time" in str(error)


@pytest.fixture
def black_hole() -> Iterator[str]:
    """An address where connections are neither accepted nor refused: the queue of its listener is full."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        waiting = [socket.socket() for _ in range(4)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(listener.getsockname())
        time.sleep(0.05)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        for one in waiting:
            one.close()


def test_connection_that_is_not_taken_up_ends_at_the_connect_timeout(black_hole: str) -> None:
    with catalogue_at(black_hole, tries=1, connect_timeout_s=0.3) as http:
        started = time.monotonic()
        error = fault_of(lambda: http.tree("do_1"))
    assert 0.3 <= time.monotonic() - started < 4, "the call, and a probe of two tries"
    assert "no connection in time" in str(error)


def test_close_ends_calls_and_waits_in_hand() -> None:
    errors: list[CatalogueError] = []
    with ScriptedServer(SLOW["says nothing"]) as server:
        settings = CatalogueSettings(search_url=server.url, hierarchy_url=server.url, backoff_s=60, backoff_max_s=60)
        http = HttpCatalogue(settings, random=lambda: 1.0)
        thread = threading.Thread(target=lambda: errors.append(fault_of(lambda: http.tree("do_1"))))
        thread.start()
        while not server.seen:
            time.sleep(0.01)
        http.close()
        thread.join(2)
        assert not thread.is_alive()
    with ScriptedServer(says(503)) as server:
        settings = CatalogueSettings(search_url=server.url, hierarchy_url=server.url, backoff_s=60, backoff_max_s=60)
        http = HttpCatalogue(settings, random=lambda: 1.0)
        thread = threading.Thread(target=lambda: errors.append(fault_of(lambda: http.tree("do_1"))))
        thread.start()
        while not server.seen:
            time.sleep(0.01)
        time.sleep(0.1)
        http.close()
        thread.join(2)
        assert not thread.is_alive()
        fault_of(lambda: http.tree("do_1"))
    assert len(errors) == 2
