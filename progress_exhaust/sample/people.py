"""The tables of the synthetic world that tell who learners are."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from progress_exhaust.sample import locations as places
from progress_exhaust.sample.draws import Draws, pick
from progress_exhaust.tables.schemas import USER, USER_ORGANISATION


def users(draws: Draws) -> DataFrame:
    """Grain: learner."""
    learner = F.col("id")
    odd = draws.odd("user", 7, learner)
    districts = places.districts()
    district = draws.district(learner)
    state_root = pick([places.root_organisation_id(item.state) for item in districts], district)
    self_signed_up = F.when(draws.dice.chance("no root", 0.1, learner), F.lit(None)).otherwise(places.CUSTODIAN_ID)
    # Of the validated learners some are placed by their school only.
    is_placed = ~draws.is_validated(learner) | draws.dice.chance("declared", 0.5, learner)
    is_old = draws.dice.chance("old place", 0.2, learner)
    place_ids = F.array(
        pick([item.state_id for item in districts], district),
        pick([item.identifier for item in districts], district),
    )
    place_text = pick([places.profile_location(item) for item in districts], district)
    first = draws.chosen(places.FIRST_NAMES, "first name", learner)
    last = draws.chosen(places.LAST_NAMES, "last name", learner)
    # Kinds of oddness: 0 no row, 1 formula, 2 no place, 3 no name, 4 unreadable place, 5 deleted, 6 blanks, quotes.
    has_place = is_placed & (odd != 2)
    return draws.shaped(
        USER,
        draws.numbers(draws.size.users).filter(odd != 0),
        id=draws.user_id(learner),
        firstname=F.when(odd == 1, draws.chosen(places.FORMULA_NAMES, "formula", learner))
        .when(odd == 3, F.lit(None))
        .when(odd == 6, F.concat(F.lit('  "'), first, F.lit('", ')))
        .otherwise(first),
        lastname=F.when(odd != 3, last),
        rootorgid=F.when(odd == 2, F.lit(None)).when(draws.is_validated(learner), state_root).otherwise(self_signed_up),
        profilelocation=F.when(odd == 4, F.lit("[{'id': unreadable")).when(has_place & ~is_old, place_text),
        locationids=F.when(has_place & is_old & (odd != 4), place_ids),
        isdeleted=odd == 5,
    )


def memberships(draws: Draws) -> DataFrame:
    """Grain: (validated learner, organisation): the school and the department."""
    rows = draws.numbers(2 * draws.size.users).select(
        F.expr("id div 2").alias("learner"), (F.col("id") % 2 == 0).alias("is_school")
    )
    learner = F.col("learner")
    district = draws.district(learner)
    districts = places.districts()
    schools = [
        places.school_id(number, school)
        for number in range(len(districts))
        for school in range(places.SCHOOLS_PER_DISTRICT)
    ]
    school = draws.dice.roll("school", places.SCHOOLS_PER_DISTRICT, learner)
    department = pick([places.root_organisation_id(item.state) for item in districts], district)
    return draws.shaped(
        USER_ORGANISATION,
        rows.filter(draws.is_validated(learner)),
        userid=draws.user_id(learner),
        organisationid=F.when(
            F.col("is_school"), pick(schools, district * places.SCHOOLS_PER_DISTRICT + school)
        ).otherwise(department),
        isdeleted=draws.odd("membership", 1, learner) == 0,
    )
