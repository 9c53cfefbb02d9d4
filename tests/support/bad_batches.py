"""Worlds of bad input that concerns single batches, by the ids of the contract's table."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from tests.support.builders import (
    COLLECTION_TYPE,
    activity,
    answer,
    assessment,
    attempt,
    batch,
    collection,
    enrolment,
    leaf,
    small_tree,
    user,
)
from tests.worlds import World
from tests.worlds.model import Row

CONTROL = "control"
DEEPEST = 64
UNSAFE_IDS = (
    "../escaped",
    "../../escaped",
    "/escaped",
    "a/../../escaped",
    "a..b",
    ".hidden",
    "-dash",
    "%2e%2e%2fescaped",
    "\u2024\u2024/escaped",
    "\u0663",
    "x*",
    "{}",
    "a b",
    "a:b",
    "a\\b",
    "a\nb",
    "x" * 101,
    "x" * 300,
)
NUL = "a\0b"


@dataclass(frozen=True)
class BatchCase:
    """One kind of bad input.

    Attributes:
        world: the batches it is about, and all they need.
        cells: what columns of the first batch hold, from the first row to the last; worked out by hand.
        counted: how often it happens there, where it is counted.
        bodies: hierarchy answers by collection id, where they are no JSON that Python would write.
        is_in_table: whether the batches are in `course_batch`.
    """

    world: World
    cells: Mapping[str, Sequence[str]] = field(default_factory=dict)
    counted: int = 0
    bodies: Mapping[str, bytes] = field(default_factory=dict)
    is_in_table: bool = True


CASES: dict[str, Callable[[str], BatchCase]] = {}


def case(identifier: str) -> Callable[[Callable[[str], BatchCase]], Callable[[str], BatchCase]]:
    """Register the builder of a case; it is given the id, to name batches, collections and learners after."""

    def register(build: Callable[[str], BatchCase]) -> Callable[[str], BatchCase]:
        assert identifier not in CASES
        CASES[identifier] = build
        return build

    return register


def one_batch(
    name: str,
    enrolments: Iterable[Row] | None = None,
    tree: dict[str, Any] | None = None,
    users: Iterable[Row] | None = None,
    **others: Any,
) -> World:
    """Make a batch of one learner, who has done one leaf of three, with what a case wants otherwise."""
    place, learner = f"do-{name}", f"{name}-1"
    tables = {
        "course_batch": others.pop("batches", [batch(name, place)]),
        "user_enrolments": list(enrolments) if enrolments is not None else [enrolled(name)],
        "user": list(users) if users is not None else [user(learner)],
        "location": others.pop("location", []),
        "user_activity_agg": others.pop("activity", []),
        "assessment_aggregator": others.pop("attempts", []),
    }
    assert not others
    return World(tables, {place: answer(tree if tree is not None else small_tree(place))})


def enrolled(name: str, number: int = 1, **columns: Any) -> Row:
    """Make the enrolment of a learner who has done one leaf of three."""
    return enrolment(f"{name}-{number}", name, f"do-{name}", **{"contentstatus": {f"do-{name}-a": 2}, **columns})


def learners(name: str, values: Sequence[Any], make: Callable[[int, Any], Row]) -> list[Row]:
    """Make a row for each value, for learners numbered from 1."""
    return [make(number, value) for number, value in enumerate(values, start=1)]


def places(name: str) -> list[Row]:
    """Make two states with a district each."""
    return [
        {"id": f"{name}-state-1", "type": "state", "name": "Kerala"},
        {"id": f"{name}-district-1", "type": "district", "name": "Thrissur", "parentid": f"{name}-state-1"},
        {"id": f"{name}-state-2", "type": "state", "name": "Assam"},
        {"id": f"{name}-district-2", "type": "district", "name": "Dibrugarh", "parentid": f"{name}-state-2"},
    ]


# Harmless, blank, left out


@case("batch-without-enrolments")
def _(name: str) -> BatchCase:
    return BatchCase(one_batch(name, enrolments=[]), {"User UUID": []})


@case("batch-without-name")
def _(name: str) -> BatchCase:
    return BatchCase(one_batch(name, batches=[batch(name, f"do-{name}", name=None)]), {"Batch Name": [""]})


@case("batch-row-without-key")
def _(name: str) -> BatchCase:
    rows = [batch(name, f"do-{name}"), batch(f"{name}-2", ""), batch(f"{name}-3", f"do-{name}", courseid=None)]
    rows += [batch("", f"do-{name}"), batch("", f"do-{name}", batchid=None)]
    return BatchCase(one_batch(name, batches=rows), {"User UUID": [f"{name}-1"]})


@case("learner-unknown")
def _(name: str) -> BatchCase:
    blank = {column: [""] for column in ("User Name", "State", "District")}
    return BatchCase(one_batch(name, users=[]), {"User UUID": [f"{name}-1"], **blank})


@case("learner-deleted")
def _(name: str) -> BatchCase:
    deleted = user(f"{name}-1", isdeleted=True, locationids=[f"{name}-district-1"])
    blank = {column: [""] for column in ("User Name", "State", "District")}
    return BatchCase(one_batch(name, users=[deleted], location=places(name)), {"User UUID": [f"{name}-1"], **blank})


@case("learner-odd-names")
def _(name: str) -> BatchCase:
    odd = [(None, None), ("", ""), ("  ", None), (' A,"b" ', "x\r\ny"), ("\u00a0", "\u202eabc"), (None, "Z")]
    world = one_batch(
        name,
        enrolments=[enrolled(name, number) for number in range(1, len(odd) + 1)],
        users=learners(name, odd, lambda n, names: user(f"{name}-{n}", firstname=names[0], lastname=names[1])),
    )
    return BatchCase(world, {"User Name": ["", "", "", 'A,"b" x\r\ny', "\u00a0 \u202eabc", "Z"]})


@case("enrolment-inactive")
def _(name: str) -> BatchCase:
    rows = [enrolled(name), enrolled(name, 2, active=False), enrolled(name, 3, active=None)]
    return BatchCase(one_batch(name, rows), {"User UUID": [f"{name}-1"]}, counted=2)


@case("enrolment-without-key")
def _(name: str) -> BatchCase:
    keyless: list[Row] = [{"userid": ""}, {"userid": None}, {"courseid": ""}, {"courseid": None}]
    rows = [enrolled(name), *(enrolled(name, 2, **columns) for columns in keyless)]
    return BatchCase(one_batch(name, rows), {"User UUID": [f"{name}-1"]}, counted=4)


@case("enrolment-of-another-collection")
def _(name: str) -> BatchCase:
    rows = [enrolled(name), enrolled(name, 2, courseid=f"do-{name}-2"), enrolled(name, 3, courseid=f"DO-{name}")]
    return BatchCase(one_batch(name, rows), {"User UUID": [f"{name}-1"]})


@case("date-unreadable")
def _(name: str) -> BatchCase:
    texts = [
        "2020-8-25 13:45:54:150+0000",
        "25/08/2020",
        "2020-08-25",
        "2020-02-30 10:00:00:000+0000",
        "2019-02-29 10:00:00:000+0000",
        "2020-08-25 24:00:00:000+0000",
        "2020-08-25 13:45:54:150+1801",
        "2020-08-25 13:45:54:150Z",
        "2020-08-25 13:45:54.150+0000",
        "2020-08-25 13:45:54:150+0000 ",
        "\u0662020-08-25 13:45:54:150+0000",
        "1598363154150",
        " ",
    ]
    rows = learners(name, texts, lambda n, text: enrolled(name, n, enrolled_date=None, enrolleddate=text))
    return BatchCase(one_batch(name, rows, users=[]), {"Enrolment Date": [""] * len(texts)}, counted=len(texts))


@case("date-year-0000")
def _(name: str) -> BatchCase:
    rows = [enrolled(name, 1, enrolled_date=None, enrolleddate="0000-01-01 00:00:00:000+0000")]
    return BatchCase(one_batch(name, rows), {"Enrolment Date": [""]}, counted=1)


@case("date-empty")
def _(name: str) -> BatchCase:
    rows = learners(name, ["", None], lambda n, text: enrolled(name, n, enrolled_date=None, enrolleddate=text))
    return BatchCase(one_batch(name, rows), {"Enrolment Date": ["", ""]})


@case("date-out-of-range")
def _(name: str) -> BatchCase:
    before, after = timezone(timedelta(hours=5)), timezone(-timedelta(hours=5))
    year_0, year_10000 = datetime(1, 1, 1, 4, tzinfo=before), datetime(9999, 12, 31, 20, tzinfo=after)
    columns: list[Row] = [
        {"enrolled_date": year_0, "enrolleddate": "2020-08-25 13:45:54:150+0000"},
        {"enrolled_date": None, "enrolleddate": "0001-01-01 00:00:00:000+0001"},
        {"enrolled_date": None, "enrolleddate": "9999-12-31 23:59:59:999-0001"},
        {"enrolled_date": None, "completedon": year_10000},
        {"enrolled_date": year_10000, "completedon": year_0},
        {"enrolled_date": datetime(1, 1, 1, tzinfo=UTC)},
        {"enrolled_date": datetime(9999, 12, 31, 23, 59, 59, 999_000, UTC)},
    ]
    rows = learners(name, columns, lambda n, of: enrolled(name, n, **of))
    cells = {
        "Enrolment Date": [""] * 5 + ["0001-01-01 00:00:00:000+0000", "9999-12-31 23:59:59:999+0000"],
        "Completion Date": [""] * 7,
        "Progress": ["33", "33", "33", "100", "100", "33", "33"],
    }
    return BatchCase(one_batch(name, rows, users=[]), cells, counted=6)


@case("location-not-json")
def _(name: str) -> BatchCase:
    texts = ["", "Kerala", f'[{{"id":"{name}-state-1"}}', f"[{{'id':'{name}-state-1'}}]", "[NaN]", "\0", "[" * 300]
    rows = learners(
        name,
        texts,
        lambda n, text: user(f"{name}-{n}", profilelocation=text, locationids=[f"{name}-district-2"]),
    )
    world = one_batch(name, [enrolled(name, n + 1) for n in range(len(texts))], users=rows, location=places(name))
    return BatchCase(world, {"State": ["Assam"] * len(texts), "District": ["Dibrugarh"] * len(texts)})


@case("location-id-not-text")
def _(name: str) -> BatchCase:
    texts = [f'[{{"id":{odd}}},{{"id":"{name}-district-1"}}]' for odd in ("7", "true", "{}", '["a"]', "1.5")]
    rows = learners(
        name,
        texts,
        lambda n, text: user(f"{name}-{n}", profilelocation=text, locationids=[f"{name}-district-2"]),
    )
    world = one_batch(name, [enrolled(name, n + 1) for n in range(len(texts))], users=rows, location=places(name))
    return BatchCase(world, {"State": ["Assam"] * len(texts), "District": ["Dibrugarh"] * len(texts)})


@case("location-unknown")
def _(name: str) -> BatchCase:
    learner = user(f"{name}-1", profilelocation='[{"id":"nowhere"}]', locationids=["", f"{name}-STATE-1", "nowhere"])
    return BatchCase(one_batch(name, users=[learner], location=places(name)), {"State": [""], "District": [""]})


@case("status-unknown")
def _(name: str) -> BatchCase:
    statuses = {f"do-{name}-a": 1, f"do-{name}-b": -1, f"do-{name}-quiz": 3, "not-in-the-tree": 2, "": 2}
    nested = f"do-{name}-nested - Progress"
    return BatchCase(one_batch(name, [enrolled(name, contentstatus=statuses)]), {"Progress": ["0"], nested: ["0"]})


@case("counter-not-a-number")
def _(name: str) -> BatchCase:
    odd = [float("nan"), float("inf"), float("-inf")]
    rows = [enrolled(name, number + 1, contentstatus=None) for number in range(len(odd))]
    counters = learners(
        name,
        odd,
        lambda n, value: (
            activity(f"{name}-{n}", name, f"do-{name}", {"completedCount": value}) | {"agg": {"completedCount": 2}}
        ),
    )
    return BatchCase(one_batch(name, rows, activity=counters), {"Progress": ["67"] * len(odd)})


@case("counter-negative")
def _(name: str) -> BatchCase:
    counters = [activity(f"{name}-1", name, f"do-{name}", {"completedCount": -3.0})]
    return BatchCase(one_batch(name, [enrolled(name, contentstatus={})], activity=counters), {"Progress": ["0"]})


@case("noted-progress-out-of-bounds")
def _(name: str) -> BatchCase:
    numbers = [(-1, 2), (101, None), (2**31 - 1, 0), (None, -1), (None, 4), (None, None)]
    rows = learners(
        name,
        numbers,
        lambda n, noted: enrolled(name, n, contentstatus=None, completionpercentage=noted[0], progress=noted[1]),
    )
    return BatchCase(one_batch(name, rows, users=[]), {"Progress": ["0", "100", "100", "0", "100", "0"]})


@case("certificate-without-entry")
def _(name: str) -> BatchCase:
    lists: list[Any] = [[None], [{}], [None, {}, {}], []]
    rows = learners(name, lists, lambda n, of: enrolled(name, n, certificates=of, issued_certificates=of[::-1]))
    return BatchCase(one_batch(name, rows, users=[]), {"Certificate Status": [""] * len(lists)})


@case("score-unusable")
def _(name: str) -> BatchCase:
    odd = [None, float("nan"), float("inf"), float("-inf"), 1e15, 1e300]
    place, quiz = f"do-{name}", f"do-{name}-quiz"
    attempts = learners(name, odd, lambda n, score: attempt(f"{name}-{n}", name, place, quiz, total_score=score))
    attempts += [attempt(f"{name}-6", name, place, quiz, "attempt-2", total_score=4.5)]
    rows = [enrolled(name, number + 1) for number in range(len(odd))]
    scores = ["", "", "", "", "", "4.5"]
    return BatchCase(one_batch(name, rows, attempts=attempts), {f"{quiz} - Score": scores, "Total Score": scores})


@case("attempt-without-key")
def _(name: str) -> BatchCase:
    quiz = f"do-{name}-quiz"
    attempts = [attempt(f"{name}-1", name, f"do-{name}", quiz, "", total_score=9.0)]
    return BatchCase(one_batch(name, attempts=attempts), {f"{quiz} - Score": [""]})


@case("activity-doubled-unused")
def _(name: str) -> BatchCase:
    rows = [activity(f"{name}-1", name, f"do-{name}-nested", {"completedCount": count}) for count in (1.0, 2.0)]
    return BatchCase(one_batch(name, activity=rows), {f"do-{name}-nested - Progress": ["0"]})


@case("attempt-doubled")
def _(name: str) -> BatchCase:
    quiz = f"do-{name}-quiz"
    attempts = [attempt(f"{name}-1", name, f"do-{name}", quiz, total_score=score) for score in (5.0, 5.0, 3.0)]
    return BatchCase(one_batch(name, attempts=attempts), {f"{quiz} - Score": ["5"], "Total Score": ["5"]})


@case("formula")
def _(name: str) -> BatchCase:
    place, learner = f"do-{name}", f"={name}-1"
    world = one_batch(
        name,
        [enrolled(name) | {"userid": learner}],
        collection(place, [collection("=nested", [leaf("a"), assessment("\uff20quiz")])], name="-1+1"),
        [user(learner, firstname="\u200b@name", lastname="two\n=lines", locationids=[f"{name}-d"])],
        batches=[batch(name, place, name="+batch")],
        location=[
            {"id": f"{name}-s", "type": "state", "name": "|state"},
            {"id": f"{name}-d", "type": "district", "name": " %district", "parentid": f"{name}-s"},
        ],
    )
    cells = {
        "Collection Name": ["'-1+1"],
        "Batch Name": ["'+batch"],
        "User UUID": [f"'{learner}"],
        "User Name": ["'\u200b@name two\n'=lines"],
        "State": ["'|state"],
        "District": ["' %district"],
        "'=nested - Progress": ["0"],
        "'\uff20quiz - Score": [""],
    }
    return BatchCase(world, cells, counted=6 + 3)


@case("control-character")
def _(name: str) -> BatchCase:
    place, learner = f"do-{name}", f"{name}\x7f1"
    world = one_batch(
        name,
        [enrolled(name) | {"userid": learner}, enrolled(name, 2)],
        collection(place, [collection("nes\x1fted", [leaf("a"), assessment("quiz\x00")])], name="co\x01u\x02rse"),
        [
            user(learner, firstname="\x00=1", lastname="two\tand\nthree", locationids=[f"{name}-d"]),
            user(f"{name}-2", firstname=" \x08 ", lastname=None),
        ],
        batches=[batch(name, place, name="batch\x0b")],
        location=[
            {"id": f"{name}-s", "type": "state", "name": "sta\x1bte"},
            {"id": f"{name}-d", "type": "district", "name": "\x0cdistrict", "parentid": f"{name}-s"},
        ],
    )
    cells = {
        "Collection Name": ["co\ufffdu\ufffdrse"] * 2,
        "Batch Name": ["batch\ufffd"] * 2,
        "User UUID": [f"{name}-2", f"{name}\ufffd1"],
        "User Name": ["\ufffd", "\ufffd=1 two\tand\nthree"],
        "State": ["", "sta\ufffdte"],
        "District": ["", "\ufffddistrict"],
        "nes\ufffdted - Progress": ["0", "0"],
        "quiz\ufffd - Score": ["", ""],
    }
    return BatchCase(world, cells, counted=4 + 5 + 3)


@case("lone-surrogate")
def _(name: str) -> BatchCase:
    names = ["half\ud83d", "\udc00half", "\ud83da\ude00", "\U0001f600", "\\ud83d"]
    rows = learners(name, names, lambda n, first: user(f"{name}-{n}", firstname=first, lastname=None))
    enrolments = [enrolled(name, number + 1) for number in range(len(names))]
    batches = [batch(name, f"do-{name}", name="b\ud800")]
    cells = {
        "Batch Name": ["b\ufffd"] * len(names),
        "User Name": ["half\ufffd", "\ufffdhalf", "\ufffda\ufffd", "\U0001f600", "\\ud83d"],
    }
    return BatchCase(one_batch(name, enrolments, users=rows, batches=batches), cells)


@case("tree-without-mandatory-leaf")
def _(name: str) -> BatchCase:
    optional = {"relationalMetadata": {"optional": True}}
    tree = collection(
        f"do-{name}", [leaf("a", **optional), collection("empty", []), collection("b", []) | {"children": 7}]
    )
    blank = {"Progress": [""], "empty - Progress": [""], "b - Progress": [""]}
    return BatchCase(one_batch(name, tree=tree), blank)


@case("tree-name-not-text")
def _(name: str) -> BatchCase:
    nested = collection(f"do-{name}-n", [leaf("a", name=7)], name=["x"])
    return BatchCase(
        one_batch(name, tree=collection(f"do-{name}", [nested], name={"en": "x"})), {"Collection Name": [""]}
    )


@case("tree-lone-surrogate")
def _(name: str) -> BatchCase:
    tree = collection(f"do-{name}", [leaf("a")], name="a\ud800b \U0001f600")
    return BatchCase(one_batch(name, tree=tree), {"Collection Name": ["a\ufffdb \U0001f600"]})


@case("tree-child-not-an-object")
def _(name: str) -> BatchCase:
    tree = collection(f"do-{name}", [None, 7, "x", [leaf("b")], leaf(f"do-{name}-a"), True])  # type: ignore[list-item]
    return BatchCase(one_batch(name, tree=tree), {"Progress": ["100"]}, counted=5)


@case("tree-child-without-identifier")
def _(name: str) -> BatchCase:
    below = {"mimeType": COLLECTION_TYPE, "children": [leaf("b")]}
    odd: list[dict[str, Any]] = [{}, {"identifier": ""}, {"identifier": 7}, {"identifier": None, **below}]
    last = collection(f"do-{name}-n", [leaf(f"do-{name}-a")])
    tree = collection(f"do-{name}", [*odd, last])
    cells = {"Progress": ["100"], f"do-{name}-n - Level": ["1"]}
    return BatchCase(one_batch(name, tree=tree), cells, counted=4)


@case("tree-children-not-a-list")
def _(name: str) -> BatchCase:
    odd = [
        collection(f"odd-{n}", []) | {"children": value} for n, value in enumerate(({"identifier": "x"}, "x", None, 7))
    ]
    tree = collection(f"do-{name}", [leaf(f"do-{name}-a"), *odd])
    cells = {"Progress": ["100"], "odd-0 - Progress": [""], "odd-3 - Level": ["4"]}
    return BatchCase(one_batch(name, tree=tree), cells)


@case("tree-cycle")
def _(name: str) -> BatchCase:
    again = [collection(f"do-{name}", [leaf("b")]), collection("loop", [leaf("c")])]
    tree = collection(f"do-{name}", [collection("loop", [*again, collection("n", [leaf(f"do-{name}-a")])])])
    cells = {"Progress": ["100"], "loop - Level": ["1"], "n - Level": ["1.1"]}
    return BatchCase(one_batch(name, tree=tree), cells, counted=2)


@case("tree-index-not-a-number")
def _(name: str) -> BatchCase:
    indices: list[Any] = [3, 2, "1", True]
    tree = collection(f"do-{name}", [collection(f"n{n}", [leaf("a")], index=i) for n, i in enumerate(indices, 1)])
    return BatchCase(one_batch(name, tree=tree), {f"n{n} - Level": [str(n)] for n in (1, 2, 3, 4)})


@case("tree-children-missing")
def _(name: str) -> BatchCase:
    done, optional = f"do-{name}-a", {"relationalMetadata": {"optional": True}}
    thin = [
        collection("thin", [], leafNodes=[done, "b", "", None, 7, done]),
        collection("thin-optional", [], leafNodes=[done, "c", "d", "e"], **optional) | {"children": None},
        collection("full", [leaf("b")], leafNodes=[done]),
    ]
    # Below the root everything that the optional one lists is optional: b alone is left.
    cells = {"Progress": ["0"], "thin - Progress": ["50"], "thin-optional - Progress": ["25"], "full - Progress": ["0"]}
    return BatchCase(one_batch(name, tree=collection(f"do-{name}", thin)), cells)


@case("tree-mime-type-missing")
def _(name: str) -> BatchCase:
    without: dict[str, Any] = {"trackable": {"enabled": "Yes"}, "name": "x"}
    nodes = [
        {**without, "identifier": "unit", "trackable": None, "children": [leaf(f"do-{name}-a")]},
        {**without, "identifier": "course", "mimeType": None, "children": [leaf(f"do-{name}-a"), leaf("b"), leaf("c")]},
        {**without, "identifier": "empty", "children": []},
        {**without, "identifier": "leaf"},
        {**without, "identifier": "set", "objectType": "QuestionSet", "children": [leaf("d")]},
    ]
    cells = {"Progress": ["20"], "course - Progress": ["33"], "course - Level": ["2"], "empty - Level": ["3"]}
    return BatchCase(one_batch(name, tree=collection(f"do-{name}", nodes)), cells)


@case("tree-optional-in-one-place")
def _(name: str) -> BatchCase:
    done, optional = f"do-{name}-a", {"relationalMetadata": {"optional": True}}
    nodes = [
        collection("mandatory", [leaf(done), leaf("b")]),
        collection("optional", [leaf(done, **optional), leaf("c")]),
        collection("both", [leaf(done), leaf("d"), collection("inner", [leaf(done)], **optional)]),
    ]
    cells = {
        "Progress": ["0"],
        "mandatory - Progress": ["50"],
        "optional - Progress": ["0"],
        "both - Progress": ["0"],
        "inner - Progress": ["100"],
    }
    return BatchCase(one_batch(name, tree=collection(f"do-{name}", nodes)), cells)


@case("tree-object-as-text")
def _(name: str) -> BatchCase:
    by_type: dict[str, Any] = {"contentType": "Course", "visibility": "Default"}
    nodes = [
        collection("no", [leaf("a")], trackable='{"enabled": "No"}', **by_type),
        collection("false", [leaf("a", relationalMetadata='{"optional": true}')], trackable='{"enabled": false}'),
        collection("yes", [leaf("b")], trackable=' {"enabled": "YES"}\n', contentType="CourseUnit"),
        collection("silent", [leaf(f"do-{name}-a")], trackable="{}", **by_type),
    ]
    cells = {"Progress": ["50"], "yes - Level": ["3"], "silent - Level": ["4"]}
    return BatchCase(one_batch(name, tree=collection(f"do-{name}", nodes)), cells)


@case("tree-text-no-object")
def _(name: str) -> BatchCase:
    texts = ['{"K": V', '{"K": V} x', '{"K": V, "x": NaN}', '["K", V]', '"K"', "", '{"K": V, "x": ' + "[" * 5_000]
    trackable = [text.replace("K", "enabled").replace("V", '"No"') for text in texts]
    optional = [text.replace("K", "optional").replace("V", "true") for text in texts]
    nodes = [collection(f"n{n}", [leaf("a")], trackable=text) for n, text in enumerate(trackable)]
    nodes += [leaf(f"l{n}", relationalMetadata=text) for n, text in enumerate(optional)]
    nodes += [leaf(f"do-{name}-a")]
    levels = {f"n{n} - Level": [str(n + 1)] for n in range(len(texts))}
    # One of nine leaves: a, l0 to l6, and the one that is done.
    return BatchCase(one_batch(name, tree=collection(f"do-{name}", nodes)), {"Progress": ["11"], **levels})


@case("tree-level-too-long")
def _(name: str) -> BatchCase:
    places = [collection("again", [leaf(f"do-{name}-a")]) for _ in range(6_000)]
    whole = "; ".join(str(n) for n in range(1, 6_001))
    cells = {"Progress": ["100"], "again - Progress": ["100"], "again - Level": [whole[:31_999] + "…"]}
    return BatchCase(one_batch(name, tree=collection(f"do-{name}", places)), cells, counted=1)


@case("tree-trackable-not-an-object")
def _(name: str) -> BatchCase:
    nodes = [
        collection("by-type", [leaf("a")], trackable="No"),
        collection("by-type-too", [leaf("a")], trackable={"enabled": 0}),
        collection("unit", [leaf("a")], trackable=["Yes"], contentType="CourseUnit"),
        collection("part", [leaf("a")], trackable=None, visibility="Parent"),
        collection("last", [leaf("a")]),
    ]
    levels = {"by-type - Level": ["1"], "by-type-too - Level": ["2"], "last - Level": ["5"]}
    return BatchCase(one_batch(name, tree=collection(f"do-{name}", nodes)), levels)


# Refused


@case("batch-unknown")
def _(name: str) -> BatchCase:
    return BatchCase(World({"course_batch": []}, {}, asked=(name, f"{name}-2")), is_in_table=False)


@case("id-unsafe")
def _(name: str) -> BatchCase:
    rows = [batch(identifier, f"do-{name}") for identifier in (*UNSAFE_IDS, NUL)]
    return BatchCase(World({"course_batch": rows}, {f"do-{name}": answer(small_tree(f"do-{name}"))}))


@case("collection-id-unsafe")
def _(name: str) -> BatchCase:
    rows = [batch(f"{name}-{number}", unsafe) for number, unsafe in enumerate((*UNSAFE_IDS, NUL))]
    return BatchCase(World({"course_batch": rows}, {}))


@case("batch-ambiguous")
def _(name: str) -> BatchCase:
    second = f"do-{name}-2"
    world = one_batch(name, batches=[batch(name, f"do-{name}"), batch(name, second)])
    return BatchCase(World(world.tables, {**world.trees, second: answer(small_tree(second))}))


def of_trees(name: str, bodies: Sequence[Any]) -> BatchCase:
    """Make a batch for each hierarchy answer, given as a value or as the bytes of the file; None is no file."""
    rows, trees, files = [], {}, {}
    for number, body in enumerate(bodies):
        place = f"do-{name}-{number}"
        rows.append(batch(f"{name}-{number}", place))
        if isinstance(body, bytes):
            files[place] = body.replace(b"<id>", place.encode())
        elif body is not None:
            trees[place] = body
    enrolments = [enrolment("someone", row["batchid"], row["courseid"]) for row in rows]
    return BatchCase(World({"course_batch": rows, "user_enrolments": enrolments}, trees), bodies=files)


@case("collection-unknown")
def _(name: str) -> BatchCase:
    return of_trees(name, [None, {"responseCode": "RESOURCE_NOT_FOUND", "result": {}}])


@case("collection-never-live")
def _(name: str) -> BatchCase:
    statuses: list[Any] = ["Draft", "live", 7, ["Live"], True]
    return of_trees(
        name, [answer(small_tree(f"do-{name}-{n}") | {"status": status}) for n, status in enumerate(statuses)]
    )


@case("collection-retired")
def _(name: str) -> BatchCase:
    return of_trees(name, [answer(small_tree(f"do-{name}-0") | {"status": "Retired"})])


@case("tree-not-json")
def _(name: str) -> BatchCase:
    start = b'{"result":{"content":{"identifier":"<id>"'
    return of_trees(
        name, [b"", b"<html>Bad gateway</html>", start, start + b',"name":"\xff"}}}', start + b',"index":NaN}}}']
    )


@case("tree-null")
def _(name: str) -> BatchCase:
    return of_trees(name, [b"null", [], {}, {"result": None}, {"result": []}, answer(None), 7, "x"])


@case("tree-root-not-an-object")
def _(name: str) -> BatchCase:
    return of_trees(name, [answer([]), answer("x"), answer(7), answer(1.5), answer(False)])


@case("tree-of-another-root")
def _(name: str) -> BatchCase:
    others: list[Any] = ["do-other", f"DO-{name}", "", None, 7, []]
    return of_trees(name, [answer(small_tree("do-x") | {"identifier": other}) for other in others])


def chain(root: str, depth: int) -> bytes:
    """Write the tree of one leaf at a depth, the root at 0; no serialiser is asked to go so deep."""
    return deep(root, depth, json.dumps(leaf("a")))


def deep(root: str, depth: int, last: str) -> bytes:
    """Write a tree of collections one below the other, with the JSON of one entry at a depth."""
    node = '{{"identifier":"{}","mimeType":"{}","children":['
    nodes = [node.format(root, COLLECTION_TYPE), *(node.format(f"c{n}", COLLECTION_TYPE) for n in range(1, depth))]
    return ('{"result":{"content":' + "".join(nodes) + last + "]}" * depth + "}}").encode()


def wide(root: str, nodes: int) -> bytes:
    """Write the tree of a root and leaves."""
    return json.dumps(answer(collection(root, ({"identifier": f"n{n}"} for n in range(nodes - 1))))).encode()


def wide_and_empty(root: str, nodes: int) -> bytes:
    """Write the tree of a root whose children are null."""
    return json.dumps(answer(collection(root, []) | {"children": [None] * (nodes - 1)})).encode()


def wide_and_thin(root: str, nodes: int) -> bytes:
    """Write the tree of a root that only lists its leaves."""
    return json.dumps(answer(collection(root, [], leafNodes=["a"] * (nodes - 1)))).encode()


@case("tree-too-deep")
def _(name: str) -> BatchCase:
    thin = json.dumps(collection("thin", [], leafNodes=["a"]))
    depth = DEEPEST + 1
    return of_trees(name, [chain("<id>", depth), deep("<id>", depth, "null"), deep("<id>", depth - 1, thin)])


@case("tree-10000-deep")
def _(name: str) -> BatchCase:
    return of_trees(name, [chain("<id>", 10_000)])


@case("tree-100001-nodes")
def _(name: str) -> BatchCase:
    return of_trees(name, [write("<id>", 100_001) for write in (wide, wide_and_empty, wide_and_thin)])


@case("tree-too-many-bytes")
def _(name: str) -> BatchCase:
    start = b'{"result":{"content":{"identifier":"<id>"}}}'
    return of_trees(name, [start + b" " * (64 * 1024 * 1024)])


@case("doubled-batch")
def _(name: str) -> BatchCase:
    return BatchCase(one_batch(name, batches=[batch(name, f"do-{name}"), batch(name, f"do-{name}", name="Twin")]))


@case("doubled-enrolment")
def _(name: str) -> BatchCase:
    return BatchCase(one_batch(name, [enrolled(name), enrolled(name, contentstatus={}), enrolled(name, 2)]))


@case("doubled-learner")
def _(name: str) -> BatchCase:
    return BatchCase(one_batch(name, users=[user(f"{name}-1"), user(f"{name}-1", firstname="Twin")]))


@case("doubled-activity")
def _(name: str) -> BatchCase:
    rows = [activity(f"{name}-1", name, f"do-{name}", {"completedCount": count}) for count in (1.0, 2.0)]
    return BatchCase(one_batch(name, activity=rows))


@case("doubled-nested-activity")
def _(name: str) -> BatchCase:
    rows = [activity(f"{name}-1", name, f"do-{name}-nested", {"completedCount": count}) for count in (1.0, 2.0)]
    return BatchCase(one_batch(name, [enrolled(name, contentstatus=None)], activity=rows))


def control() -> World:
    """Make two batches with which nothing is wrong, one of them with the deepest tree there may be."""
    plain = one_batch(CONTROL)
    deep = f"do-{CONTROL}-deep"
    tables = dict(plain.tables)
    tables["course_batch"] = [*tables["course_batch"], batch(f"{CONTROL}-deep", deep)]
    tables["user_enrolments"] = [*tables["user_enrolments"], enrolment(f"{CONTROL}-1", f"{CONTROL}-deep", deep)]
    return World(tables, {**plain.trees, deep: json.loads(chain(deep, DEEPEST))})
