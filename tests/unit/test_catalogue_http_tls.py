"""The content service over TLS: which certificates are trusted."""

from __future__ import annotations

import ssl
import subprocess
import time
from pathlib import Path

import pytest

from tests.support.http_catalogue import SLOW, TREE, Clock, catalogue_at, fault_of
from tests.support.scripted_server import ScriptedServer, tree_of


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a certificate for 127.0.0.1 and its key, made for this run."""
    folder = tmp_path_factory.mktemp("tls")
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "key.pem"]
    names = ["-subj", "/CN=test", "-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run(
        ["openssl", "req", "-x509", "-days", "2", *key, *names, "-out", "cert.pem"],
        cwd=folder,
        check=True,
        capture_output=True,
    )
    return folder


@pytest.fixture
def tls(authority: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority / "cert.pem", authority / "key.pem")
    return context


def test_certificate_of_the_given_authority_is_trusted(authority: Path, tls: ssl.SSLContext) -> None:
    ca_file = str(authority / "cert.pem")
    with ScriptedServer(tree_of(TREE), tls=tls) as server, catalogue_at(server.url, ca_file=ca_file) as http:
        assert http.tree("do_1") == TREE


def test_other_certificates_are_refused_at_once(tls: ssl.SSLContext) -> None:
    clock = Clock()
    with ScriptedServer(tree_of(TREE), tls=tls) as server, catalogue_at(server.url, clock) as http:
        error = fault_of(lambda: http.tree("do_1"))
    assert "TLS certificate refused (self-signed certificate)" in str(error)
    assert "catalogue.ca_file" in str(error)
    assert not error.transient
    assert clock.slept == []
    assert server.seen == []


def test_certificate_for_another_host_is_refused(authority: Path, tls: ssl.SSLContext) -> None:
    with ScriptedServer(tree_of(TREE), tls=tls) as server:
        url = server.url.replace("127.0.0.1", "localhost")
        with catalogue_at(url, ca_file=str(authority / "cert.pem")) as http:
            assert "TLS certificate refused" in str(fault_of(lambda: http.tree("do_1")))


def test_deadline_holds_over_tls(authority: Path, tls: ssl.SSLContext) -> None:
    with ScriptedServer(SLOW["drips its headers"], tls=tls) as server:
        ca_file = str(authority / "cert.pem")
        with catalogue_at(server.url, tries=1, total_timeout_s=0.4, ca_file=ca_file) as http:
            started = time.monotonic()
            fault_of(lambda: http.tree("do_1"))
    assert 0.4 <= time.monotonic() - started < 2


def test_server_that_does_not_speak_tls() -> None:
    with ScriptedServer(tree_of(TREE)) as server, catalogue_at(server.url.replace("http:", "https:"), tries=2) as http:
        error = fault_of(lambda: http.tree("do_1"))
    assert "TLS connection failed after 2 tries" in str(error)


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_authority_file_that_can_not_be_used_is_named(tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_text(content)
    with catalogue_at("https://127.0.0.1:1", ca_file=str(file)) as http:
        error = fault_of(lambda: http.tree("do_1"))
    assert "ca.pem can not be read" in str(error)
    assert not error.transient
