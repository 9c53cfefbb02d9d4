"""The columns we read of each input table, with their keys; column names and types are Sunbird's.

Nothing else is read: `question` of `assessment_aggregator`, for one, is most of that table's bytes.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T

from progress_exhaust.settings.sections import Settings

TEXT = T.StringType()
FLAG = T.BooleanType()
INSTANT = T.TimestampType()
NUMBER = T.DoubleType()
TEXTS = T.ArrayType(TEXT)
COUNT = T.IntegerType()
COUNTS = T.MapType(TEXT, COUNT)
NUMBERS = T.MapType(TEXT, NUMBER)
CERTIFICATES = T.ArrayType(T.MapType(TEXT, TEXT))

MEND = "mend the file"
ALTERED = "was the table altered?"
"""The next steps where data is not as it was agreed to be: with a file of a table, and with a table."""


@dataclass(frozen=True)
class Table:
    """One input table.

    Attributes:
        setting: its key in the settings' section `tables`.
        key: the columns that together are unique, and must exist; all are text.
        columns: every column we read, the key's included.
        known: columns of which a run knows all values that it wants before it reads the table.
        also_numeric: text columns that some installations keep as a number.
        required: columns beside the key's that a source with named columns must have.
        if_missing: what follows where the table is missing, and counts as empty; empty where it must be there.
        if_absent: what follows where a column, which then reads as null, is absent; by column, without the key's.
    """

    setting: str
    key: tuple[str, ...]
    columns: T.StructType
    known: tuple[str, ...] = ()
    also_numeric: tuple[str, ...] = ()
    required: tuple[str, ...] = ()
    if_missing: str = ""
    if_absent: Mapping[str, str] = field(default_factory=dict, compare=False)

    @property
    def may_be_missing(self) -> bool:
        """Whether a source without the table counts it as empty."""
        return bool(self.if_missing)

    def absent(self, present: Collection[str]) -> tuple[str, ...]:
        """Return the columns that are not among those present."""
        return tuple(name for name in self.columns.fieldNames() if name not in present)

    def refused(self, absent: Collection[str]) -> list[str]:
        """Return those of the absent columns without which the table is not read."""
        return [name for name in (*self.key, *self.required) if name in absent]

    def so(self, absent: Collection[str]) -> str:
        """Return what follows from absent columns, as it goes on a sentence; of those of the key that needs no word."""
        follows = [self.if_absent[name] for name in self.if_absent if name in absent]
        return f", so {' and '.join(follows)}" if follows else ""


def _table(
    setting: str,
    key: str,
    *,
    known: str = "",
    also_numeric: tuple[str, ...] = (),
    required: str = "",
    if_missing: str = "",
    if_absent: Mapping[str, str],
    **columns: T.DataType,
) -> Table:
    names = tuple(key.split())
    fields = [T.StructField(name, TEXT) for name in names]
    fields += [T.StructField(name, data_type) for name, data_type in columns.items()]
    return Table(
        setting,
        names,
        T.StructType(fields),
        tuple(known.split()),
        also_numeric,
        tuple(required.split()),
        if_missing,
        if_absent,
    )


USER_ENROLMENTS = _table(
    "user_enrolments",
    "userid courseid batchid",
    known="batchid courseid",
    active=FLAG,
    enrolled_date=INSTANT,
    enrolleddate=TEXT,
    completedon=INSTANT,
    contentstatus=COUNTS,
    progress=COUNT,
    completionpercentage=COUNT,
    certificates=CERTIFICATES,
    issued_certificates=CERTIFICATES,
    required="active contentstatus",
    if_absent={
        "active": "no row is kept",
        "enrolled_date": "Enrolment Date comes from enrolleddate alone",
        "enrolleddate": "Enrolment Date comes from enrolled_date alone",
        "completedon": "Completion Date is blank, and Progress comes from contents alone",
        "contentstatus": "Progress comes from counters alone",
        "progress": "noted Progress comes from completionpercentage alone",
        "completionpercentage": "noted Progress comes from progress alone",
        "certificates": "certificates come from issued_certificates alone",
        "issued_certificates": "certificates come from certificates alone",
    },
)
USER_ACTIVITY_AGG = _table(
    "user_activity_agg",
    "activity_type activity_id user_id context_id",
    known="activity_type activity_id user_id",
    agg=COUNTS,
    aggregates=NUMBERS,
    if_missing="no counter tells Progress or a Score",
    if_absent={"agg": "counters come from aggregates alone", "aggregates": "counters come from agg alone"},
)
ASSESSMENT_AGGREGATOR = _table(
    "assessment_aggregator",
    "user_id course_id batch_id content_id attempt_id",
    known="user_id course_id",
    total_score=NUMBER,
    last_attempted_on=INSTANT,
    if_missing="Scores come from counters alone",
    if_absent={
        "total_score": "no attempt counts, and Scores come from counters alone",
        "last_attempted_on": "of equal attempts the one with the smallest id counts",
    },
)
COURSE_BATCH = _table("course_batch", "courseid batchid", name=TEXT, if_absent={"name": "Batch Name is blank"})
USER = _table(
    "user",
    "id",
    known="id",
    firstname=TEXT,
    lastname=TEXT,
    rootorgid=TEXT,
    profilelocation=TEXT,
    locationids=TEXTS,
    isdeleted=FLAG,
    if_absent={
        "firstname": "User Name is the last name alone",
        "lastname": "User Name is the first name alone",
        "rootorgid": "everybody counts as signed up by themselves",
        "profilelocation": "learners' own places come from locationids alone",
        "locationids": "learners' own places come from profilelocation alone",
        "isdeleted": "deleted learners keep name and place",
    },
)
LOCATION = _table(
    "location",
    "id",
    type=TEXT,
    name=TEXT,
    parentid=TEXT,
    if_absent={
        "type": "State and District are blank",
        "name": "State and District are blank",
        "parentid": "no district tells its state",
    },
)
ORGANISATION = _table(
    "organisation",
    "id",
    known="id",
    also_numeric=("organisationtype",),
    organisationtype=TEXT,
    orglocation=TEXT,
    locationids=TEXTS,
    if_missing="State and District come from the learners' own places alone",
    if_absent={
        "organisationtype": "nobody has a school",
        "orglocation": "organisations' places come from locationids alone",
        "locationids": "organisations' places come from orglocation alone",
    },
)
USER_ORGANISATION = _table(
    "user_organisation",
    "userid organisationid",
    known="userid",
    isdeleted=FLAG,
    if_missing="nobody has a school",
    if_absent={"isdeleted": "every membership counts"},
)
SYSTEM_SETTINGS = _table(
    "system_settings",
    "id",
    value=TEXT,
    if_missing="no organisation is the custodian",
    if_absent={"value": "no organisation is the custodian"},
)
CERTIFICATE_FAILURES = _table(
    "certificate_failures",
    "batchid userid",
    known="batchid",
    if_missing="Certificate Status is never Failed",
    if_absent={},
)

INPUT_TABLES = (
    USER_ENROLMENTS,
    USER_ACTIVITY_AGG,
    ASSESSMENT_AGGREGATOR,
    COURSE_BATCH,
    USER,
    LOCATION,
    ORGANISATION,
    USER_ORGANISATION,
    SYSTEM_SETTINGS,
    CERTIFICATE_FAILURES,
)


def table_names(settings: Settings) -> dict[str, str]:
    """Return `<keyspace>.<table>` by `Table.setting`."""
    return {**settings.tables.model_dump(), CERTIFICATE_FAILURES.setting: settings.certificates.failures_table}


def empty(spark: SparkSession, table: Table) -> DataFrame:
    """Return the table without a row. Made of expressions, since a Python list would start Python workers."""
    return spark.range(0).select([F.lit(None).cast(field.dataType).alias(field.name) for field in table.columns])
