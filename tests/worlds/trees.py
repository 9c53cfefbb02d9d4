"""Random hierarchies: every oddity of a tree that the contract names, in a few dozen nodes."""

from __future__ import annotations

from random import Random
from typing import Any

from tests.worlds.texts import chance, odd_name

COLLECTION_TYPE = "application/vnd.ekstep.content-collection"
QUESTION_SET_TYPE = "application/vnd.sunbird.questionset"

LEAF_IDS = (
    "do_1",
    "do_12",
    "do_1.2",
    "do_1`2",
    'do_"q"',
    "do_it's",
    "do_A",
    "do_a",
    "=do_f",
    "+do_g",
    "do,comma",
    "do_é",
    "do:1",
    "do_{x}",
    "do_ blank",
    "do_x - Score",
)
TWIN_LEAF_IDS = ("do_1", "do_12", "do_A", "do_a")
NESTED_IDS = ("nc_1", "nc_12", "nc_1.2", "nc_`t", "nc_B", "nc_b", "@nc_f", 'nc_"q"', "nc,comma")
UNIT_IDS = ("un_1", "un_2", "un_12")
WRONG_TYPES: tuple[Any, ...] = (None, 7, 1.5, True, False, [], ["Yes"], {}, {"enabled": "Yes"}, "")
OPTIONAL_MARKS: tuple[Any, ...] = (True, "true", "TRUE", "True", "tRuE")
TEXTS_OF_OPTIONAL = ('{"optional": true}', ' {"optional":"True"} ')
TEXTS_OF_NOTHING = (
    "true",
    '{"optional": false}',
    '{"optional": true',
    '{"optional": true} {}',
    '[{"optional": true}]',
    '{"optional": true, "weight": NaN}',
    '{"optional": true, "deep": ' + "[" * 5_000 + "]" * 5_000 + "}",
)
YES: tuple[Any, ...] = (
    {"enabled": "yes"},
    {"enabled": "YES"},
    {"enabled": True},
    '{"enabled": "Yes"}',
    '{"enabled": true}',
)
NO: tuple[Any, ...] = (
    {"enabled": "No"},
    {"enabled": "NO"},
    {"enabled": "true"},
    {"enabled": ""},
    {"enabled": False},
    '{"enabled": "No"}',
    '{"enabled": false}',
)
NEITHER: tuple[Any, ...] = (
    None,
    {},
    {"enabled": None},
    {"enabled": 1},
    {"enabled": 0},
    "Yes",
    "No",
    ["Yes"],
    True,
    False,
    "{}",
    '{"enabled": null}',
    *('{"enabled": "No"',) * 3,
    '["enabled", "Yes"]',
    '"{\\"enabled\\": \\"Yes\\"}"',
)
NOT_OPTIONAL_MARKS: tuple[Any, ...] = (False, "false", "yes", 1, "1", None, [], {}, " true", "")
LEAF_TYPES = ("application/pdf", "video/mp4", "application/vnd.ekstep.ecml-archive", None, 5)
QUESTION_SET_CATEGORIES: tuple[Any, ...] = (
    "Practice Question Set",
    "Practice Question Set",
    "practice question set",
    "Exam Question Set",
    None,
    ["Practice Question Set"],
)
DEEPEST_ALLOWED = 64


