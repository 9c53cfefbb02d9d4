"""A throw-away certificate for a node on loopback, with what each kind of client needs to trust it."""

from __future__ import annotations

import secrets
import ssl
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from progress_exhaust.errors import OperatorError

ADDRESS = "127.0.0.1"

_KEYTOOL_S = 60.0
_DAYS = "30"


@dataclass(frozen=True)
class Certificate:
    """A self-signed certificate for 127.0.0.1.

    Attributes:
        key_store: PKCS12 file with key and certificate, for the server.
        trust_store: PKCS12 file with the certificate alone, for clients on Java.
        pem: the certificate as text, for other clients.
        password: of both stores.
    """

    key_store: Path
    trust_store: Path
    pem: Path
    password: str = field(repr=False)

    def client_context(self) -> ssl.SSLContext:
        """Return a context that trusts this certificate and no other, and checks the address in it."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(self.pem)
        return context


def make_certificate(folder: Path, *, java: Path) -> Certificate:
    """Make key, certificate and trust store in a folder, in the place of those that are there.

    Raises:
        OperatorError: Java's keytool is not there or fails.
    """
    made = Certificate(folder / "server.p12", folder / "trust.p12", folder / "server.pem", secrets.token_urlsafe(16))
    folder.mkdir(parents=True, exist_ok=True)
    for old in (made.key_store, made.trust_store, made.pem):
        old.unlink(missing_ok=True)
    common = ["-alias", "node", "-storetype", "PKCS12", "-storepass:env", "STORE_PASSWORD", "-keystore"]
    subject = ["-dname", f"CN={ADDRESS}", "-ext", f"SAN=ip:{ADDRESS}", "-validity", _DAYS]
    # RSA: the suites that the Spark connector offers unless told otherwise work with no other kind of key.
    key = ["-keyalg", "RSA", "-keysize", "2048"]
    for arguments in (
        ["-genkeypair", *common, str(made.key_store), *key, *subject],
        ["-exportcert", *common, str(made.key_store), "-rfc", "-file", str(made.pem)],
        ["-importcert", *common, str(made.trust_store), "-noprompt", "-file", str(made.pem)],
    ):
        _keytool(java, arguments, made.password)
    return made


def _keytool(java: Path, arguments: list[str], password: str) -> None:
    try:
        done = subprocess.run(
            [java / "bin" / "keytool", *arguments],
            env={"STORE_PASSWORD": password},
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_KEYTOOL_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise OperatorError(
            "making", object=f"a certificate with {java}/bin/keytool", got=str(error), remedy="is that a whole Java?"
        ) from None
    if done.returncode:
        raise OperatorError(
            "making", object=f"a certificate with {java}/bin/keytool", got=(done.stdout + done.stderr)[:300]
        )
