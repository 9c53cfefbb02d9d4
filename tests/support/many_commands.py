"""Runs commands one after another in one process, so that many of them share the start of one JVM.

Each line of stdin is a request in JSON, each line of stdout the answer to it: the command's exit code, after what it
has written to stdout and stderr is in the files that the request names.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from progress_exhaust.cli import app as cli
from progress_exhaust.settings.load import load
from progress_exhaust.spark.private import of_this_process
from progress_exhaust.spark.session import start_session


def main() -> None:
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    for line in sys.stdin:
        request = json.loads(line)
        answers.write(f"{write_parquet(**request) if 'query' in request else run(**request)}\n")
        answers.flush()


def run(arguments: list[str], environment: Mapping[str, str], out: str, err: str) -> int:
    """Run the command line with its own environment and files for its screen."""
    os.environ.clear()
    os.environ.update(environment)
    with writing_to(1, out), writing_to(2, err):
        return cli.run(arguments)


def write_parquet(query: str, folder: str) -> int:
    """Write the rows of a query as one Parquet file."""
    settings: dict[str, Any] = {
        "source": {"kind": "snapshot", "snapshot_dir": "none"},
        "spark": {"master": "local[2,4]"},
    }
    session = start_session(load(None, {}, settings), of_this_process())
    session.sql(query).coalesce(1).write.parquet(folder)
    session.stop()
    return 0


@contextmanager
def writing_to(descriptor: int, file: str) -> Iterator[None]:
    """Send what is written to a descriptor, by whomever in this process, to a file."""
    stream = sys.stdout if descriptor == 1 else sys.stderr
    before = os.dup(descriptor)
    target = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    os.dup2(target, descriptor)
    os.close(target)
    try:
        yield
    finally:
        stream.flush()
        os.dup2(before, descriptor)
        os.close(before)


if __name__ == "__main__":
    main()
