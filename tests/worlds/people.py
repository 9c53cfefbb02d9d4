"""Random learners, locations and organisations."""

from __future__ import annotations

import json
from random import Random
from typing import Any

from tests.worlds.model import CUSTODIAN_ORGANISATION_ID, CUSTODIAN_SETTING_ID, CUSTODIAN_STATE_ID, Row
from tests.worlds.texts import chance, maybe, odd_name

# Cores of user ids; their order by code point differs from that by letter, by locale and by UTF-16 unit.
USER_CORES = (
    "anna",
    "Anna",
    "ANNA",
    "Zed",
    "zed",
    "1",
    "12",
    "2",
    "10",
    "_under",
    "-minus",
    "=formula",
    "@at",
    "｡halfwidth",
    "｢bracket",
    "😀grin",
    "𝔘script",
    "émile",
    "Émile",
    "e\u0301mile",
    "ß",
    "ss",
    "अ",
    "宏",
    'quo"te',
    "apo'strophe",
    "do.t",
    "back`tick",
    "com,ma",
    "new\nline",
    " blank",
    "\u200bzero",
    "~tilde",
    "\u00a0hard",
    "nul\x00",
    "del\x7fete",
    "tab\tbed",
)
SCHOOL_TYPES = ("2", "2", "2", "2", "2", "2", "1", "02", " 2", "5", "school", None)


class Places:
    """Locations of a world and ways to name them."""

    def __init__(self, rng: Random, prefix: str) -> None:
        self.rng = rng
        self.rows: list[Row] = []
        states = [f"{prefix}-st{number}" for number in range(rng.randint(1, 3))]
        for state in states:
            self.add(state, "state", None)
        for number in range(rng.randint(1, 6)):
            parent = rng.choice((*states, *states, f"{prefix}-gone", f"{prefix}-di0", None, ""))
            self.add(f"{prefix}-di{number}", "district", parent)
        for number, kind in enumerate(("block", "cluster", "State", "", None, "school")):
            if chance(rng, 0.5):
                self.add(f"{prefix}-ot{number}", kind, rng.choice(states))
        self.ids = [row["id"] for row in self.rows]
        self.ids += [f"{prefix}-gone", "", f"{states[0]} ", states[0].upper(), CUSTODIAN_STATE_ID]
        if chance(rng, 0.2):
            self.rows.append({"id": rng.choice((None, "")), "type": "state", "name": "No key", "parentid": None})

    def add(self, identifier: str, kind: str | None, parent: str | None) -> None:
        """Add a location; one in six has no usable name, one in ten the name of a formula."""
        name = self.rng.choice(
            (f"Place {identifier}",) * 6 + (None, "", "=Place", "Comma, Place", " ", odd_name(self.rng))
        )
        self.rows.append({"id": identifier, "type": kind, "name": name, "code": "c", "parentid": parent})

    def id_list(self) -> list[str | None] | None:
        """Give a list of location ids: null, empty, or with ids that do not count among others."""
        rng = self.rng
        if chance(rng, 0.3):
            return rng.choice((None, []))
        ids: list[str | None] = [rng.choice(self.ids) for _ in range(rng.randint(1, 4))]
        if chance(rng, 0.1):
            ids.insert(0, None)
        return ids

    def json_text(self) -> str | None:
        """Give the JSON text of a profile's or organisation's locations: good, odd or broken."""
        rng = self.rng
        kind = rng.random()
        if kind < 0.2:
            return rng.choice((None, "", " ", "[]", "{}", "null", "[null]"))
        elements: list[Any] = [
            {"id": rng.choice(self.ids), "type": rng.choice(("state", "district", 5, None))}
            for _ in range(rng.randint(1, 3))
        ]
        if kind < 0.6:
            if chance(rng, 0.3):
                elements.insert(rng.randint(0, len(elements)), rng.choice((None, {}, {"id": None}, {"type": "state"})))
            blank = rng.choice((None, 1, "\t"))
            ending = rng.choice(("", "", "\n", " "))
            return json.dumps(elements, indent=blank, ensure_ascii=chance(rng, 0.5)) + ending
        if kind < 0.7:
            return json.dumps(elements[0])
        return self.broken_json(elements)

    def broken_json(self, elements: list[Any]) -> str:
        """Give a text that holds usable ids, but not as strict JSON of the right shape."""
        rng = self.rng
        good = json.dumps(elements)
        identifier = elements[0]["id"]
        return rng.choice(
            (
                good[:-1] + ",]",
                good.replace('"', "'"),
                good[:-1],
                good + "]",
                good + good,
                good + " x",
                "\ufeff" + good,
                "\u00a0" + good,
                good[:-1] + ', {"id": NaN}]',
                good[:-1] + ', {"type": Infinity}]',
                good[:-1] + ", 5]",
                good[:-1] + ', "text"]',
                good[:-1] + ", true]",
                good[:-1] + ", [" + json.dumps(elements[0]) + "]]",
                good[:-1] + ', {"id": 7}]',
                good[:-1] + ', {"id": ["x"]}]',
                good[:-1] + ', {"id": {}}]',
                good[:-1] + ', {"id": "a\tb"}]',
                good[:-1] + ', {"id": "\\x41"}]',
                good[:-1] + ', {"type": 01}]',
                good[:-1] + ', {"type": .5}]',
                good[:-1] + ', {type: "state"}]',
                "/* here */ " + good,
                good + " // there",
                json.dumps(identifier),
                identifier,
                "5",
                "true",
                "NaN",
                json.dumps([identifier]),
                json.dumps({"id": 9}),
                json.dumps(json.dumps(elements)),
            )
        )


