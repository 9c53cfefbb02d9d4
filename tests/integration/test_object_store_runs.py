"""Whole runs into an S3 server: few calls, no secret in sight, and an end in time whatever the store does."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from progress_exhaust.stack.postgres import PostgresServer
from tests.reference.report import expected_reports
from tests.support.builders import batches_world
from tests.support.command_line import DAY_IN_NAME, CommandLine, Ended, ended, export_arguments, started
from tests.support.ddl import NEW
from tests.support.queue_database import QueueDatabase
from tests.support.run_rig import Rig
from tests.support.s3 import CREDENTIALS, S3, SECRET_KEY, s3_server, write_spark_defaults
from tests.support.s3_proxy import Call, Delay, Refuse, is_report
from tests.support.whole_runs import write_world
from tests.worlds import World

BATCHES = 6
CHANNEL = "root"
GIVE_UP_S = 20
QUICK = {"PROGRESS_EXHAUST__OUTPUT__GIVE_UP_S": str(GIVE_UP_S)}
WITHOUT_NAMES = {"PROGRESS_EXHAUST__PRIVACY__USER_NAME": "false"}
REPORT = f"progress-exhaust/{{}}_progress_{DAY_IN_NAME}.csv"
NEXT_STEP = "check output.url, its space and its rights"


@pytest.fixture(scope="module")
def world() -> World:
    world = batches_world(BATCHES, 2, learners=5)
    for tree in world.trees.values():
        tree["result"]["content"]["channel"] = CHANNEL
    return world


@pytest.fixture(scope="module")
def folder(world: World, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("object-store")
    write_world(world, folder)
    return folder


@pytest.fixture(scope="module")
def s3() -> Iterator[S3]:
    with s3_server() as server:
        yield server


@pytest.fixture(scope="module")
def variables(s3: S3, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What a command needs to find the store."""
    conf = write_spark_defaults(tmp_path_factory.mktemp("spark-conf"), s3.options())
    return {"SPARK_CONF_DIR": str(conf), **CREDENTIALS}


