"""Every kind of bad input that the data contract lists, through the real command on files, is met as it says there.

Batches of many kinds share few runs; what concerns a whole run has runs of its own, one after another in one JVM.
"""

from __future__ import annotations

import csv
import io
import json
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache, partial
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tests.reference import ExpectedReport, expected_reports
from tests.support.bad_batches import CASES as BATCH_CASES
from tests.support.bad_batches import NUL, UNSAFE_IDS, BatchCase, control, one_batch
from tests.support.bad_input_table import Rule, rules
from tests.support.bad_runs import CASES as RUN_CASES
from tests.support.bad_runs import ENROLMENTS, OPTIONAL_TABLES, RunCase, table
from tests.support.command_line import (
    DAY,
    DAY_IN_NAME,
    CommandLine,
    Ended,
    ended,
    export_arguments,
    files_below,
    manifest_below,
    reports_below,
    started,
    without_privileges,
)
from tests.support.sample_world import BATCH_ID, spec_sample_world
from tests.support.scripted_server import says
from tests.support.sick_service import WAYS, SickService
from tests.worlds import World, merge, write_catalogue, write_snapshot

RULES = rules()
GOLDEN = Path(__file__).parents[1] / "golden" / "spec_sample.csv"
REFUSED = [case for case in BATCH_CASES if RULES[case].outcome == "batch refused"]
KEPT = [case for case in BATCH_CASES if RULES[case].outcome != "batch refused"]
ESCAPED = "escaped"


@dataclass(frozen=True)
class SharedRun:
    """A run of many batches, and what there was to see of it.

    Attributes:
        ended: code and screen.
        reports: the files by batch id.
        manifest: the manifest.
        expected: what an independent reference makes of the same world.
    """

    ended: Ended
    reports: dict[str, bytes]
    manifest: dict[str, Any]
    expected: dict[str, ExpectedReport]

    def refusals(self) -> dict[str, dict[str, str]]:
        return {refusal["id"]: refusal for refusal in self.manifest["not_made"]}

    def file(self, batch_id: str) -> dict[str, Any]:
        [found] = [file for file in self.manifest["files"] if file["batch_id"] == batch_id]
        return dict(found)


@cache
def batch_case(case: str) -> BatchCase:
    return BATCH_CASES[case](case)


def batches_of(world: World) -> list[str]:
    """The ids of a world's batches, doubled and unsafe ones once each, in order."""
    rows = world.rows("course_batch")
    return sorted({row["batchid"] for row in rows if row["batchid"] and row["courseid"]} | set(world.asked))


@dataclass
class Runs:
    """Runs the command over worlds, and holds each of them to what is true of any run."""

    line: CommandLine
    folder: Path
    _made: dict[str, SharedRun] = field(default_factory=dict)

    def shared(self, name: str) -> SharedRun:
        """Return one of the runs that many cases share; it is made when it is first asked for."""
        if name not in self._made:
            self._made[name] = getattr(self, f"_{name}")()
        return self._made[name]

    def _kept(self) -> SharedRun:
        return self._run("kept", KEPT, "--all")

    def _refused_by_name(self) -> SharedRun:
        asked = [batch for case in REFUSED for batch in batches_of(batch_case(case).world)]
        asked += [*batches_of(control()), ""]
        return self._run("refused-by-name", REFUSED, *(f"--batch={batch}" for batch in asked if batch != NUL))

    def _refused_with_all(self) -> SharedRun:
        return self._run("refused-with-all", REFUSED, "--all")

    def _run(self, name: str, cases: Iterable[str], *asked: str) -> SharedRun:
        made = [batch_case(case) for case in cases]
        world = merge([control(), *(case.world for case in made)])
        folder = self.folder / name
        write_snapshot(world, folder / "snapshot")
        write_catalogue(world, folder / "catalogue")
        for case in made:
            for collection_id, body in case.bodies.items():
                (folder / "catalogue" / f"{collection_id}.json").write_bytes(body)
        return self.run(world, folder, *asked)

    def run(self, world: World, folder: Path, *asked: str) -> SharedRun:
        """Export a world that lies in a folder."""
        before = files_beside_reports(folder)
        ended = self.line.run(export_arguments(folder, *asked))
        reports = reports_below(folder / "reports")
        assert files_beside_reports(folder) == before
        assert "Traceback" not in ended.err
        found = SharedRun(ended, reports, manifest_below(folder / "reports"), expected_reports(world))
        for batch_id, content in found.reports.items():
            assert content == found.expected[batch_id].content, batch_id
        return found


