"""The zone of a machine changes nothing: neither a byte of a report, nor what Spark takes for its own zone."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.reference.report import expected_reports
from tests.support.builders import answer, batch, enrolment, small_tree
from tests.support.command_line import environment, export_arguments, reports_below, run
from tests.support.spark_submit import submit, submit_variables
from tests.worlds import World, WorldSettings, write_catalogue, write_snapshot

ZONES = ("UTC", "Asia/Kolkata", "America/New_York")
MOMENTS = (
    datetime(1, 1, 1, tzinfo=UTC),
    datetime(1500, 3, 9, 20, tzinfo=UTC),
    datetime(1582, 10, 14, 23, 59, 59, 999_000, UTC),
    datetime(1883, 11, 18, 12, 0, 0, 1000, UTC),
    datetime(1899, 12, 31, 23, 59, 59, 999_000, UTC),
    datetime(1945, 8, 31, 18, tzinfo=UTC),
    datetime(2020, 3, 8, 7, tzinfo=UTC),
    datetime(9999, 12, 31, 18, 29, 59, 999_000, UTC),
)
TELLING_JOB = """
from progress_exhaust.spark.private import of_this_process
from progress_exhaust.settings.sections import Settings
from progress_exhaust.spark.session import start_session

source = {"kind": "snapshot", "snapshot_dir": "no-such-folder"}
spark = start_session(Settings.model_validate({"source": source}), of_this_process())
print("zone", spark._jvm.java.util.TimeZone.getDefault().getID())
print("options", spark.sparkContext.getConf().get("spark.executor.extraJavaOptions"))
spark.stop()
"""


def old_world() -> World:
    """A batch whose learners enrolled long ago, and have completed as long ago, in a report for India."""
    rows = [enrolment(f"u-{number}", enrolled_date=at, completedon=at) for number, at in enumerate(MOMENTS)]
    tables = {"course_batch": [batch()], "user_enrolments": rows, "user": [], "location": []}
    return World(tables, {"do_1": answer(small_tree("do_1"))}, WorldSettings(time_zone="Asia/Kolkata"))


def telling_job(folder: Path) -> Path:
    job = folder / "telling.py"
    job.write_text(TELLING_JOB, encoding="utf-8")
    return job


def told_by(command: list[str], variables: Mapping[str, str]) -> list[str]:
    """Run the job; return the two lines that it tells."""
    said = subprocess.run(
        command,
        env=variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        timeout=600,
        check=True,
    )
    return said.stdout.splitlines()[-2:]


def test_bytes_of_a_report_are_the_same_in_every_zone_of_the_machine(tmp_path: Path) -> None:
    world = old_world()
    write_snapshot(world, tmp_path / "snapshot")
    write_catalogue(world, tmp_path / "catalogue")
    contents = {}
    for number, zone in enumerate(ZONES):
        output = tmp_path / f"reports-{number}"
        arguments = export_arguments(tmp_path, "--all", output=output)
        ended = run(arguments, TZ=zone, PROGRESS_EXHAUST__REPORT__TIME_ZONE="Asia/Kolkata")
        assert ended.code == 0, ended.err
        contents[zone] = reports_below(output)

    expected = {"b-1": expected_reports(world)["b-1"].content}
    assert contents == dict.fromkeys(ZONES, expected)
    assert b",1899-12-31 " not in expected["b-1"]  # in India, where the report is read, it was another day
    assert b",1900-01-01 " in expected["b-1"]


@pytest.mark.parametrize(
    "given",
    [
        pytest.param("", id="no options", marks=pytest.mark.long),
        pytest.param("-Dgiven=1 -Duser.timezone=Asia/Tokyo", id="options given"),
    ],
)
def test_job_on_spark_submit_works_in_utc_and_keeps_the_options_given_for_executors(tmp_path: Path, given: str) -> None:
    command = submit(telling_job(tmp_path))
    if given:
        command[1:1] = ["--conf", f"spark.executor.extraJavaOptions={given}"]

    zone, options = told_by(command, {**os.environ, **submit_variables(), "TZ": "America/New_York"})

    # Spark puts options of its own before those. Of one that is given twice, Java takes the last.
    expected = [*given.split(), "-Duser.timezone=UTC"]
    assert zone == "zone UTC"
    assert options.split()[-len(expected) :] == expected


def test_job_in_a_jvm_of_its_own_works_in_utc(tmp_path: Path) -> None:
    variables = environment(TZ="Asia/Kolkata", PYTHONPATH=str(Path(__file__).parents[2]))

    zone, options = told_by([sys.executable, str(telling_job(tmp_path))], variables)

    assert zone == "zone UTC"
    assert options.endswith(" -Duser.timezone=UTC")
