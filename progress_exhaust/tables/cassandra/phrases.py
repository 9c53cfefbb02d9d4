"""What Cassandra, its driver and its connector say when they fail, and what it means for an operator.

All of their words that we look for stand here. Wherever there is one, it is the name of an exception's class, which is
part of what a library promises; the others are phrases, for exceptions that share one class with everything else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from progress_exhaust.settings.sections import CassandraSettings

OF_THE_DRIVER = ("com.datastax", "java-driver")
"""In the failure of a job that Cassandra's driver or connector has a part in; names of package and of thread."""

NO_SUCH_TABLE = ("Couldn't find", "NoSuchElementException")
"""What the connector says of a table or a keyspace that is not there."""


@dataclass(frozen=True)
class Meaning:
    """What some words in a failure's text mean.

    Attributes:
        words: any of them is in the text.
        meaning: what is wrong.
        remedy: the next step.
        is_transient: whether waiting may help.
        is_local_to_tokens: whether the place within the table matters.
    """

    words: tuple[str, ...]
    meaning: str
    remedy: str
    is_transient: bool = True
    is_local_to_tokens: bool = False

    def with_settings(self, settings: CassandraSettings) -> Meaning:
        """Return the same with the settings that meaning and remedy name."""
        named = {
            "datacenter": settings.local_datacenter,
            "role": settings.username,
            "timeout_s": settings.read_timeout_s,
        }
        return replace(self, meaning=self.meaning.format(**named), remedy=self.remedy.format(**named))


def first_meaning(text: str, meanings: Sequence[Meaning]) -> Meaning | None:
    """Return the first of the meanings that has a word in the text, or None."""
    return next((meaning for meaning in meanings if any(word in text for word in meaning.words)), None)


LOGIN_REFUSED = ("AuthenticationException", "Authentication error", "Provided username")

# The telling words come first: an error of a node often stands within one of the connection.
REFUSALS = (
    Meaning(
        LOGIN_REFUSED,
        "the role or its password was refused",
        "check cassandra.username and cassandra.password",
        is_transient=False,
    ),
    Meaning(
        ("suitable nodes in local DC",),
        'no node that answers is in the data centre "{datacenter}"',
        "set cassandra.local_datacenter to a name that nodetool status shows, or leave it empty",
        is_transient=False,
    ),
    Meaning(
        ("Cannot initialize SSL Context",),
        "the trust store or the key store can not be opened",
        "check cassandra.trust_store, key_store and their passwords",
        is_transient=False,
    ),
    Meaning(
        ("PKIX path", "CertificateException", "No subject alternative"),
        "its certificate is not trusted",
        "put the authority that signed it into cassandra.trust_store",
        is_transient=False,
    ),
    Meaning(
        ("SSLHandshakeException", "NotSslRecordException", "SSLException"),
        "the TLS handshake failed",
        "check cassandra.tls, trust_store, and key_store where the cluster asks for our certificate",
        is_transient=False,
    ),
)
ANSWERS = (
    Meaning(
        ("servererrors.UnauthorizedException",),
        "the role may not read it",
        "grant SELECT on it to {role}",
        is_transient=False,
    ),
    Meaning(
        ("servererrors.ReadFailureException",),
        "a replica failed the read, of too many deleted rows or a damaged file",
        "look into that node's log, compact or repair the table",
        is_local_to_tokens=True,
    ),
    Meaning(
        ("servererrors.UnavailableException",),
        "too few replicas are up for the consistency level",
        "start the missing nodes or choose another cassandra.consistency",
    ),
    Meaning(
        ("servererrors.ReadTimeoutException",),
        "replicas did not answer in time",
        "look at the load of the cluster, lower cassandra.fetch_rows",
    ),
    Meaning(
        ("servererrors.OverloadedException", "BusyPoolException", "BusyConnectionException"),
        "its nodes do not keep up",
        "lower cassandra.concurrent_reads or set cassandra.reads_per_s",
    ),
    Meaning(
        ("ClosedConnectionException", "HeartbeatException", "Connection reset"),
        "the connection broke",
        "check that its nodes run",
    ),
    Meaning(
        ("DriverTimeoutException",),
        "no answer in {timeout_s:g} s (cassandra.read_timeout_s)",
        "look at the network and the load of the cluster",
    ),
    Meaning(
        ("AllNodesFailedException", "NoNodeAvailableException", "Failed to open native connection"),
        "no node answers",
        "check that its nodes run",
    ),
    Meaning(
        ("driver.api.core.servererrors.", "driver.api.core.connection."),
        "it answered with an error",
        "look into the logs of its nodes",
    ),
)