def random_organisations(rng: Random, prefix: str, places: Places) -> list[Row]:
    """Make schools and root organisations; ids are such that 10 comes before 9, and B before a."""
    rows = []
    for number in rng.sample(("10", "9", "a", "B", "é", "1"), rng.choice((1, 3, 5, 6))):
        rows.append(
            {
                "id": f"{prefix}-org{number}",
                "orgname": odd_name(rng),
                "channel": "channel-1",
                "organisationtype": rng.choice(SCHOOL_TYPES),
                "orglocation": places.json_text(),
                "locationids": places.id_list(),
                "externalid": "x",
                "rootorgid": f"{prefix}-root",
            }
        )
    for name in ("root", "root2"):
        rows.append({"id": f"{prefix}-{name}", "organisationtype": rng.choice(SCHOOL_TYPES)})
        rows[-1].update({"orglocation": places.json_text(), "locationids": places.id_list()})
    if chance(rng, 0.2):
        rows.append({"id": rng.choice((None, "")), "organisationtype": "2", "locationids": places.id_list()})
    return rows


def custodian_rows(rng: Random) -> dict[str, list[Row]]:
    """Give the custodian organisation, in a place of its own that no self-signed-up learner must get."""
    setting = rng.choice(("known", "known", "known", "no row", "null", "other rows", "no table"))
    value = {"known": CUSTODIAN_ORGANISATION_ID, "null": rng.choice((None, ""))}.get(setting)
    tables: dict[str, list[Row]] = {
        "organisation": [
            {"id": CUSTODIAN_ORGANISATION_ID, "organisationtype": "1", "locationids": [CUSTODIAN_STATE_ID]},
        ],
        "location": [{"id": CUSTODIAN_STATE_ID, "type": "state", "name": "Custodian State", "parentid": None}],
    }
    if setting != "no table":
        tables["system_settings"] = []
    if setting in {"known", "null"}:
        tables["system_settings"].append({"id": CUSTODIAN_SETTING_ID, "value": value})
    if setting == "other rows":
        tables["system_settings"] = [
            {"id": CUSTODIAN_SETTING_ID.lower(), "value": CUSTODIAN_ORGANISATION_ID},
            {"id": None, "value": CUSTODIAN_ORGANISATION_ID},
        ]
    return tables


def random_user_ids(rng: Random, prefix: str, number: int) -> list[str]:
    """Give user ids of one world, the prefix before or after, so that their order stays odd."""
    cores = rng.sample(USER_CORES, min(number, len(USER_CORES)))
    ids = [f"{core}-{prefix}" if chance(rng, 0.75) else f"{prefix}-{core}" for core in cores]
    return ids + [f"{prefix}-learner-{extra}" for extra in range(number - len(ids))]


def random_user(rng: Random, identifier: str, prefix: str, places: Places) -> Row:
    """Make the row of a learner."""
    roots = (None, "", CUSTODIAN_ORGANISATION_ID, f"{prefix}-root", f"{prefix}-root", f"{prefix}-root2", "unknown-root")
    return {
        "id": identifier,
        "userid": rng.choice((identifier, None, "another")),
        "firstname": odd_name(rng),
        "lastname": odd_name(rng),
        "rootorgid": rng.choice(roots),
        "channel": rng.choice(("channel-1", None)),
        "profilelocation": places.json_text(),
        "locationids": places.id_list(),
        "profileusertypes": '[{"type":"teacher"}]',
        "status": rng.choice((0, 1, None)),
        "isdeleted": rng.choice((False, False, False, None, None, True)),
    }


def random_memberships(rng: Random, user_id: str, organisation_ids: list[str]) -> list[Row]:
    """Make what schools a learner belongs to: none, one or several, some left, some unknown."""
    chosen = rng.sample(organisation_ids, rng.randint(0, min(5, len(organisation_ids))))
    if chance(rng, 0.15):
        chosen.append(f"{user_id}-gone")
    rows: list[Row] = [
        {"userid": user_id, "organisationid": chosen_id, "isdeleted": rng.choice((False, None, None, True))}
        for chosen_id in chosen
    ]
    if chance(rng, 0.05):
        rows.append({"userid": user_id, "organisationid": maybe(rng, "", 0.5), "isdeleted": False})
    return rows
