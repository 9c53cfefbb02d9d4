"""Which way a table is read: the rule, over the sizes and shares that decide it."""

from __future__ import annotations

import pytest

from progress_exhaust.settings.sections import CassandraSettings, ReadBy
from progress_exhaust.tables.strategy import FEW_KEYS, TableSize, choose_strategy

CORES = 2
KEY = ("user_id", "course_id")
SMALL_PARTITIONS = TableSize(partitions=1_000_000, size_bytes=250_000_000)
BATCHES = TableSize(partitions=200, size_bytes=80_000_000)


@pytest.mark.parametrize(
    ("size", "keys", "expected"),
    [
        pytest.param(SMALL_PARTITIONS, 0, ReadBy.KEYS, id="nothing wanted"),
        pytest.param(SMALL_PARTITIONS, 1000, ReadBy.KEYS, id="one batch"),
        pytest.param(SMALL_PARTITIONS, 100_000, ReadBy.KEYS, id="a tenth"),
        pytest.param(SMALL_PARTITIONS, 500_000, ReadBy.SCAN, id="half"),
        pytest.param(SMALL_PARTITIONS, 5_000_000, ReadBy.SCAN, id="more keys than there are"),
        pytest.param(TableSize(200_000, 200_000_000), 60_000, ReadBy.KEYS, id="bigger partitions, almost a third"),
        pytest.param(BATCHES, 1, ReadBy.KEYS, id="one batch of a copy keyed by batch"),
        pytest.param(BATCHES, 150, ReadBy.KEYS, id="most of its batches"),
        pytest.param(TableSize(5_000, 1_000_000), 1, ReadBy.SCAN, id="scanned before a lookup has begun"),
        pytest.param(TableSize(30_000, 3_700_000), 984, ReadBy.KEYS, id="one batch of a table of few small rows"),
        pytest.param(None, FEW_KEYS, ReadBy.KEYS, id="size unknown, few keys"),
        pytest.param(None, FEW_KEYS + 1, ReadBy.SCAN, id="size unknown, many keys"),
    ],
)
def test_cheaper_way_is_chosen(size: TableSize | None, keys: int, expected: ReadBy) -> None:
    assert choose_strategy(ReadBy.AUTO, KEY, KEY, keys, size, CORES).by is expected


@pytest.mark.parametrize(
    ("partition_key", "is_possible"),
    [
        pytest.param(("batchid",), True, id="part of what is known"),
        pytest.param(("courseid", "batchid"), True, id="all of it, in another order"),
        pytest.param(("userid",), False, id="none of it"),
        pytest.param(("batchid", "userid"), False, id="more"),
    ],
)
@pytest.mark.parametrize("asked", [ReadBy.AUTO, ReadBy.KEYS])
def test_table_is_scanned_unless_its_whole_partition_key_is_known(
    asked: ReadBy, partition_key: tuple[str, ...], *, is_possible: bool
) -> None:
    reading = choose_strategy(asked, partition_key, ("batchid", "courseid"), 1, BATCHES, CORES)
    assert reading.by is (ReadBy.KEYS if is_possible else ReadBy.SCAN)
    if not is_possible:
        assert reading.reason.startswith(f"its partition key is {', '.join(partition_key)}; only batchid and courseid")


@pytest.mark.parametrize(("asked", "keys"), [(ReadBy.SCAN, 1), (ReadBy.KEYS, 5_000_000)])
def test_settings_win_over_the_rule(asked: ReadBy, keys: int) -> None:
    reading = choose_strategy(asked, KEY, KEY, keys, SMALL_PARTITIONS, CORES)
    assert (reading.by, reading.reason) == (asked, f"the settings ask for it; {keys:,} keys are wanted")


def test_more_cores_scan_more_before_lookups_have_begun() -> None:
    ways = [
        choose_strategy(ReadBy.AUTO, ("id",), ("id",), 1, TableSize(40_000, 10_000_000), cores).by for cores in (2, 16)
    ]
    assert ways == [ReadBy.KEYS, ReadBy.SCAN]


def test_reason_has_the_numbers() -> None:
    reading = choose_strategy(ReadBy.AUTO, ("id",), ("id",), 3000, TableSize(25_000, 6_000_000), CORES)
    assert reading.reason == "3,000 of about 25,000 keys are wanted, each of about 240 bytes"


def test_each_table_has_its_own_setting_and_others_are_scanned() -> None:
    settings = CassandraSettings(read_user=ReadBy.KEYS)
    assert settings.read_by("user") is ReadBy.KEYS
    assert settings.read_by("organisation") is ReadBy.AUTO
    assert settings.read_by("course_batch") is ReadBy.SCAN
