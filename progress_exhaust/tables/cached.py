"""Frames that are cached while somebody works with them, and who releases them."""

from __future__ import annotations

import logging
from contextlib import suppress
from enum import StrEnum
from types import TracebackType
from typing import Self

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
        # The last first: Spark plans anew what is cached above a frame that goes.
        while self._frames:
            with suppress(Py4JError, PySparkException, OSError):
                self._frames.pop().unpersist()
