"""Places, organisations and names of the synthetic world: public geography, invented people."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid5

Row = dict[str, Any]

CUSTODIAN_ID = "0126684405014528002"
SCHOOLS_PER_DISTRICT = 3

_STATES = {
    "Kerala": ("Thrissur", "Ernakulam", "Kozhikode", "Idukki"),
    "Andhra Pradesh": ("Vizag", "Guntur", "Kurnool"),
    "Tamil Nadu": ("Madurai", "Coimbatore", "Salem"),
    "Karnataka": ("Mysuru", "Belagavi", "Udupi"),
    "Maharashtra": ("Pune", "Nagpur", "Nashik", "Satara"),
    "Gujarat": ("Surat", "Rajkot", "Kachchh"),
    "Rajasthan": ("Jodhpur", "Udaipur", "Bikaner"),
    "Uttar Pradesh": ("Varanasi", "Agra", "Prayagraj", "Jhansi"),
    "Assam": ("Jorhat", "Dibrugarh", "Cachar"),
    "Jammu and Kashmir": ("Srinagar", "Anantnag"),
}

FIRST_NAMES = (
    "Anvika", "Tarunesh", "Meharli", "Devarth", "Ishkara", "Roshin", "Nilavan", "Pruthika", "Zoë", "अनविका", "Sahirat",
    "Kavindra", "Yamuni", "Obaidul", "Lakshara", "Joswin", "தேனரசி", "Renusha", "Hardevi", "Mirélle", "Chandrit", "Ø",
    "Bhavish", "Wasimra", "Tsering-La", "Ruhanika", "Eshwin", "Gopalika",
)  # fmt: skip
LAST_NAMES = (
    "Marathur", "Kolvanna", "D'Sylvar", "Panikaran", "Jhalwadi", "Sengathir", "Bhosravi", "Nairath", "वरुणे", "Tiwarka",
    "Irumpanam", "Chakradal", "Malhor", "Quereshan", "Lalthanzo", "Yadavendi", "Rathwani", "Smithara", "Gurungta",
    "Ekkam", "Bordolika", "Pereirash", "Khandwal", "Zutshira",
)  # fmt: skip
FORMULA_NAMES = ("=1+1", "+91 99", "-Minus", "@handle", "%share", "|pipe", "\u200b=hidden", "two\n=lines")
"""Names that a spreadsheet would run, or that need care in a CSV cell."""

_SPACE = UUID("6ba7b811-9dad-11d1-80b4-00c04fd430c8")


@dataclass(frozen=True, slots=True)
class District:
    """A district with its state and the ids of both."""

    identifier: str
    name: str
    state_id: str
    state: str


def place_id(kind: str, *names: str) -> str:
    """Return the id of a place; public facts, the same in every world."""
    return str(uuid5(_SPACE, "/".join((kind, *names))))


def districts() -> list[District]:
    """Return all districts, those of a state together."""
    return [
        District(place_id("district", state, name), name, place_id("state", state), state)
        for state, names in _STATES.items()
        for name in names
    ]


def district_named(name: str) -> District:
    """Return the district with this name."""
    return next(district for district in districts() if district.name == name)


def profile_location(district: District) -> str:
    """Return the JSON text in which a learner, or an organisation, declares its place."""
    ids = [{"type": "state", "id": district.state_id}, {"type": "district", "id": district.identifier}]
    return json.dumps(ids, separators=(",", ":"))


def root_organisation_id(state: str) -> str:
    """Return the id, and channel, of a state's education department."""
    return f"01400000000{list(_STATES).index(state):08d}"


def school_id(district: int, school: int) -> str:
    """Return the id of a school; numbers count from 0."""
    return f"0141{district:07d}{school:08d}"


def location_rows() -> list[Row]:
    """Return the table `location`."""
    states = [{"id": place_id("state", state), "type": "state", "name": state} for state in _STATES]
    below = [
        {"id": district.identifier, "type": "district", "name": district.name, "parentid": district.state_id}
        for district in districts()
    ]
    blocks = [
        {
            "id": place_id("block", district.state, district.name),
            "type": "block",
            "name": f"{district.name} Rural",
            "parentid": district.identifier,
        }
        for district in districts()
    ]
    return states + below + blocks


def organisation_rows() -> list[Row]:
    """Return the table `organisation`: the custodian, a department for each state, and schools."""
    custodian = {"id": CUSTODIAN_ID, "organisationtype": "5"}
    departments = [
        {"id": root_organisation_id(state), "organisationtype": "5", "locationids": [place_id("state", state)]}
        for state in _STATES
    ]
    schools: list[Row] = []
    for number, district in enumerate(districts()):
        # Older schools have a list of ids, newer ones a JSON text.
        old = {"locationids": [district.state_id, district.identifier]}
        new = {"orglocation": profile_location(district)}
        schools += [
            {"id": school_id(number, school), "organisationtype": "2", **(old if school == 0 else new)}
            for school in range(SCHOOLS_PER_DISTRICT)
        ]
    return [custodian, *departments, *schools]


def system_settings_rows() -> list[Row]:
    """Return the row of `system_settings` that the job reads."""
    return [{"id": "custodianOrgId", "value": CUSTODIAN_ID}]
