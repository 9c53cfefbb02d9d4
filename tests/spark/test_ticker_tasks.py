"""Spark is asked from another thread how far its job is."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from progress_exhaust.commands.ticker import Tasks, tasks_of

WAIT_S = 60.0


def test_tasks_of_a_job_at_work_are_seen_and_nothing_before_and_after(spark: SparkSession) -> None:
    slow = spark.range(0, 6, numPartitions=6).select(F.expr("java_method('java.lang.Thread', 'sleep', 400L)"))
    seen: list[Tasks | None] = [tasks_of(spark)]
    job = threading.Thread(target=slow.collect)
    job.start()
    wait_for(lambda: note(seen, tasks_of(spark)) is not None and (seen[-1] or Tasks(0, 0)).done > 0)
    job.join()
    wait_for(lambda: tasks_of(spark) is None)

    assert seen[0] is None
    assert {tasks.known for tasks in seen if tasks is not None} == {6}


def test_session_that_is_not_there_is_at_nothing() -> None:
    assert tasks_of(None) is None


def note(seen: list[Tasks | None], tasks: Tasks | None) -> Tasks | None:
    seen.append(tasks)
    return tasks


def wait_for(happens: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_S
    while not happens():
        assert time.monotonic() < deadline
        time.sleep(0.02)
