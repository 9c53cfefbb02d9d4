"""Rows that are odd, and batches that are made all the same, by the ids of the contract's table."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from tests.support.bad_batch_case import BatchCase, enrolled, learners, one_batch, places, registry
from tests.support.builders import activity, assessment, attempt, batch, collection, leaf, user
from tests.worlds.model import Row

CASES, case = registry()


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
