"""The batch whose rows the feature's specification shows as its sample; every synthetic world has it."""

from __future__ import annotations

from typing import Any

from progress_exhaust.sample.locations import CUSTODIAN_ID, district_named, profile_location, root_organisation_id
from progress_exhaust.sample.trees import Node, collection_node, content_node, self_assessment_node

Row = dict[str, Any]

COLLECTION_ID = "do_1130934466492252161819"
BATCH_ID = "0130934495109529602"

_NESTED_A = "do_1130934418641469441813"
_NESTED_B = "do_1130934445218283521816"
_ASSESSMENT = "do_1130934418641469441786"
_LEAVES_A = ("do_1130934417000000001001", "do_1130934417000000001002")
_LEAVES_B = tuple(f"do_113093441700000000200{number}" for number in range(1, 5))
_CHANNEL = root_organisation_id("Andhra Pradesh")

_STARTED = "587204af-41db-4313-b3ab-cf022d3055c6"
_COMPLETED = "f703de4e-d47a-4adb-856c-de122e6a0b32"
_DONE = {
    _STARTED: {_NESTED_A: _LEAVES_A[:1], _NESTED_B: (*_LEAVES_B[:2], _ASSESSMENT)},
    _COMPLETED: {_NESTED_A: _LEAVES_A, _NESTED_B: (*_LEAVES_B, _ASSESSMENT)},
}
_SCORES = {_STARTED: (4.0, 6.0), _COMPLETED: (7.0, 5.5)}


def sample_tree() -> Node:
    """Return its course: a unit that is not trackable holds two nested courses, of 2 and 5 leaves."""
    first = [content_node(leaf, f"Lesson A{number}", "video/mp4") for number, leaf in enumerate(_LEAVES_A, start=1)]
    second = [
        content_node(leaf, f"Lesson B{number}", "application/pdf") for number, leaf in enumerate(_LEAVES_B, start=1)
    ]
    second.append(self_assessment_node(_ASSESSMENT, "Final Assessment"))
    unit = collection_node(
        "do_1130934417000000003001",
        "Unit 1",
        [
            collection_node(_NESTED_A, "Course A", first, trackable=True),
            collection_node(_NESTED_B, "Course B", second, trackable=True),
        ],
        trackable=False,
    )
    return collection_node(COLLECTION_ID, "Test Course", [unit], trackable=True) | {"channel": _CHANNEL}


def sample_rows() -> dict[str, list[Row]]:
    """Return its rows by `Table.setting`."""
    return {
        "course_batch": [{"courseid": COLLECTION_ID, "batchid": BATCH_ID, "name": "Batch1"}],
        "user": [
            _user(_STARTED, "Krishna", "Jampana", "Vizag"),
            _user(_COMPLETED, "Mathew", "Pallan", "Thrissur"),
        ],
        "user_enrolments": [
            _enrolment(_STARTED, enrolled_date="2020-08-25T02:15:58.691Z"),
            _enrolment(
                _COMPLETED,
                enrolled_date="2020-08-25T13:45:54.150Z",
                completedon="2020-08-27T13:45:54.150Z",
                issued_certificates=[{"name": "Course Completion", "identifier": "1-0f1e2d3c"}],
            ),
        ],
        "user_activity_agg": [
            _activity(user_id, activity_id)
            for user_id in _DONE
            for activity_id in (COLLECTION_ID, _NESTED_A, _NESTED_B)
        ],
        "assessment_aggregator": [
            {
                "user_id": user_id,
                "course_id": COLLECTION_ID,
                "batch_id": BATCH_ID,
                "content_id": _ASSESSMENT,
                "attempt_id": f"{user_id[:8]}{number}",
                "total_score": score,
                "last_attempted_on": f"2020-08-26T1{number}:00:00.000Z",
            }
            for user_id, scores in _SCORES.items()
            for number, score in enumerate(scores)
        ],
    }


def _user(identifier: str, first: str, last: str, district: str) -> Row:
    return {
        "id": identifier,
        "firstname": first,
        "lastname": last,
        "rootorgid": CUSTODIAN_ID,
        "profilelocation": profile_location(district_named(district)),
    }


def _enrolment(user_id: str, **dates_and_certificates: Any) -> Row:
    done = _DONE[user_id]
    return {
        "userid": user_id,
        "courseid": COLLECTION_ID,
        "batchid": BATCH_ID,
        "active": True,
        "contentstatus": {leaf: 2 for leaves in done.values() for leaf in leaves},
        **dates_and_certificates,
    }


def _activity(user_id: str, activity_id: str) -> Row:
    done = _DONE[user_id]
    completed = len(done[activity_id]) if activity_id in done else sum(len(leaves) for leaves in done.values())
    counters = {"completedCount": completed}
    scores = {f"score:{_ASSESSMENT}": max(_SCORES[user_id])} if activity_id == COLLECTION_ID else {}
    return {
        "activity_type": "Course",
        "activity_id": activity_id,
        "user_id": user_id,
        "context_id": f"cb:{BATCH_ID}",
        "agg": counters,
        "aggregates": {"completedCount": float(completed), **scores},
    }
