"""What err_message says: words that other parts of Sunbird know, and one short line where there are none."""

from __future__ import annotations

import re
from collections.abc import Sequence

from progress_exhaust.errors import Reason, SkippedReport

NO_DATA = "No data found"
RETIRED = "The request is made for retired collection"

MOST_CHARACTERS = 99
"""The narrowest err_message in the field has 100."""

_WORDS = {
    Reason.UNKNOWN_BATCH: "unknown",
    Reason.RETIRED_COLLECTION: "retired",
    Reason.TASK_FAILED: "failed",
    Reason.COUNT_MISMATCH: "changed meanwhile",
}
"""Where another word than that of the reason says it better."""
_NOT_THERE = frozenset({Reason.UNKNOWN_BATCH, Reason.NO_BATCH, Reason.UNKNOWN_COLLECTION, Reason.RETIRED_COLLECTION})
_NOT_OF_AN_ID = re.compile(r"[^A-Za-z0-9_.-]")


def too_many_message(limit: int) -> str:
    """Return the words for a request of more reports than it may have."""
    return f"Number of batches in request exceeded. It should be within {limit}"


def failed_try_message(number: int, tries: int, fault: str) -> str:
    """Return the words for a request that goes back because a try has failed by its own fault."""
    return f"Try {number} of {tries} failed: {_one_line(fault)}"


def given_up_message(tries: int, fault: str) -> str:
    """Return the words for a request that ends because its last try has failed, too."""
    return f"Given up after {tries} {'try' if tries == 1 else 'tries'}: {_one_line(fault)}"


def outcome_message(refusals: Sequence[SkippedReport], made: int) -> str:
    """Return err_message for what came of a request; empty where all of it is made.

    Where a part is made, how much is not, and the first ids with a word for each. Where nothing is: that there is no
    data, if all that was asked for is unknown, or has no learner whom the requester may see, or is partly retired;
    that the collection is retired, if all is; else the sentence of the first refusal that says more.

    Args:
        refusals: what was asked for and is not made, in the order asked for.
        made: how many reports are made.
    """
    if made:
        return _partly_made(refusals, made) if refusals else ""
    if refusals and all(refusal.reason is Reason.RETIRED_COLLECTION for refusal in refusals):
        return RETIRED
    telling = [refusal for refusal in refusals if refusal.reason not in _NOT_THERE]
    return _one_line(str(telling[0])) if telling else NO_DATA


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _partly_made(refusals: Sequence[SkippedReport], made: int) -> str:
    """Name as many as fit, and at least one, if need be by the start of its id."""
    line = ""
    for named in range(1, len(refusals) + 1):
        longer = _line(refusals, made, named, 100)
        if len(longer) > MOST_CHARACTERS:
            break
        line = longer
    room = MOST_CHARACTERS - len(_line(refusals, made, 1, 0))
    return line or _line(refusals, made, 1, room)


def _line(refusals: Sequence[SkippedReport], made: int, named: int, longest_id: int) -> str:
    names = [f"{_id(one.subject, longest_id)} ({_word(one.reason)})" for one in refusals[:named]]
    rest = len(refusals) - named
    return (
        f"{len(refusals)} of {len(refusals) + made} not made: {', '.join(names)}{f' and {rest} more' if rest else ''}"
    )


def _id(subject: str, longest: int) -> str:
    """Return an id for a message; of an unsafe one, which may hold anything, only what is harmless."""
    return _NOT_OF_AN_ID.sub("?", subject)[:longest]


def _word(reason: Reason) -> str:
    return _WORDS.get(reason, reason.value.replace("_", " "))
