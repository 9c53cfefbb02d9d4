"""What a published file costs of the store: calls are counted, so that one more a file is noticed."""

from __future__ import annotations

import threading
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from progress_exhaust.output.stores.hadoop import HadoopStore
from progress_exhaust.output.stores.local import LocalStore
from tests.support.builders import batches_world
from tests.support.whole_runs import run_export, settings_for, write_world

FEW, MANY = 2, 12
WITHOUT_A_CALL = frozenset({"url", "place"})
"""Methods that only make a name."""
BEAT = "staging heartbeat"
"""The thread whose calls depend on the time, not on the files."""

OF_A_STAGED_FILE = frozenset({"pieces", "copyToLocalFile"})
"""What each file costs that Spark has staged, of which there are as many as tasks."""
PER_FILE = {"new_file": 1, "publish": 1}
PER_FILE_OF_HADOOP = {
    "copyFromLocalFile": 1,
    **{"getFileStatus": 1, "exists": 1},  # its final place and the folder of that are looked at
    **{"setPermission": 1, "delete": 1},  # the move, which is a call of the file context's, comes on top
}


class Counting:
    """Stands for another object, and notes which of its methods are called; from any thread but the heartbeat's."""

    def __init__(self, counted: object) -> None:
        self._counted = counted
        self.called: list[str] = []

    def __getattr__(self, name: str) -> Any:
        if name in ("staging", "drafts"):  # of a local store it is the store itself
            return self
        method = getattr(self._counted, name)
        if not callable(method):
            return method

        def noted(*arguments: Any) -> Any:
            if threading.current_thread().name != BEAT:
                self.called.append(name)
            return method(*arguments)

        return noted

    def calls(self) -> Counter[str]:
        return Counter(name for name in self.called if name not in WITHOUT_A_CALL)


def calls_of_a_run(spark: SparkSession, folder: Path, batches: int, *, name: str = "Asha") -> Counter[str]:
    """Export batches of two learners of this name, and count what is asked of the store."""
    settings = world_of(folder, batches, name)
    store = Counting(LocalStore(Path(settings.output.url)))
    exported = run_export(spark, settings, store=store)
    assert len(exported.outcome.made) == batches
    return store.calls()


def world_of(folder: Path, batches: int, name: str) -> Any:
    world = batches_world(batches, 1, learners=2)
    world.tables["user"] = [{**row, "firstname": name} for row in world.tables["user"]]
    write_world(world, folder)
    return settings_for(world, folder)


def per_file(few: Counter[str], many: Counter[str]) -> dict[str, float]:
    """Return the calls that each file more has cost; those of a whole run fall out."""
    return {
        name: (many[name] - few[name]) / (MANY - FEW)
        for name in many
        if many[name] != few[name] and name not in OF_A_STAGED_FILE
    }


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        pytest.param("Asha", PER_FILE, id="plain"),
        pytest.param("=1+1", PER_FILE, id="with notes of guarded cells"),
    ],
)
def test_calls_of_the_store_per_file(
    spark: SparkSession, tmp_path: Path, name: str, expected: dict[str, float]
) -> None:
    few = calls_of_a_run(spark, tmp_path / "few", FEW, name=name)
    many = calls_of_a_run(spark, tmp_path / "many", MANY, name=name)

    assert per_file(few, many) == expected
    assert many["pieces"] <= 4 * spark.sparkContext.defaultParallelism


def test_calls_of_hadoops_file_system_per_file(spark: SparkSession, tmp_path: Path) -> None:
    calls = {}
    for batches in (FEW, MANY):
        settings = world_of(tmp_path / str(batches), batches, "Asha")
        store = HadoopStore(f"file:{settings.output.url}", spark)
        store._files = counting = Counting(store._files)
        run_export(spark, settings, store=store)
        calls[batches] = counting.calls()

    assert per_file(calls[FEW], calls[MANY]) == PER_FILE_OF_HADOOP
    assert calls[MANY]["copyToLocalFile"] <= 4 * spark.sparkContext.defaultParallelism
