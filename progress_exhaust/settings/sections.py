"""Every setting: its type, unit, default and reason."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Annotated, Any, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PositiveFloat,
    PositiveInt,
    SecretStr,
    field_validator,
    model_validator,
)

from progress_exhaust.paths import local_folder

ENVIRONMENT_PREFIX = "PROGRESS_EXHAUST__"

_TABLE_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*\.[A-Za-z][A-Za-z0-9_]*")
_QUEUE_TABLE = re.compile(r"(?:[A-Za-z_][A-Za-z0-9_]*\.)?[A-Za-z_][A-Za-z0-9_]*")
_FILE_NAME = re.compile(r"[A-Za-z0-9_.{}-]+")
_MANIFEST = "manifest.json"
_NO_PATH = re.compile(r"[\x00-\x1f\x7f]")
_DSN_SECRETS = frozenset({"password", "sslpassword", "scram_client_key", "scram_server_key", "oauth_client_secret"})


def variable_of(section: str, key: str) -> str:
    """Return the name of the environment variable of a setting."""
    return f"{ENVIRONMENT_PREFIX}{section.upper()}__{key.upper()}"


def _dsn_values(dsn: str) -> dict[str, str]:
    """Return what a libpq connection string sets, as libpq reads it; its text never gets into the error."""
    if not dsn:
        return {}
    from psycopg2 import ProgrammingError  # noqa: PLC0415 - most commands have no queue, and start sooner without
    from psycopg2.extensions import parse_dsn  # noqa: PLC0415 - likewise

    try:
        return parse_dsn(dsn)
    except ProgrammingError:
        raise ValueError("libpq does not take it; expected e.g. host=db dbname=sunbird") from None


class Section(BaseModel):
    """One section of the settings: unknown keys are faults, values do not change after the start."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)


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


def _like(pattern: re.Pattern[str], expected: str) -> AfterValidator:
    """Check that a text is like a pattern, whole."""

    def check(text: str) -> str:
        if not pattern.fullmatch(text):
            raise ValueError(f'expected {expected}, got "{text}"')
        return text

    return AfterValidator(check)


_Table = Annotated[str, _like(_TABLE_NAME, "<keyspace>.<table>")]
_QueueTable = Annotated[str, _like(_QUEUE_TABLE, "a table, or <schema>.<table>")]


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


