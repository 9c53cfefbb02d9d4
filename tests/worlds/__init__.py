"""Random worlds: small, but dense with every oddity that the contract names; the same seed gives the same world."""

from __future__ import annotations

from random import Random
from typing import Any

from tests.worlds.files import write_catalogue, write_snapshot
from tests.worlds.learning import (
    keyless_enrolments,
    misplaced,
    random_activity,
    random_attempts,
    random_enrolment,
    thin,
)
from tests.worlds.model import KEY_COLUMNS, KEYSPACES, REQUIRED_TABLES, Row, World, WorldSettings, merge
from tests.worlds.people import (
    Places,
    custodian_rows,
    random_memberships,
    random_organisations,
    random_user,
    random_user_ids,
)
from tests.worlds.texts import chance, odd_name
from tests.worlds.trees import LEAF_IDS, random_answer

__all__ = [
    "KEYSPACES",
    "REQUIRED_TABLES",
    "World",
    "WorldSettings",
    "merge",
    "random_settings",
    "random_world",
    "write_catalogue",
    "write_snapshot",
]

TIME_ZONES = ("UTC", "Asia/Kolkata", "America/New_York")
UNSAFE_IDS = (
    "{}/../x",
    "../{}",
    "{}..x",
    "{} b",
    "{}/b",
    ".{}",
    "-{}",
    "é{}",
    "{}\n",
    "{}" + "x" * 100,
    "{}\\b",
    "{}:b",
)


def random_settings(seed: int) -> WorldSettings:
    """Make settings that change the text of reports."""
    rng = Random(f"settings-{seed}")
    return WorldSettings(time_zone=rng.choice(TIME_ZONES), formula_guard=chance(rng, 0.6), user_name=chance(rng, 0.6))


def random_world(seed: int, settings: WorldSettings | None = None) -> World:
    """Make the world of a seed; all its ids carry the seed, so that worlds can be merged."""
    return WorldMaker(seed).world(settings or WorldSettings())


