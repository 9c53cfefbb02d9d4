"""In which order due requests are taken: every channel gets its turn, and those whose try has failed wait."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import chain, zip_longest

from progress_exhaust.job_requests.model import DueRequest

_LONG_AGO = datetime.min.replace(tzinfo=UTC)

Age = tuple[datetime, str, str]


def round_robin(due: Sequence[DueRequest]) -> list[DueRequest]:
    """Return due requests in the order to take them.

    Fresh ones come first, one of each channel in turn: channels in the order of their oldest request, and each
    channel's requests oldest first. Those of which a try has failed come last, and those that say PROCESSING, since a
    driver may have died of them: those with fewer failed tries first, then the oldest. A request that does not say when
    it was put in counts as the oldest, so that it can not wait for ever; ties go by request id, then tag.
    """
    by_channel: dict[str, list[DueRequest]] = defaultdict(list)
    for request in sorted((one for one in due if not one.is_suspect), key=_age):
        by_channel[request.channel].append(request)
    rounds = zip_longest(*by_channel.values())
    fresh = [request for request in chain.from_iterable(rounds) if request is not None]
    suspects = sorted((one for one in due if one.is_suspect), key=lambda one: (one.iteration, _age(one)))
    return fresh + suspects


def _age(request: DueRequest) -> Age:
    return request.submitted_at or _LONG_AGO, request.key.request_id, request.key.tag
