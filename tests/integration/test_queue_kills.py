"""Six drivers work a queue off while they are killed again and again: nothing is lost, nothing is done twice."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from progress_exhaust.stack.postgres import PostgresServer
from tests.support.ddl import NEW
from tests.support.queue_database import QueueDatabase

ROOT = Path(__file__).parents[2]
REQUESTS = 200
WORKERS = 6
KILLS = 25
DEADLINE_S = 240.0
AUDIT = """
CREATE TABLE audit (request_id text, before text, after text, iteration integer, at timestamptz);
CREATE FUNCTION note_change() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO audit VALUES (NEW.request_id, OLD.status, NEW.status, NEW.iteration, clock_timestamp());
    RETURN NEW;
END $$;
CREATE TRIGGER noted AFTER UPDATE OF status ON job_request FOR EACH ROW EXECUTE FUNCTION note_change();
"""


class Workers:
    """Six processes, each started anew after it was killed, until nothing is due."""

    def __init__(self, folder: Path, chance: random.Random) -> None:
        self.killed = 0
        self._folder = folder
        self._chance = chance
        self._started = 0
        self._running = [self._start() for _ in range(WORKERS)]

    def _start(self) -> subprocess.Popen[bytes]:
        self._started += 1
        with (self._folder / "log").open("ab") as log:
            return subprocess.Popen(
                [
                    sys.executable,
                    str(ROOT / "tests" / "support" / "queue_worker.py"),
                    str(self._folder),
                    str(self._started),
                ],
                env={**os.environ, "PYTHONPATH": str(ROOT)},
                stdout=log,
                stderr=log,
            )

    def kill_one(self) -> None:
        """Kill one of those that run, with no warning, and start another."""
        number = self._chance.choice([number for number, worker in enumerate(self._running) if worker.poll() is None])
        self._running[number].send_signal(signal.SIGKILL)
        assert self._running[number].wait() == -signal.SIGKILL
        self.killed += 1
        self._running[number] = self._start()

    def wait(self, deadline: float) -> None:
        for worker in self._running:
            assert worker.wait(max(deadline - time.monotonic(), 1)) == 0, self.log()

    def stop(self) -> None:
        for worker in self._running:
            worker.kill()
            worker.wait()

    def log(self) -> str:
        return (self._folder / "log").read_text(encoding="utf-8")


@pytest.fixture
def audited(postgres: PostgresServer) -> Iterator[QueueDatabase]:
    with QueueDatabase.make(postgres, NEW) as database:
        database.execute(AUDIT)
        database.insert_many([{"request_id": f"r-{number:03}"} for number in range(REQUESTS)])
        yield database


def ended(database: QueueDatabase) -> int:
    [row] = database.execute("SELECT count(*) AS n FROM job_request WHERE status = 'SUCCESS'")
    return int(row["n"])


def work_off_under_fire(database: QueueDatabase, folder: Path, seed: int) -> None:
    for name in ("owners", "complaints", "staging", "files"):
        (folder / name).mkdir()
    settings = {"dsn": database.server.dsn(database.name), "password": database.server.password, "heartbeat_s": 0.5}
    (folder / "settings.json").write_text(json.dumps(settings), encoding="utf-8")
    chance = random.Random(seed)
    deadline = time.monotonic() + DEADLINE_S
    with ExitStack() as stack:
        workers = Workers(folder, chance)
        stack.callback(workers.stop)
        for kill in range(KILLS):
            # Spread over the work, so that there is some left at the last one.
            while ended(database) < kill * (REQUESTS - 25) // KILLS:
                assert time.monotonic() < deadline, workers.log()
                time.sleep(0.01)
            time.sleep(chance.uniform(0, 0.1))
            workers.kill_one()
        workers.wait(deadline)
        assert workers.killed == KILLS
        assert "Traceback" not in workers.log()

    rows = database.rows()
    audit = database.execute("SELECT * FROM audit ORDER BY at")
    assert [row["status"] for row in rows] == ["SUCCESS"] * REQUESTS, "none lost"
    ends = [change["request_id"] for change in audit if change["after"] != "PROCESSING"]
    assert sorted(ends) == [row["request_id"] for row in rows], "none twice"
    assert [path.read_text(encoding="utf-8") for path in (folder / "complaints").iterdir()] == [], "no two owners"
    assert {path.name: path.read_text(encoding="utf-8").strip() for path in (folder / "files").iterdir()} == {
        f"{row['request_id']}.csv": row["request_id"] for row in rows
    }
    takeovers = [change for change in audit if change["before"] == "PROCESSING" and change["after"] == "PROCESSING"]
    assert sum(row["iteration"] for row in rows) == len(takeovers)
    assert 1 <= len(takeovers) <= KILLS, "some were killed at work, and each death counts once"
    begun = [change["request_id"] for change in audit if change["before"] == "SUBMITTED"]
    assert sorted(begun) == sorted(set(begun)), "each is begun once; later claims are take-overs"


def test_killed_drivers_neither_lose_nor_double_a_request(audited: QueueDatabase, tmp_path: Path) -> None:
    work_off_under_fire(audited, tmp_path, seed=1)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(2, 12))
def test_killed_drivers_neither_lose_nor_double_a_request_with_more_seeds(
    audited: QueueDatabase, tmp_path: Path, seed: int
) -> None:
    work_off_under_fire(audited, tmp_path, seed)
