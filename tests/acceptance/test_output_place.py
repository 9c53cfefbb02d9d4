"""An output root of any name, through the real command: its files, its summary, and its end by a signal."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.reference import expected_reports
from tests.support.builders import batches_world
from tests.support.command_line import (
    DAY_IN_NAME,
    Ended,
    ended,
    export_arguments,
    files_below,
    manifest_below,
    reports_below,
    started,
)
from tests.support.sample_world import BATCH_ID, spec_sample_world
from tests.worlds import write_catalogue, write_snapshot

GOLDEN = Path(__file__).parents[1] / "golden" / "spec_sample.csv"
ODD = "out#1?x=50%"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = spec_sample_world()
    folder = tmp_path_factory.mktemp("world")
    write_snapshot(made, folder / "snapshot")
    write_catalogue(made, folder / "catalogue")
    return folder


def export_to(url: str, world: Path, **variables: Any) -> subprocess.Popen[str]:
    """Start an export to an output root by its very text."""
    arguments = export_arguments(world, "--all")
    arguments[arguments.index("--output") + 1] = url
    return started([*arguments, "--log-format", "text"], **variables)


def see_made(run: Ended, root: Path) -> None:
    assert (run.code, run.errors()) == (0, [])
    assert reports_below(root) == {BATCH_ID: GOLDEN.read_bytes()}
    assert run.document()["output"] == str(root)
    assert run.document()["manifest"] == f"progress-exhaust/manifest_{manifest_below(root)['run_id']}.json"


@pytest.mark.parametrize(
    ("form", "name"),
    [
        pytest.param("{}", ODD, id="path", marks=pytest.mark.long),
        pytest.param("file://{}", ODD, id="URL"),
        pytest.param("{}", "out[1] {a,b} *é", id="pattern", marks=pytest.mark.long),
    ],
)
def test_output_root_is_taken_by_its_very_name(world: Path, tmp_path: Path, form: str, name: str) -> None:
    see_made(ended(export_to(form.format(tmp_path / name), world)), tmp_path / name)

    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_several_waves_are_read_again_from_an_output_root_by_its_very_name(tmp_path: Path) -> None:
    made = batches_world(3, collections=1, learners=2)
    write_snapshot(made, tmp_path / "snapshot")
    write_catalogue(made, tmp_path / "catalogue")
    root = tmp_path / "reports" / ODD
    run = ended(export_to(str(root), tmp_path, PROGRESS_EXHAUST__SPARK__LEARNERS_PER_WAVE="2"))

    assert (run.code, run.errors()) == (0, [])
    assert reports_below(root) == {batch_id: report.content for batch_id, report in expected_reports(made).items()}
    assert [path.name for path in root.parent.iterdir()] == [ODD]


def test_sigterm_leaves_nothing_unfinished_at_an_output_root_of_any_name(world: Path, tmp_path: Path) -> None:
    staging = tmp_path / ODD / "progress-exhaust" / ".staging"
    with export_to(f"file:{tmp_path / ODD}", world) as process:
        assert process.stderr is not None
        assert any("computing " in line for line in process.stderr)
        assert len(list(staging.iterdir())) == 1
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=60)

    assert process.returncode == 143, err
    assert list(staging.iterdir()) == []
    assert list(files_below(tmp_path)) == []
    assert [path.name for path in tmp_path.iterdir()] == [ODD]


@pytest.mark.parametrize("umask", [0o000, pytest.param(0o077, marks=pytest.mark.long)])
def test_modes_of_what_is_published_do_not_depend_on_the_umask(world: Path, tmp_path: Path, umask: int) -> None:
    prefix = ("sh", "-c", f'umask {umask:03o}; exec "$0" "$@"')
    root = tmp_path / "above" / "reports"
    run = ended(started(export_arguments(world, "--all", output=root), prefix))

    assert run.code == 0, run.err
    report = f"progress-exhaust/{BATCH_ID}_progress_{DAY_IN_NAME}.csv"
    modes = {str(path.relative_to(root)): path.stat().st_mode & 0o777 for path in root.rglob("*")}
    assert modes == {
        "progress-exhaust": 0o750,
        "progress-exhaust/.staging": 0o700,
        report: 0o640,
        run.document()["manifest"]: 0o640,
    }
    assert {path.stat().st_mode & 0o777 for path in (root, root.parent)} == {0o750}