class ReportSettings(Section):
    """What the rows say."""

    profile: Literal["seed"] = Field("seed", description="named set of columns and formats")
    time_zone: str = Field("UTC", description="zone of all dates, and of the day in the file's name")

    @field_validator("time_zone")
    @classmethod
    def _is_a_zone(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError(f'expected a zone like Asia/Kolkata, got "{name}"') from None
        return name


class PrivacySettings(Section):
    """What is kept out of the files."""

    user_name: bool = Field(True, description="false blanks the User Name column, which stays")


class CertificateSettings(Section):
    """Where failed certificates are recorded."""

    failures_table: _Table = _table("sunbird_courses.certificate_failures", "failed certificates; read where it exists")


class OutputSettings(Section):
    """Where the files go, and how they look."""

    url: str = Field("var/reports", min_length=1, description="folder or Hadoop URL of the output root")
    file_name: str = Field(
        "{batch_id}_progress_{date}.csv", description="file name; {batch_id} must be in it, {date} is dd_MM_yyyy"
    )
    formula_guard: bool = Field(True, description="make text inert that a spreadsheet would run as a formula")
    publish_threads: PositiveInt = Field(8, description="files verified and moved at once")
    staging_keep_s: int = Field(
        3600, ge=300, description="seconds without a beat after which staging is left over; ten beats at least"
    )

    @field_validator("url")
    @classmethod
    def _is_a_place(cls, url: str) -> str:
        if _NO_PATH.search(url):
            raise ValueError(f'expected a folder or a URL without control characters, got "{ascii(url)[1:-1]}"')
        local_folder(url)
        return url

    @field_validator("file_name")
    @classmethod
    def _names_one_batch(cls, template: str) -> str:
        names = set(re.findall(r"{([^}]*)}", template))
        if "batch_id" not in names or not names <= {"batch_id", "date"} or not _FILE_NAME.fullmatch(template):
            raise ValueError(
                f'expected letters, digits, _ . - with {{batch_id}} and perhaps {{date}}, got "{template}"'
            )
        pattern = re.escape(template.replace("{date}", "01_01_2026")).replace(r"\{batch_id\}", ".+")
        if re.fullmatch(pattern, _MANIFEST):
            raise ValueError(f'expected a name that no batch makes {_MANIFEST}, got "{template}"')
        return template


class QueueSettings(Section):
    """Where the request queue is."""

    dsn: str = Field(
        "",
        description="libpq connection string of PostgreSQL, e.g. host=db dbname=sunbird sslmode=verify-full",
    )
    password: SecretStr | None = Field(None, description="secret: environment only")
    password_file: str = Field("", description="file that holds the password")
    table: _QueueTable = Field("job_request", description="table of requests, with its schema where it needs one")
    job_id: str = Field("progress-exhaust", min_length=1, description="our rows' job_id; no other row is ever touched")
    connect_timeout_s: PositiveInt = Field(10, description="seconds to open a connection")
    statement_timeout_s: PositiveInt = Field(30, description="seconds for one statement")
    heartbeat_s: PositiveFloat = Field(10.0, description="seconds between two looks at whether the connection lives")

    @field_validator("dsn")
    @classmethod
    def _holds_no_secret(cls, dsn: str) -> str:
        if found := sorted(_dsn_values(dsn).keys() & _DSN_SECRETS):
            raise ValueError(
                f"a secret ({', '.join(found)}) may not stand in a connection string; "
                f"set {variable_of('queue', 'password')} or password_file"
            )
        return dsn

    @property
    def connection_values(self) -> dict[str, str]:
        """What the connection string sets, by libpq's keywords."""
        return _dsn_values(self.dsn)

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
    metrics_file: str = Field("", description="file for metrics in Prometheus text format; empty: none")


class SparkSettings(Section):
    """How the work is cut. Started by spark-submit, its own arguments win over `master` and `driver_memory`."""

    master: str = Field("local[*,4]", min_length=1, description="master URL; a local one must name its task tries")
    driver_memory: str = Field("2g", pattern=r"^\d+[mg]$", description="heap of the driver; in local mode it does all")
    connector_package: str = Field(
        "com.datastax.spark:spark-cassandra-connector_2.12:3.5.1", description="Maven coordinates of the connector"
    )
    connector_jars: str = Field("", description="folder of the connector's jars; empty: fetched by its coordinates")
    jar_cache: str = Field("", description="folder for fetched jars; empty: Ivy's own")
    ui: bool = Field(False, description="Spark's web page")
    encryption: Literal["auto", "on", "off"] = Field(
        "auto",
        description="whether Spark's processes prove who they are to each other and encrypt what they spill; "
        "auto: where they can agree on a secret by themselves",
    )
    learners_per_wave: PositiveInt = Field(2_000_000, description="learners that go through one plan at once")
    learners_per_task: PositiveInt = Field(25_000, description="learners of one task; sets the shuffle partitions")
    learners_per_slice: PositiveInt = Field(250_000, description="a bigger report is made in slices by several tasks")
    broadcast_bytes: PositiveInt = Field(64 * 1024 * 1024, description="a bigger layout frame is joined by shuffle")


class Settings(Section):
    """All settings of a run."""

    source: SourceSettings = SourceSettings()
    tables: TableSettings = TableSettings()
    cassandra: CassandraSettings = CassandraSettings()
    catalogue: CatalogueSettings = CatalogueSettings()
    assessment: AssessmentSettings = AssessmentSettings()
    report: ReportSettings = ReportSettings()
    privacy: PrivacySettings = PrivacySettings()
    certificates: CertificateSettings = CertificateSettings()
    output: OutputSettings = OutputSettings()
    queue: QueueSettings = QueueSettings()
    requests: RequestSettings = RequestSettings()
    spark: SparkSettings = SparkSettings()

    @model_validator(mode="after")
    def _kinds_have_their_place(self) -> Self:
        if self.source.kind is SourceKind.SNAPSHOT and not self.source.snapshot_dir:
            raise ValueError("source.snapshot_dir: kind is snapshot, so a folder is needed (or --snapshot DIR)")
        if self.catalogue.kind is CatalogueKind.FILES and not self.catalogue.directory:
            raise ValueError("catalogue.directory: kind is files, so a folder is needed (or --catalogue DIR)")
        return self

    def zone(self) -> ZoneInfo:
        """Return the report's time zone."""
        return ZoneInfo(self.report.time_zone)
