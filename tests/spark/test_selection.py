"""Which batches a command means, and how what can not be had is told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from progress_exhaust.catalogue.files import FilesCatalogue
from progress_exhaust.catalogue.in_flight import Share
from progress_exhaust.errors import Reason
from progress_exhaust.export.selection import ReportQuery, Selection, select_batches
from progress_exhaust.identifiers import is_safe_id
from progress_exhaust.output.staging import Staging
from progress_exhaust.output.stores.local import LocalStore
from progress_exhaust.tables.snapshot import SnapshotTables
from tests.support.builders import answer, batch, collection, leaf, small_tree
from tests.support.whole_runs import settings_for, write_world
from tests.worlds import World

UNSAFE_IDS = (
    "",
    ".",
    "..",
    "../b-1",
    "b-1/../../etc",
    "/etc/passwd",
    "b-1/b-2",
    "b-1\\b-2",
    "b..1",
    ".hidden",
    "-b",
    "_b",
    "b 1",
    "b-1\n",
    "b-1\x00",
    "b%2e%2e",
    "b:1",
    "b*",
    "{b}",
    "b\u2024\u2024c",
    "\uff0e\uff0e",
    "é",
    "x" * 101,
)
DOUBLED = batch("doubled", "do_1")
WORLD = World(
    tables={
        "course_batch": [
            batch("b-2", "do_1"),
            batch("b-1", "do_1", name=None),
            batch("b-3", "do_2"),
            batch("B-1", "do_2"),
            batch("twin", "do_1"),
            batch("twin", "do_2"),
            DOUBLED,
            {**DOUBLED, "name": "again"},
            batch("of-missing", "do_missing"),
            batch("of-retired", "do_retired"),
            batch("of-bad-tree", "do_bad"),
            batch("../unsafe", "do_1"),
            batch("of-unsafe", "../do_1"),
            batch("", "do_1"),
            batch("no-collection", ""),
            {"courseid": None, "batchid": "b-9"},
        ],
        "user_enrolments": [],
        "user": [],
        "location": [],
    },
    trees={
        "do_1": answer(small_tree("do_1")),
        "do_2": answer(small_tree("do_2")),
        "do_empty": answer(small_tree("do_empty")),
        "do_retired": answer(collection("do_retired", [leaf("a")], status="Retired")),
        "do_bad": answer(collection("do_other", [leaf("a")])),
    },
)


class CountingCatalogue(FilesCatalogue):
    """Notes which trees it is asked for."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.trees: list[str] = []

    def tree(self, collection_id: str, share: Share | None = None) -> object:
        self.trees.append(collection_id)
        return super().tree(collection_id, share)


class Asker:
    """Asks for batches of the world."""

    def __init__(self, spark: SparkSession, folder: Path) -> None:
        write_world(WORLD, folder)
        self._spark = spark
        self._folder = folder
        self._settings = settings_for(WORLD, folder)
        self.catalogue = CountingCatalogue(self._settings.catalogue.directory, 1 << 20)

    def select(self, *batches: str, collections: tuple[str, ...] = (), everything: bool = False) -> Selection:
        self.catalogue.trees.clear()
        tables = SnapshotTables(self._spark, self._settings)
        with Staging(LocalStore(self._folder / "reports"), "run") as staging:
            asked = ReportQuery(batches, collections, everything)
            return select_batches(asked, self._spark, tables, self.catalogue, self._settings, staging.stage_lines)