def files_beside_reports(folder: Path) -> dict[str, bytes]:
    return {path: content for path, content in files_below(folder).items() if "reports/" not in path}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runs]:
    with CommandLine() as line:
        yield Runs(line, tmp_path_factory.mktemp("bad-input"))


def test_every_row_of_the_contract_has_a_case_and_every_case_a_row() -> None:
    cases = [*BATCH_CASES, *RUN_CASES, *OTHER_CASES]
    assert len(set(cases)) == len(cases)
    assert set(cases) == set(RULES)


@pytest.mark.parametrize("case", RULES)
def test_bad_input_is_met_as_the_contract_says(case: str, runs: Runs) -> None:
    rule = RULES[case]
    if case in OTHER_CASES:
        OTHER_CASES[case](rule, runs)
    elif case in RUN_CASES:
        for number, run_case in enumerate(RUN_CASES[case]):
            see_run_refused(rule, run_case, runs, runs.folder / f"{case}-{number}")
    elif rule.outcome == "batch refused":
        see_batch_refused(rule, batch_case(case), runs.shared("refused_by_name"), rule.code)
        if batch_case(case).is_in_table:
            see_batch_refused(rule, batch_case(case), runs.shared("refused_with_all"), rule.code_of_all)
    else:
        see_batch_made(rule, batch_case(case), runs.shared("kept"))


def see_batch_made(rule: Rule, case: BatchCase, run: SharedRun) -> None:
    """See that the batches of a case are made, with the cells and counts that it wants in the first of them."""
    batch_id, *others = batches_of(case.world)
    assert run.ended.code == rule.code == 0
    assert not run.refusals()
    assert {batch_id, *others} <= run.reports.keys()
    rows = list(csv.DictReader(io.StringIO(run.reports[batch_id].decode(), newline="")))
    assert {column: [row[column] for row in rows] for column in case.cells} == dict(case.cells)
    file = run.file(batch_id)
    counts = {**file["rows_dropped"], **file["warnings"], "guarded_cells": file["guarded_cells"]}
    assert {word: count for word, count in counts.items() if count} == ({rule.word: case.counted} if rule.word else {})


def see_batch_refused(rule: Rule, case: BatchCase, run: SharedRun, code: int) -> None:
    """See that each batch of a case is refused for its reason, in one sentence, and that the others are made."""
    asked_by_name = run.ended.code == 1
    assert run.ended.code == code
    for batch_id in batches_of(case.world):
        if batch_id == NUL and asked_by_name:
            continue
        refusal = run.refusals()[batch_id]
        assert refusal["reason"] == rule.word
        assert re.fullmatch(rule.sentence, refusal["why"], re.DOTALL), refusal["why"]
        assert batch_id not in run.reports
    assert set(run.reports) == set(batches_of(control()))
    sentences = [line for line in run.ended.err.splitlines() if re.fullmatch(rule.sentence, line)]
    assert len(sentences) >= len(batches_of(case.world)) - 1


def see_run_refused(rule: Rule, case: RunCase, runs: Runs, folder: Path) -> None:
    """See that a run ends in one sentence, and leaves what was there before as it was."""
    sample_on_files(folder)
    case.change(folder, runs.line)
    earlier = folder / case.output / "progress-exhaust" / f"earlier_progress_{DAY_IN_NAME}.csv"
    if case.output == "reports":
        earlier.parent.mkdir(parents=True, exist_ok=True)
        earlier.write_bytes(GOLDEN.read_bytes())
    before = files_below(folder)
    arguments = export_arguments(folder, *case.asked, output=folder / case.output)
    arguments += [option.format(folder=folder) for option in case.options]
    variables = {name: value.format(folder=folder) for name, value in case.variables.items()}

    ended = runs.line.run(arguments, **variables)

    assert ended.code == rule.code
    assert len(ended.errors()) == case.lines, ended.err
    for sentence in ended.errors():
        assert re.fullmatch(rule.sentence, sentence), sentence
    assert "Traceback" not in ended.err
    assert "canary" not in ended.err + ended.out
    assert files_below(folder) == before
    assert list(earlier.parent.glob(".staging/*")) == []


def sample_on_files(folder: Path) -> None:
    """Write the world of the specification's sample; only the tables that it has rows for."""
    world = spec_sample_world()
    write_snapshot(world, folder / "snapshot")
    write_catalogue(world, folder / "catalogue")


