"""What is read once a run to place learners: states, districts, and who is the custodian."""

from __future__ import annotations

from dataclasses import dataclass

from pyspark.sql import Column
from pyspark.sql import functions as F

from progress_exhaust.errors import SourceError
from progress_exhaust.report.locations import DISTRICT, STATE, Location, dictionary
from progress_exhaust.tables import schemas
from progress_exhaust.tables.port import Tables

MOST_LOCATIONS = 100_000
CUSTODIAN_ROW = "custodianOrgId"


@dataclass(frozen=True)
class ReferenceData:
    """What is read once a run to place learners.

    Attributes:
        locations: states and districts, as a constant of the plan.
        custodian_id: the root organisation of self-signed-up learners; None where there is no such row.
        has_organisations: whether there are organisations to ask.
    """

    locations: Column
    custodian_id: str | None
    has_organisations: bool


def read_reference_data(tables: Tables) -> ReferenceData:
    """Collect states, districts and the custodian organisation, in one small job.

    Raises:
        SourceError: there are more states and districts than can be true.
    """
    is_known = F.col("type").isin(STATE, DISTRICT) & (F.col("name") != "") & (F.col("id") != "")
    locations = tables.frame(schemas.LOCATION).filter(is_known).select("id", "type", "name", "parentid")
    custodian = tables.frame(schemas.SYSTEM_SETTINGS).filter(F.col("id") == CUSTODIAN_ROW)
    as_location = custodian.select(
        "id", F.lit(None).alias("type"), F.col("value").alias("name"), F.lit(None).alias("parentid")
    )
    rows = locations.limit(MOST_LOCATIONS + 1).unionByName(as_location).collect()
    found = [Location(row["id"], row["type"], row["name"], row["parentid"]) for row in rows if row["type"]]
    if len(found) > MOST_LOCATIONS:
        raise SourceError(
            "reading",
            object="table location",
            got=f"more than {MOST_LOCATIONS} states and districts",
            remedy="is the table the right one?",
        )
    custodian_id = next((row["name"] for row in rows if not row["type"] and row["name"]), None)
    has_organisations = tables.exists(schemas.ORGANISATION)
    return ReferenceData(
        dictionary(sorted(found, key=lambda location: location.identifier)), custodian_id, has_organisations
    )
