"""The world behind the two sample rows of the public feature specification."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from tests.worlds.model import Row, World

COLLECTION_TYPE = "application/vnd.ekstep.content-collection"

COLLECTION_ID = "do_1130934466492252161819"
BATCH_ID = "0130934495109529602"
NESTED_A = "do_1130934418641469441813"
NESTED_B = "do_1130934445218283521816"
ASSESSMENT = "do_1130934418641469441786"
LEAVES_OF_A = ("do_1130934418641469441701", "do_1130934418641469441702")
LEAVES_OF_B = (
    "do_1130934418641469441703",
    "do_1130934418641469441704",
    "do_1130934418641469441705",
    "do_1130934418641469441706",
    ASSESSMENT,
)
MATHEW = "f703de4e-d47a-4adb-856c-de122e6a0b32"
KRISHNA = "587204af-41db-4313-b3ab-cf022d3055c6"


def spec_sample_world() -> World:
    """Make the world of the sample: one unit, two nested collections, one assessment, two learners."""
    return World(
        tables={
            "course_batch": [{"courseid": COLLECTION_ID, "batchid": BATCH_ID, "name": "Batch1", "status": 1}],
            "user_enrolments": [
                enrolment(
                    MATHEW,
                    done=(*LEAVES_OF_A, *LEAVES_OF_B),
                    enrolled_date=datetime(2020, 8, 25, 13, 45, 54, 150_000, tzinfo=UTC),
                    completedon=datetime(2020, 8, 27, 13, 45, 54, 150_000, tzinfo=UTC),
                    issued_certificates=[{"identifier": "certificate-1", "name": "Course completion"}],
                ),
                enrolment(
                    KRISHNA,
                    done=(LEAVES_OF_A[0], LEAVES_OF_B[0], LEAVES_OF_B[1], ASSESSMENT),
                    enrolled_date=datetime(2020, 8, 25, 2, 15, 58, 691_000, tzinfo=UTC),
                ),
            ],
            "user": [
                user(MATHEW, "Mathew", "Pallan", "state-kl", "district-thrissur"),
                user(KRISHNA, "Krishna", "Jampana", "state-ap", "district-vizag"),
            ],
            "location": [
                {"id": "state-kl", "type": "state", "name": "Kerala"},
                {"id": "district-thrissur", "type": "district", "name": "Thrissur", "parentid": "state-kl"},
                {"id": "state-ap", "type": "state", "name": "Andhra Pradesh"},
                {"id": "district-vizag", "type": "district", "name": "Vizag", "parentid": "state-ap"},
            ],
            "assessment_aggregator": [
                attempt(MATHEW, "attempt-1", 7.0),
                attempt(KRISHNA, "attempt-1", 4.0),
                attempt(KRISHNA, "attempt-2", 6.0),
            ],
        },
        trees={COLLECTION_ID: {"responseCode": "OK", "result": {"content": tree()}}},
    )


def tree() -> dict[str, Any]:
    """Make the tree: root, a unit that is not trackable, and in it the collections A and B."""
    unit = {
        "identifier": "do_1130934466492252161801",
        "name": "Unit",
        "mimeType": COLLECTION_TYPE,
        "contentType": "CourseUnit",
        "visibility": "Parent",
        "trackable": {"enabled": "No"},
        "index": 1,
        "children": [nested(NESTED_A, 1, LEAVES_OF_A), nested(NESTED_B, 2, LEAVES_OF_B)],
    }
    return {
        "identifier": COLLECTION_ID,
        "name": "Test Course",
        "mimeType": COLLECTION_TYPE,
        "contentType": "Course",
        "primaryCategory": "Course",
        "status": "Live",
        "channel": "channel-1",
        "trackable": {"enabled": "Yes"},
        "children": [unit],
    }


def nested(identifier: str, index: int, leaves: tuple[str, ...]) -> dict[str, Any]:
    """Make a nested collection with its leaves."""
    return {
        "identifier": identifier,
        "name": f"Nested {index}",
        "mimeType": COLLECTION_TYPE,
        "contentType": "Course",
        "visibility": "Default",
        "trackable": {"enabled": "Yes"},
        "index": index,
        "children": [
            {
                "identifier": leaf,
                "name": "Leaf",
                "mimeType": "application/vnd.ekstep.ecml-archive",
                "contentType": "SelfAssess" if leaf == ASSESSMENT else "Resource",
                "primaryCategory": "Course Assessment" if leaf == ASSESSMENT else "Explanation Content",
                "index": number,
            }
            for number, leaf in enumerate(leaves, start=1)
        ],
    }


def enrolment(user_id: str, done: tuple[str, ...], **columns: Any) -> Row:
    """Make an enrolment of a learner who has done some leaves."""
    key = {"userid": user_id, "courseid": COLLECTION_ID, "batchid": BATCH_ID}
    return {**key, "active": True, "contentstatus": dict.fromkeys(done, 2), **columns}


def user(user_id: str, first_name: str, last_name: str, state: str, district: str) -> Row:
    """Make a self-signed-up learner who has declared a place."""
    places = [{"id": state, "type": "state"}, {"id": district, "type": "district"}]
    return {"id": user_id, "firstname": first_name, "lastname": last_name, "profilelocation": json.dumps(places)}


def attempt(user_id: str, attempt_id: str, total_score: float) -> Row:
    """Make one attempt at the assessment."""
    return {
        "user_id": user_id,
        "course_id": COLLECTION_ID,
        "batch_id": BATCH_ID,
        "content_id": ASSESSMENT,
        "attempt_id": attempt_id,
        "total_score": total_score,
        "total_max_score": 10.0,
        "last_attempted_on": datetime(2020, 8, 26, tzinfo=UTC),
    }
