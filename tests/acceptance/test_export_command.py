"""The real command on files: what it leaves behind, what it says, and the code it ends with."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import signal
import stat
import time
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from progress_exhaust import __version__
from tests.support.command_line import CommandLine, Ended, run, started
from tests.support.contract_rules import table_below
from tests.support.sample_world import BATCH_ID, COLLECTION_ID, spec_sample_world
from tests.worlds import World, write_catalogue, write_snapshot

GOLDEN = Path(__file__).parents[1] / "golden" / "spec_sample.csv"
FILE = f"progress-exhaust/{BATCH_ID}_progress_28_08_2020.csv"
RETIRED = "do_retired"
RETIRED_BATCH = "b-retired"
CLOSING = re.compile(r"\d+ made, \d+ not made, \d+ rows? dropped, \d+\.\d s")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The specification's sample, and a batch of a retired collection beside it."""
    folder = tmp_path_factory.mktemp("world")
    sample = spec_sample_world()
    tables = dict(sample.tables)
    tables["course_batch"] = [
        *tables["course_batch"],
        {"courseid": RETIRED, "batchid": RETIRED_BATCH, "name": "Old", "status": 2},
    ]
    tables["user_enrolments"] = [*tables["user_enrolments"], {**tables["user_enrolments"][0], "userid": ""}]
    retired = {"responseCode": "OK", "result": {"content": {"identifier": RETIRED, "status": "Retired"}}}
    together = World(tables, {**sample.trees, RETIRED: retired})
    write_snapshot(together, folder / "snapshot")
    write_catalogue(together, folder / "catalogue")
    return folder


def settings(world: Path, output: Path) -> dict[str, Any]:
    return {
        "PROGRESS_EXHAUST__SOURCE__KIND": "snapshot",
        "PROGRESS_EXHAUST__SOURCE__SNAPSHOT_DIR": str(world / "snapshot"),
        "PROGRESS_EXHAUST__CATALOGUE__KIND": "files",
        "PROGRESS_EXHAUST__CATALOGUE__DIRECTORY": str(world / "catalogue"),
        "PROGRESS_EXHAUST__OUTPUT__URL": str(output),
    }


def log_lines(ended: Ended) -> list[dict[str, Any]]:
    return [json.loads(line) for line in ended.err.splitlines()]


