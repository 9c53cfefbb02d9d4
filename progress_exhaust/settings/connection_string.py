"""libpq's connection strings, read so far as to tell that no secret stands in one."""

from __future__ import annotations

import re
from urllib.parse import unquote

from progress_exhaust.errors import Fault, WrongValue

_PAIR = re.compile(r"\s*([A-Za-z_]+)\s*=\s*('(?:[^'\\]|\\.)*'|(?!')(?:[^\s\\]|\\.)*)(?=\s|$)")
_ESCAPED = re.compile(r"\\(.)")
_SECRETS = frozenset({"password", "sslpassword", "scram_client_key", "scram_server_key", "oauth_client_secret"})


def role_in(dsn: str) -> str:
    """Return the role that a connection string names; empty where it names none."""
    return _values_in(dsn).get("user", "")


def secrets_in(dsn: str) -> list[str]:
    """Return the keywords of a connection string whose values are secrets.

    Raises:
        ValueError: it is none; its text is not in the error.
    """
    return sorted(_values_in(dsn).keys() & _SECRETS)


def _values_in(dsn: str) -> dict[str, str]:
    """Return what a libpq connection string sets, in either of its forms; its text never gets into the error."""
    if dsn.startswith(("postgresql://", "postgres://")):
        authority, _, query = dsn.partition("://")[2].partition("?")
        login, at, _ = authority.rpartition("@")
        user, colon, password = login.partition(":")
        values = {"user": unquote(user)} if user else {}
        if at and colon:
            values["password"] = password
        pairs = (pair.partition("=") for pair in query.split("&"))
        return values | {unquote(key).lower(): unquote(value) for key, _, value in pairs}
    values, place = {}, 0
    while rest := dsn[place:].strip():
        pair = _PAIR.match(dsn, place)
        if not pair:
            remedy = f"the {len(rest)} last characters are not"
            raise WrongValue(Fault(expected="key=value pairs, or postgresql://…", remedy=remedy))
        value = pair[2][1:-1] if pair[2].startswith("'") else pair[2]
        values[pair[1].lower()] = _ESCAPED.sub(r"\1", value)
        place = pair.end()
    return values
