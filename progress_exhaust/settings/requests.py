"""The settings of requests: where their queue is, and how much of it one run takes."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import Field, PositiveFloat, PositiveInt, SecretStr, field_validator

from progress_exhaust.errors import Fault, Value, WrongValue
from progress_exhaust.settings.connection_string import secrets_in, values_in
from progress_exhaust.settings.section import Section, like, variable_of

_Table = Annotated[
    str, like(re.compile(r"(?:[A-Za-z_][A-Za-z0-9_]*\.)?[A-Za-z_][A-Za-z0-9_]*"), "a table, or <schema>.<table>")
]

_PREFIX = re.compile(r"(?:[A-Za-z][A-Za-z0-9+.-]*://)?[^\x00-\x20\x7f?#@\\]*")
_PREFIX_EXPECTED = "a URL or a path without blanks, login, query or .."


class QueueSettings(Section):
    """Where the request queue is."""

    dsn: str = Field(
        "",
        description="libpq connection string of PostgreSQL, e.g. host=db dbname=sunbird sslmode=verify-full",
    )
    password: SecretStr | None = Field(None, description="secret: environment only")
    password_file: str = Field("", description="file that holds the password")
    table: _Table = Field("job_request", description="table of requests, with its schema where it needs one")
    job_id: str = Field("progress-exhaust", min_length=1, description="our rows' job_id; no other row is ever touched")
    connect_timeout_s: PositiveInt = Field(10, description="seconds to open a connection")
    statement_timeout_s: PositiveInt = Field(30, description="seconds for one statement")
    heartbeat_s: PositiveFloat = Field(10.0, description="seconds between two looks at whether the connection lives")

    @field_validator("dsn")
    @classmethod
    def _holds_no_secret(cls, dsn: str) -> str:
        if found := secrets_in(dsn):
            raise WrongValue(
                Fault(
                    got=f"a secret ({', '.join(found)}) may not stand in a connection string",
                    remedy=f"set {variable_of('queue', 'password')} or password_file",
                )
            )
        return dsn

    @property
    def connection_values(self) -> dict[str, str]:
        """What the connection string sets, by libpq's keywords."""
        return values_in(self.dsn)

    @property
    def role(self) -> str:
        """The role of the connection string; empty where it names none."""
        return self.connection_values.get("user", "")


class RequestSettings(Section):
    """What a request may ask for, and how much of the queue one run takes."""

    tag: str = Field("progress-exhaust", min_length=1, description="tag of requests put in by submit")
    tries: PositiveInt = Field(3, description="tries of a request that fail by its own fault before it is given up")
    retry_after_s: PositiveFloat = Field(600.0, description="seconds before run --watch tries such a request again")
    reports_per_request: PositiveInt = Field(20, description="reports of one request that names batches")
    reports_per_search: PositiveInt = Field(1000, description="reports of one request that searches")
    reports_per_channel: PositiveInt = Field(30, description="reports made for one channel in one run")
    bytes_per_channel: PositiveInt = Field(1 << 30, description="bytes published for one channel in one run")
    reports_per_wave: PositiveInt = Field(
        500, description="reports claimed and made together; the rest is left to others"
    )
    max_data_bytes: PositiveInt = Field(1 << 20, description="bytes of one request_data")
    wall_time_s: int = Field(0, ge=0, description="seconds after which a run begins no new wave; 0: no limit")
    progress_every_s: PositiveFloat = Field(2.0, description="seconds between two notes of a request's progress")
    url_prefix: str = Field(
        "", description="what stands before each path in download_urls, e.g. the URL of a container; empty: nothing"
    )
    metrics_file: str = Field("", description="file for metrics in Prometheus text format; empty: none")

    @field_validator("url_prefix")
    @classmethod
    def _can_stand_before_a_path(cls, prefix: str) -> str:
        if prefix and (not _PREFIX.fullmatch(prefix) or ".." in prefix.split("/")):
            # It may hold a password, or a signature.
            raise WrongValue(Fault(expected=_PREFIX_EXPECTED, got=Value("another text")))
        return prefix
