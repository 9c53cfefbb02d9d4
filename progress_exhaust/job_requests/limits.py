"""How much of a run each channel has had, so that one of them can not take it all."""

from __future__ import annotations

import threading
from collections import Counter


class ChannelTally:
    """Counts a run's reports and bytes by channel; may be asked from several threads.

    The first report of a channel always goes, whatever its size: else a channel with one huge report would wait for
    ever.

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
        self._lock = threading.Lock()

    def has_room(self, channel: str) -> bool:
        """Return whether a further report of this channel may be made."""
        with self._lock:
            return self._left(channel) > 0

    def reserve(self, channel: str, reports: int) -> int:
        """Return how many of so many reports may be made, and count these as this channel's."""
        with self._lock:
            granted = max(min(reports, self._left(channel)), 0)
            self._reserved[channel] += granted
            return granted

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