class WorldMaker:
    """Puts one world together."""

    def __init__(self, seed: int) -> None:
        self.rng = Random(f"world-{seed}")
        self.prefix = f"w{seed}"
        self.tables: dict[str, list[Row]] = {table: [] for table in KEYSPACES if table != "system_settings"}
        self.trees: dict[str, Any] = {}
        self.contents: dict[str, list[str]] = {}
        self.nested: dict[str, list[str]] = {}
        self.places = Places(self.rng, self.prefix)

    def world(self, settings: WorldSettings) -> World:
        """Make everything, then take some of the optional tables away."""
        rng = self.rng
        for table, rows in custodian_rows(rng).items():
            self.tables.setdefault(table, []).extend(rows)
        self.tables["location"] += self.places.rows
        self.tables["organisation"] += random_organisations(rng, self.prefix, self.places)
        self.make_collections()
        users = self.make_users()
        for batch in self.make_batches():
            self.fill_batch(batch, users)
        if chance(rng, 0.3):
            self.double_a_key()
        if chance(rng, 0.3):
            del self.tables["certificate_failures"]
        if chance(rng, 0.06):
            optional = [table for table in self.tables if table not in REQUIRED_TABLES]
            del self.tables[rng.choice(optional)]
        tables = {table: self.shuffled(thin(rng, rows, KEY_COLUMNS[table])) for table, rows in self.tables.items()}
        asked = (f"{self.prefix}-unknown",) if chance(rng, 0.2) else ()
        return World(tables, self.trees, settings, asked, organisation_type_as_int=chance(rng, 0.3))

    def shuffled(self, rows: list[Row]) -> list[Row]:
        """Give rows in an order that means nothing."""
        return self.rng.sample(rows, len(rows))

    def make_collections(self) -> None:
        """Make the catalogue; ids are prefixes and case twins of each other, one may be missing or unsafe."""
        rng = self.rng
        names = rng.sample(("do_1", "do_12", "do_1.2", "DO_1", "do_2"), rng.choice((1, 3, 4, 4)))
        self.collections = [f"{self.prefix}-{name}" for name in names]
        for collection in self.collections:
            others = [other for other in self.collections if other != collection]
            body = random_answer(rng, collection, others)
            body = with_control_character(Random(f"control-{collection}"), body)
            if chance(rng, 0.96):
                self.trees[collection] = body
            identifiers = list(dict.fromkeys(identifiers_in(body)))
            self.contents[collection] = [one for one in identifiers if not one.startswith(("un_", "nc_"))]
            self.nested[collection] = [one for one in identifiers if one.startswith("nc_") or one in others]
        if chance(rng, 0.08):
            unsafe = rng.choice(UNSAFE_IDS).format(self.prefix)
            self.collections.append(unsafe)
            self.contents[unsafe], self.nested[unsafe] = [], []

    def make_users(self) -> list[str]:
        """Make learners; every eighth has no row."""
        rng = self.rng
        users = random_user_ids(rng, self.prefix, rng.choice((1, 12, 24, 36)))
        organisations = [row["id"] for row in self.tables["organisation"] if row["id"]]
        for user in users:
            if chance(rng, 0.88):
                self.tables["user"].append(random_user(rng, user, self.prefix, self.places))
            self.tables["user_organisation"] += random_memberships(rng, user, organisations)
        if chance(rng, 0.3):
            self.tables["user"].append({**random_user(rng, users[0], self.prefix, self.places), "id": ""})
        return users

    def make_batches(self) -> list[Row]:
        """Make batches of the collections; ids are prefixes and case twins of each other, a few can not be made."""
        rng = self.rng
        batches: list[Row] = []
        for name in rng.sample(("b1", "b12", "B1", "b2", "b.2", "b_3"), rng.choice((1, 2, 4, 5, 6))):
            identifier = f"{self.prefix}-{name}"
            if chance(rng, 0.05):
                identifier = rng.choice(UNSAFE_IDS).format(identifier)
            course = rng.choice(self.collections)
            batches.append({"batchid": identifier, "courseid": course, "name": odd_name(rng), "status": 1})
        rows = list(batches)
        if len(self.collections) > 1 and chance(rng, 0.12):
            twin = dict(batches[0])
            twin["courseid"] = rng.choice([one for one in self.collections if one != twin["courseid"]])
            rows.append(twin)
        if chance(rng, 0.2):
            rows.append({**batches[0], rng.choice(("batchid", "courseid")): rng.choice((None, "")), "name": "No key"})
        self.tables["course_batch"] += rows
        return batches

    def fill_batch(self, batch: Row, users: list[str]) -> None:
        """Enrol learners in a batch, none or many, and give them what they have done."""
        rng = self.rng
        batch_id, course = batch["batchid"], batch["courseid"]
        contents = self.contents[course]
        learners = rng.sample(
            users, rng.choice((0, min(2, len(users)), len(users) // 2, min(30, len(users)), min(30, len(users))))
        )
        enrolments = [random_enrolment(rng, batch_id, course, learner, contents) for learner in learners]
        if enrolments and chance(rng, 0.4):
            enrolments += keyless_enrolments(rng, enrolments[0], rng.choice(self.collections) + "-other")
        self.tables["user_enrolments"] += enrolments
        for learner in learners:
            self.add_activities(batch_id, course, learner)
            if contents:
                self.tables["assessment_aggregator"] += random_attempts(rng, batch_id, course, learner, contents)
            if chance(rng, 0.2):
                failure = {"batchid": batch_id, "userid": learner, "failed_on": None, "reason": "none"}
                change: Row = rng.choice(({}, {}, {}, {"batchid": batch_id + "2"}, {"userid": None}))
                self.tables["certificate_failures"].append({**failure, **change})

    def add_activities(self, batch_id: str, course: str, learner: str) -> None:
        """Add activity rows of the collection and its nested collections, and such that lie beside."""
        rng = self.rng
        for activity_id in [course, *self.nested[course]]:
            if chance(rng, 0.6):
                contents = self.contents[course] or list(LEAF_IDS[:2])
                activity = random_activity(rng, batch_id, activity_id, learner, contents)
                self.tables["user_activity_agg"].append(activity)
                if chance(rng, 0.25):
                    batches = [row["batchid"] for row in self.tables["course_batch"] if row["batchid"]]
                    self.tables["user_activity_agg"].append(misplaced(rng, activity, batches))

    def double_a_key(self) -> None:
        """Write one row twice, the second one with other values."""
        rng = self.rng
        table, change = rng.choice(
            (
                ("user_enrolments", {"active": True, "completedon": None}),
                ("user", {"firstname": "Twin"}),
                ("user_activity_agg", {"agg": {"completedCount": 1}}),
                ("course_batch", {"name": "Twin"}),
            )
        )
        learners = {row["userid"] for row in self.tables["user_enrolments"] if row["active"]}
        columns = {"user_enrolments": "userid", "user": "id", "user_activity_agg": "user_id"}
        rows = [row for row in self.tables[table] if table not in columns or row[columns[table]] in learners]
        if rows:
            self.tables[table].append({**rng.choice(rows), **change})


def with_control_character(rng: Random, body: Any) -> Any:
    """Put a control character behind one identifier below some roots, in all its places."""
    below = [one for one in identifiers_in(body)[1:] if one.startswith(("nc_", "do_"))]
    if not below or chance(rng, 0.8):
        return body
    one = rng.choice(below)
    return renamed(body, one, one + rng.choice(("\x02", "\x7f")))


def renamed(value: Any, old: str, new: str) -> Any:
    """Give a hierarchy answer in which an identifier is another one."""
    if isinstance(value, list):
        return [renamed(inner, old, new) for inner in value]
    if not isinstance(value, dict):
        return value
    return {
        key: new if key == "identifier" and inner == old else renamed(inner, old, new) for key, inner in value.items()
    }


def identifiers_in(value: Any) -> list[str]:
    """Return all identifiers that are texts, wherever they stand in a hierarchy answer, those only listed too."""
    if isinstance(value, list):
        return [one for inner in value for one in identifiers_in(inner)]
    if not isinstance(value, dict):
        return []
    listed = value["leafNodes"] if isinstance(value.get("leafNodes"), list) else []
    own = [one for one in (value.get("identifier"), *listed) if isinstance(one, str) and one]
    return own + [one for inner in value.values() for one in identifiers_in(inner)]
