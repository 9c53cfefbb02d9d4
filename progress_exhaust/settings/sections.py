"""Every setting: its type, unit, default and reason. Whoever uses settings takes them from here."""

from __future__ import annotations

import re
from typing import Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, PositiveInt, field_validator, model_validator

from progress_exhaust.errors import Fault, Value, WrongValue
from progress_exhaust.paths import local_folder
from progress_exhaust.settings.inputs import (
    AssessmentSettings,
    CassandraSettings,
    CatalogueKind,
    CatalogueSettings,
    CertificateSettings,
    ReadBy,
    SourceKind,
    SourceSettings,
    TableSettings,
)
from progress_exhaust.settings.requests import QueueSettings, RequestSettings
from progress_exhaust.settings.section import ENVIRONMENT_PREFIX, Section, variable_of

__all__ = [
    "ENVIRONMENT_PREFIX",
    "AssessmentSettings",
    "CassandraSettings",
    "CatalogueKind",
    "CatalogueSettings",
    "CertificateSettings",
    "OutputSettings",
    "PrivacySettings",
    "QueueSettings",
    "ReadBy",
    "ReportSettings",
    "RequestSettings",
    "Section",
    "Settings",
    "SourceKind",
    "SourceSettings",
    "SparkSettings",
    "TableSettings",
    "variable_of",
]

_FILE_NAME = re.compile(r"[A-Za-z0-9_.{}-]+")
_MANIFEST = "manifest.json"
_NO_PATH = re.compile(r"[\x00-\x1f\x7f]")


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
            raise WrongValue(Fault(expected="a zone like Asia/Kolkata", got=Value(f'"{name}"'))) from None
        return name


class PrivacySettings(Section):
    """What is kept out of the files."""

    user_name: bool = Field(True, description="false blanks the User Name column, which stays")


class OutputSettings(Section):
    """Where the files go, and how they look."""

    url: str = Field("var/reports", min_length=1, description="folder or Hadoop URL of the output root")
    file_name: str = Field(
        "{batch_id}_progress_{date}.csv", description="file name; {batch_id} must be in it, {date} is dd_MM_yyyy"
    )
    formula_guard: bool = Field(True, description="make text inert that a spreadsheet would run as a formula")
    bom: bool = Field(
        False, description="begin each file with a byte order mark, which some spreadsheets need to show Indian scripts"
    )
    publish_threads: PositiveInt = Field(8, description="files verified and moved at once")
    give_up_s: float = Field(
        120.0, ge=10, description="seconds within which a run ends whose output place does not answer any more"
    )
    staging_keep_s: int = Field(
        3600, ge=300, description="seconds without a heartbeat after which staging is stale; ten heartbeats at least"
    )

    @field_validator("url")
    @classmethod
    def _is_a_place(cls, url: str) -> str:
        if _NO_PATH.search(url):
            got = Value(f'"{ascii(url)[1:-1]}"')
            raise WrongValue(Fault(expected="a folder or a URL without control characters", got=got))
        local_folder(url)
        return url

    @field_validator("file_name")
    @classmethod
    def _names_one_batch(cls, template: str) -> str:
        names = set(re.findall(r"{([^}]*)}", template))
        if "batch_id" not in names or not names <= {"batch_id", "date"} or not _FILE_NAME.fullmatch(template):
            expected = "letters, digits, _ . - with {batch_id} and perhaps {date}"
            raise WrongValue(Fault(expected=expected, got=Value(f'"{template}"')))
        pattern = re.escape(template.replace("{date}", "01_01_2026")).replace(r"\{batch_id\}", ".+")
        if re.fullmatch(pattern, _MANIFEST):
            got = Value(f'"{template}"')
            raise WrongValue(Fault(expected=f"a name that no batch makes {_MANIFEST}", got=got))
        return template


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
            got = "kind is snapshot, so a folder is needed (or --snapshot DIR)"
            raise WrongValue(Fault("source.snapshot_dir", got=got))
        if self.catalogue.kind is CatalogueKind.FILES and not self.catalogue.directory:
            got = "kind is files, so a folder is needed (or --catalogue DIR)"
            raise WrongValue(Fault("catalogue.directory", got=got))
        return self

    def zone(self) -> ZoneInfo:
        """Return the report's time zone."""
        return ZoneInfo(self.report.time_zone)