@pytest.fixture(scope="module")
def temporary(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("temporary")


@pytest.fixture(scope="module")
def line(variables: dict[str, Any], temporary: Path) -> Iterator[CommandLine]:
    with CommandLine(**variables, TMPDIR=str(temporary)) as line:
        yield line


@pytest.fixture
def bucket(s3: S3) -> Iterator[str]:
    yield s3.new_bucket()
    s3.proxy.heal()


def export_to(bucket: str, folder: Path) -> list[str]:
    arguments = export_arguments(folder, "--all", "--log-format", "text")
    arguments[arguments.index("--output") + 1] = f"s3a://{bucket}/out"
    return arguments


def expected(world: World) -> dict[str, bytes]:
    return {f"out/{REPORT.format(batch)}": report.content for batch, report in expected_reports(world).items()}


def reports_in(s3: S3, bucket: str) -> dict[str, bytes]:
    """The reports in a bucket, after seeing that it holds nothing but these and manifests."""
    objects = s3.objects(bucket)
    assert s3.unfinished_uploads(bucket) == 0
    return {key: content for key, content in objects.items() if "/manifest_" not in key}


def is_manifest(call: Call) -> bool:
    return call.method == "PUT" and "/manifest" in call.key


def third_report() -> Callable[[Call], bool]:
    numbers = itertools.count(1)
    return lambda call: is_report(call) and next(numbers) == 3


def left_in(temporary: Path) -> list[str]:
    """What holds rows in a folder for temporary files: drafts and staged lines."""
    return [str(path) for path in temporary.rglob("*") if path.is_file() and b"u-0" in path.read_bytes()]


# Exports.


@pytest.mark.rule("S3", "S4")
def test_export_over_an_older_one_costs_few_calls_and_leaves_reports_and_manifests_alone(
    line: CommandLine, s3: S3, bucket: str, folder: Path, world: World, temporary: Path
) -> None:
    for is_again in (False, True):
        with s3.proxy.counted() as calls:
            run = line.run(export_to(bucket, folder))

        assert (run.code, run.errors()) == (0, [])
        assert run.document()["output"] == f"s3a://{bucket}/out"
        assert reports_in(s3, bucket) == expected(world)
        assert len([key for key in s3.objects(bucket) if "/manifest_" in key]) == 1 + is_again
        counted = [call for call in calls if not call.is_part]
        assert len(counted) <= 60 + 4 * BATCHES, counted
        assert not [call for call in calls if call.is_copy or (call.method == "DELETE" and call.key.endswith(".csv"))]
    assert left_in(temporary) == []


def test_credentials_of_the_environment_are_seen_nowhere(line: CommandLine, s3: S3, bucket: str, folder: Path) -> None:
    run = line.run([*export_to(bucket, folder), "--debug"])

    assert run.code == 0
    told = [run.out, run.err, *(content.decode() for content in s3.objects(bucket).values())]
    arguments = [path.read_bytes().decode(errors="replace") for path in Path("/proc").glob("[0-9]*/cmdline")]
    assert any("java" in one for one in arguments)
    assert [text for text in (*told, *arguments) if SECRET_KEY in text] == []


@pytest.mark.rule("S6")
@pytest.mark.parametrize(
    ("refuse", "clause"),
    [
        (Refuse(404, "NoSuchBucket", "The specified bucket does not exist"), "The specified bucket does not exist"),
        (Refuse(400, "ExpiredToken", "The provided token has expired."), "The provided token has expired."),
    ],
    ids=["missing bucket", "expired token"],
)
def test_refusal_of_the_store_ends_the_run_with_its_own_words(
    line: CommandLine, s3: S3, bucket: str, folder: Path, refuse: Refuse, clause: str
) -> None:
    s3.proxy.fail(lambda call: True, refuse)

    run = line.run(export_to(bucket, folder))

    assert run.code == 1
    [error] = run.errors()
    assert error.startswith(f"writing s3a://{bucket}/out/")
    assert error.endswith(f": {clause}; {NEXT_STEP}")


@pytest.mark.rule("S2", "S4", "S6")
@pytest.mark.parametrize(
    "is_killed", [True, pytest.param(False, marks=pytest.mark.long)], ids=["killed", "answers 503"]
)
@pytest.mark.parametrize(
    "point",
    [
        pytest.param(lambda: lambda call: True, id="at its first call", marks=pytest.mark.long),
        pytest.param(lambda: is_report, id="before publishing", marks=pytest.mark.long),
        pytest.param(third_report, id="while publishing"),
        pytest.param(lambda: is_manifest, id="at the manifest", marks=pytest.mark.long),
    ],
)
def test_store_that_fails_ends_the_run_in_time_and_each_file_is_the_old_one_or_the_new(
    line: CommandLine,
    s3: S3,
    bucket: str,
    folder: Path,
    world: World,
    temporary: Path,
    point: Callable[[], Callable[[Call], bool]],
    is_killed: bool,
) -> None:
    assert line.run(export_to(bucket, folder), **QUICK, **WITHOUT_NAMES).code == 0
    old, new = reports_in(s3, bucket), expected(world)
    assert [key for key in old if old[key] == new[key]] == []
    outage = s3.proxy.fail_from(point(), is_killed=is_killed)
    run = line.run(export_to(bucket, folder), **QUICK)
    seconds = outage.seconds()
    s3.proxy.heal()

    assert run.code == 1
    [error] = run.errors()
    assert f"s3a://{bucket}/out/" in error
    assert error.endswith(NEXT_STEP)
    assert len(error) < 300
    assert seconds < GIVE_UP_S + 5  # the end of Spark
    between = reports_in(s3, bucket)
    assert between.keys() == old.keys()
    assert [key for key, content in between.items() if content not in (old[key], new[key])] == []
    assert left_in(temporary) == []

    assert line.run(export_to(bucket, folder), **QUICK).code == 0
    assert reports_in(s3, bucket) == new


@pytest.mark.rule("S6")
@pytest.mark.long
@pytest.mark.parametrize("is_killed", [True, False], ids=["killed", "answers 503"])
def test_store_that_fails_is_given_up_within_two_minutes_where_nothing_is_set(
    line: CommandLine, s3: S3, bucket: str, folder: Path, is_killed: bool
) -> None:
    s3.proxy.fail_from(lambda call: True, is_killed=is_killed)
    begin = time.monotonic()
    run = line.run(export_to(bucket, folder))

    assert run.code == 1
    assert time.monotonic() - begin < 120
    assert len(run.errors()) == 1


@pytest.mark.rule("E12", "S6")
def test_store_that_hangs_is_told_of_and_a_signal_ends_the_run_in_seconds(
    s3: S3, bucket: str, folder: Path, variables: dict[str, Any], tmp_path: Path
) -> None:
    s3.proxy.fail(is_report, Delay(1000))
    with started(export_to(bucket, folder), **variables, TMPDIR=str(tmp_path)) as process:
        assert process.stderr is not None
        waiting = next(text for text in process.stderr if "waiting for" in text)
        assert f"waiting for the output place s3a://{bucket}/out: no answer since 1" in waiting
        begin = time.monotonic()
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)
        seconds = time.monotonic() - begin

    assert process.returncode == 143
    assert seconds < 15
    s3.proxy.heal()
    assert reports_in(s3, bucket) == {}
    assert left_in(tmp_path) == []


# Requests.


@pytest.fixture
def rig(line: CommandLine, folder: Path, postgres: PostgresServer, bucket: str, tmp_path: Path) -> Iterator[Rig]:
    with QueueDatabase.make(postgres, NEW) as database:
        yield Rig(line, folder, folder, database, tmp_path / "out")


