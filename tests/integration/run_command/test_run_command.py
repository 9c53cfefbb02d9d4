"""The command `run` as its users meet it: exit codes, screen, log lines, metrics, and what it leaves in the table.

The commands run in one process and one JVM, one after another.
"""

from __future__ import annotations

import json
import re
import shutil
import time
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

import pytest

from progress_exhaust.stack.ports import free_ports
from tests.reference.report import expected_reports
from tests.support.run_rig import AT_ONCE_S, CLOSING, NORTH, PASSWORD, WAIT_S, Rig, log_lines
from tests.worlds import World

MALFORMED = {
    "bad-1": '{"batchFilter": "b-000"}',
    "bad-2": "[]",
    "bad-3": '{"batchId": "b-000", "searchFilter": {"request": {"filters": {"channel": "c"}}}}',
}

HOSTILE = (
    "'; DROP TABLE job_request; --",
    "line\r\nforged line",
    "\x1b[2J\x1b]0;title\x07",
    "%s %(tag)s {} {0} %n",
    '","level":"error',
)


def spark_jobs(events: Path) -> int:
    """Return the jobs that the last Spark has run."""
    last = max(events.iterdir(), key=lambda path: path.stat().st_mtime_ns)
    return last.read_text(encoding="utf-8").count('"Event":"SparkListenerJobStart"')


@pytest.mark.rule("Q10", "E9")
def test_code_0_where_all_is_done_though_requests_failed_for_their_own_fault(rig: Rig, world: World) -> None:
    rig.put_in("good", "b-000", "b-002")
    assert rig.run("--json").code == 0
    jobs_of_good_alone = spark_jobs(rig.events)
    assert jobs_of_good_alone > 0
    rig.put_in("first", "b-000", "b-002")
    for request_id, data in MALFORMED.items():
        rig.put_in(request_id, request_data=data)
    rig.put_in("unknown", "b-999", minutes=9)

    ended = rig.run("--json")

    assert ended.code == 0, ended.err
    assert rig.statuses() == {"good": "SUCCESS", "first": "SUCCESS", "unknown": "FAILED"} | dict.fromkeys(
        MALFORMED, "FAILED"
    )
    expected = expected_reports(world)
    for batch_id in ("b-000", "b-002"):
        assert rig.file("first", batch_id) == expected[batch_id].content
    for request_id in MALFORMED:
        row = rig.row(request_id)
        assert row["err_message"]
        assert (row["download_urls"], row["dt_file_created"], row["iteration"]) == (None, None, 0)
        assert not (rig.output / "progress-exhaust" / request_id).exists()
    assert rig.row("unknown")["err_message"] == "No data found"
    assert spark_jobs(rig.events) == jobs_of_good_alone, "a malformed request costs no Spark job"


@pytest.mark.rule("E9")
def test_code_0_and_no_spark_where_nothing_is_due(rig: Rig) -> None:
    before = len(list(rig.events.iterdir()))
    begin = time.monotonic()
    ended = rig.run("--json")
    assert time.monotonic() - begin < AT_ONCE_S
    assert ended.code == 0
    assert (ended.document()["due"], ended.document()["requests"], ended.document()["runs"]) == (0, [], 1)
    assert len(list(rig.events.iterdir())) == before
    assert not rig.output.exists()


@pytest.mark.rule("Q28")
@pytest.mark.long
def test_prefix_of_urls_stands_in_the_row_alone_and_may_be_another_in_each_run(rig: Rig) -> None:
    rig.put_in("r-1", "b-000", "b-002")
    first = rig.run(
        PROGRESS_EXHAUST__REQUESTS__REPORTS_PER_CHANNEL="1",
        PROGRESS_EXHAUST__REQUESTS__URL_PREFIX="https://account.example/reports/",
    )
    assert first.code == 1
    [url] = rig.row("r-1")["download_urls"]
    assert url.startswith("https://account.example/reports/progress-exhaust/r-1/b-000_progress_")
    kept = rig.file("r-1", "b-000")

    assert rig.run(PROGRESS_EXHAUST__REQUESTS__URL_PREFIX="bucket").code == 0

    row = rig.row("r-1")
    assert (row["status"], rig.file("r-1", "b-000")) == ("SUCCESS", kept)
    paths = [str(path.relative_to(rig.output)) for path in sorted(rig.output.rglob("*.csv"))]
    assert row["download_urls"] == [f"bucket/{path}" for path in paths]
    manifest = json.loads((rig.output / "progress-exhaust" / "r-1" / "manifest.json").read_text(encoding="utf-8"))
    assert [file["path"] for file in manifest["files"]] == paths
    assert "account.example" not in json.dumps([row["processed_batches"], manifest])
    assert "bucket" not in json.dumps([row["processed_batches"], manifest])


