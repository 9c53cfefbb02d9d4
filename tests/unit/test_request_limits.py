"""How much of a run each channel may have."""

from __future__ import annotations

import threading

from progress_exhaust.job_requests.quotas import ChannelQuota


def test_reports_are_granted_up_to_the_limit_and_for_each_channel_by_itself() -> None:
    tally = ChannelQuota(most_reports=5, most_bytes=100)
    assert tally.reserve("a", 3) == 3
    assert tally.reserve("a", 3) == 2
    assert tally.reserve("a", 1) == 0
    assert tally.reserve("b", 9) == 5


def test_channel_has_room_until_its_reports_are_granted() -> None:
    tally = ChannelQuota(most_reports=2, most_bytes=100)
    assert tally.has_room("a")
    tally.reserve("a", 2)
    assert not tally.has_room("a")
    assert tally.has_room("b")


def test_first_report_goes_whatever_its_size_and_the_next_one_waits() -> None:
    tally = ChannelQuota(most_reports=5, most_bytes=100)
    assert tally.reserve("a", 1) == 1
    assert tally.take("a", 10**12)
    assert tally.reserve("a", 1) == 0
    assert not tally.take("a", 1)
    assert tally.reserve("b", 1) == 1


def test_bytes_are_taken_up_to_the_limit_inclusive() -> None:
    tally = ChannelQuota(most_reports=5, most_bytes=100)
    assert tally.take("a", 60)
    assert not tally.take("a", 41)
    assert tally.take("a", 40)
    assert not tally.take("a", 1)
    assert tally.take("b", 100)


def test_file_too_big_for_what_is_left_does_not_stop_a_smaller_one() -> None:
    tally = ChannelQuota(most_reports=5, most_bytes=100)
    assert [tally.take("a", size) for size in (60, 50, 40)] == [True, False, True]


def test_threads_together_are_granted_no_more_than_the_limit() -> None:
    tally = ChannelQuota(most_reports=1000, most_bytes=500)
    together = threading.Barrier(8)
    granted: list[int] = []
    taken: list[bool] = []

    def ask() -> None:
        together.wait(10)
        for _ in range(300):
            granted.append(tally.reserve("a", 1))
            taken.append(tally.take("a", 1))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # From the 500th byte on nothing more is granted, but what eight threads had asked for before that stands.
    assert 500 <= sum(granted) <= 508
    assert sum(taken) == 500
