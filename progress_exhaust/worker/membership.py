"""Which requests come together in a round: one rule, for rows that are due and for those that are ours."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import Enum, auto
from typing import Protocol, TypeVar

from progress_exhaust.job_requests.model import DueRequest
from progress_exhaust.job_requests.quotas import ChannelQuota
from progress_exhaust.job_requests.request_data import RequestedBatches
from progress_exhaust.settings.sections import RequestSettings
from progress_exhaust.worker.record import JobRecord


class Room(Enum):
    """Whether a due request may be claimed for a round."""

    FOR_IT = auto()
    NOT_FOR_ITS_CHANNEL = auto()  # which has had its part of this run
    FOR_NOBODY = auto()  # the round is full


class _Request(Protocol):
    @property
    def is_suspect(self) -> bool: ...


_R = TypeVar("_R", bound=_Request)


def rounds_of(requests: Iterable[_R]) -> list[list[_R]]:
    """Return who comes together: all that are fresh, and then each by itself of which a try has failed, or may have.

    What kills every driver therefore dies alone.
    """
    taken = list(requests)
    fresh = [one for one in taken if not one.is_suspect]
    return [*([fresh] if fresh else []), *([one] for one in taken if one.is_suspect)]


def room_for(candidate: DueRequest, members: Sequence[JobRecord], quota: ChannelQuota, limits: RequestSettings) -> Room:
    """Return whether a due request may be claimed beside those that are claimed already: what fits one wave.

    How many reports a request has is not known before it is claimed and read; so the last one may go over the limit.
    """
    if sum(_most_reports(one, limits) for one in members) >= limits.reports_per_wave:
        return Room.FOR_NOBODY
    return Room.FOR_IT if quota.allows(candidate.channel) else Room.NOT_FOR_ITS_CHANNEL


def _most_reports(record: JobRecord, limits: RequestSettings) -> int:
    if isinstance(record.asked, RequestedBatches):
        return min(limits.reports_per_request, len(record.asked.batch_ids))
    return limits.reports_per_search
