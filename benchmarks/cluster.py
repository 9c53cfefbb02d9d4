"""`python -m benchmarks.cluster`: the standard world on a real standalone cluster, against local mode, byte by byte.

A master and two workers of one core each run on loopback; the job goes there by spark-submit in client mode, and to
`local[2,4]` by spark-submit as well. Both start cold. All files must be the same.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

import pyspark

from benchmarks.recording import record
from benchmarks.rounds import Figures, interleaved, medians, ratio
from benchmarks.session import DAY, MASTER, require_world
from benchmarks.worlds import ROOT, places_of
from progress_exhaust.java import java_home
from progress_exhaust.stack.ports import HOST, free_ports

WORLD = "standard"
CHECKOUT = Path(__file__).parents[1]
SPARK_HOME = Path(pyspark.__file__).parent
WORKERS = 2
EXECUTOR_MEMORY = "1g"
DRIVER_MEMORY = "1g"

_READY_S = 120.0
_END_S = 30.0


def main() -> None:
    """Measure both ways in turn, compare their files, and record."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cluster", description=__doc__)
    parser.add_argument("--rounds", type=int, default=2, help="of a cold start each")
    arguments = parser.parse_args()
    require_world(WORLD)
    with standalone_cluster(ROOT / "cluster") as master:
        ways = {"cluster": master, "local": MASTER}
        taken = interleaved({name: partial(submitted, way, name) for name, way in ways.items()}, arguments.rounds)
    files = require_same_files(reports_of("cluster"), reports_of("local"))
    figures = {
        "workers": WORKERS,
        "executor_memory": EXECUTOR_MEMORY,
        "driver_memory": DRIVER_MEMORY,
        "rounds_measured": arguments.rounds,
        "same_files": files,
        "cluster_to_local": ratio(taken["cluster"], taken["local"]),
        "median": {name: medians(runs) for name, runs in taken.items()},
    }
    record("cluster", figures, {})
    print(json.dumps(figures, indent=2))


@contextmanager
def standalone_cluster(folder: Path) -> Iterator[str]:
    """Run a master and its workers on loopback; gives the master's URL.

    Raises:
        SystemExit: the master does not answer in time.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    port, *web_ports = free_ports(2 + WORKERS)
    url = f"spark://{HOST}:{port}"
    with ExitStack() as running:
        running.enter_context(
            daemon(folder, "master.Master", "--port", str(port), "--webui-port", str(web_ports.pop()))
        )
        _wait_for(port)
        for number, web_port in enumerate(web_ports):
            work = ("--work-dir", str(folder.absolute() / f"worker-{number}"), "--webui-port", str(web_port))
            size = ("--cores", "1", "--memory", EXECUTOR_MEMORY)
            running.enter_context(daemon(folder, "worker.Worker", *size, *work, url))
        yield url


@contextmanager
def daemon(folder: Path, name: str, *arguments: str) -> Iterator[None]:
    """Run one of Spark's own servers for as long as the block lasts; what it says goes to a file."""
    command = [str(SPARK_HOME / "bin" / "spark-class"), f"org.apache.spark.deploy.{name}", "--host", HOST, *arguments]
    with (folder / f"{name}.log").open("ab") as log:
        process = subprocess.Popen(command, env=variables(), stdout=log, stderr=log)
        try:
            yield
        finally:
            process.terminate()
            process.wait(_END_S)


def submitted(master: str, name: str) -> Figures:
    """Make all reports by spark-submit; return the whole process's seconds, and the phases by its own clock."""
    shutil.rmtree(ROOT / WORLD / f"reports-{name}", ignore_errors=True)
    memory = ["--driver-memory", DRIVER_MEMORY, "--executor-memory", EXECUTOR_MEMORY]
    job = [str(CHECKOUT / "jobs" / "run_progress_exhaust.py"), "export", "--all", "--date", DAY.isoformat(), "--json"]
    begin = time.monotonic()
    process = subprocess.run(
        [
            str(SPARK_HOME / "bin" / "spark-submit"),
            "--master",
            master,
            *memory,
            *job,
            *places_of(WORLD, f"reports-{name}"),
        ],
        env=variables(),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        check=True,
    )
    total_s = round(time.monotonic() - begin, 3)
    # spark-submit puts what its Python says on stderr into stdout, so lines stand around the document.
    document, _ = json.JSONDecoder().raw_decode(process.stdout, f"\n{process.stdout}".index("\n{"))
    phases = {f"{phase}_s": seconds for phase, seconds in document["phase_s"].items()}
    return {"total_s": total_s, **phases, "files": len(document["files"])}


def variables() -> dict[str, str]:
    """Return the variables of Spark's processes, all of which stay on loopback."""
    return {
        **os.environ,
        "JAVA_HOME": str(java_home(os.environ)),
        "SPARK_HOME": str(SPARK_HOME),
        "SPARK_LOCAL_IP": HOST,
        "SPARK_DAEMON_MEMORY": "256m",
        "PYSPARK_PYTHON": sys.executable,
        "PYTHONPATH": str(CHECKOUT),
    }


def reports_of(name: str) -> dict[str, bytes]:
    """Return the files that one way has made, by name."""
    folder = ROOT / WORLD / f"reports-{name}" / "progress-exhaust"
    return {path.name: path.read_bytes() for path in folder.glob("*.csv")}


def require_same_files(of_cluster: dict[str, bytes], of_local: dict[str, bytes]) -> int:
    """Compare, and return how many files there are.

    Raises:
        SystemExit: one is missing or has other bytes, or there is none.
    """
    names = of_cluster.keys() | of_local.keys()
    if differing := sorted(name for name in names if of_cluster.get(name) != of_local.get(name)):
        raise SystemExit(
            f"{len(differing)} of {len(names)} files differ between cluster and local mode: {differing[0]}"
        )
    if not names:
        raise SystemExit("neither way has made a file")
    return len(names)


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + _READY_S
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex((HOST, port)) == 0:
                return
        time.sleep(0.1)
    raise SystemExit(f"Spark's master does not listen on port {port} after {_READY_S} s")


if __name__ == "__main__":
    main()
