"""`python -m benchmarks.small_files`: five thousand batches of a few learners each.

What counts here is what a file costs whatever is in it: listing, checking and moving it.
"""

from __future__ import annotations

import argparse
import json
import sys
from functools import partial

from benchmarks.recording import record
from benchmarks.rounds import Figures, interleaved, medians
from benchmarks.session import MASTER, WarmSession
from benchmarks.worlds import SMALL_FILES

WORLD = "small_files"
BAR_FILES_PER_S = 200


def main() -> None:
    """Measure, record, and fail where the bar is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.small_files", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="after one that is not counted")
    arguments = parser.parse_args()
    session = WarmSession.open(WORLD)
    try:
        session.export()
        [runs] = interleaved({"ours": partial(export_files, session)}, arguments.rounds).values()
    finally:
        session.close()
    median = medians(runs)
    files_per_s = median["published_files_per_s"]
    figures = {
        "batches": SMALL_FILES.batches,
        "learners_per_batch": SMALL_FILES.learners,
        "master": MASTER,
        "rounds_measured": arguments.rounds,
        "bar_files_per_s": BAR_FILES_PER_S,
        "files_per_s_of_whole_run": round(median["files"] / median["total_s"], 1),
        "median": {"ours": median},
    }
    record("small_files", figures, {})
    print(json.dumps(figures, indent=2))
    if files_per_s < BAR_FILES_PER_S:
        sys.exit(f"publishing makes {files_per_s} files a second, expected {BAR_FILES_PER_S}")


def export_files(session: WarmSession) -> Figures:
    """Make all files, and tell how many of them a second are published."""
    figures = session.export()
    return {**figures, "published_files_per_s": round(figures["files"] / figures["publish_s"], 1)}


if __name__ == "__main__":
    main()
