"""The columns we read of each input table, with their keys; column names and types are Sunbird's.

Nothing else is read: `question` of `assessment_aggregator`, for one, is most of that table's bytes.
"""

from __future__ import annotations

from dataclasses import dataclass

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T

from progress_exhaust.settings import Settings

TEXT = T.StringType()
FLAG = T.BooleanType()
INSTANT = T.TimestampType()
NUMBER = T.DoubleType()
TEXTS = T.ArrayType(TEXT)
COUNT = T.IntegerType()
COUNTS = T.MapType(TEXT, COUNT)
NUMBERS = T.MapType(TEXT, NUMBER)
CERTIFICATES = T.ArrayType(T.MapType(TEXT, TEXT))


@dataclass(frozen=True)
class Table:
    """One input table.

    Attributes:
        setting: its key in the settings' section `tables`.
        key: the columns that together are unique, and must exist; all are text.
        columns: every column we read, the key's included.
        known: columns of which a run knows all values that it wants before it reads the table.
        may_be_missing: whether a snapshot without it counts it as empty.
        also_numeric: text columns that some installations keep as a number.
    """

    setting: str
    key: tuple[str, ...]
    columns: T.StructType
    known: tuple[str, ...] = ()
    may_be_missing: bool = False
    also_numeric: tuple[str, ...] = ()


def _table(
    setting: str,
    key: str,
    *,
    known: str = "",
    may_be_missing: bool = False,
    also_numeric: tuple[str, ...] = (),
    **columns: T.DataType,
) -> Table:
    names = tuple(key.split())
    fields = [T.StructField(name, TEXT) for name in names]
    fields += [T.StructField(name, data_type) for name, data_type in columns.items()]
    return Table(setting, names, T.StructType(fields), tuple(known.split()), may_be_missing, also_numeric)


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
)
USER_ACTIVITY_AGG = _table(
    "user_activity_agg",
    "activity_type activity_id user_id context_id",
    known="activity_type activity_id user_id",
    may_be_missing=True,
    agg=COUNTS,
    aggregates=NUMBERS,
)
ASSESSMENT_AGGREGATOR = _table(
    "assessment_aggregator",
    "user_id course_id batch_id content_id attempt_id",
    known="user_id course_id",
    may_be_missing=True,
    total_score=NUMBER,
    last_attempted_on=INSTANT,
)
COURSE_BATCH = _table("course_batch", "courseid batchid", name=TEXT)
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
)
LOCATION = _table("location", "id", type=TEXT, name=TEXT, parentid=TEXT)
ORGANISATION = _table(
    "organisation",
    "id",
    known="id",
    may_be_missing=True,
    also_numeric=("organisationtype",),
    organisationtype=TEXT,
    orglocation=TEXT,
    locationids=TEXTS,
)
USER_ORGANISATION = _table(
    "user_organisation", "userid organisationid", known="userid", may_be_missing=True, isdeleted=FLAG
)
SYSTEM_SETTINGS = _table("system_settings", "id", may_be_missing=True, value=TEXT)
CERTIFICATE_FAILURES = _table("certificate_failures", "batchid userid", known="batchid", may_be_missing=True)

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