def see_optional_tables_missing(rule: Rule, runs: Runs) -> None:
    """See that a run goes on without each of the tables that may be missing, and without all of them."""
    world = spec_sample_world()
    poor = World({name: rows for name, rows in world.tables.items() if name != "assessment_aggregator"}, world.trees)
    folder = runs.folder / rule.case
    write_snapshot(poor, folder / "snapshot")
    write_catalogue(poor, folder / "catalogue")
    assert not any(table(folder, name).exists() for name in OPTIONAL_TABLES)
    run = runs.run(poor, folder, "--all")
    assert (run.ended.code, len(run.reports)) == (rule.code, 1)


def see_empty_folders(rule: Rule, runs: Runs) -> None:
    """See that a folder without a file is an empty table, also where the table must exist."""
    world = spec_sample_world()
    poor = World({**world.tables, "user": [], "location": [], "assessment_aggregator": []}, world.trees)
    folder = runs.folder / rule.case
    write_snapshot(poor, folder / "snapshot")
    write_catalogue(poor, folder / "catalogue")
    for name in ("sunbird.user", "sunbird.location", "sunbird_courses.assessment_aggregator"):
        shutil.rmtree(table(folder, name))
        table(folder, name).mkdir()
    run = runs.run(poor, folder, "--all")
    assert (run.ended.code, len(run.reports)) == (rule.code, 1)


def see_hidden_files(rule: Rule, runs: Runs) -> None:
    """See that what is hidden beside the rows does not matter."""

    def hide(folder: Path) -> None:
        for name in ("_SUCCESS", ".part-00000.jsonl.crc", "_part-00009.jsonl", ".part-00009.parquet"):
            (table(folder, ENROLMENTS) / name).write_text("nothing\n", encoding="utf-8")
        (table(folder, ENROLMENTS) / "_temporary").mkdir()

    see_harmless(rule, runs, spec_sample_world(), hide)


def see_blank_lines(rule: Rule, runs: Runs) -> None:
    """See that blank lines are no rows, wherever they stand."""
    see_harmless(rule, runs, spec_sample_world(), lambda folder: rewrite(folder, lambda line: f"\n{line}\n \t \n\r\n"))


def see_whole_floats(rule: Rule, runs: Runs) -> None:
    """See that the contents of an enrolment may be told in floats."""

    def in_floats(line: str) -> str:
        row = json.loads(line)
        contents = row.get("contentstatus")
        return json.dumps(
            row | {"contentstatus": contents and {leaf: float(count) for leaf, count in contents.items()}}
        )

    see_harmless(rule, runs, spec_sample_world(), lambda folder: rewrite(folder, in_floats))


def see_timestamps_without_seconds(rule: Rule, runs: Runs) -> None:
    """See that an instant may end with its minute."""
    world = sample_since(datetime(2026, 1, 5, 4, 30, tzinfo=UTC))
    at_the_minute = re.compile(r"(T04:30):00(?:\.0+)?(?=Z|\+)")
    see_harmless(rule, runs, world, lambda folder: rewrite(folder, lambda line: at_the_minute.sub(r"\1", line)))


def see_ancient_timestamps(rule: Rule, runs: Runs) -> None:
    """See that instants of long ago are not moved, though nothing in the file says which calendar it has."""
    for year in (1, 1500, 1899):
        world = sample_since(datetime(year, 2, 28, 23, 59, 59, 999_000, tzinfo=UTC))
        see_harmless(rule, runs, world, partial(enrolments_by_duckdb, world, kind="TIMESTAMPTZ"))


def see_nanoseconds(rule: Rule, runs: Runs) -> None:
    """See that instants in nanoseconds are read, which have no zone as DuckDB writes them."""
    world = sample_since(datetime(1899, 2, 28, 23, 59, 59, 999_000, tzinfo=UTC))
    see_harmless(rule, runs, world, lambda folder: enrolments_by_duckdb(world, folder, "TIMESTAMP_NS"))


def see_harmless(rule: Rule, runs: Runs, world: World, change: Callable[[Path], None]) -> None:
    """See that the files of a world are what they should be although its snapshot is altered."""
    folder = Path(tempfile.mkdtemp(prefix=rule.case, dir=runs.folder))
    write_snapshot(world, folder / "snapshot")
    write_catalogue(world, folder / "catalogue")
    change(folder)
    run = runs.run(world, folder, "--all")
    assert (run.ended.code, len(run.reports)) == (rule.code, 1)


