"""CQL sessions through cassandra-driver, for the services of this room and for tests."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from cassandra import AuthenticationFailed, DriverException
from cassandra.auth import PlainTextAuthProvider
from cassandra.cluster import EXEC_PROFILE_DEFAULT, Cluster, ExecutionProfile, NoHostAvailable, Session
from cassandra.policies import DCAwareRoundRobinPolicy, TokenAwarePolicy

from progress_exhaust.errors import SourceError

DATACENTER = "datacenter1"

_REQUEST_S = 60.0
_PROTOCOL = 5


@dataclass(frozen=True)
class Login:
    """A role and its password."""

    username: str
    password: str = field(repr=False)


@contextmanager
def cql_session(
    host: str, port: int, *, login: Login | None = None, tls: ssl.SSLContext | None = None
) -> Iterator[Session]:
    """Open a session with one node, and close all its connections at the end.

    Raises:
        SourceError: nobody answers there, or the login is refused; the latter is not transient.
    """
    cluster = Cluster(
        [host],
        port=port,
        protocol_version=_PROTOCOL,
        auth_provider=PlainTextAuthProvider(login.username, login.password) if login else None,
        ssl_context=tls,
        execution_profiles={
            EXEC_PROFILE_DEFAULT: ExecutionProfile(
                load_balancing_policy=TokenAwarePolicy(DCAwareRoundRobinPolicy(DATACENTER)), request_timeout=_REQUEST_S
            )
        },
    )
    try:
        yield _connect(cluster, f"{host} port {port}")
    finally:
        cluster.shutdown()


def _connect(cluster: Cluster, place: str) -> Session:
    try:
        return cluster.connect(wait_for_all_pools=True)
    except NoHostAvailable as error:
        causes = list(error.errors.values())
        if any(isinstance(cause, AuthenticationFailed) for cause in causes):
            raise SourceError(
                "connecting to",
                object=f"Cassandra at {place}",
                got="the role or its password was refused",
                transient=False,
            ) from None
        raise SourceError(
            "connecting to", object=f"Cassandra at {place}", got="; ".join(map(str, causes))[:300]
        ) from None
    except (DriverException, OSError) as error:
        raise SourceError("connecting to", object=f"Cassandra at {place}", got=str(error)) from None
