"""How long the clients of object stores try again, so that a store that fails is told of in minutes, not in hours."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from pyspark import SparkContext

_BY_HADOOP = "core-default.xml"
"""What Hadoop says is the source of an option that nobody has set."""
_LEAST_S = 15.0


def limits(give_up_s: float) -> Mapping[str, str]:
    """Return options of the clients, for a run that gives up after so many seconds.

    Each try again waits twice as long as the one before, so twice the time is one try more.

    >>> limits(120)["fs.s3a.retry.limit"], limits(240)["fs.s3a.retry.limit"], limits(5)["fs.s3a.retry.limit"]
    ('3', '4', '1')
    """
    tries = max(1, round(math.log2(max(give_up_s, _LEAST_S) / _LEAST_S)))
    answer_ms = str(max(1000, round(give_up_s / 12 * 1000)))
    connect_ms = str(max(1000, round(give_up_s / 24 * 1000)))
    return {
        # The SDK's own tries, 20 by default, are made within each try of Hadoop's: one multiplies the other.
        "fs.s3a.attempts.maximum": "1",
        # A store that is down, or ends connections: 7 tries by default, each of the SDK's 20.
        "fs.s3a.retry.limit": str(tries),
        "fs.s3a.retry.interval": "500ms",
        # A store that answers 503: 20 tries by default, the last of which wait for hours.
        "fs.s3a.retry.throttle.limit": str(tries + 1),
        "fs.s3a.retry.throttle.interval": "500ms",
        # A store that takes a call and says nothing: 200 s by default, and that for each try.
        "fs.s3a.connection.timeout": answer_ms,
        "fs.s3a.connection.establish.timeout": connect_ms,
        # Markers of folders are of no use to a reader; to look for some and remove them is a call a file.
        "fs.s3a.directory.marker.retention": "keep",
        # As above, in the words of Azure's client: 30 tries by default, up to 30 s apart.
        "fs.azure.io.retry.max.retries": str(tries),
        "fs.azure.io.retry.min.backoff.interval": "500",
        "fs.azure.io.retry.max.backoff.interval": answer_ms,
        # And in those of Google's: 10 tries by default, each of 20 s.
        "fs.gs.http.max.retry": str(tries),
        "fs.gs.http.connect-timeout": connect_ms,
        "fs.gs.http.read-timeout": answer_ms,
    }


def set_limits(context: SparkContext, give_up_s: float) -> None:
    """Set them for this JVM's Hadoop, but where somebody else has chosen one, for all buckets or for one.

    Args:
        context: whose Hadoop.
        give_up_s: the setting `output.give_up_s`.
    """
    hadoop: Any = context._jsc.hadoopConfiguration()
    for option, value in limits(give_up_s).items():
        set_unless_chosen(hadoop, option, value)


def set_unless_chosen(hadoop: Any, option: str, value: str) -> None:
    """Set an option of Hadoop's that has its own default, or none; what somebody has chosen stays."""
    sources = hadoop.getPropertySources(option)
    if sources is None or list(sources) == [_BY_HADOOP]:
        hadoop.set(option, value)
