"""An object store, on a real S3 server: one upload a file, whole or not at all, in few calls and bounded time."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator

import pytest
from pyspark.sql import SparkSession

from progress_exhaust.errors import OutputError
from progress_exhaust.output.stores.object_store import ObjectStore
from progress_exhaust.output.stores.open import open_store
from progress_exhaust.output.stores.port import Store
from tests.support.s3 import S3, s3_classes, s3_server
from tests.support.s3_proxy import SLOW_DOWN, CutBody, Fault, Refuse

DRAFT = "drafts/0.draft"
PLACE = "progress-exhaust/b-1_progress_26_08_2020.csv"
PART_BYTES = 64 << 20
"""What s3a uploads at once; a bigger file goes in parts of this size."""


@pytest.fixture(scope="module")
def s3(spark: SparkSession) -> Iterator[S3]:
    with s3_server() as server, s3_classes(spark, server):
        yield server


@pytest.fixture
def bucket(s3: S3) -> Iterator[str]:
    yield s3.new_bucket()
    s3.proxy.heal()


@pytest.fixture
def store(bucket: str, spark: SparkSession) -> Store:
    store = open_store(f"s3a://{bucket}", spark)
    assert isinstance(store, ObjectStore)
    return store


def draft(store: Store, content: str | bytes) -> str:
    store.drafts.make_private_directory("drafts")
    store.drafts.remove(DRAFT)
    with store.drafts.new_file(DRAFT) as file:
        file.write(content.encode() if isinstance(content, str) else content)
    return DRAFT


# What is published.


def test_published_file_replaces_an_older_one_and_is_alone(store: Store, s3: S3, bucket: str) -> None:
    store.publish(draft(store, "an older and longer file\n"), PLACE)
    store.publish(draft(store, "new\n"), PLACE)

    assert s3.objects(bucket) == {PLACE: b"new\n"}
    assert store.drafts.size_bytes(DRAFT) is None


def test_text_is_written_anew_and_read_as_it_was(store: Store, s3: S3, bucket: str) -> None:
    store.write_text("notes", ["an older and longer text\n"])
    assert store.write_text("notes", ["अनिता\r\n", " \x00\n"]) == len("अनिता\r\n \x00\n".encode())

    assert store.read_text("notes") == "अनिता\r\n \x00\n"
    assert b"".join(store.pieces("notes")) == "अनिता\r\n \x00\n".encode()
    assert store.size_bytes("notes") == len("अनिता\r\n \x00\n".encode())
    assert (store.list_names(""), list(s3.objects(bucket))) == (["notes"], ["notes"])


def test_what_is_not_there_is_none_empty_or_nothing(store: Store) -> None:
    assert store.read_text("nowhere/notes") is None
    assert store.size_bytes("nowhere/notes") is None
    assert store.age_s("nowhere", time.time()) is None
    assert store.list_names("nowhere") == []
    store.remove("nowhere")


def test_nothing_is_left_of_what_is_removed_nor_of_a_check(store: Store, s3: S3, bucket: str) -> None:
    store.check()
    store.write_text("progress-exhaust/request/manifest.json", ["{}"])
    store.remove("progress-exhaust/request")

    assert s3.objects(bucket) == {}


def test_staging_and_drafts_are_on_this_machine(store: Store, s3: S3, bucket: str) -> None:
    with s3.proxy.counted() as calls:
        assert store.staging is store.drafts
        store.staging.make_private_directory("progress-exhaust/.staging/run")

    assert calls == []
    assert s3.objects(bucket) == {}


@pytest.mark.rule("S5")
def test_folder_in_the_files_place_is_an_error_and_stays(store: Store, s3: S3, bucket: str) -> None:
    s3.write(bucket, f"{PLACE}/kept", b"kept")

    with pytest.raises(OutputError, match=rf"^publishing s3a://{bucket}/{PLACE}: .*is a directory; check output\.url"):
        store.publish(draft(store, "header\n"), PLACE)

    assert s3.objects(bucket) == {f"{PLACE}/kept": b"kept"}
    assert store.drafts.read_text(DRAFT) == "header\n"


# How it is published.


@pytest.mark.rule("S4")
def test_reader_of_a_key_that_is_written_again_and_again_never_misses_it_nor_sees_a_part(
    store: Store, s3: S3, bucket: str
) -> None:
    versions = [f"{number:04}\n".encode() * 20_000 for number in range(12)]
    store.publish(draft(store, versions[0]), PLACE)
    seen: list[bytes | None] = []
    is_over = threading.Event()

    def poll() -> None:
        while len(seen) < 1000 or not is_over.is_set():
            seen.append(s3.read(bucket, PLACE))

    reader = threading.Thread(target=poll)
    reader.start()
    rounds = 0
    while len(seen) < 1000:
        for version in versions:
            store.publish(draft(store, version), PLACE)
        rounds += 1
    is_over.set()
    reader.join()

    strange = Counter("absent" if one is None else len(one) for one in seen if one not in versions)
    assert strange == {}
    assert len(set(seen)) > 3


def test_published_key_is_put_once_and_never_copied_nor_deleted(store: Store, s3: S3) -> None:
    store.publish(draft(store, "old\n"), PLACE)
    with s3.proxy.counted() as calls:
        store.publish(draft(store, "new\n"), PLACE)

    assert [call.method for call in calls if call.key == PLACE and call.method != "HEAD"] == ["PUT"]
    assert not any(call.is_copy or call.method == "DELETE" or "delete" in call.arguments for call in calls)


@pytest.mark.parametrize(
    ("what", "most"),
    [("publish", 2), ("write_text", 3), ("read_text", 2), ("size_bytes", 1), ("list_names", 1), ("check", 4)],
)
def test_calls_of_each_method_are_few(store: Store, s3: S3, what: str, most: int) -> None:
    acts: dict[str, Callable[[], object]] = {
        "publish": lambda: store.publish(DRAFT, PLACE),
        "write_text": lambda: store.write_text("progress-exhaust/notes", ["text"]),
        "read_text": lambda: store.read_text("progress-exhaust/notes"),
        "size_bytes": lambda: store.size_bytes("progress-exhaust/notes"),
        "list_names": lambda: store.list_names("progress-exhaust"),
        "check": store.check,
    }
    store.write_text("progress-exhaust/notes", ["text"])
    draft(store, "header\n")
    with s3.proxy.counted() as calls:
        acts[what]()

    assert len(calls) <= most, calls


def test_big_file_goes_in_parts_and_appears_with_the_last(store: Store, s3: S3, bucket: str) -> None:
    content = b"0123456789abcdef" * (PART_BYTES // 16) + b"end\n"
    with s3.proxy.counted() as calls:
        store.publish(draft(store, content), PLACE)

    assert s3.read(bucket, PLACE) == content
    assert sum(not call.is_part for call in calls) <= 2
    assert s3.unfinished_uploads(bucket) == 0


# A store that fails.


@pytest.mark.parametrize(
    ("fault", "clause"),
    [
        (Refuse(403, "AccessDenied", "Access Denied"), "Access Denied"),
        (Refuse(403, "SignatureDoesNotMatch", "The signature does not match."), "The signature does not match."),
        (Refuse(400, "ExpiredToken", "The provided token has expired."), "The provided token has expired."),
        (Refuse(404, "NoSuchBucket", "The specified bucket does not exist"), "The specified bucket does not exist"),
    ],
    ids=["no right", "wrong secret", "expired token", "no bucket"],
)
def test_refusal_is_told_at_once_in_the_stores_own_words(store: Store, s3: S3, fault: Fault, clause: str) -> None:
    s3.proxy.fail(lambda call: True, fault)
    with s3.proxy.counted() as calls, pytest.raises(OutputError) as refused:
        store.write_text("notes", ["text"])

    assert str(refused.value) == (f"writing {store.url('notes')}: {clause}; check output.url, its space and its rights")
    assert len(calls) <= 3


@pytest.mark.rule("S2", "S4")
@pytest.mark.parametrize(
    ("fault", "clause"),
    [
        (SLOW_DOWN, "Please reduce your request rate."),
        (Refuse(500, "InternalError", "We encountered an internal error."), "We encountered an internal error."),
        (CutBody(), "Unable to execute HTTP request: "),
    ],
    ids=["answers 503", "answers 500", "cuts the body"],
)
@pytest.mark.parametrize("is_big", [False, pytest.param(True, marks=pytest.mark.long)], ids=["one piece", "parts"])
def test_upload_that_fails_leaves_the_older_file_and_nothing_else(
    store: Store, s3: S3, bucket: str, fault: Fault, clause: str, is_big: bool
) -> None:
    store.publish(draft(store, "old\n"), PLACE)
    source = draft(store, b"x" * (PART_BYTES + 1) if is_big else "new\n")
    s3.proxy.fail(lambda call: call.method == "PUT", fault)

    with pytest.raises(OutputError) as failed:
        store.publish(source, PLACE)

    s3.proxy.heal()
    assert str(failed.value).startswith(f"publishing {store.url(PLACE)}: {clause}")
    assert s3.objects(bucket) == {PLACE: b"old\n"}
    assert s3.unfinished_uploads(bucket) == 0
    assert store.drafts.size_bytes(source) is not None


def test_draft_that_can_not_be_read_to_its_end_is_not_uploaded(store: Store, s3: S3, bucket: str) -> None:
    store.publish(draft(store, "old\n"), PLACE)
    store.drafts.make_private_directory("drafts/folder")

    with pytest.raises(OutputError, match=rf"^publishing s3a://{bucket}/"):
        store.publish("drafts/folder", PLACE)

    assert s3.objects(bucket) == {PLACE: b"old\n"}


def test_faults_that_pass_are_not_seen(store: Store, s3: S3, bucket: str) -> None:
    s3.proxy.fail(lambda call: call.method == "PUT", SLOW_DOWN, times=2)
    store.publish(draft(store, "header\n"), PLACE)
    s3.proxy.fail(lambda call: call.method == "PUT", CutBody(), times=2)
    store.publish(draft(store, "again\n"), PLACE)

    assert s3.objects(bucket) == {PLACE: b"again\n"}


def test_store_that_is_gone_is_told_of_in_a_short_sentence(store: Store, s3: S3) -> None:
    s3.proxy.kill()
    with pytest.raises(OutputError) as failed:
        store.check()

    assert "Connection refused" in str(failed.value)
    assert len(str(failed.value)) < 250
