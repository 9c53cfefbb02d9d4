"""Random enrolments, activity rows, attempts and failed certificates."""

from __future__ import annotations

from random import Random
from typing import Any

from tests.worlds.model import Row
from tests.worlds.texts import (
    AGGREGATE_SCORES,
    COMPLETED_COUNTS,
    SCORES,
    chance,
    legacy_date,
    maybe,
    odd_moment,
)
from tests.worlds.trees import LEAF_IDS

STATUSES = (2, 2, 2, 1, 0, 3, -1, 2**31 - 1, None)
CERTIFICATES: tuple[Any, ...] = (
    None,
    None,
    [],
    [],
    [{}],
    [None],
    [None, {}],
    [None, {"identifier": "c-1"}],
    [{"name": "Certificate", "identifier": "c-1"}],
    [{"name": None}, {"name": "Second"}],
)


def random_enrolment(rng: Random, batch_id: str, course_id: str, user_id: str, contents: list[str]) -> Row:
    """Make one enrolment of a learner; `contents` are ids that stand in the tree, leaves or not."""
    enrolled = odd_moment(rng) if chance(rng, 0.6) else None
    return {
        "userid": user_id,
        "courseid": course_id,
        "batchid": batch_id,
        "active": rng.choice((True, True, True, True, True, True, False, None)),
        "enrolled_date": enrolled,
        "enrolleddate": legacy_date(rng),
        "completedon": odd_moment(rng) if chance(rng, 0.2) else None,
        "contentstatus": random_content_status(rng, contents),
        "certificates": rng.choice(CERTIFICATES),
        "issued_certificates": rng.choice(CERTIFICATES),
        "status": rng.choice((None, 0, 1, 2)),
        "progress": rng.choice((None, 0, 1, 2, 3, 99, -1, 2**31 - 1)),
        "completionpercentage": rng.choice((None, None, None, None, 0, 1, 37, 100, 101, -5)),
    }


def random_content_status(rng: Random, contents: list[str]) -> dict[str, int | None] | None:
    """Make the statuses of contents: null, empty, of leaves today and before, and of ids that are no leaves."""
    kind = rng.random()
    if kind < 0.3:
        return rng.choice((None, {}))
    if kind < 0.37:
        return dict.fromkeys(rng.sample(contents, min(2, len(contents))) or ["do_1"])
    statuses = STATUSES if chance(rng, 0.6) else (2,)
    keys = rng.sample(contents, rng.randint(0, len(contents)))
    keys += rng.sample(LEAF_IDS, rng.randint(0, 3)) + rng.choice(([], ["do_removed"], ["", "DO_1"]))
    return {key: rng.choice(statuses) for key in keys}


def random_activity(rng: Random, batch_id: str, activity_id: str, user_id: str, contents: list[str]) -> Row:
    """Make one row of `user_activity_agg` in the right place."""
    keys = ["completedCount", *(f"score:{content}" for content in contents), "max_score:do_1", "score:", "score"]
    return {
        "activity_type": "Course",
        "activity_id": activity_id,
        "user_id": user_id,
        "context_id": f"cb:{batch_id}",
        "aggregates": doubles(rng, keys),
        "agg": whole_numbers(rng, keys),
        "agg_last_updated": {"completedCount": odd_moment(rng)} if chance(rng, 0.3) else None,
        "agg_details": rng.choice((None, [], ['{"contentId":"do_1","score":9.0}'])),
    }


def doubles(rng: Random, keys: list[str]) -> dict[str, float | None] | None:
    """Make the `aggregates` of a row, some keys missing, some null or no numbers."""
    if chance(rng, 0.3):
        return rng.choice((None, {}))
    return {
        key: rng.choice(COMPLETED_COUNTS if key == "completedCount" else AGGREGATE_SCORES)
        for key in keys
        if chance(rng, 0.7)
    }


def whole_numbers(rng: Random, keys: list[str]) -> dict[str, int | None] | None:
    """Make the `agg` of a row, some keys missing or null."""
    if chance(rng, 0.3):
        return rng.choice((None, {}))
    return {key: rng.choice((None, 0, 1, 2, 3, 4, -1, 2**31 - 1)) for key in keys if chance(rng, 0.7)}


def misplaced(rng: Random, activity: Row, other_batches: list[str]) -> Row:
    """Give a copy of an activity row that must not be taken for the right one."""
    batch = activity["context_id"].removeprefix("cb:")
    change = rng.choice(
        (
            {"activity_type": "course"},
            {"activity_type": "CourseUnit"},
            {"activity_type": ""},
            {"activity_type": None},
            {"activity_id": activity["activity_id"] + "2"},
            {"context_id": batch},
            {"context_id": f"CB:{batch}"},
            {"context_id": f"cb:{batch}2"},
            {"context_id": f"cb:{rng.choice(other_batches)}-other"},
            {"context_id": None},
            {"user_id": activity["user_id"] + " "},
            {"user_id": None},
        )
    )
    return {**activity, "aggregates": {"completedCount": 2.0, "score:do_1": 77.0}, "agg": None, **change}


def random_attempts(rng: Random, batch_id: str, course_id: str, user_id: str, contents: list[str]) -> list[Row]:
    """Make the attempts of a learner in one batch: ties, unusable scores, and ones of other courses and batches."""
    rows: list[Row] = []
    for content in rng.sample(contents, rng.randint(0, len(contents))):
        moment = odd_moment(rng)
        scores = rng.sample(SCORES, rng.randint(1, 3))
        for number, total in enumerate(scores + scores[:1]):
            rows.append(
                {
                    "user_id": user_id,
                    "course_id": course_id,
                    "batch_id": batch_id,
                    "content_id": content,
                    "attempt_id": f"attempt-{number}",
                    "total_score": total,
                    "total_max_score": rng.choice((None, 10.0, 0.0)),
                    "last_attempted_on": maybe(rng, moment),
                    "updated_on": maybe(rng, moment, 0.3),
                    "created_on": maybe(rng, moment, 0.3),
                    "grand_total": "1/10",
                }
            )
    if rows and chance(rng, 0.4):
        change: Row = rng.choice(
            (
                {"course_id": course_id + "2"},
                {"batch_id": batch_id + "2"},
                {"content_id": "do_unknown"},
                {"content_id": rows[0]["content_id"].swapcase() + "x"},
                {"user_id": user_id + "2"},
                {"attempt_id": None},
                {"attempt_id": ""},
                {"batch_id": None},
                {"content_id": ""},
            )
        )
        rows.append({**rows[0], "attempt_id": "attempt-other", "total_score": 88.0, **change})
    return rows


def keyless_enrolments(rng: Random, enrolment: Row, other_course: str) -> list[Row]:
    """Give copies of an enrolment that lack a part of the key or are of another course or batch."""
    changes: list[Row] = [
        {"userid": None},
        {"userid": ""},
        {"courseid": None},
        {"courseid": ""},
        {"batchid": None},
        {"batchid": ""},
        {"courseid": other_course},
        {"courseid": enrolment["courseid"].upper() + "X"},
        {"batchid": enrolment["batchid"] + "2x"},
        {"batchid": enrolment["batchid"] + " "},
    ]
    return [{**enrolment, "active": rng.choice((True, False)), **change} for change in rng.sample(changes, 3)]


def thin(rng: Random, rows: list[Row], key: tuple[str, ...]) -> list[Row]:
    """Leave null columns that are no part of the key out of some rows."""
    return [
        {name: value for name, value in row.items() if value is not None or name in key or chance(rng, 0.3)}
        if chance(rng, 0.5)
        else row
        for row in rows
    ]