class TreeMaker:
    """Makes the tree of one collection; the size is bounded by the number of nodes left to place."""

    def __init__(self, rng: Random, other_collections: list[str]) -> None:
        self.rng = rng
        self.leaf_ids = rng.sample(LEAF_IDS, rng.randint(2, 9)) + (list(TWIN_LEAF_IDS) if chance(rng, 0.3) else [])
        self.nested_ids = rng.sample(NESTED_IDS, rng.randint(1, 4)) + other_collections[:1]
        self.nodes_left = rng.choice((0, 3, 8, 15, 25, 25, 40))
        self.placed: list[dict[str, Any]] = []

    def root(self, collection_id: str) -> dict[str, Any]:
        """Make a whole tree."""
        rng = self.rng
        root: dict[str, Any] = {"identifier": collection_id, "mimeType": COLLECTION_TYPE, "contentType": "Course"}
        root["name"] = rng.choice((odd_name(rng), "Course \ud800 half", "\udc00", 12, ["x"], None, "=Course", "Course"))
        root.update(rng.choice(({}, {"status": "Live"}, {"status": "Unlisted"}, {"status": "Flagged"})))
        root["trackable"] = {"enabled": "Yes"}
        root["channel"] = "channel-1"
        if chance(rng, 0.2):
            root["relationalMetadata"] = {"optional": True}
        if chance(rng, 0.1):
            root["mimeType"] = None
        if chance(rng, 0.3):
            root["leafNodesCount"] = rng.choice((-1, 0, 3, 1.5, "4", None, 10**12))
        root["children"] = self.children([collection_id])
        if chance(rng, 0.3 if root["children"] else 0.8):
            root["leafNodes"] = self.listed_leaves()
        return root

    def children(self, path: list[str]) -> Any:
        """Make what stands below a collection; `path` are the ids down to it."""
        rng = self.rng
        if len(path) > 1 and chance(rng, 0.06):
            return rng.choice((None, "children", {}, 3, {"0": {"identifier": "do_1"}}))
        below: list[Any] = []
        if len(path) > 1 and chance(rng, 0.12):
            cycle = {"identifier": rng.choice(path), "mimeType": COLLECTION_TYPE, "children": [self.leaf()]}
            return rng.choice(([], [], [self.unusable_child()], [self.unusable_child(), cycle]))
        for _ in range(rng.randint(1, 5)):
            if self.nodes_left <= 0:
                break
            self.nodes_left -= 1
            below.append(self.child(path))
        if chance(rng, 0.15):
            below.insert(rng.randint(0, len(below)), self.unusable_child())
        self.set_indexes(below)
        return below

    def child(self, path: list[str]) -> dict[str, Any]:
        """Make one child: a leaf, a unit, a nested collection, one placed before, or one of its own ancestors."""
        rng = self.rng
        kind = rng.random()
        if kind < 0.4 or len(path) > 5:
            node = self.leaf()
        elif kind < 0.5 and self.placed:
            node = dict(rng.choice(self.placed))
            self.mark(node)
            if chance(rng, 0.4):
                node["children"] = self.children([*path, node["identifier"]])
        elif kind < 0.57:
            node = {"identifier": rng.choice(path), "mimeType": COLLECTION_TYPE, "trackable": {"enabled": "Yes"}}
            node["children"] = [self.leaf()]
        elif kind < 0.76:
            node = {
                "identifier": rng.choice(UNIT_IDS + UNIT_IDS + tuple(self.nested_ids)),
                "mimeType": COLLECTION_TYPE,
                "contentType": "CourseUnit",
            }
            node["visibility"] = "Parent"
            self.untrack(node)
            self.finish(node, path)
        else:
            node = {"identifier": rng.choice(self.nested_ids), "mimeType": COLLECTION_TYPE, "contentType": "Course"}
            self.track(node)
            self.finish(node, path)
        return node

    def finish(self, node: dict[str, Any], path: list[str]) -> None:
        """Give a collection its mark and what stands below it; some lack the mimeType, or list their leaves."""
        rng = self.rng
        self.mark(node)
        node["children"] = self.children([*path, node["identifier"]])
        if chance(rng, 0.1):
            node.update(rng.choice(({"mimeType": None}, {"mimeType": ""}, {"mimeType": None, "objectType": "Content"})))
        elif chance(rng, 0.1 if node["children"] else 0.4):
            del node["mimeType"]
        is_small = not isinstance(node["children"], list) or len(node["children"]) < 3
        if chance(rng, 0.5 if is_small else 0.12):
            node["leafNodes"] = self.listed_leaves()
        self.placed.append(node)

    def listed_leaves(self) -> Any:
        """Make the list of ids that a collection has beside its children, or nearly one."""
        rng = self.rng
        if chance(rng, 0.1):
            return rng.choice((None, "do_1", {"do_1": 1}, 3, '["do_1"]'))
        listed: list[Any] = rng.choices(self.leaf_ids, k=rng.randint(0, 4))
        if chance(rng, 0.3):
            listed.insert(rng.randint(0, len(listed)), rng.choice(("", None, 5, ["do_1"], {"identifier": "do_1"})))
        return listed

    def untrack(self, node: dict[str, Any]) -> None:
        """Make a collection one that is not trackable."""
        node.update(
            self.rng.choice(
                (
                    {},
                    {"trackable": self.rng.choice(NO)},
                    {"trackable": self.rng.choice(NEITHER)},
                    {"contentType": "Course"},
                    {"contentType": "Course", "trackable": self.rng.choice(NEITHER), "visibility": "Parent"},
                    {"contentType": "Course", "trackable": self.rng.choice(NO), "visibility": "Default"},
                    {"contentType": "course", "visibility": "Default"},
                )
            )
        )

    def track(self, node: dict[str, Any]) -> None:
        """Make a collection trackable, by one of the two ways, or nearly so."""
        rng = self.rng
        if chance(rng, 0.6):
            node["trackable"] = rng.choice(YES) if chance(rng, 0.5) else {"enabled": "Yes"}
            node["visibility"] = rng.choice(("Default", "Parent", None, 3))
            node["contentType"] = rng.choice(("Course", "TextBook", None, 4))
        else:
            if chance(rng, 0.7):
                node["trackable"] = rng.choice(NEITHER)
            if chance(rng, 0.8):
                node["visibility"] = rng.choice(("Default", None, "parent", 3, "Parent"))

    def leaf(self) -> dict[str, Any]:
        """Make a leaf: plain, an assessment, a question set, or one with something below it."""
        rng = self.rng
        node: dict[str, Any] = {"identifier": rng.choice(self.leaf_ids), "name": rng.choice(("Leaf", None, 9))}
        if chance(rng, 0.04):
            node["identifier"] = rng.choice(self.nested_ids)
        if chance(rng, 0.9):
            node["mimeType"] = rng.choice(LEAF_TYPES)
        kind = rng.randrange(10)
        if kind < 2:
            node["contentType"] = rng.choice(("SelfAssess", "SelfAssess", "selfassess", ["SelfAssess"]))
        elif kind < 4:
            node["primaryCategory"] = rng.choice(("Course Assessment", "Course Assessment", "course assessment"))
        elif kind < 7:
            if chance(rng, 0.5):
                node["objectType"] = "QuestionSet"
                if chance(rng, 0.4):
                    node.pop("mimeType", None)
            else:
                node["mimeType"] = QUESTION_SET_TYPE
            node["primaryCategory"] = rng.choice(QUESTION_SET_CATEGORIES)
            node["contentType"] = rng.choice(("SelfAssess", "QuestionSet", None, None, None))
        elif kind < 8 and chance(rng, 0.3):
            node["primaryCategory"] = "Practice Question Set"
        elif kind < 8:
            field = rng.choice(("objectType", "contentType", "primaryCategory", "trackable", "visibility", "name"))
            node[field] = rng.choice(WRONG_TYPES)
        if chance(rng, 0.12):
            node["trackable"] = {"enabled": "Yes"}
        if chance(rng, 0.12):
            node["children"] = [{"identifier": rng.choice(self.leaf_ids), "contentType": "SelfAssess"}, 5]
        self.mark(node)
        return node

    def mark(self, node: dict[str, Any]) -> None:
        """Put an optional mark on a node, or something that looks like one, or none."""
        rng = self.rng
        node.pop("relationalMetadata", None)
        kind = rng.random()
        if kind < 0.2:
            node["relationalMetadata"] = {"optional": rng.choice(OPTIONAL_MARKS)}
        elif kind < 0.34:
            node["relationalMetadata"] = {"optional": rng.choice(NOT_OPTIONAL_MARKS)}
        elif kind < 0.38:
            node["relationalMetadata"] = rng.choice((None, True, [{"optional": True}], *TEXTS_OF_NOTHING))
        elif kind < 0.4:
            node["relationalMetadata"] = rng.choice(TEXTS_OF_OPTIONAL)
        elif kind < 0.42:
            node["optional"] = True

    def unusable_child(self) -> Any:
        """Make a child that has no place."""
        node = {"mimeType": COLLECTION_TYPE, "trackable": {"enabled": "Yes"}, "children": [self.leaf()]}
        identifier = self.rng.choice((None, "", 12, ["do_1"], {"id": "do_1"}, True))
        return self.rng.choice((None, "do_1", 3, [], [node], node, {**node, "identifier": identifier}, {}))

    def set_indexes(self, below: list[Any]) -> None:
        """Number siblings: backwards, with ties, with fractions, or so that their order is that of the list."""
        rng = self.rng
        usable = [child for child in below if isinstance(child, dict)]
        manner = rng.randrange(9)
        for number, child in enumerate(usable):
            child.pop("index", None)
            if manner == 0:
                child["index"] = number + 1
            elif manner <= 2:
                child["index"] = len(usable) - number
            elif manner == 3:
                child["index"] = rng.choice((1, 1.0, 2, 2.5, -1, 0, -0.0, 1e9))
            elif manner == 4:
                child["index"] = rng.choice((0, 1))
            elif manner == 5:
                child["index"] = rng.choice((9, 3, 1, True, "2", None, [1]))
            elif manner == 6 and number:
                child["index"] = len(usable) - number
            elif manner == 7:
                child["index"] = len(usable) - number if number else True


