"""The list of finished files in processed_batches."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from progress_exhaust.job_requests.checkpoint import (
    FinishedFile,
    Submission,
    checkpoint_text,
    read_checkpoint,
    request_sha256,
    reusable,
    submission_of,
)
from progress_exhaust.published_file import PublishedFile

HASH = "a" * 64
OTHER_HASH = "b" * 64
SUBMITTED = "2026-11-23T08:30:00.000000+00:00"
SUBMISSION = Submission(SUBMITTED, OTHER_HASH)
LATER = Submission("2026-11-23T08:30:00.000001+00:00", OTHER_HASH)
FILE = PublishedFile(
    path="progress-exhaust/R1/b-1_progress_23_11_2026.csv",
    batch_id="b-1",
    collection_id="do_1",
    collection_name="",
    audience="org-1",
    rows=2,
    size_bytes=744,
    sha256=HASH,
)
ENTRY = FinishedFile(FILE, SUBMISSION, channel="ch-1", day="2026-11-23")
JSON_OF_ENTRY: dict[str, Any] = {
    "channel": "ch-1",
    "batchId": "b-1",
    "filePath": "progress-exhaust/R1/b-1_progress_23_11_2026.csv",
    "fileSize": 744,
    "sha256": HASH,
    "rows": 2,
    "submittedAt": SUBMITTED,
    "requestSha256": OTHER_HASH,
    "audience": "org-1",
    "day": "2026-11-23",
    "collectionId": "do_1",
}


def entry(**change: Any) -> FinishedFile:
    """The entry with a change of its file."""
    return replace(ENTRY, file=replace(FILE, **change))


def with_path(path: str) -> FinishedFile:
    return entry(path=path)


def of_submission(submission: Submission) -> FinishedFile:
    return replace(ENTRY, submission=submission)


@pytest.mark.rule("Q29")
def test_text_has_the_keys_others_read_and_our_own() -> None:
    text = checkpoint_text([ENTRY])
    assert json.loads(text) == [JSON_OF_ENTRY]
    assert text.isascii()
    assert "\n" not in text
    assert checkpoint_text([]) == "[]"


def test_entries_come_back_as_they_were_in_their_order() -> None:
    entries = [entry(batch_id=f"b-{number}", audience=None) for number in (3, 1, 2)]
    assert read_checkpoint(checkpoint_text(entries)) == entries


def test_of_two_about_one_report_the_later_counts() -> None:
    other = entry(batch_id="b-2")
    everyone = entry(audience=None)
    later = entry(rows=9)
    assert read_checkpoint(checkpoint_text([ENTRY, other, everyone, later])) == [later, other, everyone]


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        " ",
        "null",
        "[]",
        "{}",
        "7",
        '"x"',
        "[null, 1, [], {}, true]",
        "{",
        "[" * 100_000,
        "\x00",
        "[NaN]",
        "[" + "7" * 5000 + "]",
        json.dumps(JSON_OF_ENTRY),
    ],
    ids=lambda text: repr(text)[:40],
)
def test_text_without_entries_has_none(text: str | None) -> None:
    assert read_checkpoint(text) == []


@pytest.mark.rule("Q30")
@pytest.mark.parametrize(
    "change",
    [
        {"channel": None},
        {"channel": 7},
        {"batchId": ""},
        {"batchId": "../b"},
        {"batchId": 7},
        {"fileSize": -1},
        {"fileSize": "744"},
        {"fileSize": 744.0},
        {"fileSize": True},
        {"fileSize": 2**63},
        {"fileSize": 10**4000},
        {"fileSize": float("inf")},
        {"rows": 2**63},
        {"rows": -(10**4000)},
        {"fileSize": None},
        {"rows": -1},
        {"rows": None},
        {"sha256": "a" * 63},
        {"sha256": "A" * 64},
        {"sha256": None},
        {"requestSha256": ""},
        {"submittedAt": None},
        {"audience": 7},
        {"audience": ["org-1"]},
        {"day": "23_11_2026"},
        {"day": "2026-02-30"},
        {"day": "20261123"},
        {"day": ""},
        {"collectionId": 7},
        {"filePath": None},
        {"filePath": ""},
        {"filePath": "/etc/passwd"},
        {"filePath": "/progress-exhaust/R1/b.csv"},
        {"filePath": "progress-exhaust/b.csv"},
        {"filePath": "progress-exhaust//b.csv"},
        {"filePath": "progress-exhaust/R1/x/b.csv"},
        {"filePath": "progress-exhaust/R1/"},
        {"filePath": "progress-exhaust/R1/.."},
        {"filePath": "progress-exhaust/R1/a..b"},
        {"filePath": "progress-exhaust/../b.csv"},
        {"filePath": "progress-exhaust/.staging/b.csv"},
        {"filePath": "progress-exhaust/R1/.b.csv"},
        {"filePath": "progress-exhaust/R1~/b.csv"},
        {"filePath": "progress-exhaust/R1~0a1b2c3/b.csv"},
        {"filePath": "progress-exhaust/R1~0A1B2C3D/b.csv"},
        {"filePath": "progress-exhaust/R1~0a1b2c3d~0a1b2c3d/b.csv"},
        {"filePath": "progress-exhaust/.R1~0a1b2c3d/b.csv"},
        {"filePath": "progress-exhaust/~0a1b2c3d/b.csv"},
        {"filePath": "progress-exhaust/R1/b.csv\n"},
        {"filePath": "progress-exhaust/R1/b%2fc.csv"},
        {"filePath": "progress-exhaust\\R1\\b.csv"},
        {"filePath": "other/R1/b.csv"},
        {"filePath": "progress-exhaust/R1/" + "b" * 256},
    ],
    ids=lambda change: repr(change)[:50],
)
def test_what_is_not_an_entry_of_ours_is_left_out_and_the_others_kept(change: dict[str, Any]) -> None:
    good = {**JSON_OF_ENTRY, "batchId": "b-2"}
    entries = read_checkpoint(json.dumps([{**JSON_OF_ENTRY, **change}, good]))
    assert entries == [entry(batch_id="b-2")]


@pytest.mark.parametrize("key", ["channel", "batchId", "filePath", "fileSize", "sha256", "rows", "day"])
def test_entry_that_lacks_a_key_is_left_out(key: str) -> None:
    assert read_checkpoint(json.dumps([{name: value for name, value in JSON_OF_ENTRY.items() if name != key}])) == []


def test_folder_that_is_told_apart_by_a_tag_is_one_of_ours() -> None:
    apart = with_path("progress-exhaust/R1~0a1b2c3d/b.csv")
    assert read_checkpoint(checkpoint_text([apart])) == [apart]


def test_entries_of_the_production_job_are_not_ours() -> None:
    theirs = [{"channel": "ch-1", "batchId": "b-1", "filePath": "progress-exhaust/R1/b-1.zip", "fileSize": 7}]
    assert read_checkpoint(json.dumps(theirs)) == []


def test_further_keys_are_ignored_and_ours_that_may_lack_are_empty() -> None:
    content = {**JSON_OF_ENTRY, "new": [1]}
    del content["collectionId"], content["audience"]
    assert read_checkpoint(json.dumps([content])) == [entry(collection_id="", audience=None)]


@pytest.mark.parametrize(
    "number", ["9" * 5000, "-" + "9" * 5000, "1e400", "1" + "0" * 4000 + ".0"], ids=lambda text: text[:6]
)
@pytest.mark.parametrize("key", ["fileSize", "rows", "audience", "new"])
def test_number_that_none_can_hold_costs_its_own_entry_at_most(key: str, number: str) -> None:
    odd = json.dumps({**JSON_OF_ENTRY, key: "NUMBER"}).replace('"NUMBER"', number)
    good = json.dumps({**JSON_OF_ENTRY, "batchId": "b-2"})
    entries = read_checkpoint(f"[{odd}, {good}]")
    assert entries[-1] == entry(batch_id="b-2")
    assert all(one.file.size_bytes == 744 and one.file.rows == 2 for one in entries)


def test_biggest_count_of_the_table_is_one() -> None:
    biggest = entry(size_bytes=2**63 - 1, rows=2**63 - 1)
    assert read_checkpoint(checkpoint_text([biggest])) == [biggest]


def test_10000_entries_are_read() -> None:
    entries = [entry(batch_id=f"b-{number}") for number in range(10_000)]
    assert len(read_checkpoint(checkpoint_text(entries))) == 10_000


@pytest.mark.rule("Q30")
@pytest.mark.parametrize(
    ("listed", "is_reusable"),
    [
        pytest.param(ENTRY, True, id="same"),
        pytest.param(
            of_submission(LATER),
            False,
            id="other submission",
        ),
        pytest.param(of_submission(replace(SUBMISSION, submitted_at="")), False, id="submission not told"),
        pytest.param(of_submission(replace(SUBMISSION, request_sha256=HASH)), False, id="other request data"),
        pytest.param(with_path("progress-exhaust/R2/b-1_progress_23_11_2026.csv"), False, id="another's folder"),
        pytest.param(with_path("progress-exhaust/R1x/b.csv"), False, id="folder that starts alike"),
        pytest.param(with_path("progress-exhaust/R1.0a1b2c3d/b.csv"), True, id="folder of an earlier version"),
        pytest.param(with_path("progress-exhaust/R1~0a1b2c3d/b.csv"), False, id="folder of another tag"),
    ],
)
def test_only_files_of_the_same_submission_data_and_folder_are_used_again(
    listed: FinishedFile, is_reusable: bool
) -> None:
    folders = {"progress-exhaust/R1", "progress-exhaust/R1.0a1b2c3d"}
    again = reusable([listed], SUBMISSION, folders)
    assert again == ([listed] if is_reusable else [])


def test_request_data_is_known_by_its_bytes() -> None:
    # printf '{"batchId": "ä"}' | sha256sum
    assert request_sha256('{"batchId": "ä"}') == "ef396371cf125ae448a66f41ab6b93ad8560682954e90854efa0e4cd04628261"
    assert request_sha256("\ud800") != request_sha256("\ud801")


def test_submission_is_written_in_utc_whatever_its_zone() -> None:
    india = timezone(timedelta(hours=5, minutes=30))
    assert submission_of(datetime(2026, 11, 23, 14, 0, tzinfo=india)) == SUBMITTED
    assert submission_of(datetime(2026, 11, 23, 8, 30, 0, 1, tzinfo=UTC)) == "2026-11-23T08:30:00.000001+00:00"
    assert submission_of(None) == ""


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(list(JSON_OF_ENTRY)), inner, max_size=12)
        | st.dictionaries(st.sampled_from(list(JSON_OF_ENTRY)), inner, max_size=3).map(lambda odd: JSON_OF_ENTRY | odd)
    ),
    max_leaves=20,
)


@given(JSON.map(json.dumps) | st.text())
def test_any_text_gives_entries_inside_the_output_or_none(text: str) -> None:
    for one in read_checkpoint(text):
        assert one.file.path.startswith("progress-exhaust/")
        assert ".." not in one.file.path
        assert 0 <= one.file.size_bytes < 2**63
        assert 0 <= one.file.rows < 2**63


HUGE = (
    st.integers(2**63, 10**40)
    | st.integers(0, 8000).map(lambda digits: "1" + "0" * digits + "0" * 19)
    | st.sampled_from(["1e400", "-1e400", "NaN", "Infinity"])
)


@given(st.sampled_from(["fileSize", "rows"]), HUGE)
def test_count_that_no_column_can_hold_is_none(key: str, number: int | str) -> None:
    odd = json.dumps({**JSON_OF_ENTRY, key: "NUMBER"}).replace('"NUMBER"', str(number))
    assert read_checkpoint(f"[{odd}]") == []


@given(
    st.lists(
        st.builds(replace, st.builds(entry, audience=st.none() | st.text()), channel=st.text()),
        max_size=5,
    )
)
def test_any_channel_and_audience_survive_the_way_through_the_text(entries: list[FinishedFile]) -> None:
    by_report = {(one.file.batch_id, one.file.audience): one for one in entries}
    assert read_checkpoint(checkpoint_text(entries)) == list(by_report.values())
