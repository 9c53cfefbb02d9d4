"""The command `status`, over a queue made for the case."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from progress_exhaust.commands.cancel import Cancel
from progress_exhaust.commands.status import ShowStatus
from progress_exhaust.errors import QueueError, RequestError
from progress_exhaust.job_requests.model import CANCELLED
from tests.support.request_commands import (
    NOW,
    RUN,
    FakeQueue,
    context,
    lines,
    note,
    opened,
    progress,
    row,
    without_time,
)


@pytest.mark.rule("E5")
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


@pytest.mark.rule("E5")
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
        "schema_version": 1,
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
