"""The command `submit`, over a queue made for the case."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from progress_exhaust.cli.options import require_readable
from progress_exhaust.commands.submission import Submission, new_request, requested_reports, unsafe_ids
from progress_exhaust.commands.submit import Submit
from progress_exhaust.errors import RequestError, SettingsError
from progress_exhaust.job_requests.model import NewRequest, RequestKey
from progress_exhaust.job_requests.request_data import RequestedBatches, RequestedSearch
from tests.support.request_commands import NOW, FakeQueue, context, lines, opened, row, without_time

SEARCH = {"request": {"filters": {"channel": "c"}}}


def submission_of(wanted: RequestedBatches) -> Submission:
    return Submission(wanted.batch_ids, None, channel="c", request_id="R1", tag="t", requested_by="u", now=NOW)


@pytest.mark.rule("E4")
def test_request_is_put_in_and_its_id_shown(output: Path, capsys: pytest.CaptureFixture[str]) -> None:
    queue = FakeQueue()
    wanted = RequestedBatches(("b-1", "b-2"))
    Submit(context(output), submission_of(wanted), opened(queue)).run()
    assert queue.submitted == [NewRequest(RequestKey("t", "R1"), '{"batchFilter": ["b-1", "b-2"]}', "u", "c", NOW)]
    assert queue.is_closed
    shown = lines(capsys)
    assert shown[:2] == ["request id: R1", "to look at it: progress-exhaust status R1"]
    assert without_time(shown[2]) == "1 request submitted"


def test_submit_as_a_document(output: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wanted = RequestedBatches(("../x", "b-1"))
    Submit(context(output, as_json=True), submission_of(wanted), opened(FakeQueue())).run()
    printed = capsys.readouterr()
    document = json.loads(printed.out)
    assert document.pop("duration_s") >= 0
    assert document == {
        "schema_version": 1,
        "request_id": "R1",
        "tag": "t",
        "channel": "c",
        "requested_by": "u",
        "submitted_at": "2026-11-23T08:30:00+00:00",
        "bad_ids": ["../x"],
        "error": None,
    }
    assert 'batch "../x" will not be made: no batch can have such an id' in printed.err


def test_request_that_is_there_already_is_told_and_not_said_to_be_in(
    output: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wanted = RequestedBatches(("b-1",))
    queue = FakeQueue(row("R1", "SUCCESS"))
    with pytest.raises(RequestError, match="there is such a request already"):
        Submit(context(output), submission_of(wanted), opened(queue)).run()
    assert queue.is_closed
    [closing] = lines(capsys)
    assert without_time(closing) == "0 requests submitted"


@pytest.mark.rule("E4")
@pytest.mark.parametrize(
    ("batches", "search", "wanted"),
    [
        (["b-1"], None, RequestedBatches(("b-1",))),
        (["b-2", "b-1", "b-2"], None, RequestedBatches(("b-2", "b-1"))),
        (None, json.dumps(SEARCH), RequestedSearch(SEARCH)),
        (None, " \n" + json.dumps(SEARCH) + "\n", RequestedSearch(SEARCH)),
        (None, '{"request": {"filters": {"channel": "c"}}, "x": 1}', RequestedSearch({**SEARCH, "x": 1})),
        (None, json.dumps(SEARCH) + ', "batchIds": 1', RequestedSearch(SEARCH)),
    ],
)
def test_what_the_options_ask_for(
    batches: list[str] | None, search: str | None, wanted: RequestedBatches | RequestedSearch
) -> None:
    assert requested_reports(batches, search, 1000) == wanted


@pytest.mark.rule("E4")
def test_search_may_stand_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "search.json"
    file.write_text(json.dumps(SEARCH, indent=2))
    assert requested_reports(None, str(file), 1000) == RequestedSearch(SEARCH)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"\xff", r"search\.json\": no UTF-8 text; give a search request as JSON, or a file that holds one"),
        (b"", "submitting: request_data is not JSON"),
        (b"[]", "submitting: searchFilter is a list"),
        (
            b'{"request": {"filters": {"a": "' + b"x" * 1000 + b'"}}}',
            "submitting: request_data has more than 1,000 byt",
        ),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_file_that_holds_no_search_is_wrong_usage(tmp_path: Path, content: bytes, sentence: str) -> None:
    file = tmp_path / "search.json"
    file.write_bytes(content)
    with pytest.raises(SettingsError, match=sentence):
        requested_reports(None, str(file), 1000)


@pytest.mark.parametrize(
    ("batches", "search"),
    [
        (None, None),
        ([], None),
        (["b"], json.dumps(SEARCH)),
        (None, ""),
        (None, "a\0b"),
        (None, "{"),
        (None, '{"request": {"filters": {"identifier": []}}}'),
        (None, json.dumps(SEARCH) + ', "batchId": "b-1"'),
        (None, "{" + "[" * 10_000),
        (["x" * 1000], None),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_what_is_no_request_is_wrong_usage(batches: list[str] | None, search: str | None) -> None:
    with pytest.raises(SettingsError):
        requested_reports(batches, search, 1000)


def test_faults_of_a_new_request_are_told_all_at_once() -> None:
    with pytest.raises(SettingsError) as caught:
        new_request(RequestedBatches(("b",)), request_id="../x", tag=" ", channel="\udcff", requested_by="", now=NOW)
    assert str(caught.value).splitlines() == [
        "--request-id: expected up to 100 letters, digits, _ . - that start with a letter or digit, without .., "
        'got "../x"',
        "--tag: expected text, got nothing",
        "--channel: expected UTF-8, got other bytes",
        "--requested-by: expected text, got nothing",
    ]


def test_text_that_can_not_be_looked_for_is_wrong_usage() -> None:
    require_readable("REQUEST_ID", None)
    require_readable("REQUEST_ID", "'; DROP TABLE job_request; --")
    for text in ("", " ", "\udcff"):
        with pytest.raises(SettingsError, match=r"^REQUEST_ID: expected"):
            require_readable("REQUEST_ID", text)


def test_unsafe_ids_are_those_of_batches() -> None:
    assert unsafe_ids(RequestedBatches(("b", "../x", ""))) == ["../x", ""]
    assert unsafe_ids(RequestedSearch(SEARCH)) == []
