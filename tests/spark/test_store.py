"""One contract for all stores: a file appears whole or not at all, private or readable by the group, and alone."""

from __future__ import annotations

import stat
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import types as T

from progress_exhaust.errors import OutputError
from progress_exhaust.export.plan import private_stage
from progress_exhaust.output.digest import Digest, digest_of
from progress_exhaust.output.drafts import Draft, joined_draft
from progress_exhaust.output.stores.hadoop import HadoopStore
from progress_exhaust.output.stores.local import LocalStore
from progress_exhaust.output.stores.open import open_store
from progress_exhaust.output.stores.port import Store
from progress_exhaust.paths import as_glob
from progress_exhaust.report.inputs import read_lines

DRAFT = "progress-exhaust/.staging/run/0.draft"
ODD_NAMES = ["may reports #1 50%20 é?", "out#1?x=50%", "out[1]", "out{a,b}*"]
PLACE = "progress-exhaust/b-1_progress_26_08_2020.csv"


@pytest.fixture(params=["local", "hadoop"])
def store(request: pytest.FixtureRequest, spark: SparkSession, tmp_path: Path) -> Store:
    return LocalStore(tmp_path) if request.param == "local" else HadoopStore(f"file:{tmp_path}", spark)


def draft(store: Store, text: str) -> str:
    """Make a draft, and the staging that it belongs to."""
    for place in (store.staging, store.drafts):
        place.make_private_directory(DRAFT.rpartition("/")[0])
    store.drafts.remove(DRAFT)
    with store.drafts.new_file(DRAFT) as file:
        file.write(text.encode())
    return DRAFT


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def files_below(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


# Publishing.


@pytest.mark.rule("S2")
def test_published_file_is_whole_readable_by_the_group_and_alone(store: Store, tmp_path: Path) -> None:
    store.publish(draft(store, "header\nrow\n"), PLACE)

    assert (tmp_path / PLACE).read_bytes() == b"header\nrow\n"
    assert mode(tmp_path / PLACE) == 0o640
    assert files_below(tmp_path) == [PLACE]


@pytest.mark.rule("S4")
def test_published_file_replaces_an_older_one_whole(store: Store, tmp_path: Path) -> None:
    store.publish(draft(store, "an older and longer file\n"), PLACE)
    store.publish(draft(store, "new\n"), PLACE)

    assert (tmp_path / PLACE).read_bytes() == b"new\n"
    assert files_below(tmp_path) == [PLACE]


def test_draft_is_used_up_and_nothing_of_it_is_left(store: Store, tmp_path: Path) -> None:
    store.publish(draft(store, "header\n"), PLACE)

    assert store.drafts.size_bytes(DRAFT) is None
    assert store.list_names("progress-exhaust/.staging/run") == []
    assert files_below(tmp_path) == [PLACE]


@pytest.mark.rule("S5")
def test_directory_in_the_files_place_is_an_error_and_stays(store: Store, tmp_path: Path) -> None:
    (tmp_path / PLACE).mkdir(parents=True)
    (tmp_path / PLACE / "kept").write_text("kept", encoding="utf-8")
    source = draft(store, "header\n")

    with pytest.raises(OutputError, match=r"publishing .*b-1.*: .*directory.*; check output\.url"):
        store.publish(source, PLACE)

    assert files_below(tmp_path / PLACE) == ["kept"]
    assert store.drafts.read_text(source) == "header\n"
    assert files_below(tmp_path / "progress-exhaust" / ".staging") in ([], ["run/0.draft"])


def test_file_that_is_not_there_is_an_error_and_the_older_one_stays(store: Store, tmp_path: Path) -> None:
    store.publish(draft(store, "old\n"), PLACE)

    with pytest.raises(OutputError, match="publishing"):
        store.publish(DRAFT, PLACE)

    assert (tmp_path / PLACE).read_bytes() == b"old\n"


def test_place_below_a_file_is_an_error_that_names_it(store: Store, tmp_path: Path) -> None:
    source = draft(store, "header\n")
    (tmp_path / "reports").write_text("in the way", encoding="utf-8")

    for act in (
        lambda: store.publish(source, "reports/b-1.csv"),
        lambda: store.make_private_directory("reports/.staging"),
        lambda: store.write_text("reports/manifest.json", ["{}"]),
    ):
        with pytest.raises(OutputError, match="reports"):
            act()

    assert (tmp_path / "reports").read_text(encoding="utf-8") == "in the way"


@pytest.mark.rule("S5")
@pytest.mark.parametrize("target", ["kept", "gone"])
def test_link_in_the_files_place_is_replaced_and_never_written_through(
    store: Store, tmp_path: Path, target: str
) -> None:
    (tmp_path / "kept").write_text("kept", encoding="utf-8")
    (tmp_path / PLACE).parent.mkdir()
    (tmp_path / PLACE).symlink_to(tmp_path / target)

    store.publish(draft(store, "header\n"), PLACE)

    assert not (tmp_path / PLACE).is_symlink()
    assert (tmp_path / PLACE).read_bytes() == b"header\n"
    assert (tmp_path / "kept").read_text(encoding="utf-8") == "kept"
    assert not (tmp_path / "gone").exists()


@pytest.mark.rule("S5")
@pytest.mark.parametrize("link", ["progress-exhaust", "progress-exhaust/.staging", "progress-exhaust/r-1"])
def test_link_in_the_place_of_a_folder_of_ours_is_refused(store: Store, tmp_path: Path, link: str) -> None:
    (tmp_path / "outside" / ".staging").mkdir(parents=True)
    (tmp_path / "outside" / "manifest.json").write_text("kept", encoding="utf-8")
    store.drafts.write_text("a.draft", ["header\n"])
    (tmp_path / link).parent.mkdir(exist_ok=True)
    (tmp_path / link).symlink_to(tmp_path / "outside")
    inside = "progress-exhaust/.staging" if link.endswith(".staging") else "progress-exhaust/r-1"

    for act in (
        lambda: store.make_private_directory(f"{inside}/20261123T083000Z-0a1b2c"),
        lambda: store.write_text(f"{inside}/manifest.json", ["{}"]),
        lambda: store.read_text(f"{inside}/manifest.json"),
        lambda: store.list_names(inside),
        lambda: store.publish("a.draft", f"{inside}/b-1.csv"),
    ):
        with pytest.raises(OutputError, match=rf"{link} is a symbolic link, which is not followed; check output\.url"):
            act()

    assert files_below(tmp_path / "outside") == ["manifest.json"]
    assert (tmp_path / "outside" / "manifest.json").read_text(encoding="utf-8") == "kept"
    assert store.drafts.read_text("a.draft") == "header\n"


@pytest.mark.rule("S3")
def test_folders_made_are_open_to_the_group_and_those_that_were_there_stay(store: Store, tmp_path: Path) -> None:
    (tmp_path / "progress-exhaust").mkdir()
    (tmp_path / "progress-exhaust").chmod(0o2775)

    store.publish(draft(store, "header\n"), "progress-exhaust/r-1/b-1.csv")
    store.write_text("progress-exhaust/r-2/manifest.json", ["{}"])

    assert mode(tmp_path / "progress-exhaust") == 0o2775
    assert {mode(tmp_path / "progress-exhaust" / name) & 0o777 for name in ("r-1", "r-2")} == {0o750}
    assert mode(tmp_path / "progress-exhaust" / "r-1" / "b-1.csv") == 0o640


# Staging.


def test_private_directory_can_be_entered_by_us_alone(store: Store, tmp_path: Path) -> None:
    (tmp_path / "progress-exhaust" / ".staging").mkdir(parents=True, mode=0o755)
    store.make_private_directory("progress-exhaust/.staging")
    store.make_private_directory("progress-exhaust/.staging/run")

    assert mode(tmp_path / "progress-exhaust" / ".staging") == 0o700
    assert mode(tmp_path / "progress-exhaust" / ".staging" / "run") == 0o700


def test_text_is_written_anew_and_read_as_it_was(store: Store, tmp_path: Path) -> None:
    text = "anita,अनिता,😀\r\n \x00\n"
    store.write_text("notes", ["an older and longer text, of which nothing may be left\n"] * 3)

    size_bytes = store.write_text("notes", text.splitlines(keepends=True))

    assert store.read_text("notes") == store.read_text("notes", size_bytes) == text
    assert size_bytes == len(text.encode()) == (tmp_path / "notes").stat().st_size
    assert mode(tmp_path / "notes") == 0o640
    assert files_below(tmp_path) == ["notes"]


def test_text_that_is_longer_than_may_be_is_an_error_and_so_is_what_is_no_file(store: Store) -> None:
    store.write_text("notes", ["x" * 3_000_000])
    store.make_private_directory("folder/inner")

    with pytest.raises(OutputError, match=r"reading .*notes: it has more than 2,999,999 bytes; check output\.url"):
        store.read_text("notes", 2_999_999)
    with pytest.raises(OutputError, match=r"reading .*folder/inner: "):
        store.read_text("folder/inner")


def test_text_that_is_not_utf_8_is_read_with_a_mark_in_its_place(store: Store, tmp_path: Path) -> None:
    (tmp_path / "notes").write_bytes(b"a\xffb")

    assert store.read_text("notes") == "a\ufffdb"


def test_text_that_can_not_be_made_leaves_the_older_one(store: Store, tmp_path: Path) -> None:
    store.write_text("notes", ["old\n"])

    def lines() -> Iterator[str]:
        yield "new\n"
        raise ValueError("no more lines")

    with pytest.raises(ValueError, match="no more lines"):
        store.write_text("notes", lines())

    assert store.read_text("notes") == "old\n"
    assert files_below(tmp_path) == ["notes"]


def test_what_is_not_there_is_none_empty_or_nothing(store: Store) -> None:
    assert store.read_text("nowhere/notes") is None
    assert store.list_names("nowhere") == []
    assert store.age_s("nowhere", time.time()) is None
    store.remove("nowhere/notes")


def test_names_come_in_order(store: Store) -> None:
    store.make_private_directory("folder")
    for name in ("b", "B", "a10", "a9", "é"):
        store.write_text(f"folder/{name}", [])

    assert store.list_names("folder") == ["B", "a10", "a9", "b", "é"]


def test_drafts_are_joined_in_the_order_given_into_a_new_one(store: Store) -> None:
    for name, text in (("1", "header\n"), ("2", "x" * 3_000_000 + "\n"), ("3", "")):
        store.drafts.write_text(f"pieces/{name}", [text])
    pieces = [Draft(f"pieces/{name}", Digest(0, "", 0)) for name in "1321"]

    whole = joined_draft(store.drafts, pieces, "pieces/whole")

    content = "header\n" + "x" * 3_000_000 + "\nheader\n"
    assert store.drafts.read_text(whole.path) == content
    assert whole.digest == digest_of([content.encode()])
    assert mode(store.drafts.place(whole.path)) == 0o600
    with pytest.raises(OutputError, match=r"writing .*whole: File exists"):
        joined_draft(store.drafts, pieces, "pieces/whole")


def test_file_that_python_reads_has_the_same_bytes_and_no_copy_is_left(store: Store) -> None:
    store.write_text("notes # 1%20", ["header\nअ\n"])
    before = files_below(store.drafts.place(""))

    assert b"".join(store.pieces("notes # 1%20")) == "header\nअ\n".encode()

    assert files_below(store.drafts.place("")) == before


def test_file_to_read_that_is_not_there_is_an_error_that_names_it(store: Store) -> None:
    with pytest.raises(OutputError, match="nowhere/notes"):
        list(store.pieces("nowhere/notes"))


def test_age_is_counted_in_seconds_since_the_last_change(store: Store) -> None:
    store.write_text("notes", ["text"])

    age_s = store.age_s("notes", time.time() + 3600)

    assert age_s is not None
    assert 3595 < age_s < 3660


def test_tree_is_removed_with_all_in_it(store: Store, tmp_path: Path) -> None:
    draft(store, "row\n")
    store.remove("progress-exhaust")

    assert list(tmp_path.iterdir()) == []


def test_check_leaves_nothing_behind(store: Store, tmp_path: Path) -> None:
    store.check()

    assert list(tmp_path.iterdir()) == []


def test_checks_of_several_threads_do_not_disturb_each_other(store: Store, tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        for check in [pool.submit(store.check) for _ in range(80)]:
            check.result()

    assert list(tmp_path.iterdir()) == []


def test_check_tells_of_a_place_that_can_not_be_written(spark: SparkSession, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way", encoding="utf-8")

    for store in (LocalStore(tmp_path / "file" / "reports"), HadoopStore(f"file:{tmp_path}/file/reports", spark)):
        with pytest.raises(OutputError, match=r"file/reports.*check output\.url"):
            store.check()


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("s3a://bucket/out", "Spark lacks the classes for s3a://; submit with --packages or --jars that bring org."),
        ("abfss://c@a.example/out", "Spark lacks the classes for abfss://; submit with --packages or --jars that"),
        ("gs://bucket", "Spark lacks the classes for gs://; submit with --packages or --jars that bring com."),
        ("s3n://bucket/out", "Hadoop 3.3.4 has no file system for s3n://; write s3a://"),
    ],
)
def test_file_system_without_its_jar_is_told_with_the_jar(spark: SparkSession, url: str, sentence: str) -> None:
    with pytest.raises(OutputError) as refused:
        open_store(url, spark)

    assert str(refused.value).startswith(f"opening {url}: {sentence}")
    assert not refused.value.transient


# Which store a URL means.


@pytest.mark.parametrize("url", ["{}", "file:{}", "file://{}", "file://{}/"])
@pytest.mark.parametrize("name", ["reports", *ODD_NAMES])
def test_local_folder_is_taken_by_its_very_name(spark: SparkSession, tmp_path: Path, url: str, name: str) -> None:
    store = open_store(url.format(tmp_path / name), spark)
    spark.range(1).selectExpr("'row' AS value").coalesce(1).write.text(store.url("text"))

    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert isinstance(store, LocalStore)
    assert [name for name in store.list_names("text") if name.endswith(".txt")] != []


@pytest.mark.parametrize("name", ODD_NAMES)
def test_spark_reads_what_was_staged_at_a_place_by_its_very_name(
    spark: SparkSession, tmp_path: Path, name: str
) -> None:
    # A place whose name the odd one would stand for, were it a pattern.
    for decoy in ("out1", "outa", "out"):
        (tmp_path / decoy).mkdir()
        (tmp_path / decoy / "lines.jsonl").write_text('{"value":"of another"}\n', encoding="utf-8")
    schema = T.StructType([T.StructField("value", T.StringType())])
    for store in (LocalStore(tmp_path / name), HadoopStore(f"file:{tmp_path}/{name}", spark)):
        store.write_text("lines.jsonl", ['{"value":"ours"}\n'])
        spark.range(1).selectExpr("'ours' AS value", "1 AS n").write.mode("overwrite").partitionBy("n").parquet(
            store.url("table")
        )

        assert read_lines(spark, schema, store.url("lines.jsonl")).collect() == [("ours",)]
        assert spark.read.parquet(as_glob(store.url("table"))).collect() == [("ours", 1)]
        assert (tmp_path / name / "lines.jsonl").exists()
        assert store.list_names("table/n=1") != []
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(["out", "out1", "outa", name])


@pytest.mark.parametrize("name", ODD_NAMES)
def test_what_a_plan_stages_is_read_from_a_temporary_folder_of_any_name(
    spark: SparkSession, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / name).mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / name))
    schema = T.StructType([T.StructField("value", T.StringType())])

    with private_stage(spark, LocalStore(tmp_path), "run") as stage:
        url, _ = stage("lines.jsonl", ['{"value":"ours"}'])
        assert read_lines(spark, schema, url).collect() == [("ours",)]


def test_other_urls_are_left_to_hadoop(spark: SparkSession) -> None:
    with pytest.raises(OutputError, match="opening nowhere://place"):
        open_store("nowhere://place/reports", spark)