@pytest.mark.rule("E10")
def test_code_1_where_something_is_left_for_a_limit(rig: Rig) -> None:
    rig.put_in("r-1", "b-000", "b-002")
    ended = rig.run("--json", PROGRESS_EXHAUST__REQUESTS__REPORTS_PER_CHANNEL="1")
    assert ended.code == 1
    row = rig.row("r-1")
    assert (row["status"], row["iteration"], len(row["download_urls"])) == ("SUBMITTED", 0, 1)
    document = ended.document()
    assert (document["left"], document["error"]) == (1, None)
    [request] = document["requests"]
    assert (request["state"], request["files"], request["wanted"]) == ("SUBMITTED", 1, 2)
    first = rig.file("r-1", "b-000")

    assert rig.run("--json").code == 0

    row = rig.row("r-1")
    assert (row["status"], row["iteration"], len(row["download_urls"])) == ("SUCCESS", 0, 2)
    assert rig.file("r-1", "b-000") == first


@pytest.mark.rule("E10")
def test_code_1_and_nothing_is_burned_where_a_service_fails(rig: Rig, tmp_path: Path) -> None:
    rig.put_in("r-1", "b-000")
    before = rig.row("r-1")
    lame = tmp_path / "lame"
    shutil.copytree(rig.world / "snapshot", lame)
    shutil.rmtree(lame / "sunbird.user")
    for variables in (
        {"PROGRESS_EXHAUST__SOURCE__SNAPSHOT_DIR": str(lame)},
        {"PROGRESS_EXHAUST__CATALOGUE__DIRECTORY": str(tmp_path / "none")},
        {"PROGRESS_EXHAUST__OUTPUT__URL": str(rig.world / "snapshot" / "sunbird.user" / "part-00000.jsonl" / "x")},
    ):
        ended = rig.run("--json", **variables)
        assert ended.code == 1, ended.err
        last = log_lines(ended.err)[-1]
        assert (last["level"], last["sentence"]) == ("error", ended.document()["error"])
        assert rig.row("r-1") == before
        assert rig.metrics()["runs_total", ""] == 1, "a run that failed is counted too"
        assert rig.metrics()["requests_due", ""] == 1


@pytest.mark.rule("E10")
def test_code_1_where_the_queue_does_not_answer(rig: Rig) -> None:
    [port] = free_ports(1)
    dsn = f"host=127.0.0.1 port={port} dbname=x user=y connect_timeout=2"
    ended = rig.run("--log-format", "text", PROGRESS_EXHAUST__QUEUE__DSN=dsn)
    assert ended.code == 1
    assert ended.errors()[0].startswith(f"connecting to PostgreSQL at 127.0.0.1 port {port} ")
    assert CLOSING.fullmatch(ended.out.splitlines()[-1])


@pytest.mark.rule("E11")
@pytest.mark.parametrize(
    ("arguments", "variables", "sentence"),
    [
        pytest.param(["--watch", "0"], {}, "Input should be greater than or equal to 0.1", id="no time to watch"),
        pytest.param([], {"QUEUE__DSN": ""}, "queue.dsn: it is not set", id="no connection string"),
        pytest.param(
            [], {"QUEUE__DSN": f"host=db password={PASSWORD}"}, "queue.dsn: a secret (password)", id="a secret in it"
        ),
        pytest.param([], {"REQUESTS__TRIES": "0"}, "requests.tries: Input should be greater than 0", id="settings"),
        pytest.param([], {"QUEUE__TABLE": "x; y"}, "queue.table: expected a table", id="table"),
    ],
)
def test_code_2_for_wrong_usage_or_settings(
    rig: Rig, arguments: list[str], variables: Mapping[str, str], sentence: str
) -> None:
    rig.put_in("r-1", "b-000")
    before = rig.database.rows()
    named = {f"PROGRESS_EXHAUST__{name}": value for name, value in variables.items()}
    ended = rig.run("--log-format", "text", *arguments, **named)
    assert ended.code == 2
    assert any(sentence in error for error in ended.errors()), ended.err
    assert PASSWORD not in ended.err + ended.out
    assert rig.database.rows() == before


