"""How a request is to end: from what has come of it to what its row is told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from progress_exhaust.errors import SkippedReport
from progress_exhaust.job_requests.messages import failed_try_message, given_up_message, outcome_message
from progress_exhaust.job_requests.model import Status


@dataclass(frozen=True, slots=True)
class Ending:
    """How a request is to end.

    Attributes:
        status: SUCCESS, FAILED, or SUBMITTED to give it back.
        message: for its row; empty for none.
        is_failed_try: whether its try has failed by a fault of its own, and counts.
    """

    status: Status
    message: str
    is_failed_try: bool

    @property
    def gives_back(self) -> bool:
        """Whether the request is to be due again."""
        return self.status is Status.SUBMITTED


GIVE_BACK_AS_IT_WAS = Ending(Status.SUBMITTED, "", is_failed_try=False)


def ending_of(
    *,
    fault: str,
    number: int,
    tries: int,
    is_deferred: bool,
    not_made: Sequence[SkippedReport],
    files: int,
    has_files: bool,
) -> Ending:
    """Return how a request is to end.

    With a fault of its own it goes back with the try counted; after the last try it ends with what is out. While a
    limit keeps reports for a later run, it never ends.

    Args:
        fault: what has failed by its own fault and may pass, in a sentence; empty for nothing.
        number: of this try, from 1.
        tries: how many may fail.
        is_deferred: whether reports are left to a later run.
        not_made: what it asks for and does not get, in the order asked for.
        files: how many of its files are known to be out.
        has_files: whether any is, also by a list that was not read.
    """
    if fault and number < tries:
        return Ending(Status.SUBMITTED, failed_try_message(number, tries, fault), is_failed_try=True)
    if is_deferred:
        return GIVE_BACK_AS_IT_WAS
    status = Status.SUCCESS if has_files else Status.FAILED
    if fault and not (files and not_made):
        return Ending(status, given_up_message(number, fault), is_failed_try=True)
    return Ending(status, outcome_message(not_made, files), is_failed_try=bool(fault))
