"""Trees that are fetched and walked at once share a bound of bytes, and nobody waits for ever."""

from __future__ import annotations

import json
import threading
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from progress_exhaust.catalogue.files import FilesCatalogue
from progress_exhaust.catalogue.http.catalogue import HttpCatalogue
from progress_exhaust.catalogue.in_flight import BytesInFlight
from progress_exhaust.catalogue.layout import Layout
from progress_exhaust.catalogue.port import layouts
from progress_exhaust.catalogue.tree import TreeRules
from progress_exhaust.settings.sections import CatalogueSettings
from tests.support.scripted_server import Handler, ScriptedServer, found, says, tree_of

RULES = TreeRules(64, 100_000, ())
PATIENCE_S = 20.0


def in_thread(work: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread


def has_ended(thread: threading.Thread, within_s: float = PATIENCE_S) -> bool:
    thread.join(within_s)
    return not thread.is_alive()


def test_one_at_a_time_goes_over_its_part_and_the_others_wait() -> None:
    in_flight = BytesInFlight(10, 4)
    with in_flight.share() as one, in_flight.share() as two, in_flight.share() as three, in_flight.share() as four:
        assert one.has_taken(4)
        assert two.has_taken(2)
        assert three.has_taken(3), "four bytes are kept free for whoever goes over"
        assert not four.has_taken(1)
        assert not two.has_taken(1)
        assert three.has_taken(1)
        three.empty()
        assert four.has_taken(1)
        assert not two.has_taken(1)
        one.empty()
        assert two.has_taken(1)


@pytest.mark.rule("C3")
def test_who_waits_goes_on_when_another_has_given_back() -> None:
    in_flight = BytesInFlight(4, 4)
    with in_flight.share() as one, in_flight.share() as two:
        one.take(4)
        waiting = in_thread(lambda: two.take(3))
        assert not has_ended(waiting, within_s=0.05)
        one.empty()
        assert has_ended(waiting)
        assert two.held == 3


@pytest.mark.rule("C3")
@pytest.mark.parametrize(("most", "largest"), [(100, 30), (30, 30), (10, 30), (1000, 30)])
def test_any_number_of_threads_end_and_hold_no_more_than_the_bound(most: int, largest: int) -> None:
    in_flight = BytesInFlight(most, largest)
    guard = threading.Lock()
    held = 0
    seen: list[int] = []

    def fetch_and_walk(seed: int) -> None:
        nonlocal held
        random = Random(seed)
        for _ in range(30):
            with in_flight.share() as share:
                left = random.randint(1, largest)
                while left:
                    size = random.randint(1, left)
                    share.take(size)
                    left -= size
                    with guard:
                        held += size
                        seen.append(held)
                share.walk()
                with guard:
                    held -= share.held

    threads = [in_thread(lambda seed=seed: fetch_and_walk(seed)) for seed in range(8)]  # type: ignore[misc]
    assert all(has_ended(thread) for thread in threads)
    assert held == 0
    assert max(seen) <= max(most, largest)


def test_one_tree_at_a_time_is_walked() -> None:
    in_flight = BytesInFlight()
    with in_flight.share() as two:
        with in_flight.share() as one:
            one.walk()
            waiting = in_thread(two.walk)
            assert not has_ended(waiting, within_s=0.05)
        assert has_ended(waiting)


def settings_at(server: ScriptedServer, **settings: float) -> CatalogueSettings:
    return CatalogueSettings.model_validate({"search_url": server.url, "hierarchy_url": server.url, **settings})


def test_nothing_is_held_while_the_next_try_is_waited_for() -> None:
    in_flight = BytesInFlight(1000, 1000)

    def another_tree() -> None:
        with in_flight.share() as share:
            share.take(1000)
            share.walk()

    waits: list[bool] = []
    replies = says(200, "[" + " " * 500), says(503), tree_of({"identifier": "do_1"})
    with ScriptedServer(*replies) as server:
        sleep = lambda _: waits.append(has_ended(in_thread(another_tree)))  # noqa: E731
        with HttpCatalogue(settings_at(server), sleep=sleep) as http, in_flight.share() as share:
            assert http.tree("do_1", share) == {"identifier": "do_1"}
            assert share.held > 0
    assert waits == [True, True]


def test_time_in_which_others_hold_the_room_is_not_charged_to_the_service() -> None:
    in_flight = BytesInFlight(500_000, 500_000)
    tree = {"identifier": "do_1", "x": "y" * 300_000}
    with ScriptedServer(tree_of(tree)) as server, in_flight.share() as other:
        other.take(400_000)
        release = threading.Timer(1.0, other.empty)
        with (
            HttpCatalogue(settings_at(server, total_timeout_s=0.5, tries=1)) as http,
            in_flight.share() as share,
        ):
            release.start()
            assert http.tree("do_1", share) == tree
            assert 300_000 < share.held < 301_000
        release.join()
    assert len(server.seen) == 1


def wide_tree(identifier: str) -> dict[str, object]:
    """About a megabyte of text, and several times that in nodes."""
    children = [{"identifier": f"{identifier}_{number}", "mimeType": "video/mp4"} for number in range(15_000)]
    return {"identifier": identifier, "children": children}


@pytest.mark.rule("C3")
@pytest.mark.parametrize("kind", ["files", "http"])
def test_memory_of_many_trees_at_once_is_bounded(kind: str, tmp_path: Path) -> None:
    ids = [f"do_{number}" for number in range(12)]
    for identifier in ids:
        body = {"responseCode": "OK", "result": {"content": wide_tree(identifier)}}
        (tmp_path / f"{identifier}.json").write_text(json.dumps(body))

    def answer(handler: Handler) -> None:
        if handler.command == "POST":
            found(*({"identifier": identifier, "status": "Live"} for identifier in ids))(handler)
        else:
            says(200, (tmp_path / f"{handler.path[1:]}.json").read_bytes())(handler)

    in_flight = BytesInFlight(3_000_000, 1_500_000)
    with ScriptedServer(answer) as server, HttpCatalogue(settings_at(server)) as http:
        catalogue = http if kind == "http" else FilesCatalogue(tmp_path)
        tracemalloc.start()
        try:
            made = layouts(catalogue, ids, RULES, 12, in_flight)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert all(isinstance(one, Layout) for one in made.values())
    # Twelve layouts of 15,000 ids take 18 MB themselves; twelve trees as nodes would take a hundred more.
    assert peak < 70_000_000