@pytest.mark.rule("E3")
def test_only_the_requests_asked_for_are_taken(rig: Rig) -> None:
    """Tag and id are compared as they are: no case is folded, no sign means anything."""
    for number, (request_id, tag) in enumerate((("a", "t"), ("b", "T"), ("c", "t "), ("d", "%"), ("e", "t"))):
        rig.put_in(request_id, "b-000", tag=tag, minutes=number)

    assert rig.run("--tag", "%").code == 0
    assert [key for key, status in rig.statuses().items() if status == "SUCCESS"] == ["d"]
    assert rig.run("--request", "b").code == 0
    assert rig.run("--request", "e", "--tag", "T").code == 0, "nothing is due: done"
    assert sorted(key for key, status in rig.statuses().items() if status == "SUCCESS") == ["b", "d"]
    ended = rig.run("--tag", "t", "--max-requests", "1", "--json")
    assert ended.code == 0, "what was not asked for is not left"
    assert (ended.document()["due"], ended.document()["left"]) == (2, 0)
    assert rig.statuses() == {"a": "SUCCESS", "b": "SUCCESS", "c": "SUBMITTED", "d": "SUCCESS", "e": "SUBMITTED"}


@pytest.mark.rule("Q1")
def test_rows_of_other_jobs_stay_as_they_are(rig: Rig) -> None:
    others = [
        {
            "request_id": request_id,
            "tag": tag,
            "job_id": job_id,
            "status": status,
            "iteration": iteration,
            "request_data": '{"batchId":  "b-000"}',
            "requested_channel": NORTH,
            "dt_job_submitted": datetime(2020, 1, 1),
            "download_urls": ["a", "b"],
            "err_message": "theirs",
            "encryption_key": "key",
            "batch_number": 7,
            "processed_batches": "[]",
        }
        for request_id, tag, job_id in (
            ("r-1", "other", "userinfo-exhaust"),
            ("r-2", "t", "progress-exhaust-v2"),
            ("r-3", "t", "Progress-Exhaust"),
            ("r-4", "t", None),
        )
        for status, iteration in (("SUBMITTED", None),)
    ] + [
        {"request_id": f"p-{status}", "job_id": "response-exhaust", "status": status, "request_data": "[]"}
        for status in ("SUBMITTED", "PROCESSING", "SUCCESS", "FAILED")
    ]
    rig.database.insert_many(others)
    whole = (
        "SELECT xmin::text, j::text FROM job_request AS j WHERE job_id IS DISTINCT FROM 'progress-exhaust' ORDER BY 2"
    )
    before = rig.database.execute(whole)
    assert len(before) == len(others)
    rig.put_in("r-1", "b-000")

    assert rig.run().code == 0

    assert rig.database.execute(whole) == before
    ours = rig.database.rows("job_id = 'progress-exhaust'")
    assert [(row["request_id"], row["status"]) for row in ours] == [("r-1", "SUCCESS")]


def test_hostile_values_are_kept_as_they_are_and_split_no_line(rig: Rig) -> None:
    for number, value in enumerate(HOSTILE):
        rig.put_in(f"r-{number}", "b-000", tag=value, requested_channel=value, requested_by=value, minutes=number)
    rig.put_in("good", "b-000", tag="\x1b[31mred\r\n", requested_by=HOSTILE[0])
    texts = [[row[name] for name in ("tag", "requested_channel", "requested_by")] for row in rig.database.rows()]

    ended = rig.run("--json")

    assert ended.code == 0, ended.err
    rows = rig.database.rows()
    assert [[row[name] for name in ("tag", "requested_channel", "requested_by")] for row in rows] == texts
    assert rig.statuses() == {"good": "SUCCESS"} | {f"r-{number}": "FAILED" for number in range(len(HOSTILE))}
    assert {row["err_message"] for row in rows} == {None, "No data found"}, "nobody may see another channel's batch"
    assert {line["request_id"] for line in log_lines(ended.err) if "request_id" in line} == set(rig.statuses())
    assert {request["key"]["tag"] for request in ended.document()["requests"]} == {*HOSTILE, "\x1b[31mred\r\n"}

    rig.database.execute("UPDATE job_request SET status = 'SUBMITTED'")
    shown = rig.run("--log-format", "text")
    assert shown.code == 0
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f]", shown.out + shown.err)
    assert not any(line.startswith("forged") for line in (shown.out + shown.err).splitlines())