def run_settings(rig: Rig, bucket: str, **others: str) -> dict[str, Any]:
    return {**rig.settings(), "PROGRESS_EXHAUST__OUTPUT__URL": f"s3a://{bucket}", **others}


def see_made(rig: Rig, s3: S3, bucket: str, world: World, *request_ids: str) -> None:
    """See that each request has all its files, and that nothing else is in the bucket."""
    contents = {batch: report.content for batch, report in expected_reports(world).items()}
    objects = s3.objects(bucket)
    keys = set()
    for request_id in request_ids:
        row = rig.row(request_id)
        assert row["status"] == "SUCCESS", row["err_message"]
        batches = row["request_data"]["batchFilter"]
        for url, batch in zip(sorted(row["download_urls"]), sorted(batches), strict=True):
            assert url.startswith(f"progress-exhaust/{request_id}/{batch}_progress_")
            assert objects[url] == contents[batch]
            keys.add(url)
        keys.add(f"progress-exhaust/{request_id}/manifest.json")
    assert objects.keys() == keys
    assert s3.unfinished_uploads(bucket) == 0


@pytest.mark.rule("S6")
@pytest.mark.long
@pytest.mark.parametrize("is_killed", [True, False], ids=["killed", "answers 503"])
def test_requests_are_given_back_uncharged_where_the_store_fails_and_made_by_the_next_run(
    rig: Rig, s3: S3, bucket: str, world: World, temporary: Path, is_killed: bool
) -> None:
    for number in range(3):
        rig.put_in(f"r-{number}", f"b-{number:03}", f"b-{number + 3:03}", requested_channel=CHANNEL)
    s3.proxy.fail_from(third_report(), is_killed=is_killed)
    run = rig.line.run(["run"], **run_settings(rig, bucket, **QUICK))
    s3.proxy.heal()

    assert run.code == 1
    assert f"writing s3a://{bucket}/" in run.err
    assert run.err.count(NEXT_STEP) == 1
    left = [row for row in rig.database.rows() if row["status"] != "SUCCESS"]
    assert left
    assert {(row["status"], row["iteration"] or 0) for row in left} == {("SUBMITTED", 0)}

    assert line_run(rig, bucket).code == 0
    see_made(rig, s3, bucket, world, "r-0", "r-1", "r-2")
    assert left_in(temporary) == []


@pytest.mark.long
def test_driver_killed_while_it_publishes_is_followed_by_one_that_makes_the_rest(
    rig: Rig, s3: S3, bucket: str, world: World, variables: dict[str, Any], temporary: Path
) -> None:
    rig.put_in("r-1", *(f"b-{number:03}" for number in range(BATCHES)), requested_channel=CHANNEL)
    before = len(s3.proxy.calls)
    with s3.proxy.counted() as calls:
        s3.proxy.fail(third_report(), Delay(1000))
        process = started(["run"], **run_settings(rig, bucket, **variables, TMPDIR=str(temporary)))
        deadline = time.monotonic() + 120
        while sum(map(is_report, s3.proxy.calls[before:])) < 3:
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        os.killpg(process.pid, signal.SIGKILL)
        ended(process)
        s3.proxy.heal()
    assert [call for call in calls if call.is_copy] == []
    assert rig.row("r-1")["status"] == "PROCESSING"

    again = ended(started(["run"], **run_settings(rig, bucket, **variables, TMPDIR=str(temporary))))

    assert again.code == 0, again.err
    see_made(rig, s3, bucket, world, "r-1")
    assert left_in(temporary) == []


@pytest.mark.long
def test_two_drivers_at_one_bucket_make_each_request_once(
    rig: Rig, s3: S3, bucket: str, world: World, variables: dict[str, Any], tmp_path: Path
) -> None:
    names = [f"r-{number}" for number in range(4)]
    for number, name in enumerate(names):
        rig.put_in(name, f"b-{number:03}", f"b-{number + 1:03}", requested_channel=CHANNEL)
    drivers: list[subprocess.Popen[str]] = []
    with s3.proxy.counted() as calls:
        for number in range(2):
            (tmp_path / str(number)).mkdir()
            own = {**variables, "TMPDIR": str(tmp_path / str(number))}
            drivers.append(started(["run"], **run_settings(rig, bucket, **own)))
        ends = [ended(driver) for driver in drivers]

    assert [end.code for end in ends] == [0, 0], ends
    see_made(rig, s3, bucket, world, *names)
    put = [call.key for call in calls if is_report(call)]
    assert sorted(put) == sorted(set(put))


def line_run(rig: Rig, bucket: str) -> Ended:
    return rig.line.run(["run"], **run_settings(rig, bucket))
