"""Builds what a cluster needs to run the job with nothing of it installed there, into `dist/` or a folder given.

- `progress_exhaust-<version>.zip`: the package, for `--py-files`;
- `progress_exhaust-<version>-environment.tar.gz`: all it imports but Spark, for `--archives` and `PYTHONPATH`. It is a
  plain folder of packages, since an environment of links would want Python at the same place on every node. The
  package itself comes as the zip, so that a new version of it does not need a new environment;
- `jars/`: the connector, for clusters that can not fetch it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

import progress_exhaust
from progress_exhaust.errors import ProgressExhaustError
from progress_exhaust.java import java_home
from progress_exhaust.settings.sections import SparkSettings
from progress_exhaust.stack.jars import cache_folder, connector_jars

ROOT = Path(__file__).resolve().parents[1]
NAME = f"progress_exhaust-{progress_exhaust.__version__}"

# The same sources give the same zip.
_ZIP_DATE = (1980, 1, 1, 0, 0, 0)


def main(arguments: list[str]) -> int:
    """Build everything, telling each artefact in a line."""
    dist = Path(arguments[0]) if arguments else Path("dist")
    dist.mkdir(parents=True, exist_ok=True)
    try:
        for made in (_package(dist), _environment(dist), _jars(dist)):
            sys.stdout.write(f"{made}\n")
            sys.stdout.flush()
    except ProgressExhaustError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    except subprocess.CalledProcessError as error:
        return error.returncode
    return 0


def _package(dist: Path) -> Path:
    archive = dist / f"{NAME}.zip"
    sources = ROOT / "progress_exhaust"
    files = [file for file in sorted(sources.rglob("*")) if file.is_file() and "__pycache__" not in file.parts]
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as package:
        for file in files:
            entry = zipfile.ZipInfo(file.relative_to(ROOT).as_posix(), _ZIP_DATE)
            entry.external_attr = 0o644 << 16
            package.writestr(entry, file.read_bytes(), zipfile.ZIP_DEFLATED)
    return archive


def _environment(dist: Path) -> Path:
    archive = dist / f"{NAME}-environment.tar.gz"
    with tempfile.TemporaryDirectory() as workshop:
        folder = Path(workshop, "environment")
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", "--no-input", "install"]
        subprocess.run(
            [
                *(*pip, "--root-user-action=ignore", "--no-build-isolation", "--no-compile", "--target", str(folder)),
                *("--require-hashes", "--requirement", str(ROOT / "locks" / "job.lock")),
            ],
            check=True,
        )
        shutil.rmtree(folder / "bin", ignore_errors=True)
        with tarfile.open(archive, "w:gz") as packed:
            packed.add(folder, arcname=".", filter=_without_owner)
    return archive


def _without_owner(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    entry.mtime = 0
    return entry


def _jars(dist: Path) -> Path:
    fetched = connector_jars(
        SparkSettings().connector_package,
        cache=cache_folder(os.environ),
        java=java_home(os.environ),
        environment=os.environ,
    )
    jars = dist / "jars"
    shutil.rmtree(jars, ignore_errors=True)
    shutil.copytree(fetched, jars)
    return jars


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
