"""How much of a run each channel has had, so that one of them can not take it all; and when to try again."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from datetime import datetime

from progress_exhaust.job_requests.model import RequestKey


class ChannelQuota:
    """Counts a run's reports and bytes by channel; may be asked from several threads.

    The first report of a channel always goes, whatever its size, and so does one request of a channel that searches,
    whatever the number of its reports: else a channel with one huge report, or one big search, would wait for ever.

    Args:
        most_reports: of one channel; at least 1.
        most_bytes: of one channel.
    """

    def __init__(self, most_reports: int, most_bytes: int) -> None:
        self._most_reports = most_reports
        self._most_bytes = most_bytes
        self._reserved: Counter[str] = Counter()
        self._published: Counter[str] = Counter()
        self._bytes: Counter[str] = Counter()
        self._searched: set[str] = set()
        self._lock = threading.Lock()

    def has_room(self, channel: str) -> bool:
        """Return whether a further report of this channel may be made."""
        with self._lock:
            return self._left(channel) > 0

    def reserve(self, channel: str, reports: int, *, is_search: bool = False) -> int:
        """Return how many of so many reports may be made, and count these as this channel's.

        Args:
            channel: whose they are.
            reports: how many.
            is_search: whether one request has found them all, which once a run goes whole.
        """
        with self._lock:
            left = self._left(channel)
            if is_search and left > 0 and channel not in self._searched:
                self._searched.add(channel)
                left = reports
            granted = max(min(reports, left), 0)
            self._reserved[channel] += granted
            return granted

    def give_back(self, channel: str, reports: int, *, is_search: bool = False) -> None:
        """Take back so many reservations of a request that is to be tried again."""
        with self._lock:
            self._reserved[channel] -= reports
            if is_search:
                self._searched.discard(channel)

    def take(self, channel: str, size_bytes: int) -> bool:
        """Return whether a report of this size may be published, straight before it is; if so, count it."""
        with self._lock:
            is_first = not self._published[channel]
            if not is_first and self._bytes[channel] + size_bytes > self._most_bytes:
                return False
            self._published[channel] += 1
            self._bytes[channel] += size_bytes
            return True

    def _left(self, channel: str) -> int:
        if self._reserved[channel] and self._bytes[channel] >= self._most_bytes:
            return 0
        return self._most_reports - self._reserved[channel]


class RetryPause:
    """Remembers whose try has failed, so that a driver that watches does not try it again at once.

    Args:
        pause_s: seconds to leave it alone.
        monotonic: a clock in seconds.
    """

    def __init__(self, pause_s: float, monotonic: Callable[[], float]) -> None:
        self._pause_s = pause_s
        self._monotonic = monotonic
        self._failed_at: dict[tuple[RequestKey, datetime | None], float] = {}

    def note_failed(self, key: RequestKey, submitted_at: datetime | None) -> None:
        """Take note that a try of this submission has failed."""
        self._failed_at[key, submitted_at] = self._monotonic()

    def is_over(self, key: RequestKey, submitted_at: datetime | None) -> bool:
        """Return whether this submission may be tried; a new one may at once."""
        now = self._monotonic()
        self._failed_at = {one: at for one, at in self._failed_at.items() if now - at < self._pause_s}
        return (key, submitted_at) not in self._failed_at