def sample_since(moment: datetime) -> World:
    """The sample, with a moment in which everybody has enrolled."""
    world = spec_sample_world()
    enrolments = [{**row, "enrolled_date": moment} for row in world.tables["user_enrolments"]]
    return World({**world.tables, "user_enrolments": enrolments}, world.trees)


def rewrite(folder: Path, change: Callable[[str], str]) -> None:
    """Change every line of the enrolments."""
    for file in table(folder, ENROLMENTS).glob("*.jsonl"):
        lines = file.read_text(encoding="utf-8").splitlines()
        file.write_text("".join(f"{change(line)}\n" for line in lines), encoding="utf-8", newline="")


def enrolments_by_duckdb(world: World, folder: Path, kind: str) -> None:
    """Replace the enrolments by a Parquet file of DuckDB's with instants of a kind."""
    place = table(folder, ENROLMENTS)
    shutil.rmtree(place)
    place.mkdir()
    with duckdb.connect() as session:
        session.execute("SET TimeZone = 'UTC'")
        session.execute(
            "CREATE TABLE rows (userid TEXT, courseid TEXT, batchid TEXT, active BOOLEAN, "
            f"contentstatus MAP(TEXT, INT), enrolled_date {kind}, completedon {kind}, "
            "issued_certificates MAP(TEXT, TEXT)[])"
        )
        for row in world.tables["user_enrolments"]:
            moments = [row.get("enrolled_date"), row.get("completedon")]
            zone = "+00:00" if kind == "TIMESTAMPTZ" else ""
            texts = [moment and moment.replace(tzinfo=None).isoformat() + zone for moment in moments]
            maps = [json.dumps(row["contentstatus"]), json.dumps(row.get("issued_certificates"))]
            session.execute(
                f"INSERT INTO rows SELECT ?, ?, ?, true, ?::JSON::MAP(TEXT, INT), ?::{kind}, ?::{kind}, "
                "?::JSON::MAP(TEXT, TEXT)[]",
                [row["userid"], row["courseid"], row["batchid"], maps[0], *texts, maps[1]],
            )
        session.execute(f"COPY rows TO '{place}/rows.parquet' (FORMAT parquet)")


def see_collection_without_batch(rule: Rule, runs: Runs) -> None:
    """See that collections without a batch are refused one by one, and ids of them that are unsafe."""
    world = control()
    folder = runs.folder / rule.case
    write_snapshot(world, folder / "snapshot")
    write_catalogue(world, folder / "catalogue")
    (folder / f"{ESCAPED}.json").write_text("{}", encoding="utf-8")
    named = [row["courseid"] for row in world.tables["course_batch"]]
    asked = [*named, "do-none", *UNSAFE_IDS]
    run = runs.run(world, folder, *(f"--collection={identifier}" for identifier in asked))
    assert run.ended.code == rule.code
    assert set(run.reports) == set(batches_of(world))
    assert re.fullmatch(rule.sentence, run.refusals()["do-none"]["why"])
    assert run.refusals().pop("do-none")["reason"] == rule.word
    assert {identifier: run.refusals()[identifier]["reason"] for identifier in UNSAFE_IDS} == dict.fromkeys(
        UNSAFE_IDS, RULES["id-unsafe"].word
    )


def see_batch_of_another_collection(rule: Rule, runs: Runs) -> None:
    """See that batches and collections together mean those batches of those collections."""
    ambiguous = BATCH_CASES["batch-ambiguous"]("twice")
    world = merge([control(), one_batch("other"), ambiguous.world])
    folder = runs.folder / rule.case
    write_snapshot(world, folder / "snapshot")
    write_catalogue(world, folder / "catalogue")
    # The reference knows nothing of collections named: of the batch that stands under two, it is shown the one.
    narrowed = [row for row in world.tables["course_batch"] if row["courseid"] != "do-twice-2"]
    seen = World({**world.tables, "course_batch": narrowed}, world.trees)
    asked = ["--batch", "control", "other", "twice", "--collection", "do-control", "do-twice"]
    run = runs.run(seen, folder, *asked)
    assert run.ended.code == rule.code
    assert set(run.reports) == {"control", "twice"}
    assert list(run.refusals()) == ["other"]
    assert run.refusals()["other"]["reason"] == rule.word
    assert re.fullmatch(rule.sentence, run.refusals()["other"]["why"])


