"""What is known of a claimed request, and how it would end."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from progress_exhaust.job_requests.model import Status
from progress_exhaust.worker.record import JobRecord
from tests.support.jobs import CLAIM, DAY, NOW, file_of

GIVEN_BACK = replace(CLAIM, is_new=False)


def listed_by_an_earlier_driver() -> str:
    record = replace(JobRecord.of(GIVEN_BACK, NOW, DAY), file_by_batch={"b-0": file_of("b-0")}, knows_files=True)
    return record.list_text()


@pytest.mark.parametrize(
    ("is_listed", "knows_files", "status"),
    [
        pytest.param(True, False, Status.SUCCESS, id="listed by the row, which nobody has looked at"),
        pytest.param(False, False, Status.FAILED, id="not listed"),
        pytest.param(True, True, Status.FAILED, id="listed, but none is there"),
    ],
)
def test_request_that_is_given_up_has_succeeded_where_a_file_of_it_is_out(
    is_listed: bool, knows_files: bool, status: Status
) -> None:
    claim = replace(GIVEN_BACK, processed=listed_by_an_earlier_driver() if is_listed else None)
    record = replace(JobRecord.of(claim, NOW, DAY), knows_files=knows_files, trouble="the search failed")

    assert record.ending(tries=1).status is status


@pytest.mark.parametrize("jvm_kills", [0, 1])
def test_list_notes_kills_of_the_jvm_where_there_were_any(jvm_kills: int) -> None:
    record = replace(JobRecord.of(GIVEN_BACK, NOW, DAY), knows_files=True, jvm_kills=jvm_kills)

    assert len(json.loads(record.list_text())) == jvm_kills


@pytest.mark.parametrize(("jvm_kills", "is_told"), [(0, False), (1, True)])
def test_lists_of_the_row_stay_as_they_are_before_the_files_are_known_but_for_kills_of_the_jvm(
    jvm_kills: int, is_told: bool
) -> None:
    delivered = replace(JobRecord.of(GIVEN_BACK, NOW, DAY), jvm_kills=jvm_kills).delivered()

    assert delivered.urls is None
    assert (delivered.processed is not None) is is_told


@pytest.mark.rule("Q28")
def test_prefix_of_urls_stands_before_each_path_of_the_row_and_not_in_its_list() -> None:
    record = replace(
        JobRecord.of(GIVEN_BACK, NOW, DAY, "https://account.example/reports/"),
        file_by_batch={"b-0": file_of("b-0")},
        knows_files=True,
    )

    assert record.delivered().urls == (f"https://account.example/reports/{file_of('b-0').path}",)
    assert record.list_text() == replace(record, url_prefix="").list_text()
