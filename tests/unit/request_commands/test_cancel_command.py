"""The command `cancel`, over a queue made for the case."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from progress_exhaust.commands.cancel import Cancel
from progress_exhaust.errors import RequestError
from tests.support.request_commands import FakeQueue, context, lines, opened, row, without_time


@pytest.mark.rule("E6")
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


@pytest.mark.rule("E6")
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