def see_directory_as_target(rule: Rule, runs: Runs) -> None:
    """See that a directory in the place of a file costs that one batch, also where all are asked for."""
    world = merge([control(), one_batch("blocked")])
    folder = runs.folder / rule.case
    write_snapshot(world, folder / "snapshot")
    write_catalogue(world, folder / "catalogue")
    target = folder / "reports" / "progress-exhaust" / f"blocked_progress_{DAY_IN_NAME}.csv"
    target.mkdir(parents=True)
    run = runs.run(world, folder, "--all")
    assert run.ended.code == rule.code == rule.code_of_all
    assert set(run.reports) == set(batches_of(control()))
    assert run.refusals()["blocked"]["reason"] == rule.word
    assert re.fullmatch(rule.sentence, run.refusals()["blocked"]["why"])
    assert list(target.iterdir()) == []


def see_link_as_target(rule: Rule, runs: Runs) -> None:
    """See that a link in the place of a file is replaced by it, wherever it leads to."""
    world = merge([control(), one_batch("linked"), one_batch("dangling")])
    folder = runs.folder / rule.case
    write_snapshot(world, folder / "snapshot")
    write_catalogue(world, folder / "catalogue")
    (folder / "of-somebody").write_text("kept", encoding="utf-8")
    place = folder / "reports" / "progress-exhaust"
    place.mkdir(parents=True)
    for batch_id, target in (("linked", "of-somebody"), ("dangling", "gone")):
        (place / f"{batch_id}_progress_{DAY_IN_NAME}.csv").symlink_to(folder / target)
    run = runs.run(world, folder, "--all")
    assert run.ended.code == rule.code == rule.code_of_all
    assert set(run.reports) == set(batches_of(world))
    assert not any(path.is_symlink() for path in place.iterdir())


def see_strange_things_in_staging(rule: Rule, runs: Runs) -> None:
    """See that what others have put into the staging is left as it is, told of, and nobody's trouble."""
    folder = runs.folder / rule.case
    sample_on_files(folder)
    staging = folder / "reports" / "progress-exhaust" / ".staging"
    staging.mkdir(parents=True)
    (folder / "of-somebody").mkdir()
    (folder / "of-somebody" / "kept").write_text("kept", encoding="utf-8")
    runs_names = [f"20000101T000000Z-00000{number}" for number in range(6)]
    for name in ("stray", runs_names[0]):
        (staging / name).write_text("stray", encoding="utf-8")
    for name in ("stray-link", runs_names[1]):
        (staging / name).symlink_to(folder / "of-somebody")
    for name in ("stray-pipe", runs_names[2]):
        os.mkfifo(staging / name)
    for name in ("stray-folder", *runs_names[3:]):
        (staging / name).mkdir()
    (staging / runs_names[3] / "owner.json").mkdir()
    (staging / runs_names[4] / "owner.json").symlink_to(folder / "of-somebody" / "kept")
    os.mkfifo(staging / runs_names[5] / "owner.json")
    for path in staging.rglob("*"):
        os.utime(path, (0, 0), follow_symlinks=False)
    before = sorted(staging.rglob("*"))

    ended = runs.line.run(export_arguments(folder, "--all"))

    assert ended.code == rule.code
    assert (staging.parent / f"{BATCH_ID}_progress_{DAY_IN_NAME}.csv").read_bytes() == GOLDEN.read_bytes()
    assert sorted(staging.rglob("*")) == before
    assert (folder / "of-somebody" / "kept").read_text(encoding="utf-8") == "kept"
    assert [name for name in ("stray", *runs_names) if name not in ended.err] == []
    assert ended.errors() == []


def see_unreadable_trees(rule: Rule, runs: Runs) -> None:
    """See that files of trees that may not be read, and what else stands in their place, cost their own batches."""
    sick = ("forbidden", "directory", "pipe", "links")
    folder = runs.folder / rule.case
    world = merge([control(), *(one_batch(name) for name in sick)])
    write_snapshot(world, folder / "snapshot")
    write_catalogue(world, folder / "catalogue")
    forbidden, directory, pipe, links = (folder / "catalogue" / f"do-{name}.json" for name in sick)
    forbidden.chmod(0)
    for path in (directory, pipe, links):
        path.unlink()
    directory.mkdir()
    os.mkfifo(pipe)
    links.symlink_to(links)
    run = ended(started(export_arguments(folder, "--all"), without_privileges()))
    see_trees_unavailable(rule, folder, run, sick)


