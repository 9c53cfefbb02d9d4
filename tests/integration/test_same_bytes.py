"""The same world from files and from Cassandra: the same bytes."""

from __future__ import annotations

from pathlib import Path

from cassandra.cluster import Session
from pyspark.sql import SparkSession

from progress_exhaust.stack.cassandra import CassandraNode
from tests.support.cassandra_runs import KeptWorld, run_on_cassandra
from tests.support.sample_world import BATCH_ID, spec_sample_world
from tests.support.whole_runs import Exported, asked_for, differences, run_export, settings_for
from tests.worlds import merge, random_world

SEEDS = range(300, 310)
GOLDEN = Path(__file__).parents[1] / "golden" / "spec_sample.csv"


def test_files_from_cassandra_equal_those_from_a_snapshot_and_the_reference(
    cassandra_spark: SparkSession, cassandra_node: CassandraNode, cassandra_session: Session, tmp_path: Path
) -> None:
    worlds = merge([*(random_world(seed) for seed in SEEDS), spec_sample_world()])
    kept = KeptWorld.load(cassandra_session, cassandra_node, worlds, tmp_path, "same_bytes")
    world = kept.world

    from_snapshot = run_export(cassandra_spark, settings_for(world, tmp_path), asked_for(world))
    from_cassandra = run_on_cassandra(cassandra_spark, kept.settings(), asked_for(world))

    assert differences(world, from_cassandra) == []
    assert _contents(from_cassandra) == _contents(from_snapshot)
    assert len(from_cassandra.outcome.made) > len(SEEDS)
    assert from_cassandra.file(BATCH_ID) == GOLDEN.read_bytes()


def _contents(exported: Exported) -> dict[str, bytes]:
    files = (exported.folder / "progress-exhaust").glob("*.csv")
    return {file.name: file.read_bytes() for file in files}
