"""`python -m benchmarks.object_store`: the standard world into an S3 server, against the same into a local folder.

The real command makes both in turn, each from a cold start. What counts is how often the store is called; the server is
a small one in Python on loopback, so its seconds say little of a real one. Then the time that a store takes to be given
up which is gone, or answers 503 to all, from the moment it fails.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

from benchmarks.cold_start import COMMAND, adopt_orphans, timed
from benchmarks.recording import record
from benchmarks.rounds import Figures, interleaved, medians
from benchmarks.session import MASTER, require_world
from benchmarks.worlds import ROOT, STANDARD, places_of
from progress_exhaust.java import java_home
from tests.support.s3 import CREDENTIALS, S3, s3_server, write_spark_defaults
from tests.support.s3_proxy import is_report

WORLD = "standard"
FILES = STANDARD.batches + 1
BAR_CALLS = 60 + 4 * FILES
BAR_GIVE_UP_S = 120.0


def main() -> None:
    """Measure, record, and fail where a bar is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.object_store", description=__doc__)
    parser.add_argument("--rounds", type=int, default=2)
    arguments = parser.parse_args()
    require_world(WORLD)
    adopt_orphans()
    os.environ["JAVA_HOME"] = str(java_home(os.environ))
    with tempfile.TemporaryDirectory() as conf, s3_server() as s3:
        write_spark_defaults(Path(conf), s3.options())
        os.environ |= {"SPARK_CONF_DIR": conf, **CREDENTIALS}
        places = _places_in(s3.new_bucket())
        variants: dict[str, Callable[[], Figures]] = {
            "local folder": export_here,
            "object store": partial(export_to, s3, places),
        }
        taken = interleaved(variants, arguments.rounds)
        given_up_s = {
            f"until a store is given up that {how}": until_given_up(s3, places, is_killed=is_killed)
            for how, is_killed in (("is gone", True), ("answers 503", False))
        }
    median = {name: medians(runs) for name, runs in taken.items()}
    figures = {
        "files": FILES,
        "rounds_measured": arguments.rounds,
        "bar_calls": BAR_CALLS,
        "median": median,
        "seconds": given_up_s,
    }
    record("object_store", figures, {})
    print(json.dumps(figures, indent=2))
    calls = median["object store"]["calls"]
    if calls > BAR_CALLS or max(given_up_s.values()) > BAR_GIVE_UP_S:
        sys.exit(f"{calls} calls, expected {BAR_CALLS}; {given_up_s}, expected {BAR_GIVE_UP_S} s")


def export_here() -> Figures:
    """Make all files in a local folder."""
    shutil.rmtree(ROOT / WORLD / "reports", ignore_errors=True)
    return _made(places_of(WORLD, "reports"))


def export_to(s3: S3, places: list[str]) -> Figures:
    """Make all files in the store, over those that are there, and count what it is asked."""
    with s3.proxy.counted() as calls:
        figures = _made(places)
    return {**figures, "calls": sum(not call.is_part for call in calls)}


def until_given_up(s3: S3, places: list[str], *, is_killed: bool) -> float:
    """Let the store fail at the first report, and return the seconds from then to the end of the command.

    Raises:
        SystemExit: the command ends otherwise.
    """
    outage = s3.proxy.fail_from(is_report, is_killed=is_killed)
    ended = subprocess.run(
        [COMMAND, "export", "--all", *places, "--log-format", "text"],
        env={**os.environ, "PROGRESS_EXHAUST__SPARK__MASTER": MASTER},
        capture_output=True,
        text=True,
        check=False,
    )
    seconds = outage.seconds()
    s3.proxy.heal()
    if ended.returncode != 1 or "error: " not in ended.stderr:
        raise SystemExit(f"expected code 1 and an error, got {ended.returncode}: {ended.stderr[-500:]}")
    print(f"given up after {seconds:.1f} s: {ended.stderr.splitlines()[-1]}", flush=True)
    return round(seconds, 1)


def _made(places: list[str]) -> Figures:
    shown: list[str] = []
    figures = timed([COMMAND, "export", "--all", "--json", *places], shown.append)
    document = json.loads(shown[0])
    if len(document["files"]) != FILES:
        raise SystemExit(f"expected {FILES} files, got {len(document['files'])}")
    return {**figures, "files": FILES, "publish_s": document["phase_s"]["publish"]}


def _places_in(bucket: str) -> list[str]:
    places = places_of(WORLD, "reports")
    places[places.index("--output") + 1] = f"s3a://{bucket}/bench"
    return places


if __name__ == "__main__":
    main()
