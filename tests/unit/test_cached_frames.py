"""Frames that are cached have one owner, who releases them on every way out, and nobody else's."""

from __future__ import annotations

import logging
from typing import Any, cast
from unittest.mock import MagicMock

import pytest
from py4j.protocol import Py4JError
from pyspark import StorageLevel
from pyspark.sql import DataFrame

from progress_exhaust.tables.cached import CachedFrames


class Frame:
    """Stands for a frame of Spark's, and notes what becomes of it."""

    def __init__(self, name: str, noted: list[str], *, is_cached: bool = False, is_lost: bool = False) -> None:
        self._name = name
        self._noted = noted
        self._is_lost = is_lost
        self.storageLevel = StorageLevel.MEMORY_AND_DISK if is_cached else StorageLevel.NONE

    def persist(self, level: StorageLevel) -> Frame:
        self._noted.append(f"cached {self._name}")
        self.storageLevel = level
        return self

    @property
    def _jdf(self) -> MagicMock:
        jvm_frame = MagicMock()
        jvm_frame.sparkSession().sharedState().cacheManager().uncacheQuery = self._release
        return jvm_frame

    def _release(self, jvm_frame: object, cascade: bool) -> None:
        assert cascade
        if self._is_lost:
            raise Py4JError("the JVM is gone")
        self._noted.append(f"released {self._name}")


def frame(*arguments: Any, **options: Any) -> DataFrame:
    return cast(DataFrame, Frame(*arguments, **options))


def test_frames_are_released_last_first_where_the_work_ends_well() -> None:
    noted: list[str] = []

    with CachedFrames() as cached:
        cached.cache(frame("one", noted))
        cached.cache(frame("other", noted))

    assert noted == ["cached one", "cached other", "released other", "released one"]


@pytest.mark.parametrize("stop", [ValueError, KeyboardInterrupt])
def test_frames_are_released_where_the_work_fails_or_is_stopped(stop: type[BaseException]) -> None:
    noted: list[str] = []

    with pytest.raises(stop), CachedFrames() as cached:
        cached.cache(frame("one", noted))
        raise stop

    assert noted == ["cached one", "released one"]


def test_frame_that_somebody_else_has_cached_stays_theirs() -> None:
    noted: list[str] = []

    with CachedFrames() as cached:
        cached.cache(frame("theirs", noted, is_cached=True))

    assert noted == []


def test_frame_that_can_not_be_released_keeps_no_other_from_it() -> None:
    noted: list[str] = []
    cached = CachedFrames()
    cached.cache(frame("one", noted))
    cached.cache(frame("lost", noted, is_lost=True))

    cached.release()
    cached.release()

    assert noted == ["cached one", "cached lost", "released one"]


def test_release_is_told_to_whoever_looks_for_it(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, logger="progress_exhaust")

    with CachedFrames() as cached:
        cached.cache(frame("one", []))

    [told] = caplog.records
    assert (told.levelname, told.getMessage()) == ("DEBUG", "releasing 1 cached frames")
    assert vars(told)["action"] == "cached_frames_released"
