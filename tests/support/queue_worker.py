"""A driver process for `test_queue_kills`: the real queue, and an export that only writes a file.

It may be killed at any moment. Whoever begins a request leaves a note of who it is; whoever finds somebody else's note
waits until that one is dead, and complains if it was alive.
"""

from __future__ import annotations

import json
import os
import random
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from progress_exhaust.job_requests.model import Claim, Closing, Delivered, Status
from progress_exhaust.job_requests.postgres.queue import PostgresQueue
from progress_exhaust.settings.sections import QueueSettings, RequestSettings
from progress_exhaust.stack.processes import Process, recall

_WORK_S = (0.02, 0.12)
_DYING_S = 10.0
_TRIES = 20


def main() -> None:
    folder, seed = Path(sys.argv[1]), int(sys.argv[2])
    settings = json.loads((folder / "settings.json").read_text(encoding="utf-8"))
    chance = random.Random(seed)
    now = lambda: datetime.now(UTC)  # noqa: E731 - a port
    queue = PostgresQueue(QueueSettings.model_validate(settings), RequestSettings(tries=_TRIES), now=now)
    while due := queue.due():
        chance.shuffle(due)
        claims = (queue.claim(request.key) for request in due)
        claim = next((claim for claim in claims if isinstance(claim, Claim)), None)
        if claim is None:
            # All that is left is others' work; one of them may die yet.
            time.sleep(0.05)
            continue
        work(queue, claim, folder, chance)


def work(queue: PostgresQueue, claim: Claim, folder: Path, chance: random.Random) -> None:
    name = claim.key.request_id
    note = folder / "owners" / name
    begin_alone(note, folder / "complaints")
    staged = folder / "staging" / f"{name}-{os.getpid()}"
    staged.write_text(f"{name}\n", encoding="utf-8")
    time.sleep(chance.uniform(*_WORK_S))
    delivered = Delivered((f"{name}.csv",), json.dumps([name]))
    queue.checkpoint({claim.key: delivered})
    if queue.is_ours(claim):
        staged.rename(folder / "files" / f"{name}.csv")
    # The note goes first: with the end of the claim others may begin.
    note.unlink()
    queue.close(claim, Closing(Status.SUCCESS, delivered, datetime.now(UTC), datetime.now(UTC), 1, ""))


def begin_alone(note: Path, complaints: Path) -> None:
    """Leave our note, all at once; where there is one, see that nobody alive has left it."""
    ours = note.with_name(f".{note.name}-{os.getpid()}")
    start_ticks = int(Path("/proc/self/stat").read_text(encoding="ascii").rpartition(")")[2].split()[19])
    ours.write_text(json.dumps({"pid": os.getpid(), "start_ticks": start_ticks}), encoding="ascii")
    try:
        os.link(ours, note)
    except FileExistsError:
        owner: Process | None
        deadline = time.monotonic() + _DYING_S
        # The system closes a killed process' connections a moment before the process is gone.
        while owner := recall(note):
            if time.monotonic() > deadline:
                break
            time.sleep(0.005)
        if owner or not note.exists():
            (complaints / f"{note.name}-{os.getpid()}").write_text(f"{owner}\n", encoding="utf-8")
        ours.replace(note)
    ours.unlink(missing_ok=True)


if __name__ == "__main__":
    main()