def chain_tree(collection_id: str, depth: int) -> dict[str, Any]:
    """Make a tree of units, one below the other, with a leaf at a depth (the root is at 0)."""
    node: dict[str, Any] = {"identifier": "do_1", "mimeType": "application/pdf"}
    for level in range(depth - 1, 0, -1):
        node = {"identifier": f"un_chain_{level}", "mimeType": COLLECTION_TYPE, "children": [node]}
    return {"identifier": collection_id, "name": "Deep", "mimeType": COLLECTION_TYPE, "children": [node]}


def crowded_tree(rng: Random, collection_id: str) -> dict[str, Any]:
    """Make a tree in which one collection has so many deep places that its level is too long for a cell, or nearly."""
    places = rng.choice((150, 250, 300, 400))  # of some 129 characters each; 32,000 fit
    node = chain_tree("un_chain_0", DEEPEST_ALLOWED - 1)
    deepest = node
    while deepest["children"][0].get("children"):
        deepest = deepest["children"][0]
    often: dict[str, Any] = {"identifier": "nc_1", "mimeType": COLLECTION_TYPE, "trackable": {"enabled": "Yes"}}
    deepest["children"] = [{**often, "children": []} for _ in range(places)]
    leaf = {"identifier": "do_1", "mimeType": "application/pdf"}
    last = {**often, "identifier": "nc_B", "children": [leaf]}
    return {**chain_tree(collection_id, 1), "children": [*node["children"], {**often, "children": [leaf]}, last]}


