"""The words of Cassandra, its driver and its connector are read as what they mean."""

from __future__ import annotations

import string

import pytest

from progress_exhaust.settings.sections import CassandraSettings
from progress_exhaust.tables.cassandra.errors import causes, connection_fault, read_fault
from progress_exhaust.tables.cassandra.phrases import ANSWERS, REFUSALS, Meaning, first_meaning

SETTINGS = CassandraSettings(username="reader", local_datacenter="dc7", read_timeout_s=9)
DRIVER = "com.datastax.oss.driver.api.core."

FAILED_READS = {
    "right": (f"{DRIVER}servererrors.UnauthorizedException: no SELECT", "the role may not read it", False, False),
    "replica": (f"{DRIVER}servererrors.ReadFailureException: 1 failure", "a replica failed the read", True, True),
    "few replicas": (f"{DRIVER}servererrors.UnavailableException: 2 required", "too few replicas are up", True, False),
    "slow replicas": (f"{DRIVER}servererrors.ReadTimeoutException: at QUORUM", "did not answer in time", True, False),
    "load": (f"{DRIVER}connection.BusyConnectionException", "its nodes do not keep up", True, False),
    "broken": (f"{DRIVER}connection.ClosedConnectionException: lost", "the connection broke", True, False),
    "silent": (f"{DRIVER}DriverTimeoutException: timed out", "no answer in 9 s", True, False),
    "nobody": (f"{DRIVER}AllNodesFailedException: all 3", "no node answers", True, False),
    "other answer": (f"{DRIVER}servererrors.SyntaxError: line 1", "it answered with an error", True, False),
}


@pytest.mark.parametrize(("text", "found", "passes", "is_local"), FAILED_READS.values(), ids=FAILED_READS)
def test_failed_read_is_told_by_what_the_driver_throws(text: str, found: str, passes: bool, is_local: bool) -> None:
    fault = read_fault(RuntimeError(), text, SETTINGS, [])
    assert fault is not None
    assert isinstance(fault.fault.got, str)
    assert found in fault.fault.got
    assert fault.fault.remedy.endswith(", and run again")
    assert fault.transient is passes
    assert fault.is_local is is_local


@pytest.mark.parametrize("text", ["java.lang.NullPointerException", "com.datastax.spark.connector.Something", ""])
def test_failure_that_is_none_of_cassandras_is_left_to_others(text: str) -> None:
    assert read_fault(RuntimeError(), text, SETTINGS, []) is None


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("AuthenticationException: Authentication error on node", "the role or its password was refused"),
        ("No suitable nodes in local DC 'dc7'", 'no node that answers is in the data centre "dc7"'),
        ("java.io.IOException: Cannot initialize SSL Context", "can not be opened"),
        ("SSLHandshakeException: PKIX path building failed", "its certificate is not trusted"),
        ("javax.net.ssl.SSLHandshakeException: bad_certificate", "the TLS handshake failed"),
        ("java.io.IOException: Failed to open native connection", "no node answers"),
    ],
    ids=["login", "data centre", "stores", "certificate", "handshake", "other"],
)
def test_refused_connection_is_told_by_the_first_word_that_tells(text: str, found: str) -> None:
    fault = connection_fault(RuntimeError(text), SETTINGS)
    assert isinstance(fault.fault.got, str)
    assert found in fault.fault.got
    assert fault.transient is (found == "no node answers")


@pytest.mark.parametrize("meaning", [*REFUSALS, *ANSWERS], ids=lambda meaning: meaning.words[0])
def test_every_word_is_found_and_every_setting_named_is_there(meaning: Meaning) -> None:
    told = meaning.with_settings(SETTINGS)
    table = REFUSALS if meaning in REFUSALS else ANSWERS
    for word in meaning.words:
        found = first_meaning(f"x{word}y", table)
        assert found is not None
        assert found.meaning == meaning.meaning
    assert not any(name for _, name, _, _ in string.Formatter().parse(told.meaning + told.remedy))


def test_failure_without_a_java_exception_tells_itself() -> None:
    assert causes(RuntimeError("away")) == ["away"]
