"""The catalogue as a folder."""

from __future__ import annotations

import json
import os
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from progress_exhaust.catalogue.files import FilesCatalogue
from progress_exhaust.catalogue.layout import Layout
from progress_exhaust.catalogue.port import CollectionState, Found, layouts
from progress_exhaust.catalogue.tree import TreeRules
from progress_exhaust.errors import CatalogueError, Reason, RequestError, SkippedReport, StepFailed

RULES = TreeRules(64, 100_000, ())


def store(folder: Path, name: str, body: Any) -> None:
    (folder / name).write_bytes(body if isinstance(body, bytes) else json.dumps(body).encode())


def answer(identifier: str, **fields: Any) -> dict[str, Any]:
    return {"responseCode": "OK", "result": {"content": {"identifier": identifier, **fields}}}


def reason_of(folder: Path, collection_id: str = "do_1", **settings: Any) -> Reason:
    with pytest.raises(SkippedReport) as caught:
        FilesCatalogue(folder, **settings).tree(collection_id)
    assert caught.value.subject == collection_id
    return caught.value.reason


def test_folder_that_is_not_there_is_a_fault_that_names_it(tmp_path: Path) -> None:
    catalogue = FilesCatalogue(tmp_path / "none")
    for call in (lambda: catalogue.states(["do_1"]), catalogue.check):
        with pytest.raises(CatalogueError, match=r"none: no such folder; check catalogue\.directory") as caught:
            call()
        assert not caught.value.transient


def test_no_ids_ask_nothing_of_the_folder(tmp_path: Path) -> None:
    assert FilesCatalogue(tmp_path / "none").states([]) == {}


def test_folder_that_is_there_passes_the_check(tmp_path: Path) -> None:
    FilesCatalogue(tmp_path).check()


@pytest.mark.parametrize(
    "collection_id",
    [
        "../secret",
        "/etc/passwd",
        "a/b",
        "",
        ".",
        "..",
        "a..b",
        ".hidden",
        "do_1\n",
        "do_1\0",
        "x" * 101,
        "dö_1",
        "do 1",
    ],
    ids=repr,
)
def test_unsafe_ids_are_absent_without_touching_the_file_system(
    tmp_path: Path, collection_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "catalogue"
    folder.mkdir()
    store(tmp_path, "secret.json", answer("../secret"))
    catalogue = FilesCatalogue(folder)
    monkeypatch.setattr(FilesCatalogue, "_file", lambda *_: pytest.fail("made a path"))
    assert catalogue.states([collection_id]) == {collection_id: CollectionState.ABSENT}
    with pytest.raises(SkippedReport) as caught:
        catalogue.tree(collection_id)
    assert caught.value.reason is Reason.UNKNOWN_COLLECTION


@pytest.mark.rule("C4")
@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        pytest.param({}, None, id="none"),
        pytest.param({"status": None}, None, id="null"),
        pytest.param({"status": "Live"}, None, id="live"),
        pytest.param({"status": "Unlisted"}, None, id="unlisted"),
        pytest.param({"status": "Flagged"}, None, id="flagged"),
        pytest.param({"status": "Retired"}, Reason.RETIRED_COLLECTION, id="retired"),
        pytest.param({"status": "Draft"}, Reason.UNKNOWN_COLLECTION, id="draft"),
        pytest.param({"status": "live"}, Reason.UNKNOWN_COLLECTION, id="case matters"),
        pytest.param({"status": 7}, Reason.UNKNOWN_COLLECTION, id="number"),
        pytest.param({"status": ["Live"]}, Reason.UNKNOWN_COLLECTION, id="list"),
    ],
)
def test_status_of_the_root_decides(tmp_path: Path, fields: dict[str, Any], reason: Reason | None) -> None:
    store(tmp_path, "do_1.json", answer("do_1", **fields))
    outcome = layouts(FilesCatalogue(tmp_path), ["do_1"], RULES, 2)["do_1"]
    assert (
        isinstance(outcome, Layout)
        if reason is None
        else isinstance(outcome, SkippedReport) and outcome.reason is reason
    )


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        pytest.param(b"", Reason.BAD_TREE, id="empty"),
        pytest.param(b"null", Reason.BAD_TREE, id="null"),
        pytest.param(b"{}", Reason.BAD_TREE, id="empty object"),
        pytest.param(b"[1]", Reason.BAD_TREE, id="list"),
        pytest.param(b'{"result": null}', Reason.BAD_TREE, id="null result"),
        pytest.param(b'{"result": {"content": null}}', Reason.BAD_TREE, id="null tree"),
        pytest.param(b'{"result": {"content": {"identifier": "do_1"}', Reason.BAD_TREE, id="cut"),
        pytest.param(b'{"result": {"content": {"index": NaN}}}', Reason.BAD_TREE, id="not a number"),
        pytest.param(b'{"result": {"content": {"index": -Infinity}}}', Reason.BAD_TREE, id="infinity"),
        pytest.param(b'{"result": {"content": {"index": ' + b"7" * 5000 + b"}}}", Reason.BAD_TREE, id="5,000 digits"),
        pytest.param(b'{"name": "\xff"}', Reason.BAD_TREE, id="not UTF-8"),
        pytest.param(b'{"responseCode": "RESOURCE_NOT_FOUND"}', Reason.UNKNOWN_COLLECTION, id="not found"),
        pytest.param(b'{"responseCode": "SERVER_ERROR"}', Reason.BAD_TREE, id="other code"),
        pytest.param(b"[" * 100_000, Reason.TREE_TOO_LARGE, id="too deep to parse"),
        pytest.param(b'{"a":' * 5000 + b"1" + b"}" * 5000, Reason.TREE_TOO_LARGE, id="objects too deep to parse"),
    ],
)
def test_file_that_holds_no_tree_loses_that_collection_alone(tmp_path: Path, body: bytes, reason: Reason) -> None:
    store(tmp_path, "do_1.json", body)
    store(tmp_path, "do_2.json", answer("do_2"))
    assert reason_of(tmp_path) is reason
    outcomes = layouts(FilesCatalogue(tmp_path), ["do_1", "do_2"], RULES, 2)
    assert isinstance(outcomes["do_1"], SkippedReport)
    assert isinstance(outcomes["do_2"], Layout)


