"""Frames that are cached while somebody works with them, and who releases them."""

from __future__ import annotations

import logging
from contextlib import suppress
from enum import StrEnum
from types import TracebackType
from typing import Any, Self

from py4j.protocol import Py4JError
from pyspark import StorageLevel
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame

_LOG = logging.getLogger(__name__)


class Action(StrEnum):
    """What is told of cached frames."""

    RELEASED = "cached_frames_released"


class CachedFrames:
    """Owns the frames that one piece of work has cached; released on every way out of a `with`.

    Spark's own `clearCache` would release what others of the same session have cached, too.
    """

    def __init__(self) -> None:
        self._frames: list[DataFrame] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()

    def cache(self, frame: DataFrame) -> DataFrame:
        """Cache a frame, in memory and then on disk, and own it; one that somebody else has cached stays theirs."""
        level = frame.storageLevel
        if not (level.useMemory or level.useDisk):
            self._frames.append(frame.persist(StorageLevel.MEMORY_AND_DISK))
        return frame

    def release(self) -> None:
        """Release all frames; never fails, since of a JVM that is gone nothing need be freed."""
        if self._frames:
            _LOG.debug("releasing %d cached frames", len(self._frames), extra={"action": Action.RELEASED})
        while self._frames:
            with suppress(Py4JError, PySparkException, OSError):
                _release(self._frames.pop())


def _release(frame: DataFrame) -> None:
    """Release a frame, and what is cached of it, without a look at any other.

    `unpersist` asks each frame that is cached in the session, whosever it is, for its partitions, to plan anew what has
    not been computed yet. To look for them may run a job, or wait for ever for a service that is away. Spark would have
    what somebody else has cached of our very frame computed again, were it wanted again; nothing else.
    """
    jvm_frame: Any = frame._jdf
    jvm_frame.sparkSession().sharedState().cacheManager().uncacheQuery(jvm_frame, True)
