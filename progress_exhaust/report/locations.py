"""States and districts, as a dictionary that expressions look ids up in.

The dictionary is small (India has under a thousand districts), and is asked several times for each learner. It is
made into one constant of the plan, an array of buckets found by the CRC-32 of the id, so that a look-up costs neither
a join nor a walk through all places.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable
from dataclasses import dataclass

from pyspark.sql import Column
from pyspark.sql import functions as F

from progress_exhaust.tables.json_text import is_one_value

STATE = "state"
DISTRICT = "district"

_PLACE = "id string, state_id string, state string, district string"
_IDS_AS_JSON = "array<struct<id string>>"
_STRICT = {"mode": "PERMISSIVE", "allowSingleQuotes": "false", "allowNonNumericNumbers": "false"}
_ONLY_TEXTS = r'\A(""|\[(("[^"\\]*+(\\.[^"\\]*+)*+"|null),?+)++\])\z'
_ID_NOT_TEXT = r'"id"[ \t\r\n]*:[ \t\r\n]*[^" \t\r\nn]'


@dataclass(frozen=True, slots=True)
class Location:
    """One row of the table `location` that is a state or a district and has a name."""

    identifier: str
    kind: str
    name: str
    parent_id: str | None


def dictionary(locations: Iterable[Location]) -> Column:
    """Return the constant that `places` looks into: buckets of (id, state_id, state, district).

    A state has no district; a district whose parent is not a known state has no state.

    >>> kerala = Location("s1", "state", "Kerala", None)
    >>> kollam, lost = Location("d1", "district", "Kollam", "s1"), Location("d2", "district", "Lost", "s9")
    >>> one = spark.range(1).select(F.explode(F.flatten(dictionary([kerala, kollam, lost]))).alias("place"))
    >>> one.select("place.*").sort("id").show()
    +---+--------+------+--------+
    | id|state_id| state|district|
    +---+--------+------+--------+
    | d1|      s1|Kerala|  Kollam|
    | d2|    NULL|  NULL|    Lost|
    | s1|      s1|Kerala|    NULL|
    +---+--------+------+--------+
    <BLANKLINE>
    """
    by_id = {location.identifier: location for location in locations}
    states = {location.identifier: location.name for location in by_id.values() if location.kind == STATE}
    buckets: list[list[dict[str, str]]] = [[] for _ in range(max(1, len(by_id)))]
    for location in by_id.values():
        place = {"id": location.identifier}
        state_id = location.identifier if location.kind == STATE else location.parent_id
        if state_id in states:
            place |= {"state_id": str(state_id), "state": states[str(state_id)]}
        if location.kind == DISTRICT:
            place["district"] = location.name
        buckets[zlib.crc32(location.identifier.encode()) % len(buckets)].append(place)
    return F.from_json(F.lit(json.dumps(buckets, ensure_ascii=False)), f"array<array<struct<{_PLACE}>>>")


def places(location_ids: Column, locations: Column) -> Column:
    """Return the known states and districts among these ids, in their order; empty for null.

    >>> known = dictionary([Location("s1", "state", "Kerala", None), Location("d1", "district", "Kollam", "s1")])
    >>> lists = spark.sql("VALUES (array('d1', 's1')), (array('s1', 'x')), (null) AS lists(ids)")
    >>> lists.select("ids", places(F.col("ids"), known)["id"].alias("known")).show()
    +--------+--------+
    |     ids|   known|
    +--------+--------+
    |[d1, s1]|[d1, s1]|
    | [s1, x]|    [s1]|
    |    NULL|      []|
    +--------+--------+
    <BLANKLINE>
    """
    found = F.transform(F.coalesce(location_ids, F.array()), lambda location_id: _place(location_id, locations))
    return F.filter(found, lambda place: place.isNotNull())


def first_state(found: Column) -> Column:
    """Return the first place that is a state, or lies in one; null where there is none.

    >>> known = dictionary([Location("s1", "state", "Kerala", None), Location("d2", "district", "Lost", "s9")])
    >>> lists = spark.sql("VALUES (array('s1')), (array('d2', 's1')), (array('d2')) AS lists(ids)")
    >>> lists.select("ids", first_state(places(F.col("ids"), known))["state"].alias("state")).show()
    +--------+------+
    |     ids| state|
    +--------+------+
    |    [s1]|Kerala|
    |[d2, s1]|Kerala|
    |    [d2]|  NULL|
    +--------+------+
    <BLANKLINE>
    """
    return F.get(F.filter(found, lambda place: place["state_id"].isNotNull()), F.lit(0))


def first_district(found: Column, state_id: Column) -> Column:
    """Return the name of the first district in this state, or of no known state; null where there is none.

    >>> kollam, lost = Location("d1", "district", "Kollam", "s1"), Location("d2", "district", "Lost", "s9")
    >>> known = dictionary([Location("s1", "state", "Kerala", None), kollam, lost])
    >>> rows = spark.sql("VALUES (array('d1'), 's1'), (array('d1', 'd2'), 's2'), (array(), 's1') AS rows(ids, state)")
    >>> rows.select("*", first_district(places(F.col("ids"), known), F.col("state")).alias("district")).show()
    +--------+-----+--------+
    |     ids|state|district|
    +--------+-----+--------+
    |    [d1]|   s1|  Kollam|
    |[d1, d2]|   s2|    Lost|
    |      []|   s1|    NULL|
    +--------+-----+--------+
    <BLANKLINE>
    """
    fits = F.filter(
        found,
        lambda place: place["district"].isNotNull() & (place["state_id"].isNull() | (place["state_id"] == state_id)),
    )
    return F.get(fits, F.lit(0))["district"]


def ids_of_json(text: Column) -> Column:
    """Return the ids in a JSON text like `[{"id": "…", "type": "state"}]`; null where it can not be read.

    Read strictly: `{"id":"a"}` is a list of one, null elements are skipped; single quotes, a comma at the end, text
    after the value, an element that is not an object, or an id that is not text make the whole text unreadable.

    >>> texts = ('[{"id":"s1"}, null]', '{"id":"s1"}', '[{"id":"s1"},]')
    >>> rows = spark.range(1).select(F.explode(F.array(*map(F.lit, texts))).alias("text"))
    >>> rows.select("text", ids_of_json(F.col("text")).alias("ids")).show()
    +-------------------+----+
    |               text| ids|
    +-------------------+----+
    |[{"id":"s1"}, null]|[s1]|
    |        {"id":"s1"}|[s1]|
    |     [{"id":"s1"},]|NULL|
    +-------------------+----+
    <BLANKLINE>
    """
    is_object = text.rlike(r"\A[ \t\r\n]*\{")
    as_list = F.when(is_object, F.concat(F.lit("["), text, F.lit("]"))).otherwise(text)
    ids = F.filter(F.from_json(as_list, _IDS_AS_JSON, _STRICT)["id"], lambda location_id: location_id.isNotNull())
    # The parser makes a text of any value. Ids are looked at one by one only where one of them may be no text: it may
    # also be one of something deeper down, or an escaped key. Where `get_json_object` finds more than one, it gives a
    # list, so one is put before them.
    with_another = F.regexp_replace(as_list, r"\A[ \t\r\n]*\[", '[{"id":""},')
    are_texts = F.coalesce(F.get_json_object(with_another, "$[*].id").rlike(_ONLY_TEXTS), F.lit(True))
    is_in_doubt = text.rlike(_ID_NOT_TEXT) | text.contains("\\")
    return F.when(is_one_value(text) & (~is_in_doubt | are_texts), ids)


def _place(location_id: Column, locations: Column) -> Column:
    bucket = F.get(locations, F.crc32(location_id.cast("binary")) % F.size(locations))
    return F.get(F.filter(bucket, lambda place: place["id"] == location_id), F.lit(0))