def test_root_with_another_id_is_a_bad_tree(tmp_path: Path) -> None:
    store(tmp_path, "do_1.json", answer("do_2"))
    outcome = layouts(FilesCatalogue(tmp_path), ["do_1"], RULES, 1)["do_1"]
    assert isinstance(outcome, SkippedReport)
    assert outcome.reason is Reason.BAD_TREE


@pytest.mark.rule("T6")
def test_size_cap_is_inclusive(tmp_path: Path) -> None:
    body = json.dumps(answer("do_1")).encode()
    store(tmp_path, "do_1.json", body)
    FilesCatalogue(tmp_path, len(body)).tree("do_1")
    assert reason_of(tmp_path, max_tree_bytes=len(body) - 1) is Reason.TREE_TOO_LARGE


def test_file_of_any_size_is_not_read_beyond_the_cap(tmp_path: Path) -> None:
    with (tmp_path / "do_1.json").open("wb") as file:
        file.truncate(10 * 1024**3)
    tracemalloc.start()
    try:
        assert reason_of(tmp_path, max_tree_bytes=1_000_000) is Reason.TREE_TOO_LARGE
        assert tracemalloc.get_traced_memory()[1] < 5_000_000
    finally:
        tracemalloc.stop()


def loop_of_links(path: Path) -> None:
    path.symlink_to(path)


# Rights do not stop root, so these stand for all that an operating system may say to a read.
UNREADABLE: dict[str, tuple[Callable[[Path], object], str]] = {
    "directory": (Path.mkdir, "Is a directory"),
    "pipe": (os.mkfifo, "Not a regular file"),
    "device": (lambda path: path.symlink_to("/dev/zero"), "Not a regular file"),
    "loop of links": (loop_of_links, "Too many levels of symbolic links"),
}


@pytest.mark.rule("C2")
@pytest.mark.parametrize(("make", "words"), UNREADABLE.values(), ids=UNREADABLE)
def test_file_that_can_not_be_read_costs_its_collection_alone(
    tmp_path: Path, make: Callable[[Path], object], words: str
) -> None:
    make(tmp_path / "do_1.json")
    store(tmp_path, "do_2.json", answer("do_2"))
    outcomes = layouts(FilesCatalogue(tmp_path), ["do_1", "do_2"], RULES, 2)
    assert isinstance(outcomes["do_2"], Layout)
    refusal = outcomes["do_1"]
    assert isinstance(refusal, SkippedReport)
    assert refusal.reason is Reason.TREE_UNAVAILABLE
    assert str(refusal) == (
        f'tree of collection "do_1": its file can not be read ({words}), while the catalogue answers otherwise; '
        "look at this collection there and try again"
    )


@pytest.mark.rule("Q13")
@pytest.mark.parametrize(("make", "words"), UNREADABLE.values(), ids=UNREADABLE)
def test_file_that_can_not_be_read_fails_a_search(tmp_path: Path, make: Callable[[Path], object], words: str) -> None:
    make(tmp_path / "do_1.json")
    store(tmp_path, "do_2.json", answer("do_2", channel="a"))
    with pytest.raises(StepFailed, match=rf"searching the catalogue file .*do_1\.json: {words}; make it readable"):
        FilesCatalogue(tmp_path).search(BY_CHANNEL)


