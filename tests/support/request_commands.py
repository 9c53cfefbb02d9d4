"""A queue made for the case, and what the commands beside the queue show of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn

import pytest

from progress_exhaust.commands.base import CommandContext
from progress_exhaust.console.logs import LogFormat
from progress_exhaust.errors import RequestError
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
from progress_exhaust.paths import STAGING
from progress_exhaust.settings.sections import Settings

NOW = datetime(2026, 11, 23, 8, 30, tzinfo=UTC)
RUN, KILLED_RUN = "20261123T083000Z-00000a", "20261123T080000Z-0000ff"


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

    def complete(self, claim: Claim, closing: Closing) -> bool:
        raise NotImplementedError

    def requeue(self, claim: Claim, delivered: Delivered, *, failed_try: str = "") -> bool:
        raise NotImplementedError

    def record_cancelled(self, claim: Claim, delivered: Delivered) -> bool:
        raise NotImplementedError

    def _check(self) -> None:
        assert not self.is_closed
        if self._fault:
            raise self._fault


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
