"""The sample rows that the feature's specification shows come out of the real command."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.command_line import CommandLine, export_arguments, manifest_below, reports_below
from tests.support.sample_world import BATCH_ID, spec_sample_world
from tests.worlds import write_catalogue, write_snapshot

GOLDEN = Path(__file__).parents[1] / "golden" / "spec_sample.csv"

# Copied from the specification, with its quotes; `-score` in its last header is a slip for ` - Score`.
SPECIFICATION = """\
Collection Id,Collection Name,Batch Id,Batch Name,User UUID,User Name,State,District,Enrolment Date,Completion Date,\
Progress,Certificate Status,Total Score,do_1130934418641469441813 - Progress,do_1130934418641469441813 - Level,\
do_1130934445218283521816 - Progress,do_1130934445218283521816 - Level,do_1130934418641469441786-score
do_1130934466492252161819,Test Course,0130934495109529602,Batch1,f703de4e-d47a-4adb-856c-de122e6a0b32,Mathew Pallan,\
"Kerala","Thrissur",2020-08-25 13:45:54:150+0000,2020-08-27 13:45:54:150+0000,100,"Issued",7,100,"1.1",100,"1.2",7
do_1130934466492252161819,Test Course,0130934495109529602,Batch1,587204af-41db-4313-b3ab-cf022d3055c6,Krishna Jampana,\
"Andhra Pradesh","Vizag",2020-08-25 02:15:58:691+0000,"",57,"",6,50,"1.1",60,"1.2",6
"""


@pytest.fixture(scope="module")
def line() -> Iterator[CommandLine]:
    with CommandLine() as line:
        yield line


def cells(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text, newline=""), strict=True))


def test_every_cell_is_that_of_the_specification(line: CommandLine, tmp_path: Path) -> None:
    world = spec_sample_world()
    write_snapshot(world, tmp_path / "snapshot")
    write_catalogue(world, tmp_path / "catalogue")
    ended = line.run(export_arguments(tmp_path, "--batch", BATCH_ID))
    assert (ended.code, ended.document()["error"]) == (0, None)
    [(batch_id, content)] = reports_below(tmp_path / "reports").items()
    assert batch_id == BATCH_ID
    header, mathew, krishna = cells(SPECIFICATION.replace("-score\n", " - Score\n"))
    assert cells(content.decode()) == [header, krishna, mathew]
    assert content == GOLDEN.read_bytes()


@pytest.mark.parametrize("file_format", ["parquet", "jsonl"])
def test_every_synthetic_world_has_the_same_batch(line: CommandLine, tmp_path: Path, file_format: str) -> None:
    places = ["--snapshot", str(tmp_path / "snapshot"), "--catalogue", str(tmp_path / "catalogue")]
    sizes = ["--learners", "3", "--batches", "2", "--collections", "1", "--leaves", "5", "--odd-share", "1"]
    assert line.run(["sample-data", *places, *sizes, "--format", file_format]).code == 0
    assert line.run(export_arguments(tmp_path, "--all")).code == 0
    reports = reports_below(tmp_path / "reports")
    assert reports[BATCH_ID] == GOLDEN.read_bytes()
    assert len(reports) == 3
    assert manifest_below(tmp_path / "reports")["not_made"] == []
