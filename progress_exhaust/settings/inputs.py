"""The settings of what is read: tables and their names, Cassandra, course trees."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import Field, PositiveFloat, PositiveInt, SecretStr

from progress_exhaust.settings.section import Section, like

_Table = Annotated[str, like(re.compile(r"[A-Za-z][A-Za-z0-9_]*\.[A-Za-z][A-Za-z0-9_]*"), "<keyspace>.<table>")]


class SourceKind(StrEnum):
    """Where the tables are."""

    CASSANDRA = "cassandra"
    SNAPSHOT = "snapshot"


class CatalogueKind(StrEnum):
    """Where the course trees are."""

    HTTP = "http"
    FILES = "files"


class ReadBy(StrEnum):
    """How the rows of a table in Cassandra are found."""

    AUTO = "auto"
    KEYS = "keys"
    SCAN = "scan"


class SourceSettings(Section):
    """Where the tables are."""

    kind: SourceKind = Field(SourceKind.CASSANDRA, description="cassandra, or snapshot: a folder of files")
    snapshot_dir: str = Field("", description="folder or URL of the snapshot; used where kind is snapshot")


def _table(default: str, what: str) -> Any:
    return Field(default, description=f"<keyspace>.<table> of {what}")


def _read_by(what: str) -> Any:
    return Field(ReadBy.AUTO, description=f"how {what} are read: auto, keys (where the table's key allows) or scan")


class TableSettings(Section):
    """Names of the input tables, `<keyspace>.<table>`."""

    user_enrolments: _Table = _table("sunbird_courses.user_enrolments", "the enrolments")
    user_activity_agg: _Table = _table("sunbird_courses.user_activity_agg", "the activity counters of learners")
    assessment_aggregator: _Table = _table("sunbird_courses.assessment_aggregator", "the attempts at assessments")
    course_batch: _Table = _table("sunbird_courses.course_batch", "the batches")
    user: _Table = _table("sunbird.user", "the learners")
    location: _Table = _table("sunbird.location", "states and districts")
    organisation: _Table = _table("sunbird.organisation", "schools and root organisations")
    user_organisation: _Table = _table("sunbird.user_organisation", "which learner is in which school")
    system_settings: _Table = _table("sunbird.system_settings", "the row that names the custodian organisation")


class CassandraSettings(Section):
    """How to reach Cassandra, and how hard to read from it."""

    hosts: tuple[str, ...] = Field(("127.0.0.1",), min_length=1, description="contact points")
    port: int = Field(9042, ge=1, le=65535, description="native transport port")
    local_datacenter: str = Field("", description="name of the nearest data centre; empty: that of the contact point")
    username: str = Field("", description="role to log in as; empty: no login")
    password: SecretStr | None = Field(None, description="secret: environment only")
    password_file: str = Field("", description="file that holds the password")
    consistency: Literal["ONE", "LOCAL_ONE", "TWO", "THREE", "QUORUM", "LOCAL_QUORUM", "EACH_QUORUM", "ALL"] = Field(
        "LOCAL_QUORUM", description="read consistency; weaker levels can miss rows, and are written to the manifest"
    )
    tls: bool = Field(False, description="encrypt connections")
    trust_store: str = Field("", description="JKS or PKCS12 file with the certificate authority, for tls")
    trust_store_password: SecretStr | None = Field(None, description="secret: environment only")
    trust_store_password_file: str = Field("", description="file that holds the trust store's password")
    key_store: str = Field("", description="JKS or PKCS12 file with our certificate, where the server asks")
    key_store_password: SecretStr | None = Field(None, description="secret: environment only")
    key_store_password_file: str = Field("", description="file that holds the key store's password")
    connect_timeout_s: PositiveFloat = Field(5.0, description="seconds to open a connection")
    read_timeout_s: PositiveFloat = Field(60.0, description="seconds for one page of rows, all tries of it together")
    retries: int = Field(10, ge=0, description="tries of a page after a timeout or an unavailable replica")
    fetch_rows: PositiveInt = Field(1000, description="rows a page")
    reads_per_s: int = Field(0, ge=0, description="reads a second and core; 0: no limit")
    split_mb: PositiveInt = Field(128, description="megabytes of a table one task scans")
    concurrent_reads: PositiveInt = Field(128, description="reads by key that one task has under way")
    read_user_enrolments: ReadBy = _read_by("the enrolments")
    read_user_activity_agg: ReadBy = _read_by("the activity counters")
    read_assessment_aggregator: ReadBy = _read_by("the attempts")
    read_user: ReadBy = _read_by("the learners")
    read_organisation: ReadBy = _read_by("schools and root organisations")
    read_user_organisation: ReadBy = _read_by("the learners' schools")
    read_certificate_failures: ReadBy = _read_by("the failed certificates")

    def read_by(self, table: str) -> ReadBy:
        """Return what is set for a table, by its key in the section `tables`; one without a setting is scanned."""
        return ReadBy(getattr(self, f"read_{table}", ReadBy.SCAN))


class CatalogueSettings(Section):
    """Where the course trees are, and the bounds of asking for them."""

    kind: CatalogueKind = Field(CatalogueKind.HTTP, description="http: the content service; files: a folder")
    directory: str = Field("", description="folder of <collection_id>.json; used where kind is files")
    search_url: str = Field("http://127.0.0.1:9000/v3/search", description="POST address of the search")
    hierarchy_url: str = Field("http://127.0.0.1:9000/collection/v1/hierarchy", description="GET address before /<id>")
    token: SecretStr | None = Field(None, description="secret: bearer token, environment only")
    token_file: str = Field("", description="file that holds the bearer token")
    ca_file: str = Field("", description="PEM file with the certificate authority; empty: the system's")
    connect_timeout_s: PositiveFloat = Field(3.0, description="seconds to open a connection")
    read_timeout_s: PositiveFloat = Field(10.0, description="seconds between two pieces of an answer")
    total_timeout_s: PositiveFloat = Field(30.0, description="seconds for one call, retries not included")
    tries: PositiveInt = Field(5, description="tries of a call that failed to connect or got 429 or 5xx")
    backoff_s: PositiveFloat = Field(0.5, description="seconds before the second try; doubled each time, with jitter")
    backoff_max_s: PositiveFloat = Field(8.0, description="most seconds between two tries")
    retry_after_max_s: PositiveFloat = Field(60.0, description="most seconds a Retry-After is obeyed")
    down_after: PositiveInt = Field(
        5, description="failed calls in a row, over all threads, that have the service probed"
    )
    concurrency: PositiveInt = Field(8, description="trees fetched at once")
    search_chunk: int = Field(100, ge=1, le=100, description="ids in one search; the service pages at 100")
    max_search_bytes: PositiveInt = Field(8 * 1024 * 1024, description="bytes of one decoded search answer")
    max_tree_bytes: PositiveInt = Field(64 * 1024 * 1024, description="bytes of one decoded tree")
    max_bytes_in_flight: PositiveInt = Field(
        256 * 1024 * 1024, description="bytes of trees in memory at once, of all threads together"
    )
    max_depth: PositiveInt = Field(64, description="deepest level of a tree, the root at 0")
    max_nodes: PositiveInt = Field(100_000, description="nodes of a tree")


class AssessmentSettings(Section):
    """Which leaves are assessments."""

    question_set_categories: tuple[str, ...] = Field(
        ("Practice Question Set",), description="primary categories of the question sets that give a Score column"
    )


class CertificateSettings(Section):
    """Where failed certificates are recorded."""

    failures_table: _Table = _table("sunbird_courses.certificate_failures", "failed certificates; read where it exists")
