"""The shapes of the table of requests that are found in the field."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Shape:
    """One shape.

    Attributes:
        ddl: makes the table; `{table}` stands for its name.
        err_width: characters that err_message takes; None for any number.
        keeps_processed: whether there is a column processed_batches.
        longest_ms: most milliseconds that execution_time takes.
        key: columns of the primary key.
    """

    ddl: str
    err_width: int | None
    keeps_processed: bool
    longest_ms: int
    key: tuple[str, ...]


INTEGER_MAX = 2**31 - 1
BIGINT_MAX = 2**63 - 1

OLD = Shape(
    """CREATE TABLE {table} (
        tag varchar(100) NOT NULL,
        request_id varchar(50) NOT NULL,
        job_id varchar(50),
        status varchar(50),
        request_data json,
        requested_by varchar(50),
        requested_channel varchar(50),
        dt_job_submitted timestamp,
        download_urls text[],
        dt_file_created timestamp,
        dt_job_completed timestamp,
        execution_time integer,
        err_message varchar(100),
        iteration integer,
        encryption_key varchar(50),
        PRIMARY KEY (tag, request_id)
    )""",
    err_width=100,
    keeps_processed=False,
    longest_ms=INTEGER_MAX,
    key=("tag", "request_id"),
)

NEW = Shape(
    """CREATE TABLE {table} (
        tag varchar(100) NOT NULL,
        request_id varchar(50) NOT NULL,
        job_id varchar(50),
        status varchar(50),
        request_data json,
        requested_by varchar(50),
        requested_channel varchar(50),
        dt_job_submitted timestamp,
        download_urls text[],
        dt_file_created timestamp,
        dt_job_completed timestamp,
        execution_time bigint,
        err_message varchar(300),
        iteration integer,
        encryption_key varchar(50),
        batch_number integer,
        processed_batches text,
        PRIMARY KEY (tag, request_id)
    )""",
    err_width=300,
    keeps_processed=True,
    longest_ms=BIGINT_MAX,
    key=("tag", "request_id"),
)

BY_REQUEST_ID = Shape(
    """CREATE TABLE {table} (
        request_id text PRIMARY KEY,
        tag text,
        job_id text,
        status text,
        request_data json,
        requested_by text,
        requested_channel text,
        dt_job_submitted timestamp,
        download_urls text[],
        dt_file_created timestamp,
        dt_job_completed timestamp,
        execution_time bigint,
        err_message text,
        iteration integer,
        processed_batches text
    )""",
    err_width=None,
    keeps_processed=True,
    longest_ms=BIGINT_MAX,
    key=("request_id",),
)

SHAPES = {"old": OLD, "new": NEW, "by_request_id": BY_REQUEST_ID}
