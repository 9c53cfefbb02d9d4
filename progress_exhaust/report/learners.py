"""Learners: name, state and district."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from progress_exhaust.report.locations import first_district, first_state, ids_of_json, places

_SCHOOL = "2"


def known_learners(users: DataFrame, locations: Column, custodian_id: str | None, *, with_names: bool) -> DataFrame:
    """Reduce users to what a report shows of them.

    Grain and key: user_id; where the table holds an id twice, one row is kept and `user_duplicate` says so. Rows come
    out partitioned and sorted by user_id.

    Adds user_name, root_org_id, found (the learner's own places), asks_organisations (a validated learner whose own
    places lack state or district), user_duplicate. A deleted learner has a blank name and no place.

    Args:
        users: the table `user`.
        locations: see `locations.dictionary`.
        custodian_id: the root organisation of self-signed-up learners; None where there is no such row.
        with_names: false blanks all names.
    """
    by_id = users.filter(F.col("id") != "").repartition("id")
    same_id = Window.partitionBy("id")
    counted = by_id.withColumn("rows", F.count(F.lit(1)).over(same_id)).withColumn(
        "row", F.row_number().over(same_id.orderBy("rootorgid"))
    )
    is_here = ~F.coalesce(F.col("isdeleted"), F.lit(False))
    own = F.concat(
        F.coalesce(ids_of_json(F.col("profilelocation")), F.array()),
        F.coalesce(F.col("locationids"), F.array()),
    )
    reduced = counted.filter(F.col("row") == 1).select(
        F.col("id").alias("user_id"),
        (F.when(is_here, _full_name()) if with_names else F.lit(None).cast("string")).alias("user_name"),
        F.col("rootorgid").alias("root_org_id"),
        F.when(is_here, places(own, locations)).alias("found"),
        (F.col("rows") > 1).alias("user_duplicate"),
    )
    is_validated = F.col("root_org_id") != F.lit(custodian_id or "")
    is_validated = is_validated & (F.col("root_org_id") != "")
    lacks_place = F.col("found").isNotNull() & (_state().isNull() | _district().isNull())
    return reduced.withColumn("asks_organisations", F.coalesce(is_validated & lacks_place, F.lit(False)))


def organisation_places(
    learners: DataFrame, user_organisations: DataFrame, organisations: DataFrame, locations: Column
) -> DataFrame:
    """Find the places of the organisations that learners with too few of their own belong to.

    Grain and key: user_id. Adds found_by_organisation: the places of the learner's school (the smallest organisation
    id that is a school), then those of the root organisation.

    Args:
        learners: `known_learners`; only those who ask are looked up.
        user_organisations: the table `user_organisation`.
        organisations: the table `organisation`; read once.
        locations: see `locations.dictionary`.
    """
    asking = learners.filter("asks_organisations").select("user_id", "root_org_id")
    memberships = user_organisations.filter(~F.coalesce(F.col("isdeleted"), F.lit(False))).select(
        F.col("userid").alias("user_id"), F.col("organisationid").alias("organisation_id")
    )
    schools = asking.join(memberships, on="user_id", how="inner").select(
        "user_id", "organisation_id", F.lit(False).alias("is_root")
    )
    roots = asking.select("user_id", F.col("root_org_id").alias("organisation_id"), F.lit(True).alias("is_root"))
    ids = F.concat(
        F.coalesce(ids_of_json(F.col("orglocation")), F.array()), F.coalesce(F.col("locationids"), F.array())
    )
    known = organisations.filter(F.col("id") != "").select(
        F.col("id").alias("organisation_id"),
        (F.col("organisationtype") == _SCHOOL).alias("is_school"),
        places(ids, locations).alias("found"),
    )
    referred = schools.unionByName(roots).join(known, on="organisation_id", how="inner")
    found = F.struct("organisation_id", "found")
    per_learner = referred.groupBy("user_id").agg(
        F.min(F.when(~F.col("is_root") & F.col("is_school"), found)).alias("school"),
        F.min(F.when(F.col("is_root"), found)).alias("root"),
    )
    return per_learner.select(
        "user_id",
        F.concat(F.coalesce(F.col("school.found"), F.array()), F.coalesce(F.col("root.found"), F.array())).alias(
            "found_by_organisation"
        ),
    )


def located_learners(learners: DataFrame, by_organisation: DataFrame | None) -> DataFrame:
    """Choose each learner's state and district.

    Grain and key: user_id. Adds state, district; keeps user_name, root_org_id, user_duplicate.

    Args:
        learners: `known_learners`.
        by_organisation: `organisation_places`; None where there are no organisations.
    """
    all_found = learners
    if by_organisation is not None:
        joined = learners.join(by_organisation, on="user_id", how="left")
        extra = F.coalesce(F.col("found_by_organisation"), F.array())
        all_found = joined.withColumn("found", F.concat(F.col("found"), extra))
    return all_found.select(
        "user_id",
        "user_name",
        "root_org_id",
        "user_duplicate",
        _state()["state"].alias("state"),
        _district().alias("district"),
    )


def _state() -> Column:
    return first_state(F.col("found"))


def _district() -> Column:
    return first_district(F.col("found"), _state()["state_id"])


def _full_name() -> Column:
    parts = [F.trim(F.col(name)) for name in ("firstname", "lastname")]
    return F.concat_ws(" ", *(F.when(part != "", part) for part in parts))
