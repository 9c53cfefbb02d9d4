"""The command `run` over a queue and a small world: how it is called, and what there is to see of it."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from tests.support.command_line import CommandLine, Ended
from tests.support.queue_database import QueueDatabase

NORTH, SOUTH = "channel-north", "channel-south"
FIRST_NAME = "Canaryzebulon"
PASSWORD = "canary-password-of-the-queue-Kd8Wq"
PUT_IN_AT = datetime(2026, 1, 2, 3, 4, 5)
WAIT_S = 120.0
AT_ONCE_S = 5.0
CLOSING = re.compile(r"(\d+) requests? made, (\d+) failed, (\d+) left, (\d+) files?, \d+\.\d s")
SAMPLE = re.compile(r'progress_exhaust_([a-z_]+)(?:\{([a-z]+)="([A-Za-z_]+)"\})? (\d+(?:\.\d+)?(?:e[+-]\d+)?)')


@dataclass(frozen=True)
class Rig:
    """A queue, an output folder, and the world on files that all tests share.

    Attributes:
        line: runs commands in one process.
        world: the world's folder.
        events: folder of Spark's event logs, one a Spark that was started.
        database: the test's own.
        output: the test's own output root.
    """

    line: CommandLine
    world: Path
    events: Path
    database: QueueDatabase
    output: Path

    def settings(self) -> dict[str, Any]:
        queue = self.database.settings()
        return {
            "PROGRESS_EXHAUST__SOURCE__KIND": "snapshot",
            "PROGRESS_EXHAUST__SOURCE__SNAPSHOT_DIR": str(self.world / "snapshot"),
            "PROGRESS_EXHAUST__CATALOGUE__KIND": "files",
            "PROGRESS_EXHAUST__CATALOGUE__DIRECTORY": str(self.world / "catalogue"),
            "PROGRESS_EXHAUST__OUTPUT__URL": str(self.output),
            "PROGRESS_EXHAUST__QUEUE__DSN": queue.dsn,
            "PROGRESS_EXHAUST__QUEUE__PASSWORD": self.database.server.password,
            "PROGRESS_EXHAUST__REQUESTS__METRICS_FILE": str(self.metrics_file),
        }

    @property
    def metrics_file(self) -> Path:
        return self.output.parent / "metrics" / "progress_exhaust.prom"

    def run(self, *arguments: str, **variables: str) -> Ended:
        """Run the command with the rig's settings, of which `variables` take the place."""
        return self.line.run(["run", *arguments], **{**self.settings(), **variables})

    def put_in(self, request_id: str, *batch_ids: str, minutes: int = 0, **columns: Any) -> None:
        usual = {
            "request_data": json.dumps({"batchFilter": list(batch_ids)}),
            "requested_channel": NORTH,
            "dt_job_submitted": PUT_IN_AT + timedelta(minutes=minutes),
            "iteration": None,
        }
        self.database.insert(request_id, **{**usual, **columns})

    def row(self, request_id: str) -> dict[str, Any]:
        return self.database.row(request_id)

    def statuses(self) -> dict[str, str]:
        return {row["request_id"]: row["status"] for row in self.database.rows()}

    def sessions(self) -> list[Any]:
        """Connections of drivers."""
        return self.database.execute(
            "SELECT pid FROM pg_stat_activity "
            "WHERE application_name = 'progress-exhaust' AND datname = current_database()"
        )

    def file(self, request_id: str, batch_id: str) -> bytes:
        [path] = (self.output / "progress-exhaust" / request_id).glob(f"{batch_id}_progress_*.csv")
        return path.read_bytes()

    def metrics(self) -> dict[tuple[str, str], float]:
        """Read the metrics file as strictly as Prometheus does: by name and label."""
        assert [path.name for path in self.metrics_file.parent.iterdir()] == [self.metrics_file.name]
        return parsed_metrics(self.metrics_file.read_text(encoding="utf-8"))


def parsed_metrics(text: str) -> dict[tuple[str, str], float]:
    """Read metrics: each family has a HELP and a TYPE before its samples, and no sample stands twice."""
    assert text.endswith("\n")
    families: dict[str, str] = {}
    samples: dict[tuple[str, str], float] = {}
    helped = ""
    for line in text.splitlines():
        if line.startswith("# HELP "):
            helped = line.split(" ", 3)[2]
            assert helped not in families
        elif line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            assert name == helped
            assert kind == ("counter" if name.endswith("_total") else "gauge")
            families[name] = kind
        else:
            found = SAMPLE.fullmatch(line)
            assert found, line
            name, _, label, value = found.groups()
            assert f"progress_exhaust_{name}" == helped
            assert (name, label or "") not in samples
            samples[name, label or ""] = float(value)
    return samples


def log_lines(err: str) -> list[dict[str, Any]]:
    """Read log lines, each of which is one JSON object with what every line has."""
    lines = [json.loads(line) for line in err.splitlines()]
    for line in lines:
        assert line.keys() >= {"at", "level", "action", "sentence"}
        assert line["action"]
        assert line["sentence"]
        assert ("request_id" in line) or not line["sentence"].startswith("request "), line
    return lines
