"""A proxy in front of the queue."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.queue_database import QueueDatabase
from tests.support.tcp_proxy import TcpProxy


@pytest.fixture
def proxy(queue_database: QueueDatabase) -> Iterator[TcpProxy]:
    with TcpProxy(queue_database.server.port) as proxy:
        yield proxy
