"""The commands beside the queue, over a queue made for the case."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn

import pytest

from progress_exhaust.cli.options import require_readable
from progress_exhaust.commands.base import CommandContext
from progress_exhaust.commands.cancel import Cancel
from progress_exhaust.commands.status import ShowStatus, progress_in, time_left
from progress_exhaust.commands.submission import Submission, new_request, unsafe_ids, wanted_of
from progress_exhaust.commands.submit import Submit
from progress_exhaust.console.logs import LogFormat
from progress_exhaust.errors import QueueError, RequestError, SettingsError
from progress_exhaust.job_requests.model import (
    CANCELLED,
    Claim,
    Closing,
    Delivered,
    DueRequest,
    ListedRequest,
    NewRequest,
    NotClaimed,
    RequestKey,
    Right,
)
from progress_exhaust.job_requests.port import Queue
from progress_exhaust.job_requests.progress import Progress, progress_name, progress_text
from progress_exhaust.job_requests.request_data import RequestedBatches, RequestedSearch
from progress_exhaust.output import staging
from progress_exhaust.paths import STAGING
from progress_exhaust.settings.sections import Settings

NOW = datetime(2026, 11, 23, 8, 30, tzinfo=UTC)
RUN, KILLED_RUN = "20261123T083000Z-00000a", "20261123T080000Z-0000ff"
SEARCH = {"request": {"filters": {"channel": "c"}}}


class FakeQueue:
    """Rows in memory, with no more sense than these commands need; what they must not call fails."""

    keeps_processed = True

    def __init__(self, *rows: ListedRequest, fault: Exception | None = None) -> None:
        self.rows = list(rows)
        self.submitted: list[NewRequest] = []
        self.is_closed = False
        self._fault = fault

    def submit(self, request: NewRequest) -> None:
        self._check()
        if any(row.key == request.key for row in self.rows):
            raise RequestError("there is such a request already")
        self.submitted.append(request)

    def cancel(self, *, request_id: str, tag: str | None, now: datetime) -> Sequence[RequestKey]:
        self._check()
        due = [
            row.key for row in self.listed(request_id=request_id, tag=tag) if row.status in ("SUBMITTED", "PROCESSING")
        ]
        self.rows = [
            replace(row, status="FAILED", err_message=CANCELLED, completed_at=now) if row.key in due else row
            for row in self.rows
        ]
        return due

    def listed(self, *, request_id: str | None = None, tag: str | None = None) -> list[ListedRequest]:
        self._check()
        return [row for row in self.rows if request_id in (None, row.key.request_id) and tag in (None, row.key.tag)]

    def close_connections(self) -> None:
        self.is_closed = True

    def check(self) -> NoReturn:
        raise NotImplementedError

    def rights(self) -> list[Right]:
        raise NotImplementedError

    def due(self, *, tag: str | None = None, request_id: str | None = None) -> list[DueRequest]:
        raise NotImplementedError

    def claim(self, key: RequestKey) -> Claim | NotClaimed:
        raise NotImplementedError

    def is_ours(self, claim: Claim) -> bool:
        raise NotImplementedError

    def checkpoint(self, delivered: Mapping[RequestKey, Delivered]) -> None:
        raise NotImplementedError

    def close(self, claim: Claim, closing: Closing) -> bool:
        raise NotImplementedError

    def release(self, claim: Claim, delivered: Delivered, *, failed_try: str = "") -> bool:
        raise NotImplementedError

    def note_files_of_cancelled(self, claim: Claim, delivered: Delivered) -> bool:
        raise NotImplementedError

    def _check(self) -> None:
        assert not self.is_closed
        if self._fault:
            raise self._fault


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    ours, root = logging.getLogger("progress_exhaust"), logging.getLogger()
    before = ours.handlers, ours.propagate, ours.level, root.handlers
    yield
    ours.handlers, ours.propagate, ours.level, root.handlers = before


@pytest.fixture
def output(tmp_path: Path) -> Path:
    return tmp_path


def context(output: Path | str, *, as_json: bool = False) -> CommandContext:
    return CommandContext(
        {}, None, {"output": {"url": str(output)}}, as_json=as_json, log_format=LogFormat.TEXT, debug=True
    )


def row(request_id: str, status: str, **fields: Any) -> ListedRequest:
    known: dict[str, Any] = {
        "channel": "c",
        "submitted_at": NOW,
        "completed_at": None,
        "iteration": 0,
        "urls": (),
        "err_message": "",
        "is_alive": False,
    }
    return ListedRequest(RequestKey(fields.pop("tag", "t"), request_id), status, **known | fields)


def opened(queue: FakeQueue) -> Any:
    as_port: Queue = queue

    def open_queue(_settings: Settings) -> Queue:
        return as_port

    return open_queue


def note(output: Path, run: str, progress: Progress) -> None:
    folder = output / STAGING / run / "progress"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / progress_name(progress.key)).write_text(progress_text(progress))


def progress(request_id: str, minute: int, files: int, seconds_left: float | None = None, tag: str = "t") -> Progress:
    moment = NOW.replace(minute=minute)
    return Progress(RequestKey(tag, request_id), "publishing", files, 7, 1200, NOW, moment, seconds_left)


def lines(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return capsys.readouterr().out.splitlines()


def without_time(line: str) -> str:
    return line.rpartition(", ")[0]


# --- submit ----------------------------------------------------------------------------------------------------------


def submission_of(wanted: RequestedBatches) -> Submission:
    return Submission(wanted.batch_ids, None, channel="c", request_id="R1", tag="t", requested_by="u", now=NOW)


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
    assert wanted_of(batches, search, 1000) == wanted


def test_search_may_stand_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "search.json"
    file.write_text(json.dumps(SEARCH, indent=2))
    assert wanted_of(None, str(file), 1000) == RequestedSearch(SEARCH)


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
        wanted_of(None, str(file), 1000)


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
        wanted_of(batches, search, 1000)


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


# --- status ----------------------------------------------------------------------------------------------------------


def test_all_requests_in_one_table_those_at_work_first_and_ended_ones_latest_first(
    output: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    note(output, RUN, progress("busy", 40, 3, 150))
    rows = [
        row("old", "SUCCESS", urls=("progress-exhaust/old/a.csv", "progress-exhaust/old/b.csv")),
        row("gone", "FAILED", err_message="No data found"),
        row("new", "SUBMITTED"),
        row("busy", "PROCESSING", is_alive=True),
        row("quiet", "PROCESSING", is_alive=True),
        row("left", "PROCESSING", iteration=1),
        row("odd", "success"),
    ]
    ShowStatus(context(output), None, None, opened(FakeQueue(*rows))).run()
    *table, closing = lines(capsys)
    assert table == [
        "request  tag  status      alive  phase         files     rows  time left  message",
        "busy     t    PROCESSING  yes    publishing   3 of 7    1,200      3 min",
        "quiet    t    PROCESSING  yes    unknown           0  unknown    unknown",
        "left     t    PROCESSING  no     driver gone       0  unknown    unknown",
        "new      t    SUBMITTED   no     waiting           0  unknown    unknown",
        "odd      t    success     no     ended             0",
        "gone     t    FAILED      no     ended             0                      No data found",
        "old      t    SUCCESS     no     ended             2",
    ]
    assert without_time(closing) == "7 requests, 3 PROCESSING (2 alive), 1 SUBMITTED, 1 SUCCESS, 1 FAILED, 1 success"


def test_cancelled_request_whose_driver_has_not_seen_it_yet_has_ended(
    output: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    note(output, RUN, progress("R1", 40, 3, 150))
    cancelled = row("R1", "FAILED", is_alive=True, err_message=CANCELLED, urls=("progress-exhaust/R1/a.csv",))
    ShowStatus(context(output, as_json=True), "R1", None, opened(FakeQueue(cancelled))).run()
    [told] = json.loads(capsys.readouterr().out)["requests"]
    assert (told["phase"], told["alive"], told["files"], told["files_total"]) == ("ended", True, 1, None)


def test_empty_queue(output: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ShowStatus(context(output), None, "no such tag", opened(FakeQueue(row("R1", "SUBMITTED")))).run()
    [closing] = lines(capsys)
    assert without_time(closing) == "0 requests"


def test_one_request_tells_more(output: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ended = row(
        "R1",
        "SUCCESS",
        urls=("progress-exhaust/R1/a.csv",),
        completed_at=NOW.replace(minute=31),
        iteration=1,
        err_message="1 of 2 not made: b-9 (unknown)",
    )
    ShowStatus(context(output), "R1", None, opened(FakeQueue(ended, row("R2", "SUBMITTED")))).run()
    assert lines(capsys)[1:-1] == [
        "R1       t    SUCCESS  no     ended      1                   1 of 2 not made: b-9 (unknown)",
        "channel c, submitted 2026-11-23T08:30:00+00:00, completed 2026-11-23T08:31:00+00:00, 1 driver died on it",
        "file: progress-exhaust/R1/a.csv",
    ]


def test_one_id_under_two_tags_is_shown_twice_unless_a_tag_is_named(
    output: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [row("R1", "SUBMITTED", tag="t"), row("R1", "FAILED", tag="u")]
    ShowStatus(context(output, as_json=True), "R1", None, opened(FakeQueue(*rows))).run()
    assert [one["tag"] for one in json.loads(capsys.readouterr().out)["requests"]] == ["t", "u"]
    ShowStatus(context(output, as_json=True), "R1", "u", opened(FakeQueue(*rows))).run()
    assert [one["status"] for one in json.loads(capsys.readouterr().out)["requests"]] == ["FAILED"]


def test_status_as_a_document(output: Path, capsys: pytest.CaptureFixture[str]) -> None:
    note(output, RUN, progress("R1", 40, 3, 12.5))
    busy = row("R1", "PROCESSING", is_alive=True, urls=("progress-exhaust/R1/a.csv",), submitted_at=None, channel="")
    ShowStatus(context(output, as_json=True), "R1", None, opened(FakeQueue(busy))).run()
    document = json.loads(capsys.readouterr().out)
    assert document.pop("duration_s") >= 0
    assert document == {
        "requests": [
            {
                "request_id": "R1",
                "tag": "t",
                "status": "PROCESSING",
                "alive": True,
                "phase": "publishing",
                "files": 3,
                "files_total": 7,
                "rows": 1200,
                "seconds_left": 12.5,
                "channel": "",
                "submitted_at": None,
                "completed_at": None,
                "iteration": 0,
                "urls": ["progress-exhaust/R1/a.csv"],
                "message": "",
            }
        ],
        "error": None,
    }


@pytest.mark.parametrize(("tag", "under"), [(None, ""), ("u", ' under tag "u"')])
def test_unknown_request_is_told(output: Path, capsys: pytest.CaptureFixture[str], tag: str | None, under: str) -> None:
    queue = FakeQueue(row("R2", "SUBMITTED"))
    with pytest.raises(RequestError) as caught:
        ShowStatus(context(output, as_json=True), "R1", tag, opened(queue)).run()
    assert str(caught.value) == (
        f'looking at request "R1"{under}: the queue has no such request of ours; progress-exhaust status lists them'
    )
    assert queue.is_closed
    assert json.loads(capsys.readouterr().out)["error"] == str(caught.value)


def test_queue_that_does_not_answer_is_told(output: Path, capsys: pytest.CaptureFixture[str]) -> None:
    queue = FakeQueue(fault=QueueError("asking the queue: no answer"))
    asks: tuple[Callable[[], object], ...] = (
        lambda: ShowStatus(context(output), None, None, opened(queue)).run(),
        lambda: Cancel(context(output), "R1", None, opened(queue)).run(),
    )
    for ask in asks:
        queue.is_closed = False
        with pytest.raises(QueueError, match="no answer"):
            ask()
        assert queue.is_closed


# --- notes of progress -----------------------------------------------------------------------------------------------

ALIVE = row("R1", "PROCESSING", is_alive=True)


def test_staging_is_where_drivers_have_it() -> None:
    assert vars(staging)["STAGING"] == STAGING


def test_latest_of_several_notes_counts(output: Path) -> None:
    note(output, KILLED_RUN, progress("R1", 31, 5))
    note(output, RUN, progress("R1", 32, 1))
    assert progress_in(output, [ALIVE]) == {ALIVE.key: progress("R1", 32, 1)}


def test_notes_of_requests_that_nobody_is_at_work_on_are_not_looked_for(output: Path) -> None:
    note(output, KILLED_RUN, progress("R1", 31, 5))
    assert progress_in(output, [row("R1", "PROCESSING"), row("R1", "SUBMITTED")]) == {}


def test_note_of_another_request_under_our_name_does_not_count(output: Path) -> None:
    note(output, RUN, progress("R1", 31, 5))
    [file] = (output / STAGING / RUN / "progress").iterdir()
    file.write_text(progress_text(progress("R2", 31, 5)))
    assert progress_in(output, [ALIVE]) == {}


@pytest.mark.parametrize("content", [b"", b"\xff", b"{", b" " * 100_000 + b"{}"], ids=lambda value: repr(value)[:20])
def test_note_that_can_not_be_read_is_none(output: Path, content: bytes) -> None:
    note(output, RUN, progress("R1", 31, 5))
    [file] = (output / STAGING / RUN / "progress").iterdir()
    file.write_bytes(content)
    assert progress_in(output, [ALIVE]) == {}


@pytest.mark.parametrize("kind", ["pipe", "directory", "link", "link as the run's place"])
def test_note_that_is_no_file_of_a_driver_is_none_and_keeps_nobody_waiting(output: Path, kind: str) -> None:
    note(output, RUN, progress("R1", 31, 5))
    [file] = (output / STAGING / RUN / "progress").iterdir()
    elsewhere = file.rename(output / "elsewhere")
    if kind == "pipe":
        os.mkfifo(file)
    elif kind == "directory":
        file.mkdir()
    elif kind == "link":
        file.symlink_to(elsewhere)
    else:
        elsewhere.rename(file)
        (output / STAGING / RUN).rename(output / "moved")
        (output / STAGING / RUN).symlink_to(output / "moved")
    assert progress_in(output, [ALIVE]) == {}
    note(output, KILLED_RUN, progress("R1", 32, 1))
    assert progress_in(output, [ALIVE]) == {ALIVE.key: progress("R1", 32, 1)}


def test_notes_beside_the_places_of_runs_are_not_read(output: Path) -> None:
    note(output, "backup", progress("R1", 31, 5))
    assert progress_in(output, [ALIVE]) == {}


@pytest.mark.parametrize("form", ["{}", "file:{}", "file://{}"])
def test_status_finds_the_notes_of_an_output_by_its_very_name(
    output: Path, form: str, capsys: pytest.CaptureFixture[str]
) -> None:
    odd = output / "out #1?x=50% é"
    note(odd, RUN, progress("R1", 40, 3, 12.5))
    ShowStatus(context(form.format(odd), as_json=True), "R1", None, opened(FakeQueue(ALIVE))).run()
    [told] = json.loads(capsys.readouterr().out)["requests"]
    assert (told["phase"], told["files"]) == ("publishing", 3)


def test_output_that_can_not_be_looked_at_from_here_is_unknown(output: Path) -> None:
    assert progress_in(output / "none", [ALIVE]) == {}
    assert progress_in(None, [ALIVE]) == {}
    (output / "progress-exhaust").write_text("a file where a folder should be")
    assert progress_in(output, [ALIVE]) == {}


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, "unknown"), (0, "1 s"), (89.4, "89 s"), (90, "2 min"), (5399, "90 min"), (5400, "1.5 h"), (1e6, "277.8 h")],
)
def test_time_left_as_people_read_it(seconds: float | None, text: str) -> None:
    assert time_left(seconds) == text


# --- cancel ----------------------------------------------------------------------------------------------------------


def test_request_is_taken_back(output: Path, capsys: pytest.CaptureFixture[str]) -> None:
    queue = FakeQueue(row("R1", "PROCESSING", is_alive=True), row("R1", "SUCCESS", tag="u"), row("R2", "SUBMITTED"))
    Cancel(context(output), "R1", None, opened(queue)).run()
    assert [(one.key.tag, one.status) for one in queue.rows] == [("t", "FAILED"), ("u", "SUCCESS"), ("t", "SUBMITTED")]
    *shown, closing = lines(capsys)
    assert shown == [
        "request  tag",
        "R1       t",
        "a driver at work on it stops before its next file; files already out stay",
    ]
    assert without_time(closing) == "1 request cancelled"
    assert queue.is_closed


def test_cancel_as_a_document(output: Path, capsys: pytest.CaptureFixture[str]) -> None:
    queue = FakeQueue(row("R1", "SUBMITTED"), row("R1", "SUBMITTED", tag="u"))
    Cancel(context(output, as_json=True), "R1", "u", opened(queue)).run()
    document = json.loads(capsys.readouterr().out)
    assert document["cancelled"] == [{"request_id": "R1", "tag": "u"}]
    assert document["error"] is None


def test_request_that_has_ended_can_not_be_taken_back(output: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(RequestError) as caught:
        Cancel(context(output), "R1", None, opened(FakeQueue(row("R1", "SUCCESS")))).run()
    assert str(caught.value) == (
        'cancelling request "R1": it has ended already (SUCCESS), expected one that has not; its files stay'
    )
    assert without_time(lines(capsys)[-1]) == "0 requests cancelled"


def test_unknown_request_can_not_be_taken_back(output: Path) -> None:
    with pytest.raises(RequestError, match='cancelling request "R1": the queue has no such request of ours'):
        Cancel(context(output), "R1", None, opened(FakeQueue(row("R2", "SUBMITTED")))).run()
