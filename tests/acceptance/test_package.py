"""The job on spark-submit from the artefacts of `make package` alone: nothing of it installed where it runs."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pyspark
import pytest

from progress_exhaust.java import java_home
from tests.support.sample_world import BATCH_ID, spec_sample_world
from tests.worlds import write_catalogue, write_snapshot

CHECKOUT = Path(__file__).parents[2]
GOLDEN = CHECKOUT / "tests" / "golden" / "spec_sample.csv"
SPARK_HOME = Path(pyspark.__file__).parent
# The Python that the tests' environment was made from: it has neither the package nor what the package imports.
BARE_PYTHON = sys._base_executable  # type: ignore[attr-defined]
RUN_S = 600.0


@dataclass(frozen=True)
class Artefacts:
    """What was built, and where its environment was unpacked."""

    package: Path
    environment: Path
    jars: Path


@pytest.fixture(scope="module")
def artefacts(tmp_path_factory: pytest.TempPathFactory) -> Artefacts:
    dist = tmp_path_factory.mktemp("dist")
    subprocess.run([sys.executable, "jobs/package_for_cluster.py", str(dist)], cwd=CHECKOUT, timeout=RUN_S, check=True)
    (archive,) = dist.glob("*-environment.tar.gz")
    environment = tmp_path_factory.mktemp("environment")
    with tarfile.open(archive) as packed:
        packed.extractall(environment, filter="data")
    (package,) = dist.glob("*.zip")
    return Artefacts(package, environment, dist / "jars")


def test_package_holds_sources_and_data_and_nothing_of_this_machine(artefacts: Artefacts) -> None:
    with zipfile.ZipFile(artefacts.package) as package:
        names = set(package.namelist())
    assert {"progress_exhaust/cli/app.py", "progress_exhaust/spark/ivysettings.xml"} <= names
    assert "progress_exhaust/spark/log4j2-quiet.properties" in names
    assert not [name for name in names if "__pycache__" in name or not name.startswith("progress_exhaust/")]


def test_environment_holds_what_the_package_imports_but_not_spark(artefacts: Artefacts) -> None:
    names = {entry.name for entry in artefacts.environment.iterdir()}
    assert {"pydantic", "typer", "rich", "requests", "tenacity", "psycopg2", "prometheus_client"} <= names
    assert not {name for name in names if name.startswith(("pyspark", "progress_exhaust"))}


def test_connector_comes_with_all_it_needs(artefacts: Artefacts) -> None:
    names = [jar.name for jar in artefacts.jars.glob("*.jar")]
    assert any("spark-cassandra-connector_2.12" in name for name in names)
    assert any("java-driver-core" in name for name in names)


def test_spark_submit_makes_the_sample_file_from_the_artefacts_alone(artefacts: Artefacts, tmp_path: Path) -> None:
    alone = subprocess.run([BARE_PYTHON, "-I", "-c", "import progress_exhaust"], capture_output=True, check=False)
    assert alone.returncode != 0, f"{BARE_PYTHON} has the package installed, so this would show nothing"
    world = spec_sample_world()
    write_snapshot(world, tmp_path / "snapshot")
    write_catalogue(world, tmp_path / "catalogue")
    script = tmp_path / "run_progress_exhaust.py"
    script.write_bytes((CHECKOUT / "jobs" / "run_progress_exhaust.py").read_bytes())

    ended = subprocess.run(
        [
            *(str(SPARK_HOME / "bin" / "spark-submit"), "--master", "local[2,4]", "--driver-memory", "1g"),
            *("--py-files", str(artefacts.package), str(script)),
            *("export", "--batch", BATCH_ID, "--date", "2020-08-28", "--output", str(tmp_path / "reports")),
            *("--snapshot", str(tmp_path / "snapshot"), "--catalogue", str(tmp_path / "catalogue")),
        ],
        cwd=tmp_path,
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(tmp_path),
            "JAVA_HOME": str(java_home(os.environ)),
            "SPARK_HOME": str(SPARK_HOME),
            "SPARK_LOCAL_IP": "127.0.0.1",
            "PYSPARK_PYTHON": BARE_PYTHON,
            "PYTHONPATH": str(artefacts.environment),
        },
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=RUN_S,
        check=False,
    )

    assert ended.returncode == 0, ended.stderr[-2000:]
    assert "1 made, 0 not made" in ended.stdout
    made = tmp_path / "reports" / "progress-exhaust" / f"{BATCH_ID}_progress_28_08_2020.csv"
    assert made.read_bytes() == GOLDEN.read_bytes()