@pytest.fixture(scope="module")
def asker(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Asker:
    return Asker(spark, tmp_path_factory.mktemp("selection"))


def found(selection: Selection) -> list[str]:
    return [batch.batch_id for batch in selection.batches]


def refused(selection: Selection) -> dict[str, Reason]:
    return {refusal.subject: refusal.reason for refusal in selection.not_made}


def test_everything_is_every_batch_with_a_whole_key_in_order_of_code_points(asker: Asker) -> None:
    selection = asker.select(everything=True)

    assert found(selection) == ["B-1", "b-1", "b-2", "b-3"]
    assert [batch.batch_no for batch in selection.batches] == [0, 1, 2, 3]
    assert [batch.name for batch in selection.batches] == ["Batch B-1", "", "Batch b-2", "Batch b-3"]
    assert [batch.layout.collection_id for batch in selection.batches] == ["do_2", "do_1", "do_1", "do_2"]
    assert refused(selection) == {
        "twin": Reason.AMBIGUOUS_BATCH,
        "doubled": Reason.DOUBLED_KEY,
        "of-missing": Reason.UNKNOWN_COLLECTION,
        "of-retired": Reason.RETIRED_COLLECTION,
        "of-bad-tree": Reason.BAD_TREE,
        "../unsafe": Reason.BAD_ID,
        "of-unsafe": Reason.BAD_ID,
    }


def test_each_tree_is_fetched_once(asker: Asker) -> None:
    asker.select(everything=True)

    assert len(asker.catalogue.trees) == len(set(asker.catalogue.trees))


def test_named_batches_are_found_once_each_and_missing_ones_are_named(asker: Asker) -> None:
    selection = asker.select("b-3", "b-1", "b-3", "b-4", "B-2")

    assert found(selection) == ["b-1", "b-3"]
    assert refused(selection) == {"b-4": Reason.UNKNOWN_BATCH, "B-2": Reason.UNKNOWN_BATCH}
    assert sorted(asker.catalogue.trees) == ["do_1", "do_2"]


def test_collections_mean_all_their_batches(asker: Asker) -> None:
    selection = asker.select(collections=("do_2", "do_empty"))

    assert found(selection) == ["B-1", "b-3", "twin"]
    assert refused(selection) == {"do_empty": Reason.NO_BATCH}
    assert asker.catalogue.trees == ["do_2"]


def test_collection_narrows_batches_and_tells_twins_apart(asker: Asker) -> None:
    selection = asker.select("twin", "b-3", collections=("do_1",))

    assert [(batch.batch_id, batch.layout.collection_id) for batch in selection.batches] == [("twin", "do_1")]
    assert refused(selection) == {"b-3": Reason.UNKNOWN_BATCH}


def test_batch_under_two_collections_says_what_to_do(asker: Asker) -> None:
    selection = asker.select("twin")

    assert found(selection) == []
    (refusal,) = selection.not_made
    assert "it stands under 2 collections (do_1, do_2); name one with --collection" in str(refusal)


def test_unsafe_ids_are_refused_before_anybody_is_asked(asker: Asker, tmp_path: Path) -> None:
    batches, collections = UNSAFE_IDS[::2], UNSAFE_IDS[1::2]
    selection = asker.select(*batches, collections=collections)

    assert found(selection) == []
    assert refused(selection) == dict.fromkeys(UNSAFE_IDS, Reason.BAD_ID)
    assert asker.catalogue.trees == []


def test_unsafe_id_does_not_keep_the_others_from_being_made(asker: Asker) -> None:
    selection = asker.select("../b-1", "b-1")

    assert found(selection) == ["b-1"]
    assert refused(selection) == {"../b-1": Reason.BAD_ID}


def test_collections_that_are_all_refused_do_not_widen_what_is_asked(asker: Asker) -> None:
    selection = asker.select("b-1", collections=("../do_1",))

    assert found(selection) == []
    assert refused(selection)["../do_1"] is Reason.BAD_ID


def test_refusals_show_an_id_in_one_short_line_of_plain_characters(asker: Asker) -> None:
    selection = asker.select("b\n1", "😀" * 60)

    for refusal in selection.not_made:
        assert str(refusal).isprintable()
        assert str(refusal).isascii() or "…" in str(refusal)
        assert len(str(refusal)) < 700


@pytest.mark.parametrize("identifier", UNSAFE_IDS, ids=ascii)
def test_id_that_could_leave_its_folder_or_be_misread_is_unsafe(identifier: str) -> None:
    assert not is_safe_id(identifier)


@pytest.mark.parametrize("identifier", ["0", "do_1130934466492252161819", "b.1", "B_2-c", "x" * 100, "CON"])
def test_plain_id_is_safe(identifier: str) -> None:
    assert is_safe_id(identifier)
