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
        return root

    def children(self, path: list[str]) -> Any:
        """Make what stands below a collection; `path` are the ids down to it."""
        rng = self.rng
        if len(path) > 1 and chance(rng, 0.06):
            return rng.choice((None, "children", {}, 3, {"0": {"identifier": "do_1"}}))
        below: list[Any] = []
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
            self.mark(node)
            node["children"] = self.children([*path, node["identifier"]])
            self.placed.append(node)
        else:
            node = {"identifier": rng.choice(self.nested_ids), "mimeType": COLLECTION_TYPE, "contentType": "Course"}
            self.track(node)
            self.mark(node)
            node["children"] = self.children([*path, node["identifier"]])
            self.placed.append(node)
        return node

    def untrack(self, node: dict[str, Any]) -> None:
        """Make a collection one that is not trackable."""
        node.update(
            self.rng.choice(
                (
                    {},
                    {"trackable": {"enabled": "No"}},
                    {"trackable": {"enabled": "yes"}},
                    {"trackable": {"enabled": True}},
                    {"trackable": "Yes"},
                    {"contentType": "Course"},
                    {"contentType": "Course", "trackable": {}, "visibility": "Parent"},
                    {"contentType": "Course", "trackable": {"enabled": "No"}, "visibility": "Default"},
                    {"contentType": "course", "visibility": "Default"},
                )
            )
        )

    def track(self, node: dict[str, Any]) -> None:
        """Make a collection trackable, by one of the two ways, or nearly so."""
        rng = self.rng
        if chance(rng, 0.6):
            node["trackable"] = {"enabled": "Yes"}
            node["visibility"] = rng.choice(("Default", "Parent", None, 3))
            node["contentType"] = rng.choice(("Course", "TextBook", None, 4))
        else:
            if chance(rng, 0.7):
                node["trackable"] = rng.choice((None, {}, {"enabled": None}, {"enabled": 1}, "Yes", ["Yes"], True))
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
            node["relationalMetadata"] = rng.choice((None, True, "true", '{"optional": true}', [{"optional": True}]))
        elif kind < 0.4:
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


def random_answer(rng: Random, collection_id: str, other_collections: list[str]) -> Any:
    """Make the body of a hierarchy answer: a good tree mostly, else one that can not be used."""
    root = TreeMaker(rng, other_collections).root(collection_id)
    if chance(rng, 0.83):
        return answer(root)
    if chance(rng, 0.3):
        return answer(chain_tree(collection_id, DEEPEST_ALLOWED + rng.choice((0, 0, 1, 6))))
    if chance(rng, 0.5):
        return answer({**root, "status": rng.choice(("Retired", "Retired", "Retired", "Draft", "Live ", "retired"))})
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