def paths_below(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture(scope="module")
def named(line: CommandLine, world: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Ended, Path]:
    """An export of batches by name, one of them unknown, for machines."""
    output = tmp_path_factory.mktemp("named")
    arguments = ["export", "--batch", BATCH_ID, "b-unknown", "--date", "2020-08-28", "--json", "--log-format", "json"]
    return line.run(arguments, **settings(world, output)), output


@pytest.mark.rule("E10")
def test_named_batch_that_is_not_made_gives_code_1_and_the_others(named: tuple[Ended, Path]) -> None:
    ended, output = named
    assert ended.code == 1
    assert (output / FILE).read_bytes() == GOLDEN.read_bytes()


@pytest.mark.rule("M3", "M4")
def test_document_is_all_of_stdout_and_tells_all(named: tuple[Ended, Path]) -> None:
    ended, output = named
    document = ended.document()
    content = GOLDEN.read_bytes()
    assert document.pop("duration_s") > 0
    assert set(document.pop("phase_s")) == {"start", "catalogue", "read", "plan", "compute", "publish"}
    manifest = document.pop("manifest")
    assert (output / manifest).is_file()
    assert document == {
        "schema_version": 1,
        "output": str(output),
        "files": [
            {
                "path": FILE,
                "batch_id": BATCH_ID,
                "collection_id": COLLECTION_ID,
                "rows": 2,
                "columns": 18,
                "size_bytes": len(content),
                "sha256": hashlib.sha256(content).hexdigest(),
                "rows_dropped": {"no_key": 1},
                "warnings": {},
                "guarded_cells": 0,
            }
        ],
        "not_made": [
            {
                "id": "b-unknown",
                "reason": "unknown_batch",
                "why": 'batch "b-unknown" is not made: course_batch has no such batch',
            }
        ],
        "rows_dropped": 1,
        "error": None,
    }


@pytest.mark.rule("M2", "M3")
def test_manifest_has_the_fields_of_the_contract_and_no_others(named: tuple[Ended, Path]) -> None:
    ended, output = named
    manifest = json.loads((output / ended.document()["manifest"]).read_text(encoding="utf-8"))
    of_run, of_file = (
        [name for cell, _ in table_below(f"| **{rule}.**") for name in re.findall(r"`(\w+)`", cell)]
        for rule in ("M2", "M3")
    )
    [file] = manifest["files"]
    assert list(manifest) == of_run
    assert list(file) == of_file
    assert re.fullmatch(r"\d{8}T\d{6}Z-[0-9a-f]{6}", manifest["run_id"])
    assert manifest["version"] == __version__
    began, ended_at = (datetime.fromisoformat(manifest[name]) for name in ("started_at", "finished_at"))
    assert (began.utcoffset(), ended_at.utcoffset()) == (timedelta(0), timedelta(0))
    assert began <= ended_at
    assert [set(column) for column in file["columns"]] == [{"header", "kind", "name", "level"}] * len(file["columns"])


@pytest.mark.rule("M2", "M3")
def test_manifest_says_the_same_as_the_document(named: tuple[Ended, Path]) -> None:
    ended, output = named
    document = ended.document()
    manifest = json.loads((output / document["manifest"]).read_text(encoding="utf-8"))
    [file], [told] = manifest["files"], document["files"]
    assert len(file["columns"]) == told["columns"]
    assert {key: file[key] for key in told if key != "columns"} == {k: v for k, v in told.items() if k != "columns"}
    assert manifest["not_made"] == document["not_made"]


def test_log_lines_are_json_with_their_fields(named: tuple[Ended, Path]) -> None:
    lines = log_lines(named[0])
    actions = [line["action"] for line in lines]
    assert actions == ["start", "catalogue", "read", "compute", "made", "not_made", "done"]
    [made] = [line for line in lines if line["action"] == "made"]
    assert (made["batch_id"], made["rows"], made["finished"], made["wanted"]) == (BATCH_ID, 2, 2, 2)
    assert all(set(line) >= {"at", "level", "sentence"} for line in lines)


@pytest.mark.rule("S2", "M1")
def test_nothing_but_file_and_manifest_is_left(named: tuple[Ended, Path]) -> None:
    ended, output = named
    assert paths_below(output) == sorted([FILE, ended.document()["manifest"]])
    assert {mode(output / path) for path in paths_below(output)} == {0o640}
    assert list((output / "progress-exhaust" / ".staging").iterdir()) == []
    assert mode(output / "progress-exhaust" / ".staging") == 0o700


def test_no_learner_is_named_on_the_screen(named: tuple[Ended, Path]) -> None:
    for name in ("Mathew", "Pallan", "Krishna", "Jampana", "f703de4e", "587204af"):
        assert name not in named[0].out + named[0].err


@pytest.mark.rule("E9")
def test_all_leaves_0_and_lists_what_can_not_be_made(line: CommandLine, world: Path, tmp_path: Path) -> None:
    ended = line.run(["export", "--all", "--date", "2020-08-28"], **settings(world, tmp_path))
    lines = ended.out.splitlines()
    assert ended.code == 0
    assert lines[0].split() == ["file", "learners", "columns", "size", "ready", "after", "s"]
    assert lines[1].split()[:4] == [FILE, "2", "18", str(GOLDEN.stat().st_size)]
    assert CLOSING.fullmatch(lines[-1])
    assert lines[-1].startswith("1 made, 1 not made, 1 row dropped, ")
    assert ended.err.splitlines()[-1] == (
        f'batch "{RETIRED_BATCH}" is not made: collection "{RETIRED}": retired, expected a live collection; '
        "leave it out or publish it again"
    )
    assert (tmp_path / FILE).read_bytes() == GOLDEN.read_bytes()


@pytest.mark.rule("E2")
def test_plan_tells_and_writes_nothing(line: CommandLine, world: Path, tmp_path: Path) -> None:
    output = tmp_path / "output"
    ended = line.run(
        ["plan", "--collection", COLLECTION_ID, "--date", "2020-08-28", "--json"], **settings(world, output)
    )
    document = ended.document()
    assert (ended.code, output.exists()) == (0, False)
    assert document["batches"] == [
        {
            "batch_id": BATCH_ID,
            "collection_id": COLLECTION_ID,
            "path": FILE,
            "rows": 2,
            "rows_dropped": {"no_key": 1},
        }
    ]
    [collection] = document["collections"]
    numbers = {key: collection[key] for key in ("columns", "leaves", "nested", "assessments", "batches", "rows")}
    assert numbers == {"columns": 18, "leaves": 7, "nested": 2, "assessments": 1, "batches": 1, "rows": 2}
    assert (document["waves"], document["rows"], document["rows_dropped"]) == (1, 2, 1)
    assert {read["table"]: read["strategy"] for read in document["reads"]}["sunbird.user"] == "scan"
    assert (document["not_made"], document["error"]) == ([], None)


@pytest.mark.rule("E7")
def test_doctor_looks_at_everything_though_one_thing_fails(line: CommandLine, world: Path, tmp_path: Path) -> None:
    lame = tmp_path / "lame"
    shutil.copytree(world, lame)
    shutil.rmtree(lame / "snapshot" / "sunbird.user")
    shutil.rmtree(lame / "catalogue")
    ended = line.run(["doctor"], **settings(lame, tmp_path / "output"))
    lines = ended.out.splitlines()
    assert ended.code == 1
    assert [line for line in lines if line.startswith("FAIL")] == [
        f"FAIL  table sunbird.user: reading table sunbird.user: the snapshot has no folder {lame}/snapshot/sunbird.user"
        "; was it exported whole, and does the setting tables.* name it right?",
        f"FAIL  catalogue: opening the catalogue {lame}/catalogue: no such folder; check catalogue.directory",
    ]
    assert "note  names: on: files hold the names of learners; set privacy.user_name = false to blank them" in lines
    assert "ok    encryption: on: in local mode Spark makes a secret of its own" in lines
    assert "ok    table sunbird.location: columns and types as expected, readable" in lines
    assert lines[-3:-1] == [
        f"ok    output: {tmp_path}/output can be written",
        "note  queue: not set: there are no requests; set queue.dsn to use run, submit, status, cancel",
    ]
    assert re.fullmatch(r"19 checks, \d+ passed, \d+ noted, 2 failed, \d+\.\d s", lines[-1])
    assert "Traceback" not in ended.err


@pytest.mark.rule("E10")
def test_missing_table_is_one_sentence_and_code_1(line: CommandLine, world: Path, tmp_path: Path) -> None:
    lame = tmp_path / "lame"
    shutil.copytree(world, lame)
    shutil.rmtree(lame / "snapshot" / "sunbird_courses.course_batch")
    ended = line.run(["export", "--all"], **settings(lame, tmp_path / "output"))
    assert ended.code == 1
    assert ended.err.splitlines()[-1].startswith("error: reading table sunbird_courses.course_batch: ")
    assert ended.out.splitlines()[-1].startswith("0 made, 0 not made, 0 rows dropped, ")
    assert "Traceback" not in ended.err
    assert paths_below(tmp_path / "output") == []


def test_spark_starts_with_a_garbage_collector_of_ones_own(
    world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JAVA_TOOL_OPTIONS", "-XX:+UseSerialGC")
    ended = run(["plan", "--batch", BATCH_ID], **settings(world, tmp_path))
    assert ended.code == 0, ended.err


@pytest.mark.rule("E12")
def test_sigterm_stops_cleanly_within_its_time(world: Path, tmp_path: Path) -> None:
    with started(["export", "--all"], **settings(world, tmp_path)) as process:
        assert process.stderr is not None
        assert any("computing " in line for line in process.stderr)
        [staging] = (tmp_path / "progress-exhaust" / ".staging").iterdir()
        begin = time.monotonic()
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 143
    assert time.monotonic() - begin < 30
    assert err.splitlines()[-1] == "error: stopped by SIGTERM: files already made stay, and nothing unfinished is left"
    assert CLOSING.fullmatch(out.splitlines()[-1])
    assert not staging.exists()
    assert "Traceback" not in err
