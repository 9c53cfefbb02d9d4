"""What err_message says."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from progress_exhaust.errors import Reason, SkippedReport
from progress_exhaust.job_requests.messages import outcome_message, too_many_message

NO_DATA = "No data found"
RETIRED = "The request is made for retired collection"


def not_made(subject: str, reason: Reason = Reason.UNKNOWN_BATCH, sentence: str = "") -> SkippedReport:
    return SkippedReport(reason, subject, sentence or f'batch "{subject}" is not made: {reason}')


def test_words_that_other_parts_know() -> None:
    assert too_many_message(20) == "Number of batches in request exceeded. It should be within 20"
    assert outcome_message([not_made("b-1")], 0) == NO_DATA
    assert outcome_message([not_made("do_1", Reason.RETIRED_COLLECTION)], 0) == RETIRED


@pytest.mark.parametrize(
    ("reasons", "message"),
    [
        ((), NO_DATA),
        ((Reason.UNKNOWN_BATCH, Reason.NO_BATCH, Reason.UNKNOWN_COLLECTION), NO_DATA),
        ((Reason.RETIRED_COLLECTION, Reason.RETIRED_COLLECTION), RETIRED),
        ((Reason.RETIRED_COLLECTION, Reason.UNKNOWN_BATCH), NO_DATA),
        ((Reason.UNKNOWN_BATCH, Reason.BAD_ID), "sentence 2"),
        ((Reason.RETIRED_COLLECTION, Reason.BAD_TREE, Reason.DOUBLED_KEY), "sentence 2"),
        ((Reason.TASK_FAILED,), "sentence 1"),
    ],
)
def test_nothing_made(reasons: tuple[Reason, ...], message: str) -> None:
    refusals = [not_made("b", reason, f"sentence\n {number}") for number, reason in enumerate(reasons, start=1)]
    assert outcome_message(refusals, 0) == message


def test_all_made() -> None:
    assert outcome_message([], 3) == ""


@pytest.mark.parametrize(
    ("refusals", "made", "message"),
    [
        pytest.param([not_made("b-9")], 4, "1 of 5 not made: b-9 (unknown)", id="one"),
        pytest.param(
            [not_made("b-9"), not_made("b-7", Reason.RETIRED_COLLECTION)],
            3,
            "2 of 5 not made: b-9 (unknown), b-7 (retired)",
            id="two, in the order asked for",
        ),
        pytest.param(
            [not_made(f"013093449510952960{number}") for number in range(6)],
            1,
            "6 of 7 not made: 0130934495109529600 (unknown), 0130934495109529601 (unknown) and 4 more",
            id="as many as fit",
        ),
        pytest.param([not_made("../x\n'é", Reason.BAD_ID)], 1, "1 of 2 not made: ..?x??? (bad id)", id="unsafe id"),
        pytest.param(
            [not_made("x" * 101, Reason.TREE_TOO_LARGE), not_made("b")],
            1,
            "2 of 3 not made: " + "x" * 54 + " (tree too large) and 1 more",
            id="long id",
        ),
    ],
)
def test_partly_made(refusals: list[SkippedReport], made: int, message: str) -> None:
    assert outcome_message(refusals, made) == message


@given(
    st.lists(st.builds(not_made, st.text(max_size=120), st.sampled_from(Reason)), max_size=30), st.integers(1, 10**6)
)
def test_part_of_it_is_one_short_line_of_plain_characters(refusals: list[SkippedReport], made: int) -> None:
    message = outcome_message(refusals, made)
    assert len(message) < 100
    assert message.isascii()
    assert message.isprintable()
