"""Java's classes, as a run of the job has loaded them, in an archive that the tests' JVMs share.

``python -m tests.support.class_archive FILE`` writes it. A JVM that finds another class path than the archive's, or
another Java, goes without it.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.support.spark_submit import submit, submit_variables


def write_archive(archive: Path) -> None:
    """Run the job over a small world, and keep the classes that its JVM has loaded.

    Raises:
        subprocess.CalledProcessError: the job has failed.
    """
    unfinished = archive.with_suffix(".unfinished")
    with tempfile.TemporaryDirectory() as folder:
        world = ["--snapshot", f"{folder}/snapshot", "--catalogue", f"{folder}/catalogue"]
        _run(["sample-data", *world, "--batches", "3", "--learners", "20", "--collections", "2", "--leaves", "5"])
        _run(["export", "--all", *world, "--output", f"{folder}/reports"], f"-XX:ArchiveClassesAtExit={unfinished}")
    unfinished.replace(archive)


def _run(arguments: list[str], *java_options: str) -> None:
    java = " ".join([os.environ.get("JDK_JAVA_OPTIONS", ""), *java_options])
    command = [*submit(), *arguments]
    variables = {**os.environ, **submit_variables(), "JDK_JAVA_OPTIONS": java}
    subprocess.run(command, env=variables, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


if __name__ == "__main__":
    write_archive(Path(sys.argv[1]).resolve())