def random_answer(rng: Random, collection_id: str, other_collections: list[str]) -> Any:
    """Make the body of a hierarchy answer: a good tree mostly, else one that can not be used."""
    root = TreeMaker(rng, other_collections).root(collection_id)
    if chance(rng, 0.8):
        return answer(root)
    if chance(rng, 0.3):
        return answer(chain_tree(collection_id, DEEPEST_ALLOWED + rng.choice((0, 0, 0, 1, 6))))
    if chance(rng, 0.3):
        return answer(crowded_tree(rng, collection_id))
    if chance(rng, 0.5):
        return answer(
            {**root, "status": rng.choice(("Retired", "Retired", "Retired", "Retired", "Draft", "Live ", "retired"))}
        )
    return rng.choice(
        (
            None,
            {},
            {"responseCode": "OK", "result": None},
            {"responseCode": "OK", "result": {}},
            {"responseCode": "RESOURCE_NOT_FOUND", "result": {"content": None}},
            answer([root]),
            answer("tree"),
            answer({**root, "identifier": collection_id + "x"}),
            answer({**root, "identifier": None}),
        )
    )


def answer(content: Any) -> dict[str, Any]:
    """Wrap content as the content service does."""
    return {"id": "api.content.hierarchy", "responseCode": "OK", "result": {"content": content}}
