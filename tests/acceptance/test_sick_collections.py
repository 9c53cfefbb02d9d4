"""A collection whose tree the content service does not give costs its own batches; all others are made."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.reference import expected_reports
from tests.support.bad_batch_case import one_batch
from tests.support.bad_batches import control
from tests.support.command_line import DAY, CommandLine, Ended, manifest_below, reports_below
from tests.support.scripted_server import says
from tests.support.sick_service import WAYS, SickService
from tests.worlds import World, merge, write_catalogue, write_snapshot

IN_EACH_RUN = 1


def write(world: World, folder: Path) -> None:
    write_snapshot(world, folder / "snapshot")
    write_catalogue(world, folder / "catalogue")


def export(line: CommandLine, folder: Path, service: SickService, *asked: str) -> Ended:
    places = ["--snapshot", str(folder / "snapshot"), "--output", str(folder / "reports")]
    return line.run(["export", *asked, *places, "--date", DAY, "--json"], **service.variables())


@pytest.mark.rule("C2", "E10")
@pytest.mark.parametrize(
    "way",
    [pytest.param(way, marks=[] if number < IN_EACH_RUN else [pytest.mark.long]) for number, way in enumerate(WAYS)],
)
@pytest.mark.parametrize("by_name", [False, pytest.param(True, marks=pytest.mark.long)], ids=["all", "by-name"])
def test_sick_collection_is_named_and_the_others_are_made(
    way: str, by_name: bool, line: CommandLine, tmp_path: Path
) -> None:
    reply, got = WAYS[way]
    healthy = merge([control(), one_batch("well")])
    write(merge([healthy, one_batch("sick")]), tmp_path)
    expected = {name: report.content for name, report in expected_reports(healthy).items()}
    asked = ["--batch", "sick", *expected] if by_name else ["--all"]
    with SickService(tmp_path / "catalogue", {"do-sick": reply}) as service:
        ended = export(line, tmp_path, service, *asked)
    assert reports_below(tmp_path / "reports") == expected
    assert ended.code == 1
    [refusal] = manifest_below(tmp_path / "reports")["not_made"]
    assert refusal == {
        "id": "sick",
        "reason": "tree_unavailable",
        "why": f'batch "sick" is not made: tree of collection "do-sick": {got}, while the catalogue answers otherwise; '
        "look at this collection there and try again",
    }
    assert refusal["why"] in ended.err.splitlines()
    assert "Traceback" not in ended.err


@pytest.mark.rule("C2")
@pytest.mark.parametrize("status", [503, pytest.param(401, marks=pytest.mark.long)])
def test_service_that_is_away_is_charged_to_nobody(status: int, line: CommandLine, tmp_path: Path) -> None:
    write(control(), tmp_path)
    with SickService(tmp_path / "catalogue", {}, outage=says(status)) as service:
        ended = export(line, tmp_path, service, "--all")
    assert ended.code == 1
    [sentence] = ended.errors()
    assert f"HTTP {status}" in sentence
    assert sentence.startswith('searching 2 collections from "do-control": ')
    assert reports_below(tmp_path / "reports") == {}


@pytest.mark.rule("C2")
def test_login_refused_for_trees_alone_ends_the_run(line: CommandLine, tmp_path: Path) -> None:
    write(control(), tmp_path)
    with SickService(tmp_path / "catalogue", {"do-control": says(401)}) as service:
        ended = export(line, tmp_path, service, "--all")
    assert ended.code == 1
    [sentence] = ended.errors()
    assert sentence == (
        'fetching the tree of collection "do-control": HTTP 401, expected HTTP 200; check catalogue.token and try again'
    )