def test_machines_get_a_line_an_event_a_document_and_metrics(rig: Rig, world: World) -> None:
    rig.put_in("r-1", "b-000", "b-002", "b-404")
    rig.put_in("r-2", "b-000", minutes=1)
    rig.put_in("r-3", "b-999", minutes=2)

    ended = rig.run("--json")

    assert ended.code == 0
    lines = log_lines(ended.err)
    ends = {line["request_id"]: line["action"] for line in lines if line["action"] in ("SUCCESS", "FAILED")}
    assert ends == {"r-1": "SUCCESS", "r-2": "SUCCESS", "r-3": "FAILED"}
    made = [(line["request_id"], line["batch_id"], line["rows"]) for line in lines if line["action"] == "made"]
    assert sorted(made) == [("r-1", "b-000", 5), ("r-1", "b-002", 5), ("r-2", "b-000", 5)]
    assert lines[0]["action"] == "start"
    assert lines[-1]["action"] == "done"
    assert CLOSING.fullmatch(lines[-1]["sentence"]).groups() == ("2", "1", "0", "3")  # type: ignore[union-attr]
    document = ended.document()
    assert (document["output"], document["due"], document["left"], document["error"]) == (str(rig.output), 3, 0, None)
    requests = {one["key"]["request_id"]: one for one in document["requests"]}
    assert {key: (one["state"], one["files"], one["wanted"], one["rows"]) for key, one in requests.items()} == {
        "r-1": ("SUCCESS", 2, 3, 10),
        "r-2": ("SUCCESS", 1, 1, 5),
        "r-3": ("FAILED", 0, 1, 0),
    }
    assert requests["r-1"]["err_message"] == "1 of 3 not made: b-404 (unknown)"
    assert [file["path"] for file in document["files"] if "/r-2/" in file["path"]] == rig.row("r-2")["download_urls"]
    size = {batch_id: len(expected_reports(world)[batch_id].content) for batch_id in ("b-000", "b-002")}
    metrics = rig.metrics()
    phases = {label for name, label in metrics if name == "phase_seconds_total"}
    assert phases == {"catalogue", "plan", "read", "compute", "publish"}
    at = metrics.pop(("last_run_timestamp_seconds", ""))
    assert abs(at - time.time()) < WAIT_S
    assert {key: value for key, value in metrics.items() if key[0] != "phase_seconds_total"} == {
        ("requests_total", "SUCCESS"): 2,
        ("requests_total", "FAILED"): 1,
        ("files_total", ""): 3,
        ("learners_total", ""): 15,
        ("bytes_total", ""): 2 * size["b-000"] + size["b-002"],
        ("runs_total", ""): 1,
        ("requests_left_total", ""): 0,
        ("requests_due", ""): 3,
    }


def test_people_get_sentences_a_table_and_a_closing_line(rig: Rig) -> None:
    rig.put_in("r-1", "b-000")
    ended = rig.run("--log-format", "text")
    lines = ended.out.splitlines()
    assert lines[0].split() == ["request", "tag", "state", "files", "learners", "message"]
    assert lines[1].split() == ["r-1", "t", "SUCCESS", "1", "of", "1", "5"]
    assert lines[-2] == f"all below: {rig.output}"
    assert CLOSING.fullmatch(lines[-1]).groups() == ("1", "0", "0", "1")  # type: ignore[union-attr]
    assert all(re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ ", line) for line in ended.err.splitlines())


def test_metrics_that_can_not_be_written_are_told_and_the_request_stays_done(rig: Rig) -> None:
    rig.put_in("r-1", "b-000")
    file = rig.world / "catalogue"  # a folder, and no file can take its place
    ended = rig.run("--log-format", "text", PROGRESS_EXHAUST__REQUESTS__METRICS_FILE=str(file))
    assert ended.code == 1
    told = f"writing metrics to {file}: a directory stands in its place; check requests.metrics_file"
    assert ended.errors()[0] == told
    assert rig.row("r-1")["status"] == "SUCCESS"


def test_metrics_that_can_not_be_written_do_not_hide_what_stopped_the_run(rig: Rig, tmp_path: Path) -> None:
    rig.put_in("r-1", "b-000")
    ended = rig.run(
        PROGRESS_EXHAUST__REQUESTS__METRICS_FILE=str(rig.world / "catalogue"),
        PROGRESS_EXHAUST__CATALOGUE__DIRECTORY=str(tmp_path / "none"),
    )
    assert ended.code == 1
    *_, unwritten, stopped = log_lines(ended.err)
    assert unwritten["sentence"].startswith("writing metrics to ")
    assert (stopped["level"], stopped["sentence"].startswith("opening the catalogue ")) == ("error", True)
