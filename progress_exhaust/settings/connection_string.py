"""libpq's connection strings, read by libpq itself, so far as to tell that no secret stands in one."""

from __future__ import annotations

from progress_exhaust.errors import Fault, WrongValue

_SECRETS = frozenset({"password", "sslpassword", "scram_client_key", "scram_server_key", "oauth_client_secret"})


def secrets_in(dsn: str) -> list[str]:
    """Return the keywords of a connection string whose values are secrets; see `values_in` for what it raises."""
    return sorted(values_in(dsn).keys() & _SECRETS)


def values_in(dsn: str) -> dict[str, str]:
    """Return what a connection string sets, by libpq's keywords; nothing, where it is empty.

    Raises:
        ValueError: it is none; its text is not in the error.
    """
    if not dsn:
        return {}
    from psycopg2 import ProgrammingError  # noqa: PLC0415 - most commands have no queue, and start sooner without
    from psycopg2.extensions import parse_dsn  # noqa: PLC0415 - likewise

    try:
        return parse_dsn(dsn)
    except ProgrammingError:
        raise WrongValue(Fault(got="libpq does not take it", remedy="expected e.g. host=db dbname=sunbird")) from None