def test_link_to_nothing_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "do_1.json").symlink_to(tmp_path / "none")
    catalogue = FilesCatalogue(tmp_path)
    assert catalogue.states(["do_1"]) == {"do_1": CollectionState.ABSENT}
    assert catalogue.search(BY_CHANNEL) == []
    assert reason_of(tmp_path) is Reason.UNKNOWN_COLLECTION


@pytest.mark.rule("C2")
def test_folder_that_goes_away_is_charged_to_no_collection(tmp_path: Path) -> None:
    folder = tmp_path / "catalogue"
    folder.mkdir()
    catalogue = FilesCatalogue(folder)
    assert catalogue.states(["do_1"]) == {"do_1": CollectionState.ABSENT}
    folder.rmdir()
    loop_of_links(folder)
    calls: tuple[Callable[[], object], ...] = (
        lambda: catalogue.tree("do_1"),
        lambda: catalogue.search(BY_CHANNEL),
        catalogue.check,
    )
    for call in calls:
        with pytest.raises(CatalogueError, match=r"opening the catalogue .*: Too many levels of symbolic links"):
            call()


def test_file_that_went_away_after_it_was_seen_is_unknown(tmp_path: Path) -> None:
    assert reason_of(tmp_path) is Reason.UNKNOWN_COLLECTION


def test_memory_does_not_grow_with_the_number_of_files(tmp_path: Path) -> None:
    ids = [f"do_{number}" for number in range(60)]
    filler = [{"identifier": f"leaf{number}", "x": "y" * 1000} for number in range(200)]
    for collection_id in ids:
        store(
            tmp_path,
            f"{collection_id}.json",
            answer(collection_id, children="none" if "7" in collection_id else filler),
        )
    broken = ids[0]
    store(tmp_path, f"{broken}.json", answer("do_other", children=filler))
    tracemalloc.start()
    try:
        outcomes = layouts(FilesCatalogue(tmp_path), ids, RULES, 2)
        held, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # One tree is about 0.3 MB as text and as nodes; 60 of them would be 18 MB.
    assert len(outcomes) == 60
    assert held < 3_000_000
    assert peak < 6_000_000


# --- searches --------------------------------------------------------------------------------------------------------

BY_CHANNEL = {"request": {"filters": {"channel": "a"}}}


def test_search_in_a_folder_that_is_not_there_is_a_fault(tmp_path: Path) -> None:
    with pytest.raises(CatalogueError, match=r"none: no such folder; check catalogue\.directory"):
        FilesCatalogue(tmp_path / "none").search(BY_CHANNEL)


def test_search_finds_only_roots_that_are_what_their_file_says(tmp_path: Path) -> None:
    store(tmp_path, "do_1.json", answer("do_1", channel="a"))
    store(tmp_path, "do_2.json", answer("do_other", channel="a"))
    store(tmp_path, "do_3.json.bak", answer("do_3", channel="a"))
    store(tmp_path, "do_4.img.json", answer("do_4.img", channel="a"))
    store(tmp_path, ".json", answer("", channel="a"))
    store(tmp_path, "do_5.json", answer("do_5", channel="a", status=["Live"]))
    store(tmp_path, "do_6.json", answer("do_6", channel="a", x="y" * 2000))
    assert FilesCatalogue(tmp_path, 1000).search(BY_CHANNEL) == [Found("do_1", CollectionState.LIVE)]


def test_true_is_not_the_number_one(tmp_path: Path) -> None:
    store(tmp_path, "do_1.json", answer("do_1", a=True))
    store(tmp_path, "do_2.json", answer("do_2", a=1))
    found = FilesCatalogue(tmp_path).search({"request": {"filters": {"a": True}}})
    assert found == [Found("do_1", CollectionState.LIVE)]


@pytest.mark.rule("Q12")
def test_search_of_more_than_10000_hits_is_refused(tmp_path: Path) -> None:
    for number in range(10_000):
        store(tmp_path, f"do_{number}.json", answer(f"do_{number}", channel="a"))
    catalogue = FilesCatalogue(tmp_path)
    assert len(catalogue.search(BY_CHANNEL)) == 10_000
    store(tmp_path, "do_x.json", answer("do_x", channel="a"))
    with pytest.raises(RequestError, match="finds 10,001 collections, more than 10,000 hits; narrow its filters"):
        catalogue.search(BY_CHANNEL)


def test_memory_of_a_search_does_not_grow_with_the_number_of_files(tmp_path: Path) -> None:
    filler = [{"identifier": f"leaf{number}", "x": "y" * 1000} for number in range(200)]
    for number in range(60):
        store(tmp_path, f"do_{number}.json", answer(f"do_{number}", channel="a", children=filler))
    tracemalloc.start()
    try:
        assert len(FilesCatalogue(tmp_path).search(BY_CHANNEL)) == 60
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 3_000_000