def see_trees_not_given(rule: Rule, runs: Runs) -> None:
    """See that trees that a content service does not give, each in another way, cost their own batches."""
    sick = list(WAYS)[:3]
    folder = runs.folder / rule.case
    write_snapshot(merge([control(), *(one_batch(name) for name in sick)]), folder / "snapshot")
    write_catalogue(merge([control(), *(one_batch(name) for name in sick)]), folder / "catalogue")
    with SickService(folder / "catalogue", {f"do-{name}": WAYS[name][0] for name in sick}) as service:
        places = ["--snapshot", str(folder / "snapshot"), "--output", str(folder / "reports")]
        run = runs.line.run(["export", "--all", *places, "--date", DAY, "--json"], **service.variables())
    see_trees_unavailable(rule, folder, run, sick)


def see_trees_unavailable(rule: Rule, folder: Path, run: Ended, sick: Sequence[str]) -> None:
    assert run.code == rule.code == rule.code_of_all
    refusals = {refusal["id"]: refusal for refusal in manifest_below(folder / "reports")["not_made"]}
    assert set(refusals) == set(sick)
    for refusal in refusals.values():
        assert refusal["reason"] == rule.word
        assert re.fullmatch(rule.sentence, refusal["why"]), refusal["why"]
        assert refusal["why"] in run.err.splitlines()
    expected = expected_reports(control())
    assert reports_below(folder / "reports") == {name: report.content for name, report in expected.items()}
    assert "Traceback" not in run.err


def see_catalogue_away(rule: Rule, runs: Runs) -> None:
    """See that a content service that answers nobody ends the run."""
    folder = runs.folder / rule.case
    sample_on_files(folder)
    with SickService(folder / "catalogue", {}, outage=says(503)) as service:
        places = ["--snapshot", str(folder / "snapshot"), "--output", str(folder / "reports")]
        run = runs.line.run(["export", "--all", *places, "--date", DAY, "--json"], **service.variables())
    assert run.code == rule.code
    [sentence] = run.errors()
    assert re.fullmatch(rule.sentence, sentence), sentence
    assert reports_below(folder / "reports") == {}


def see_unreadable_table(rule: Rule, runs: Runs) -> None:
    """See that a file of a table that may not be read ends the run, and is not taken for the fault of a batch."""
    folder = runs.folder / rule.case
    sample_on_files(folder)
    (table(folder, ENROLMENTS) / "part-00001.jsonl").chmod(0)
    see_refused(rule, folder, without_privileges())


def see_encryption_without_secret(rule: Rule, runs: Runs) -> None:
    """See that encryption that was asked for is not left out where the cluster has no secret."""
    folder = runs.folder / rule.case
    sample_on_files(folder)
    cluster: dict[str, Any] = {
        "PROGRESS_EXHAUST__SPARK__MASTER": "spark://127.0.0.1:1",
        "PROGRESS_EXHAUST__SPARK__ENCRYPTION": "on",
    }
    see_refused(rule, folder, **cluster)


def see_refused(rule: Rule, folder: Path, prefix: tuple[str, ...] = (), **variables: Any) -> None:
    """See a run refused in a process and a JVM of its own."""
    run = ended(started(export_arguments(folder, "--all"), prefix, **variables))
    assert run.code == rule.code
    assert len(run.errors()) == 1, run.err
    assert re.fullmatch(rule.sentence, run.errors()[0]), run.errors()
    assert reports_below(folder / "reports") == {}


OTHER_CASES = {
    "encryption-without-secret": see_encryption_without_secret,
    "catalogue-file-unreadable": see_unreadable_trees,
    "tree-not-given": see_trees_not_given,
    "catalogue-away": see_catalogue_away,
    "table-file-unreadable": see_unreadable_table,
    "table-optional-missing": see_optional_tables_missing,
    "table-folder-empty": see_empty_folders,
    "table-hidden-files": see_hidden_files,
    "lines-blank": see_blank_lines,
    "number-whole": see_whole_floats,
    "timestamp-without-seconds": see_timestamps_without_seconds,
    "parquet-timestamp-ancient": see_ancient_timestamps,
    "parquet-timestamp-nanoseconds": see_nanoseconds,
    "collection-without-batch": see_collection_without_batch,
    "batch-of-another-collection": see_batch_of_another_collection,
    "target-is-a-directory": see_directory_as_target,
    "target-is-a-link": see_link_as_target,
    "staging-strange-things": see_strange_things_in_staging,
}
