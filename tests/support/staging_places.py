"""Staging places as runs leave them, and what others may have put beside them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from progress_exhaust.output.staging import remove_stale
from progress_exhaust.output.stores.local import LocalStore
from progress_exhaust.owner import Owner
from progress_exhaust.paths import STAGING

ROOT = Path(__file__).parents[2]
HOUR_S = 3600.0
RUN, RUN_1, RUN_2, RUN_3 = (f"20261123T083000Z-0a1b2{number}" for number in range(4))
SLEEPER = """
import sys, time
from pathlib import Path
from progress_exhaust.output.staging import Staging
from progress_exhaust.output.stores.local import LocalStore
with Staging(LocalStore(Path(sys.argv[1])), sys.argv[2]):
    print("staged", flush=True)
    time.sleep(600)
"""


@contextmanager
def run_that_stages(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """Start a process that holds a staging place."""
    process = subprocess.Popen(
        [sys.executable, "-c", SLEEPER, str(folder), RUN], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    with process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "staged\n"
            yield process
        finally:
            process.kill()


def place_of(store_folder: Path, owner: Owner | str | None, name: str = RUN, age_s: float = 0) -> Path:
    """Make a staging place as a run leaves it, with an owner whose last heartbeat was so many seconds ago."""
    place = store_folder / STAGING / name
    place.mkdir(parents=True)
    (place / "part-00000").write_text("row of a learner\n", encoding="utf-8")
    changed = [place]
    if owner is not None:
        text = owner if isinstance(owner, str) else json.dumps(asdict(owner))
        (place / "owner.json").write_text(text, encoding="utf-8", errors="surrogateescape")
        changed.insert(0, place / "owner.json")
    for path in changed:
        os.utime(path, (time.time() - age_s, time.time() - age_s))
    return place


def stale_places(folder: Path, keep_s: float = HOUR_S) -> list[str]:
    return remove_stale(LocalStore(folder), keep_s, time.time)


def strange_things(staging: Path) -> dict[str, Path]:
    """Put things under names of runs into the staging that no run leaves there; return the place of each."""
    outside = staging.parents[1] / "outside"
    outside.mkdir()
    (outside / "kept").write_text("kept\n", encoding="utf-8")
    staging.mkdir(parents=True)
    places = {
        kind: staging / f"20000101T000000Z-00000{number}"
        for number, kind in enumerate(
            ("file", "link", "pipe", "note is a directory", "note is a link", "note is a pipe", "note is huge")
        )
    }
    places["file"].write_text("of somebody\n", encoding="utf-8")
    places["link"].symlink_to(outside)
    os.mkfifo(places["pipe"])
    for kind, place in places.items():
        if kind.startswith("note"):
            place.mkdir()
    (places["note is a directory"] / "owner.json").mkdir()
    (places["note is a link"] / "owner.json").symlink_to(outside / "kept")
    os.mkfifo(places["note is a pipe"] / "owner.json")
    (places["note is huge"] / "owner.json").write_bytes(b" " * 70_000)
    for path in staging.rglob("*"):
        os.utime(path, (0, 0), follow_symlinks=False)
    return places
