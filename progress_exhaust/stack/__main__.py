"""`python -m progress_exhaust.stack`: real services on loopback for a demo, and their settings files.

Cassandra and a content service with a world in them, or PostgreSQL with an empty queue of requests.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from pyspark.sql import SparkSession

from progress_exhaust.errors import ProgressExhaustError
from progress_exhaust.stack.demo import Demo, start_demo, stop_demo
from progress_exhaust.stack.queue_demo import start_queue, stop_queue

_QUEUE_COMMANDS = {"start-queue": start_queue, "stop-queue": stop_queue}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command, and return its exit code."""
    options = _parser().parse_args(arguments)
    try:
        if options.command in _QUEUE_COMMANDS:
            return _print_lines(_QUEUE_COMMANDS[options.command](options.state))
        if options.command == "stop":
            return _print_lines(stop_demo(options.state))
        return _print_lines(start_demo(Demo(options.state, options.snapshot, options.catalogue), os.environ, _spark))
    except ProgressExhaustError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code


def _print_lines(lines: Iterator[str]) -> int:
    for line in lines:
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()
    return 0


@contextmanager
def _spark(java: Path) -> Iterator[SparkSession]:
    # PySpark starts its JVM by the variables of this process.
    os.environ["JAVA_HOME"] = str(java)
    session = (
        SparkSession.builder.master("local[1]")
        .config("spark.ui.enabled", "false")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .getOrCreate()
    )
    try:
        yield session
    finally:
        session.stop()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m progress_exhaust.stack", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    start = commands.add_parser("start", help="start both services and load a snapshot")
    start.add_argument("--snapshot", type=Path, required=True, help="folder of the tables")
    start.add_argument("--catalogue", type=Path, required=True, help="folder of <collection_id>.json")
    stop = commands.add_parser("stop", help="end what runs")
    start_of_queue = commands.add_parser("start-queue", help="start PostgreSQL with an empty queue")
    stop_of_queue = commands.add_parser("stop-queue", help="end it, and remove its data")
    for command in (start, stop, start_of_queue, stop_of_queue):
        command.add_argument("--state", type=Path, required=True, help="folder for data, logs, process ids, settings")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
