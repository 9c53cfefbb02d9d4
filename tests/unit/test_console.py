"""What is shown: tables, numbers, log lines, and that nothing can forge a line or move a cursor."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from progress_exhaust.commands.documents import output_root
from progress_exhaust.console import logs
from progress_exhaust.console.console import Console
from progress_exhaust.console.document import document_of
from progress_exhaust.console.drawing import draw_table, size
from progress_exhaust.console.logs import LogFormat
from progress_exhaust.console.result import Result, Summary, Table
from progress_exhaust.errors import Reason, SkippedReport
from progress_exhaust.text import pluralize

SUMMARY = Summary(
    tables=[Table(("file", "rows"), [("a.csv", "12"), ("Ś\x1b[2J\nforged", "3")], frozenset({1}))],
    notes=["manifest: m.json"],
    refusals=[("b", "bad_id", 'batch "b" is not made')],
    closing="2 made, 1 not made, 0 rows dropped, 1.0 s",
)


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    ours, root = logging.getLogger("progress_exhaust"), logging.getLogger()
    before = ours.handlers, ours.propagate, ours.level, root.handlers
    yield
    ours.handlers, ours.propagate, ours.level, root.handlers = before


@dataclass(frozen=True, kw_only=True)
class Shown(Result):
    """A result of no command."""

    shown: Summary = SUMMARY
    duration_s: float = 1.00049
    error: str = ""

    def summary(self) -> Summary:
        return self.shown

    def content(self) -> dict[str, object]:
        return {"name": "Śrī \x1b[2J", "rows": 2}


def render(result: Result, capsys: pytest.CaptureFixture[str], *, as_json: bool = False) -> str:
    logs.set_up(LogFormat.TEXT, debug=True)
    Console(as_json=as_json, log_format=LogFormat.TEXT, debug=False).render(result)
    return capsys.readouterr().out


def test_plain_summary_is_lines_in_columns(capsys: pytest.CaptureFixture[str]) -> None:
    assert render(Shown(), capsys).splitlines() == [
        "file              rows",
        "a.csv               12",
        "Ś\\x1b[2J\\nforged     3",
        "manifest: m.json",
        "2 made, 1 not made, 0 rows dropped, 1.0 s",
    ]


def test_long_table_is_cut_and_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [(f"{number}.csv",) for number in range(1200)]
    lines = render(Shown(shown=Summary("done", [Table(("file",), rows)])), capsys).splitlines()
    assert lines[-3:] == ["19.csv", "… and 1,180 more", "done"]
    assert len(lines) == 23


def test_document_is_all_that_stdout_gets(capsys: pytest.CaptureFixture[str]) -> None:
    text = render(Shown(), capsys, as_json=True)
    assert text.isascii()
    assert list(json.loads(text).items()) == [
        ("schema_version", 1),
        ("name", "Śrī \x1b[2J"),
        ("rows", 2),
        ("error", None),
        ("duration_s", 1.0),
    ]


def test_document_tells_what_stopped_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert json.loads(render(Shown(error="stopped"), capsys, as_json=True))["error"] == "stopped"


@pytest.mark.rule("E13")
def test_refusals_and_errors_go_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    logs.set_up(LogFormat.TEXT, debug=True)
    Console(as_json=False, log_format=LogFormat.TEXT, debug=False).render(Shown())
    logs.error("one\ntwo\x1b[2J")
    assert capsys.readouterr().err.splitlines() == ['batch "b" is not made', "error: one", "error: two\\x1b[2J"]


def test_json_lines_have_fields(capsys: pytest.CaptureFixture[str]) -> None:
    logs.set_up(LogFormat.JSON, debug=True)
    logs.info("made\nit", action="made", batch_id="b", rows=3)
    [line] = capsys.readouterr().err.splitlines()
    fields = json.loads(line)
    assert fields.pop("at").endswith("+00:00")
    assert fields == {"level": "info", "action": "made", "batch_id": "b", "rows": 3, "sentence": "made\nit"}


def test_text_that_the_terminal_can_not_show_is_escaped() -> None:
    out = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    table = Table(("name",), [("Śrī",)])
    draw_table(table, out)
    out.flush()
    assert out.buffer.getvalue() == b"name\n\\u015ar\\u012b\n"


@pytest.mark.parametrize(("number", "text"), [(0, "0 rows"), (1, "1 row"), (2, "2 rows"), (1234567, "1,234,567 rows")])
def test_numbers_and_their_nouns(number: int, text: str) -> None:
    assert pluralize(number, "row") == text


@pytest.mark.parametrize(
    ("size_bytes", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (999_960, "1.0 MB"),
        (2_500_000_000, "2.5 GB"),
        (10**16, "10000.0 TB"),
    ],
)
def test_sizes(size_bytes: int, text: str) -> None:
    assert size(size_bytes) == text


@pytest.mark.parametrize(
    ("url", "root"),
    [("/data/out", "/data/out"), ("file:///data/out", "/data/out"), ("s3a://bucket/out", "s3a://bucket/out")],
)
def test_output_root_is_shown_in_full(url: str, root: str) -> None:
    assert output_root(url) == root


def test_relative_output_root_is_shown_from_the_root() -> None:
    assert output_root("var/reports") == str(Path.cwd() / "var" / "reports")


def test_not_made_is_as_in_the_manifest() -> None:
    from progress_exhaust.commands.base import CommandContext  # noqa: PLC0415
    from progress_exhaust.commands.export import Export  # noqa: PLC0415
    from progress_exhaust.export.selection import ReportQuery  # noqa: PLC0415

    overrides = {
        "output": {"url": "/out"},
        "source": {"kind": "snapshot", "snapshot_dir": "/in"},
        "catalogue": {"kind": "files", "directory": "/in"},
    }
    context = CommandContext({}, None, overrides, as_json=True, log_format=LogFormat.TEXT, debug=False)
    export = Export(context, ReportQuery(everything=True))
    export.outcome.not_made.append(SkippedReport(Reason.BAD_ID, "x", "id x is refused"))
    result = export.result("stopped")
    assert result.summary().closing.startswith("0 made, 1 not made, 0 rows dropped, ")
    document = document_of(result)
    assert isinstance(document.pop("duration_s"), float)
    assert document == {
        "schema_version": 1,
        "output": "/out",
        "manifest": None,
        "files": [],
        "not_made": [{"id": "x", "reason": "bad_id", "why": "id x is refused"}],
        "rows_dropped": 0,
        "phase_s": {"start": 0.0},
        "error": "stopped",
    }
